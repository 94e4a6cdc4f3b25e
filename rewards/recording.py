"""Recording wins, one or a thousand by the same statements: load, lock the days, decide, write.

(A single win in the plain case takes a shorter road first: `rewards.plain`.)

Locks are taken in this order: opened days (by player and date), players whose day is opened now, balances
(docs/data-model.md, "Locks"). Each round trip serves all claims of the call.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from dreamland.lib.arrays import numbers, texts, uuids
from dreamland.lib.errors import DomainError
from dreamland.lib.instants import instant, microseconds
from dreamland.lib.races import LostRace, try_again
from ledger import book
from rewards.claims import (
    Claim,
    Draft,
    OpenDay,
    Recorded,
    Refused,
    malformed,
    repeat,
    replay,
    take,
    unacceptable,
)
from rewards.days import Day
from rewards.errors import LOST_RACES, DailyCapExceeded
from rewards.models import Game, OverCap
from rewards.plain import record_plain, win_entry
from rewards.selectors import DAYS_IN_SIGHT, PlayerDays, WinFacts, sight, wins_by_reference

Locked = Mapping[tuple[UUID, date], tuple[UUID, Decimal]]  # (player, date): its allowance, and what is left of it


def record_wins(
    *, game_id: UUID, claims: Sequence[Claim], now: datetime, key_id: str | None = None
) -> tuple[Recorded | Refused, ...]:
    """Records what a game says its players won; one outcome for each claim, in order.

    Each claim stands for itself: a refused one leaves the others be. A reference that this game already used for this
    player replays its win, or is refused if the content differs, also inside one call. `now` decides what is too late
    or too early. All accepted wins commit together; where none is accepted, nothing is written. `key_id` names the
    game's key that reported them, for the day when it leaks.

    A win over the cap is refused whole, or credited with what the day has left where the game clips (Game.over_cap).
    In a replay it is the requested amount that must be the same.

    Raises Unavailable where every attempt lost a race (nothing was written), Game.DoesNotExist for an unknown game.
    """
    if len(claims) > settings.WINS_PER_BATCH:
        raise AssertionError(f"at most {settings.WINS_PER_BATCH} wins go together")
    return try_again(lambda: _one_or_many(game_id, key_id, claims, now), lost_races=LOST_RACES)


def _one_or_many(
    game_id: UUID, key_id: str | None, claims: Sequence[Claim], now: datetime
) -> tuple[Recorded | Refused, ...]:
    if len(claims) == 1 and (win := record_plain(game_id=game_id, claim=claims[0], now=now, key_id=key_id)):
        return (Recorded(win, replayed=False),)
    return _record(game_id, key_id, claims, now)


@transaction.atomic(durable=True)
def _record(
    game_id: UUID, key_id: str | None, claims: Sequence[Claim], now: datetime
) -> tuple[Recorded | Refused, ...]:
    ill = [malformed(claim) for claim in claims]
    sound = [claim for claim, error in zip(claims, ill, strict=True) if error is None]
    game, players, locked, known = _look(game_id, sound, now=now)
    barred = [unacceptable(claim, players.get(claim.player_id), now=now) for claim in sound]
    fresh = [claim for claim, error in zip(sound, barred, strict=True) if error is None and claim.key not in known]
    days = _days_of(fresh, players, locked)

    drafts: dict[tuple[UUID, str], Draft] = {}

    def decide(claim: Claim, refusal: DomainError | None) -> Draft | Recorded | Refused:
        key = claim.key
        if win := known.get(key):
            return replay(claim, win)
        if draft := drafts.get(key):
            return repeat(claim, draft)
        if refusal:
            return Refused(refusal)
        day = days[claim.player_id, claim.won_at]
        taken = take(claim, day, clips=game.clips)
        if isinstance(taken, DailyCapExceeded):
            return Refused(taken)
        return drafts.setdefault(key, Draft(claim, day, taken))

    refusals = iter(barred)
    outcomes = [
        Refused(error) if error else decide(claim, next(refusals)) for claim, error in zip(claims, ill, strict=True)
    ]
    _look_again(game, claims, outcomes)
    if drafts:
        _open(draft.day for draft in drafts.values())
        _write(game, key_id, list(drafts.values()))
    return tuple(_finished(outcomes, game))


@dataclass(frozen=True, slots=True)
class GameFacts:
    """What recording needs of a game."""

    id: UUID
    slug: str
    clips: bool


# One round trip for all that a decision needs. Days are locked in key order, and what is left of one is read under its
# lock; which claims are known was read before it (`_look_again`). The day of a claim that is known is left alone.
# Parameters stand in subqueries, where the planner does not see them: it would plan for each of them anew, in 0.4 ms.
LOOK = f"""
WITH fresh AS MATERIALIZED (
    SELECT claim.player_id, claim.won_at
    FROM unnest((SELECT %(players)s::uuid[]), (SELECT %(references)s::text[]), (SELECT %(won_at)s::timestamptz[]))
        AS claim (player_id, reference, won_at)
    WHERE NOT EXISTS (
        SELECT FROM rewards_win win
        WHERE win.player_id = claim.player_id AND win.game_id = (SELECT %(game)s::uuid)
          AND win.reference = claim.reference
    )
), locked AS MATERIALIZED (
    SELECT day.player_id, day.day, day.id, day.cap - day.won AS remaining
    FROM rewards_allowance day
    WHERE day.id IN (
        SELECT its.id FROM fresh JOIN rewards_allowance its
          ON its.player_id = fresh.player_id AND its.day >= (SELECT %(from_date)s::date)
         AND its.starts_at <= fresh.won_at AND its.ends_at > fresh.won_at
    )
    ORDER BY day.player_id, day.day
    FOR NO KEY UPDATE OF day
)
SELECT (SELECT set_config('plan_cache_mode', %(plans)s, true)), game.slug, game.over_cap, (SELECT count(*) FROM fresh),
       player.id, player.timezone, player.status, player.region, day.day,
       {microseconds("day.starts_at")}, {microseconds("day.ends_at")}, NULL::uuid, NULL::numeric
FROM rewards_game game
LEFT JOIN rewards_player player ON player.id = ANY((SELECT %(players)s::uuid[])::uuid[])
{DAYS_IN_SIGHT}
WHERE game.id = (SELECT %(game)s::uuid)
UNION ALL
SELECT NULL, NULL, NULL, NULL, player_id, NULL, NULL, NULL, day, NULL, NULL, id, remaining FROM locked
ORDER BY 5, 9
"""
# A kept plan expects a handful of rows. What writes more than that is planned for what it really writes.
PLANNED_ANEW = 50


bound = lru_cache(maxsize=10_000)(instant)  # a day begins for very many players at once


def _look(
    game_id: UUID, claims: Sequence[Claim], *, now: datetime
) -> tuple[GameFacts, Mapping[UUID, PlayerDays], Locked, Mapping[tuple[UUID, str], WinFacts]]:
    """The game, the players with their days around now, the days of new claims under lock, and the wins that exist."""
    with connection.cursor() as cursor:
        cursor.execute(
            LOOK,
            {
                "players": uuids(claim.player_id for claim in claims),
                "references": texts([claim.reference for claim in claims]),
                "won_at": texts([claim.won_at for claim in claims]),
                "game": game_id,
                **sight(now),
                "plans": "auto" if len(claims) < PLANNED_ANEW else "force_custom_plan",
            },
        )
        rows = cursor.fetchall()
    slug, over_cap, fresh = next((row[1:4] for row in rows if row[1] is not None), ("", "", 0))
    if not slug:
        raise Game.DoesNotExist(f"there is no game {game_id}")
    players: dict[UUID, PlayerDays] = {}
    locked: dict[tuple[UUID, date], tuple[UUID, Decimal]] = {}
    for *_, player_id, timezone, status, region, date_, starts_at, ends_at, allowance_id, remaining in rows:
        if allowance_id is not None:
            locked[player_id, date_] = allowance_id, remaining
        elif player_id is not None:
            days = players[player_id].days if player_id in players else ()
            if date_ is not None:
                days += (Day(date_, bound(starts_at), bound(ends_at)),)
            players[player_id] = PlayerDays(player_id, timezone, status, region, days)
    game = GameFacts(game_id, slug, over_cap == OverCap.CLIP)
    known = wins_by_reference(game_id, {claim.key for claim in claims}) if fresh < len(claims) else {}
    return game, players, locked, known


def _look_again(game: GameFacts, claims: Sequence[Claim], outcomes: Sequence[Draft | Recorded | Refused]) -> None:
    """Raises LostRace where a claim found its day full because the same claim filled it while this one waited.

    What is known was read before the day was locked. A refusal is definitive, so it must not be told of a win that the
    call before, which a game gave up on, has just recorded. This statement sees what committed before the lock.
    """
    full = {
        claim.key
        for claim, outcome in zip(claims, outcomes, strict=True)
        if isinstance(outcome, Refused) and isinstance(outcome.error, DailyCapExceeded)
    }
    if full and wins_by_reference(game.id, full):
        raise LostRace


def _days_of(
    claims: Iterable[Claim], players: Mapping[UUID, PlayerDays], locked: Locked
) -> dict[tuple[UUID, datetime], OpenDay]:
    """For each (player, instant) of the claims the day that it lies in; claims of one day share one OpenDay."""
    players = dict(players)
    by_date: dict[tuple[UUID, date], OpenDay] = {}
    days: dict[tuple[UUID, datetime], OpenDay] = {}
    for claim in claims:
        player = players[claim.player_id]
        day = player.day_of(claim.won_at)
        key = (player.id, day.date)
        if day not in player.days:  # the next claim must see it as a neighbour
            players[player.id] = player.with_day(day)
        if key not in by_date:
            allowance_id, remaining = locked.get(key, (None, settings.DAILY_CAP))
            by_date[key] = OpenDay(player.id, day, remaining, allowance_id)
        days[player.id, claim.won_at] = by_date[key]
    return days


OPEN = """
INSERT INTO rewards_allowance (player_id, day, starts_at, ends_at, cap)
SELECT * FROM unnest(%s::uuid[], %s::date[], %s::timestamptz[], %s::timestamptz[])
    AS opened (player_id, day, starts_at, ends_at), (SELECT %s::numeric) AS cap (cap)
ORDER BY player_id, day
ON CONFLICT (player_id, day) DO NOTHING
RETURNING player_id, day, id
"""


def _open(days: Iterable[OpenDay]) -> None:
    """Opens the days that take their first win. Raises LostRace where another transaction opened one meanwhile."""
    unopened = {(day.player_id, day.day.date): day for day in days if day.allowance_id is None}
    if not unopened:
        return
    bounds = [day.day for day in unopened.values()]
    with connection.cursor() as cursor:
        cursor.execute(
            OPEN,
            [
                [day.player_id for day in unopened.values()],
                [day.date for day in bounds],
                [day.starts_at for day in bounds],
                [day.ends_at for day in bounds],
                settings.DAILY_CAP,
            ],
        )
        rows = cursor.fetchall()
    if len(rows) < len(unopened):
        raise LostRace
    for player_id, date_, allowance_id in rows:
        unopened[player_id, date_].allowance_id = allowance_id


WRITE = """
INSERT INTO rewards_win
    (entry_id, player_id, game_id, key_id, reference, amount, forfeited, won_at, recorded_at, allowance_id)
SELECT win.entry_id, win.player_id, %s::uuid, %s::text, win.reference, win.amount, win.forfeited, win.won_at,
       entries.posted_at, win.allowance_id
FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::numeric[], %s::numeric[], %s::timestamptz[], %s::uuid[])
    AS win (entry_id, player_id, reference, amount, forfeited, won_at, allowance_id)
JOIN entries ON entries.id = win.entry_id
ORDER BY win.player_id, win.entry_id
"""


def _write(game: GameFacts, key_id: str | None, drafts: Sequence[Draft]) -> None:
    """Posts the entries with the wins beside them; the trigger counts them in their days."""
    entries = [win_entry(draft.id, draft.claim.player_id, draft.amount) for draft in drafts]
    wins = [
        game.id,
        key_id,
        uuids(draft.id for draft in drafts),
        uuids(draft.claim.player_id for draft in drafts),
        texts([draft.claim.reference for draft in drafts]),
        numbers(draft.amount for draft in drafts),
        numbers(draft.forfeited for draft in drafts),
        texts([draft.claim.won_at for draft in drafts]),
        texts([draft.day.allowance_id for draft in drafts]),
    ]
    for draft, receipt in zip(drafts, book.post(entries, beside=book.Facts({"wins": WRITE}, wins)), strict=True):
        draft.recorded_at = receipt.posted_at


def _finished(outcomes: Iterable[Draft | Recorded | Refused], game: GameFacts) -> Iterable[Recorded | Refused]:
    """Drafts become recorded wins; a draft that comes a second time is a replay of the first."""
    seen: set[UUID] = set()
    for outcome in outcomes:
        if isinstance(outcome, Draft):
            yield Recorded(_facts(outcome, game), replayed=outcome.id in seen)
            seen.add(outcome.id)
        else:
            yield outcome


def _facts(draft: Draft, game: GameFacts) -> WinFacts:
    assert draft.recorded_at is not None
    claim = draft.claim
    return WinFacts(
        id=draft.id,
        reference=claim.reference,
        player_id=claim.player_id,
        game=game.slug,
        amount=draft.amount,
        won_at=claim.won_at,
        recorded_at=draft.recorded_at,
        day=draft.day.day.date,
        forfeited=draft.forfeited,
        clips=game.clips,
    )
