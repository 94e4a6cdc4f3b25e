"""What the next conversion would do, without doing any of it: PostgreSQL refuses to write meanwhile.

The rates that are missing are asked for and judged, and forgotten again.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from conversion.asking import ask
from conversion.models import ConversionRun
from conversion.rates import Missing, Terms, accepted_rates, with_fee_rules
from conversion.runs import win_hours

State = ConversionRun.State
NO_RATE_YET = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Preview:
    """What the run of an hour would convert now, and whether it would be done or wait, for which hour and why.

    `dust` counts lots that are worth no USD and stay in their wallets.
    """

    hour: datetime
    state: str
    reason: str
    waits_for: datetime | None
    conversions: int
    tokens: Decimal
    usd: Decimal
    fees: Decimal
    dust: int


# As `conversion.chunks` claims and `conversion.lots` reckons: a lot that has a line in the unfinished run waits for the
# next one.
LOTS = """
SELECT count(*) FILTER (WHERE usd > 0), coalesce(sum(tokens) FILTER (WHERE usd > 0), 0), coalesce(sum(usd), 0),
       coalesce(sum(conversion_fee(usd, %(percentage)s::numeric, %(fixed)s::numeric, %(minimum)s::numeric))
                FILTER (WHERE usd > 0), 0),
       count(*) FILTER (WHERE usd = 0)
FROM (
    SELECT sum(win.amount) AS tokens, round_half_even(sum(win.amount) * %(price)s::numeric, 8) AS usd
    FROM rewards_win win
    JOIN rewards_allowance allowance ON allowance.player_id = win.player_id AND allowance.id = win.allowance_id
    WHERE win.converted_by_id IS NULL AND win.voided_by_id IS NULL
      AND date_trunc('hour', win.won_at, 'UTC') = %(hour)s
      AND (win.player_id, date_trunc('hour', win.won_at, 'UTC'), allowance.day) NOT IN (
          SELECT line.player_id, line.hour, line.day FROM conversion_conversion line
          JOIN conversion_conversionrun run ON run.id = line.run_id WHERE run.hour = %(run_hour)s)
    GROUP BY win.player_id, allowance.day
) lot
"""


def preview(hours: Iterable[datetime], *, now: datetime) -> tuple[Preview, ...]:
    """What converting these hours would do, oldest first. Asks the network; writes nothing, and cannot."""
    with _read_only():
        done = set(ConversionRun.objects.filter(state=State.DONE).values_list("hour", flat=True))
        taken: set[datetime] = set()
        previews = []
        for hour in sorted(set(hours) - done):
            its = [each for each in win_hours(hour) if each not in taken]
            taken.update(its)
            previews.append(_preview(hour, its, now))
        return tuple(previews)


@contextmanager
def _read_only() -> Iterator[None]:
    """Inside, every statement that would write is refused by the database."""
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = off")


def _preview(hour: datetime, hours: list[datetime], now: datetime) -> Preview:
    terms, missing = _terms(hours, now)
    lots = [_lots(hour, each) for each in terms]
    gap = min(missing, key=lambda gap: (not gap.quarantined, gap.hour), default=None)
    state = State.DONE if gap is None else State.RATE_QUARANTINED if gap.quarantined else State.AWAITING_RATE
    conversions, tokens, usd, fees, dust = (sum(column) for column in zip((0, 0, 0, 0, 0), *lots, strict=True))
    return Preview(
        hour,
        state.value,
        gap.code if gap else "",
        gap.hour if gap else None,
        int(conversions),
        Decimal(tokens),
        Decimal(usd),
        Decimal(fees),
        int(dust),
    )


def _terms(hours: list[datetime], now: datetime) -> tuple[list[Terms], list[Missing]]:
    """As `conversion.rates.ensure_terms`, newest first and as many, but nothing is kept."""
    rates = accepted_rates(hours)
    prices = [(hour, rate.pk, rate.price) for hour, rate in rates.items()]
    missing = []
    for place, hour in enumerate(sorted(set(hours) - rates.keys(), reverse=True)):
        if place >= settings.CONVERSION_FETCHES_PER_RUN:
            missing.append(Missing(hour, "fetch-limit"))
            continue
        answer = ask(hour, now=now, record=False)
        if answer.code or answer.quote is None:
            missing.append(Missing(hour, answer.code, answer.quarantined))
        else:
            prices.append((hour, NO_RATE_YET, answer.quote.price))
    terms, lawless = with_fee_rules(prices)
    return terms, missing + lawless


def _lots(run_hour: datetime, terms: Terms) -> tuple[Any, ...]:
    wanted: dict[str, Any] = {
        "run_hour": run_hour,
        "hour": terms.hour,
        "price": terms.price,
        "percentage": terms.percentage,
        "fixed": terms.fixed,
        "minimum": terms.minimum,
    }
    with connection.cursor() as cursor:
        cursor.execute(LOTS, wanted)
        row: tuple[Any, ...] = cursor.fetchone()
    return row
