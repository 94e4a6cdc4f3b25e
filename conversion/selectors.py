"""Reading rates, runs and conversions. Nothing here writes."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from conversion.models import ConversionRun
from conversion.money import usd_of
from conversion.oversight import fees_payable, provider_health
from conversion.runs import COLUMNS, RunFacts

__all__ = [
    "Totals",
    "UsdLine",
    "WinConversion",
    "conversions_of",
    "database_clock",
    "fees_borne",
    "fees_payable",
    "provider_health",
    "run_totals",
    "unfinished_runs",
    "usd_history",
]

UsdCursor = tuple[date, datetime, UUID]


@dataclass(frozen=True, slots=True)
class UsdLine:
    """A player's wins of one hour and one of his days, as USD; or the void of one of them, with everything negative.

    `day` and `hour` are when they were won, `converted_at` is when it was posted. `owed` is what the line added to what
    the player owes us: a void whose USD were spent adds to it, a conversion pays it off. So `usd` of all lines is the
    wallet less what is owed, and `usd + owed` of each what it moved in the wallet.
    """

    id: UUID
    kind: str  # "conversion" or "void"
    day: date
    hour: datetime
    tokens: Decimal
    rate: Decimal
    usd: Decimal
    owed: Decimal
    converted_at: datetime

    @property
    def cursor(self) -> UsdCursor:
        """Where the page after this line begins."""
        return self.day, self.hour, self.id


@dataclass(frozen=True, slots=True)
class WinConversion:
    """What a converted win became: the hour it was won in, that hour's rate, and its own worth at it.

    Money moves by the line of the whole hour (`line`), which is rounded once; so the `usd` of the wins of a line,
    each rounded for itself, may differ from the line by a few hundred-millionths.
    """

    line: UUID
    hour: datetime
    rate: Decimal
    usd: Decimal
    converted_at: datetime


@dataclass(frozen=True, slots=True)
class Totals:
    """What was converted, over some runs."""

    conversions: int
    tokens: Decimal
    usd: Decimal
    fees: Decimal


def database_clock() -> datetime:
    """The database's clock now: the doors ask it, and pass it in."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now


# Each part is read from its own index, and no further than the page needs.
USD_HISTORY = """
SELECT * FROM (
    (SELECT line.entry_id, 'conversion', line.day, line.hour, line.tokens, rate.price, line.usd, -line.recovered,
            line.converted_at
     FROM conversion_conversion line JOIN conversion_rate rate ON rate.id = line.rate_id
     WHERE line.player_id = %(player)s AND line.day < %(before_day)s {after}
     ORDER BY line.day DESC, line.hour DESC, line.entry_id DESC
     LIMIT %(limit)s)
    UNION ALL
    (SELECT line.entry_id, 'void', line.day, line.hour, -line.tokens, rate.price, -line.usd, line.owed, line.voided_at
     FROM conversion_voidedconversion line
     JOIN conversion_conversion conversion
       ON conversion.player_id = line.player_id AND conversion.entry_id = line.conversion_id
     JOIN conversion_rate rate ON rate.id = conversion.rate_id
     WHERE line.player_id = %(player)s AND line.day < %(before_day)s {after}
     ORDER BY line.day DESC, line.hour DESC, line.entry_id DESC
     LIMIT %(limit)s)
) AS lines (id, kind, day, hour, tokens, rate, usd, owed, posted_at)
ORDER BY day DESC, hour DESC, id DESC
LIMIT %(limit)s
"""
AFTER = "AND (line.day, line.hour, line.entry_id) < (%(day)s, %(hour)s, %(entry)s)"


def usd_history(
    player_id: UUID, *, before_day: date, after: UsdCursor | None = None, limit: int
) -> tuple[UsdLine, ...]:
    """The player's USD lines of tokens won on days before `before_day`, newest day and hour first; at most `limit`.

    A void stands right before what it takes back. `after` is the cursor of the last line that the caller has. A line
    never moves, so a page never repeats one.
    """
    day, hour, entry = after or (None, None, None)
    wanted: dict[str, Any] = {"player": player_id, "before_day": before_day, "limit": limit}
    if after:
        wanted |= {"day": day, "hour": hour, "entry": entry}
    with connection.cursor() as cursor:
        cursor.execute(USD_HISTORY.format(after=AFTER if after else ""), wanted)
        return tuple(UsdLine(*row) for row in cursor.fetchall())


CONVERSIONS_OF = """
SELECT win.entry_id, win.amount, line.entry_id, line.hour, rate.price, line.converted_at
FROM rewards_win win
JOIN conversion_conversion line ON line.player_id = win.player_id AND line.entry_id = win.converted_by_id
JOIN conversion_rate rate ON rate.id = line.rate_id
WHERE win.entry_id = ANY(%s::uuid[])
"""


def conversions_of(win_ids: Iterable[UUID]) -> dict[UUID, WinConversion]:
    """What each of these wins became; wins that are not converted are left out. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(CONVERSIONS_OF, [list(win_ids)])
        return {
            win: WinConversion(line, hour, price, usd_of(amount, price), converted_at)
            for win, amount, line, hour, price, converted_at in cursor.fetchall()
        }


def unfinished_runs(*, limit: int) -> tuple[RunFacts, ...]:
    """The runs that are not done, oldest first: what waits, for which hour's rate, and why."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {COLUMNS} FROM conversion_conversionrun WHERE state <> %s ORDER BY hour LIMIT %s",
            [ConversionRun.State.DONE.value, limit],
        )
        return tuple(RunFacts(*row) for row in cursor.fetchall())


RUN_TOTALS = """
SELECT coalesce(sum(conversions), 0)::bigint, coalesce(sum(tokens), 0), coalesce(sum(usd), 0), coalesce(sum(fees), 0)
FROM conversion_conversionrun
WHERE hour >= coalesce(%s::timestamptz, '-infinity') AND hour < coalesce(%s::timestamptz, 'infinity')
"""


def run_totals(*, since: datetime | None = None, until: datetime | None = None) -> Totals:
    """What the runs of the hours from `since` up to, not including, `until` have converted."""
    with connection.cursor() as cursor:
        cursor.execute(RUN_TOTALS, [since, until])
        return Totals(*cursor.fetchone())


def fees_borne(*, since: datetime | None = None, until: datetime | None = None) -> Decimal:
    """USD of conversion fees that Dreamland took on itself in the runs of those hours."""
    return run_totals(since=since, until=until).fees
