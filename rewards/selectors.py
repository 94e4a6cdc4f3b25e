"""Reading players, days and wins. Nothing here writes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from ledger import book
from rewards.days import Day, day_of, zone
from rewards.errors import PlayerElsewhere, PlayerNotFound, WinNotFound
from rewards.models import Player


@dataclass(frozen=True, slots=True)
class PlayerFacts:
    """A player as callers see one."""

    id: UUID
    timezone: str
    status: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class VoidFacts:
    """Why and when a win was taken back."""

    reason: str
    voided_at: datetime


@dataclass(frozen=True, slots=True)
class WinFacts:
    """A win as callers see one. `day` is the player's local day that it counts for; amounts are in DREAM.

    `amount` was credited and `forfeited` was not, since the day had no room for it; `clips` tells whether the win's
    game takes wins over the cap that way.
    """

    id: UUID
    reference: str
    player_id: UUID
    game: str
    amount: Decimal
    won_at: datetime
    recorded_at: datetime
    day: date
    converted_by: UUID | None = None
    voided_by: UUID | None = None
    forfeited: Decimal = Decimal(0)
    clips: bool = False
    void: VoidFacts | None = None

    @property
    def requested(self) -> Decimal:
        return self.amount + self.forfeited

    @property
    def state(self) -> str:
        if self.voided_by is not None:
            return "voided"
        return "pending" if self.converted_by is None else "converted"


@dataclass(frozen=True, slots=True)
class Stats:
    """A player's day and wallet in one snapshot. Tokens in DREAM, balances in USD at 8 decimals.

    `usd_owed` is what the player owes us after voids; it is paid from the next conversions.
    """

    day: date
    timezone: str
    resets_at: datetime
    cap: Decimal
    tokens_won_today: Decimal
    usd_balance: Decimal
    usd_owed: Decimal
    as_of: datetime

    @property
    def tokens_remaining_today(self) -> Decimal:
        return self.cap - self.tokens_won_today


def get_player(player_id: UUID) -> PlayerFacts:
    """The player. Raises PlayerNotFound, PlayerElsewhere."""
    found = player_and_region(player_id)
    if found is None:
        raise PlayerNotFound("there is no such player")
    player, region = found
    _assert_here(player.status, region)
    return player


def player_and_region(player_id: UUID) -> tuple[PlayerFacts, str] | None:
    """The player, if there is one, whatever his state; and the region that he is going to or lives in."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, timezone, status, created_at, region FROM rewards_player WHERE id = %s", [player_id])
        row = cursor.fetchone()
    if row is None:
        return None
    *facts, region = row
    return PlayerFacts(*facts), region


def _assert_here(status: str, region: str) -> None:
    """Raises PlayerElsewhere where the player has moved. Who is still moving is answered here."""
    if status == Player.Status.MOVED:
        raise PlayerElsewhere("the player lives in another region", region=region)


WINS = """
SELECT win.entry_id, win.reference, win.player_id, game.slug, win.amount, win.won_at, win.recorded_at, day.day,
       win.converted_by_id, win.voided_by_id, win.forfeited, game.over_cap = 'clip', void.reason, void.voided_at
FROM rewards_win win
JOIN rewards_allowance day ON day.id = win.allowance_id AND day.player_id = win.player_id
JOIN rewards_game game ON game.id = win.game_id
LEFT JOIN rewards_void void ON void.entry_id = win.voided_by_id AND void.player_id = win.player_id
"""


def _win(row: Sequence[Any]) -> WinFacts:
    *facts, reason, voided_at = row
    win = WinFacts(*facts)
    return win if reason is None else replace(win, void=VoidFacts(reason, voided_at))


def get_win(win_id: UUID, *, game_id: UUID | None = None) -> WinFacts:
    """A win of that game, or of any. Raises WinNotFound, also for another game's win."""
    with connection.cursor() as cursor:
        cursor.execute(
            WINS + "WHERE win.entry_id = %s AND (%s::uuid IS NULL OR win.game_id = %s::uuid)",
            [win_id, game_id, game_id],
        )
        row = cursor.fetchone()
    if row is None:
        raise WinNotFound("there is no such win")
    return _win(row)


def wins_by_id(win_ids: Iterable[UUID], *, game_id: UUID | None = None) -> dict[UUID, WinFacts]:
    """Those of the wins that exist, of one game or of any, by player and id. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            WINS
            + """
            WHERE win.entry_id = ANY(%s::uuid[]) AND (%s::uuid IS NULL OR win.game_id = %s::uuid)
            ORDER BY win.player_id, win.entry_id
            """,
            [list(win_ids), game_id, game_id],
        )
        return {row[0]: _win(row) for row in cursor.fetchall()}


def wins_of_day(player_id: UUID, day: date, *, after: UUID | None = None, limit: int) -> tuple[WinFacts, ...]:
    """A player's wins of one of his days, as they were recorded; `after` is the last id of the page before."""
    with connection.cursor() as cursor:
        cursor.execute(
            WINS
            + """
            WHERE win.player_id = %s
              AND win.allowance_id = (SELECT id FROM rewards_allowance WHERE player_id = %s AND day = %s)
              AND (%s::uuid IS NULL OR win.entry_id > %s::uuid)
            ORDER BY win.entry_id
            LIMIT %s
            """,
            [player_id, player_id, day, after, after, limit],
        )
        return tuple(_win(row) for row in cursor.fetchall())


def wins_by_reference(game_id: UUID, wanted: Iterable[tuple[UUID, str]]) -> dict[tuple[UUID, str], WinFacts]:
    """The wins that a game already recorded under these (player, reference) pairs. One statement."""
    pairs = list(wanted)
    with connection.cursor() as cursor:
        cursor.execute(
            WINS
            + """
            JOIN unnest(%s::uuid[], %s::text[]) AS wanted (player_id, reference)
              ON wanted.player_id = win.player_id AND wanted.reference = win.reference
            WHERE win.game_id = %s
            """,
            [[player for player, _ in pairs], [reference for _, reference in pairs], game_id],
        )
        return {(row[2], row[1]): _win(row) for row in cursor.fetchall()}


# A day's date is that of its instants in some zone, or a neighbour's: never further from their UTC date (tested). By it
# the index finds the last days of a player, however many he has played.
DATES_APART = timedelta(days=4)

# Joins a player to his opened days in sight; its parameters are those of `sight`. (Where the planner sees a date it
# plans anew for each: hence the subqueries.)
DAYS_IN_SIGHT = """
LEFT JOIN rewards_allowance day ON day.player_id = player.id
      AND day.day >= (SELECT %(from_date)s::date) AND day.ends_at > (SELECT %(horizon)s::timestamptz)
"""


def sight(now: datetime) -> dict[str, date | datetime]:
    """Days that ended by `horizon` are too old for any win taken at `now`, and for being a neighbour of its day."""
    horizon = now - settings.WIN_LATE_LIMIT - settings.DAYS_KEPT_IN_SIGHT
    return {"horizon": horizon, "from_date": horizon.date() - DATES_APART}


@dataclass(frozen=True, slots=True)
class PlayerDays:
    """A player and his opened days around now, oldest first."""

    id: UUID
    timezone: str
    status: str
    region: str
    days: tuple[Day, ...]

    def day_of(self, instant: datetime) -> Day:
        """The day that `instant` lies in, opened or not."""
        return day_of(instant, zone(self.timezone), self.days)

    def with_day(self, day: Day) -> "PlayerDays":
        """The same player with one more opened day."""
        days = tuple(sorted((*self.days, day), key=lambda opened: opened.starts_at))
        return replace(self, days=days)


CURRENT_DAY = f"""
SELECT player.timezone, player.status, player.region, day.day, day.starts_at, day.ends_at
FROM rewards_player player
{DAYS_IN_SIGHT}
WHERE player.id = %(player)s
ORDER BY day.day
"""


def current_day(player_id: UUID, *, now: datetime) -> Day:
    """The player's day at `now`. Raises PlayerNotFound, PlayerElsewhere."""
    with connection.cursor() as cursor:
        cursor.execute(CURRENT_DAY, {"player": player_id, **sight(now)})
        rows = cursor.fetchall()
    if not rows:
        raise PlayerNotFound("there is no such player")
    timezone, status, region = rows[0][:3]
    _assert_here(status, region)
    return day_of(now, zone(timezone), tuple(Day(*row[3:]) for row in rows if row[3] is not None))


# One statement, so one snapshot without a transaction: tokens and wallet belong together.
STATS = f"""
SELECT player.timezone, player.status, player.region,
       {book.SHARE.format(holder="player.id", account="'player:usd'")},
       {book.SHARE.format(holder="player.id", account="'player:usd-owed'")},
       day.day, day.starts_at, day.ends_at, day.cap, day.won
FROM rewards_player player
{DAYS_IN_SIGHT}
WHERE player.id = %(player)s
ORDER BY day.day
"""


def stats(player_id: UUID, *, now: datetime) -> Stats:
    """Today's tokens and the USD wallet, as one snapshot. Raises PlayerNotFound, PlayerElsewhere."""
    with connection.cursor() as cursor:
        cursor.execute(STATS, {"player": player_id, **sight(now)})
        rows = cursor.fetchall()
    if not rows:
        raise PlayerNotFound("there is no such player")
    timezone, status, region, usd, owed = rows[0][:5]
    _assert_here(status, region)
    opened = {
        Day(date_, starts_at, ends_at): (cap, won)
        for *_, date_, starts_at, ends_at, cap, won in rows
        if date_ is not None
    }
    today = day_of(now, zone(timezone), tuple(opened))
    cap, won = opened.get(today, (settings.DAILY_CAP, Decimal(0)))
    return Stats(today.date, timezone, today.ends_at, cap, won, usd or Decimal(0), owed or Decimal(0), now)


def is_player(player_id: UUID) -> bool:
    """Whether somebody is registered under this id."""
    return Player.objects.filter(pk=player_id).exists()
