"""What a leaked key reported (docs/operations.md, "A leaked key"); a request takes it back (conversion.void_kind)."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection

from rewards.selectors import WinFacts, wins_by_id

FIRST = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Reported:
    """Which wins: those that a key reported, recorded from `since` up to, not including, `until`."""

    key_id: str
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Extent:
    """How much it is: wins that stand, with their DREAM; what of it became USD that a void would take back."""

    pending_wins: int
    pending_tokens: Decimal
    converted_wins: int
    converted_tokens: Decimal
    usd: Decimal
    players: int
    voided_wins: int


THESE = """
win.key_id = %(key)s
AND win.recorded_at >= coalesce(%(since)s::timestamptz, '-infinity')
AND win.recorded_at < coalesce(%(until)s::timestamptz, 'infinity')
"""
# What a void takes back of a line depends on what was taken back of it before (conversion.voiding).
EXTENT = f"""
WITH win AS (SELECT * FROM rewards_win win WHERE {THESE}), line AS (
    SELECT rate.price, sum(win.amount) AS tokens, (
        SELECT coalesce(sum(share.tokens), 0) FROM conversion_voidedconversion share
        WHERE share.player_id = line.player_id AND share.conversion_id = line.entry_id) AS voided
    FROM win JOIN conversion_conversion line ON line.player_id = win.player_id AND line.entry_id = win.converted_by_id
    JOIN conversion_rate rate ON rate.id = line.rate_id
    WHERE win.voided_by_id IS NULL
    GROUP BY line.entry_id, rate.price
)
SELECT count(*) FILTER (WHERE voided_by_id IS NULL AND converted_by_id IS NULL),
       coalesce(sum(amount) FILTER (WHERE voided_by_id IS NULL AND converted_by_id IS NULL), 0),
       count(*) FILTER (WHERE voided_by_id IS NULL AND converted_by_id IS NOT NULL),
       coalesce(sum(amount) FILTER (WHERE voided_by_id IS NULL AND converted_by_id IS NOT NULL), 0),
       (SELECT coalesce(sum(round_half_even((voided + tokens) * price, 8) - round_half_even(voided * price, 8)), 0)
        FROM line),
       count(DISTINCT player_id) FILTER (WHERE voided_by_id IS NULL),
       count(*) FILTER (WHERE voided_by_id IS NOT NULL)
FROM win
"""


def extent(which: Reported) -> Extent:
    """How many wins, tokens and USD these are. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(EXTENT, {"key": which.key_id, "since": which.since, "until": which.until})
        return Extent(*cursor.fetchone())


STANDING = f"""
SELECT win.entry_id FROM rewards_win win
WHERE {THESE} AND win.voided_by_id IS NULL AND win.entry_id > %(after)s
ORDER BY win.entry_id LIMIT %(limit)s
"""


def standing(which: Reported, *, after: UUID = FIRST, limit: int) -> list[UUID]:
    """The next of these wins that are not voided, in the order in which they were recorded."""
    asked = {"key": which.key_id, "since": which.since, "until": which.until, "after": after, "limit": limit}
    with connection.cursor() as cursor:
        cursor.execute(STANDING, asked)
        return [row[0] for row in cursor.fetchall()]


def first_standing(which: Reported, *, limit: int) -> list[WinFacts]:
    """The first of these wins that are not voided."""
    return sorted(wins_by_id(standing(which, limit=limit)).values(), key=lambda win: win.id)
