"""Recording wins, one or a thousand by the same statements: load, lock the days, decide, write.

Locks are taken in this order: opened days (by player and date), players whose day is opened now, balances
(docs/data-model.md, "Locks"). Each round trip serves all claims of the call.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

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
from rewards.errors import LOST_RACES, DailyCapExceeded
from rewards.models import Game, OverCap
from rewards.selectors import PlayerDays, WinFacts, players_with_days, wins_by_reference


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
    return try_again(lambda: _record(game_id, key_id, claims, now), lost_races=LOST_RACES)


@transaction.atomic(durable=True)
def _record(
    game_id: UUID, key_id: str | None, claims: Sequence[Claim], now: datetime
) -> tuple[Recorded | Refused, ...]:
    game = Game.objects.get(pk=game_id)
    clips = game.over_cap == OverCap.CLIP
    sound = [claim for claim in claims if malformed(claim) is None]
    players = players_with_days({claim.player_id for claim in sound}, now=now)
    known = wins_by_reference(game.id, {claim.key for claim in sound})
    fresh = [
        claim
        for claim in sound
        if claim.key not in known and unacceptable(claim, players.get(claim.player_id), now=now) is None
    ]
    days = _days_of(fresh, players)
    _lock_opened(days.values())

    drafts: dict[tuple[UUID, str], Draft] = {}

    def decide(claim: Claim) -> Draft | Recorded | Refused:
        if error := malformed(claim):
            return Refused(error)
        if win := known.get(claim.key):
            return replay(claim, win)
        if draft := drafts.get(claim.key):
            return repeat(claim, draft)
        if error := unacceptable(claim, players.get(claim.player_id), now=now):
            return Refused(error)
        day = days[claim.player_id, claim.won_at]
        taken = take(claim, day, clips=clips)
        if isinstance(taken, DailyCapExceeded):
            return Refused(taken)
        return drafts.setdefault(claim.key, Draft(claim, day, taken))

    outcomes = [decide(claim) for claim in claims]
    _look_again(game, claims, outcomes)
    if drafts:
        _open(draft.day for draft in drafts.values())
        _write(game, key_id, list(drafts.values()))
    return tuple(_finished(outcomes, game))


def _look_again(game: Game, claims: Sequence[Claim], outcomes: Sequence[Draft | Recorded | Refused]) -> None:
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


def _days_of(claims: Iterable[Claim], players: dict[UUID, PlayerDays]) -> dict[tuple[UUID, datetime], OpenDay]:
    """For each (player, instant) of the claims the day that it lies in; claims of one day share one OpenDay."""
    players = dict(players)
    by_date: dict[tuple[UUID, date], OpenDay] = {}
    days: dict[tuple[UUID, datetime], OpenDay] = {}
    for claim in claims:
        player = players[claim.player_id]
        day = player.day_of(claim.won_at)
        opened = day in player.days
        if not opened:  # the next claim must see it as a neighbour
            players[player.id] = player.with_day(day)
        key = (player.id, day.date)
        if key not in by_date:
            by_date[key] = OpenDay(player.id, day, settings.DAILY_CAP, opened)
        days[player.id, claim.won_at] = by_date[key]
    return days


LOCK = """
SELECT day.id, day.player_id, day.day, day.cap - day.won
FROM rewards_allowance day
JOIN unnest(%s::uuid[], %s::date[]) AS wanted (player_id, day) USING (player_id, day)
ORDER BY day.player_id, day.day
FOR NO KEY UPDATE OF day
"""


def _lock_opened(days: Iterable[OpenDay]) -> None:
    """Locks the days that were open already, in key order, and reads what is left of them under the lock."""
    opened = {(day.player_id, day.day.date): day for day in days if day.opened}
    if not opened:
        return
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [[player for player, _ in opened], [date_ for _, date_ in opened]])
        for allowance_id, player_id, date_, remaining in cursor.fetchall():
            day = opened[player_id, date_]
            day.allowance_id, day.remaining = allowance_id, remaining


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
    unopened = {(day.player_id, day.day.date): day for day in days if not day.opened}
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
SELECT entry_id, player_id, %s::uuid, %s::text, reference, amount, forfeited, won_at, recorded_at, allowance_id
FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::numeric[], %s::numeric[], %s::timestamptz[], %s::timestamptz[],
            %s::uuid[])
    AS win (entry_id, player_id, reference, amount, forfeited, won_at, recorded_at, allowance_id)
ORDER BY player_id, entry_id
"""


def _write(game: Game, key_id: str | None, drafts: Sequence[Draft]) -> None:
    """Posts the entries and writes the wins beside them; the trigger counts them in their days."""
    receipts = book.post(
        book.Entry(
            id=draft.id,
            holder=draft.claim.player_id,
            kind="win",
            postings=(book.Posting("dream:issued", "player:dream", draft.amount),),
        )
        for draft in drafts
    )
    for draft, receipt in zip(drafts, receipts, strict=True):
        draft.recorded_at = receipt.posted_at
    with connection.cursor() as cursor:
        cursor.execute(
            WRITE,
            [
                game.id,
                key_id,
                [draft.id for draft in drafts],
                [draft.claim.player_id for draft in drafts],
                [draft.claim.reference for draft in drafts],
                [draft.amount for draft in drafts],
                [draft.forfeited for draft in drafts],
                [draft.claim.won_at for draft in drafts],
                [draft.recorded_at for draft in drafts],
                [draft.day.allowance_id for draft in drafts],
            ],
        )


def _finished(outcomes: Iterable[Draft | Recorded | Refused], game: Game) -> Iterable[Recorded | Refused]:
    """Drafts become recorded wins; a draft that comes a second time is a replay of the first."""
    seen: set[UUID] = set()
    for outcome in outcomes:
        if isinstance(outcome, Draft):
            yield Recorded(_facts(outcome, game), replayed=outcome.id in seen)
            seen.add(outcome.id)
        else:
            yield outcome


def _facts(draft: Draft, game: Game) -> WinFacts:
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
        clips=game.over_cap == OverCap.CLIP,
    )
