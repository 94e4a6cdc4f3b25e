"""The terms of each hour: its accepted rate, asked for where there is none yet, and the fee rule in force."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.db import connection

from conversion.asking import Answer, ask
from conversion.errors import HourNotOver
from conversion.models import RAW_MAX_LENGTH, FeeRule, Rate
from conversion.quotes import HOUR, MAX_DECIMALS, decimals
from dreamland.lib.fields import AMOUNT_LIMIT

State = Rate.State


@dataclass(frozen=True, slots=True)
class Terms:
    """At what price the tokens won in an hour are converted, and what that costs us."""

    hour: datetime
    rate_id: UUID
    price: Decimal
    fee_rule_id: UUID
    percentage: Decimal
    fixed: Decimal
    minimum: Decimal


@dataclass(frozen=True, slots=True)
class Missing:
    """An hour that has no terms yet: why, and whether a person has to decide."""

    hour: datetime
    code: str
    quarantined: bool = False


def ensure_terms(hours: Collection[datetime], *, now: datetime) -> tuple[list[Terms], list[Missing]]:
    """The terms of each of `hours`; those that have no accepted rate are asked for, newest first, a limited number.

    Asks the network, and so must not be called inside a transaction. Never raises for what a provider does.
    """
    if connection.in_atomic_block:
        raise AssertionError("the network is not asked while a transaction is open")
    unrated = sorted(set(hours) - accepted_rates(hours).keys(), reverse=True)
    limit = settings.CONVERSION_FETCHES_PER_RUN
    missing = [gap for hour in unrated[:limit] if (gap := fetch(hour, now=now))]
    missing += [Missing(hour, "fetch-limit") for hour in unrated[limit:]]
    terms, lawless = known_terms(hours)  # read again: another process may have been faster; its rate counts for both
    known = {each.hour for each in terms} | {gap.hour for gap in lawless}
    return terms, [gap for gap in missing if gap.hour not in known] + lawless


def known_terms(hours: Collection[datetime]) -> tuple[list[Terms], list[Missing]]:
    """The terms of those of `hours` that have their rate; the second list names the ones that have no fee rule.

    The rules are read after the rates, as the guard of the fee rules wants it (sql/fee_dates.sql).
    """
    return with_fee_rules((rate.hour, rate.pk, rate.price) for rate in accepted_rates(hours).values())


def accepted_rates(hours: Collection[datetime]) -> dict[datetime, Rate]:
    """The accepted rate of each of `hours` that has one."""
    found = Rate.objects.filter(state=State.ACCEPTED, hour__in=hours).only("id", "hour", "price")
    return {rate.hour: rate for rate in found}


def with_fee_rules(prices: Iterable[tuple[datetime, UUID, Decimal | None]]) -> tuple[list[Terms], list[Missing]]:
    """Terms of hours whose price is known: (hour, rate, price) each."""
    given = list(prices)
    rules = list(FeeRule.objects.order_by("-effective_from"))
    terms, missing = [], []
    for hour, rate_id, price in given:
        rule = next((rule for rule in rules if rule.effective_from <= hour), None)
        if rule is None or price is None:  # an accepted rate has a price: rate_has_price_unless_refused
            missing.append(Missing(hour, "no-fee-rule"))
        else:
            terms.append(Terms(hour, rate_id, price, rule.id, rule.percentage, rule.fixed, rule.minimum))
    return terms, missing


def fetch_rate(*, hour: datetime, now: datetime) -> Missing | None:
    """Asks for the rate of an hour that has none; None where it has its accepted rate now. Never replaces one.

    Raises HourNotOver.
    """
    if hour + HOUR > now:
        raise HourNotOver("an hour has its rate when it is over", hour=hour)
    return None if accepted_rates([hour]) else fetch(hour, now=now)


def fetch(hour: datetime, *, now: datetime) -> Missing | None:
    """Asks the providers for the rate of an hour and keeps the answer as a fact. None where it was accepted."""
    answer = ask(hour, now=now)
    if answer.quote or answer.raw:
        _keep(fact(answer))
    return Missing(hour, answer.code, answer.quarantined) if answer.code else None


def fact(answer: Answer) -> Rate:
    """The answer as a row: without the price where no amount can hold it."""
    quote, price = answer.quote, answer.quote.price if answer.quote else None
    if price is not None and not (price.is_finite() and 0 < price < AMOUNT_LIMIT and decimals(price) <= MAX_DECIMALS):
        price = None
    state = State.QUARANTINED if answer.quarantined else State.REFUSED if answer.code else State.ACCEPTED
    return Rate(
        hour=answer.hour,
        price=price,
        provider=answer.provider,
        quoted_at=quote.quoted_at if quote else None,
        raw=answer.raw,
        state=state,
        reason=answer.code,
        failed_before=answer.failed_before,
    )


# An hour that has its accepted rate by now, or this very finding, keeps what it has. (The application's role may not
# write every column, and Django would name them all.)
KEEP = """
INSERT INTO conversion_rate (hour, price, provider, quoted_at, raw, state, reason, failed_before)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT DO NOTHING
"""


def _keep(rate: Rate) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            KEEP,
            [
                rate.hour,
                rate.price,
                rate.provider,
                rate.quoted_at,
                rate.raw[:RAW_MAX_LENGTH],
                rate.state,
                rate.reason,
                rate.failed_before,
            ],
        )
