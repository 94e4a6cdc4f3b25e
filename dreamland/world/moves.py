"""Moving a player to another region: four steps, each a transaction of its own, each harmless when repeated.

    begin     at home     wins are refused (409) while what is pending is converted
    depart    at home     balances go to the settlement account; the player's row says where he went
    arrive    over there  the same balances come from the settlement account; day and profile go on where they were
    confirm   at home     what was kept for the journey is thrown away, and what is known about the person

The books of both regions are right after each step. Between `depart` and `arrive` the money is on the settlement
account, and the centre sees it in transit (docs/infrastructure.md, "Moving a player").
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from dreamland.lib.errors import named_refusals
from dreamland.world.errors import MOVE_REFUSALS, AlreadyMoving, MoveNotFound, PlayerLivesHere, WaitsForConversion
from dreamland.world.models import Move, PlayerReference, Transfer
from dreamland.world.travel import opened_profile, sealed_profile
from ledger import book
from rewards.errors import PlayerClosed, PlayerElsewhere, PlayerNotFound, PlayerSuspended
from rewards.models import Player
from rewards.profiles import Stored, put_profile, remove_profile, sealed_draft

State, Status = Move.State, Player.Status


@dataclass(frozen=True, slots=True)
class CarriedDay:
    """A day that is still open to wins, with what was won on it so far, wherever that was."""

    day: date
    starts_at: datetime
    ends_at: datetime
    cap: Decimal
    won: Decimal


@dataclass(frozen=True, slots=True)
class Luggage:
    """All that the other region needs. `usd` and `usd_owed` are what the player holds and owes, in USD.

    `profile` is sealed for the journey (dreamland.world.travel).
    """

    transfer: UUID
    player: UUID
    from_region: str
    to_region: str
    timezone: str
    usd: Decimal
    usd_owed: Decimal
    days: tuple[CarriedDay, ...]
    profile: str | None = field(default=None, repr=False)


def settlement(region: str) -> str:
    """The account of what this region and another one owe each other."""
    return f"settlement:{region}"


@transaction.atomic(durable=True)
def begin(*, player_id: UUID, to_region: str, own_region: str, user_id: int) -> UUID:
    """Begins the move: from now on wins of the player are refused. Returns the transfer's id; again, the same one.

    Waits for recordings of the player that are at work. Raises PlayerNotFound, PlayerClosed, PlayerSuspended,
    PlayerElsewhere, AlreadyMoving (to another region), PlayerLivesHere.
    """
    if to_region == own_region:
        raise PlayerLivesHere("the player lives in this region already", region=own_region)
    status = _locked_status(player_id)
    if status == Status.MOVING:
        move = Move.objects.get(player_id=player_id, state=State.BEGUN)
        if move.region != to_region:
            raise AlreadyMoving("the player is moving to another region", region=move.region)
        return move.pk
    if status == Status.MOVED:
        move = Move.objects.filter(player_id=player_id).latest("id")
        if move.region == to_region and move.state == State.DEPARTED:
            return move.pk
        raise PlayerElsewhere("the player lives in another region", region=move.region)
    if status == Status.CLOSED:
        raise PlayerClosed("the player's account is closed")
    if status != Status.ACTIVE:
        raise PlayerSuspended("only who is active can move")
    Player.objects.filter(pk=player_id).update(status=Status.MOVING, region=to_region)
    return Move.objects.create(player_id=player_id, region=to_region, begun_by_id=user_id).pk


def _locked_status(player_id: UUID) -> str:
    """FOR UPDATE: against the KEY SHARE that the foreign key of every win takes."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT status FROM rewards_player WHERE id = %s FOR UPDATE", [player_id])
        row = cursor.fetchone()
    if row is None:
        raise PlayerNotFound("there is no such player")
    return str(row[0])


# A pending win that a finished run has passed over is dust, worth less than nothing can be paid for; it stays.
UNCONVERTED = """
SELECT count(*) FROM rewards_win win
WHERE win.player_id = %s AND win.converted_by_id IS NULL AND win.voided_by_id IS NULL AND NOT EXISTS (
    SELECT FROM conversion_conversionrun run
    WHERE run.state = 'done' AND run.hour + interval '1 hour' > win.won_at AND run.started_at > win.recorded_at)
"""
DAYS = """
SELECT day, starts_at, ends_at, cap, won FROM rewards_allowance
WHERE player_id = %s AND ends_at > %s AND won > 0 ORDER BY day
"""


def depart(*, transfer_id: UUID, own_region: str, now: datetime) -> Luggage:
    """Books the player's balances onto the settlement account and says what goes along; again, the same.

    Raises MoveNotFound, WaitsForConversion while wins of his are pending, KeysUnavailable.
    """
    # Nobody writes the profile of a player on the way, so it is the same under the lock.
    return _depart(transfer_id, own_region, now, sealed_profile(_move(transfer_id).player_id, transfer_id))


@transaction.atomic(durable=True)
def _depart(transfer_id: UUID, own_region: str, now: datetime, profile: str | None) -> Luggage:
    move = _move(transfer_id)
    _locked_status(move.player_id)
    move = _move(transfer_id)
    if move.luggage is not None:
        return packed(move.luggage)
    if move.state == State.DONE:
        raise MoveNotFound("this move is done")
    with connection.cursor() as cursor:
        cursor.execute(UNCONVERTED, [move.player_id])
        if pending := cursor.fetchone()[0]:
            raise WaitsForConversion("wins of the player are not converted yet", pending=pending)
        cursor.execute(DAYS, [move.player_id, now - settings.WIN_LATE_LIMIT - settings.DAYS_KEPT_IN_SIGHT])
        days = tuple(CarriedDay(*row) for row in cursor.fetchall())
    shares = book.lock_balances([move.player_id])[move.player_id]
    luggage = Luggage(
        transfer=move.pk,
        player=move.player_id,
        from_region=own_region,
        to_region=move.region,
        timezone=Player.objects.get(pk=move.player_id).timezone,
        usd=shares["player:usd"],
        usd_owed=shares["player:usd-owed"],
        days=days,
        profile=profile,
    )
    _book(luggage, Transfer.Direction.OUT, move.region, move.begun_by_id)
    Player.objects.filter(pk=move.player_id).update(status=Status.MOVED)
    Move.objects.filter(pk=move.pk).update(state=State.DEPARTED, luggage=unpacked(luggage))
    return luggage


CARRY = """
INSERT INTO rewards_allowance AS opened (player_id, day, starts_at, ends_at, cap, carried, won)
SELECT %s, day, starts_at, ends_at, cap, won, won
FROM unnest(%s::date[], %s::timestamptz[], %s::timestamptz[], %s::numeric[], %s::numeric[])
    AS carried (day, starts_at, ends_at, cap, won)
ORDER BY day
ON CONFLICT (player_id, day) DO UPDATE SET carried = opened.carried + greatest(excluded.won - opened.won, 0)
"""
ARRIVE = """
INSERT INTO rewards_player AS player (id, timezone, status) VALUES (%s, %s, 'active')
ON CONFLICT (id) DO UPDATE SET timezone = excluded.timezone, status = 'active', region = ''
WHERE player.status = 'moved'
RETURNING player.id
"""


def arrive(*, luggage: Luggage, own_region: str, user_id: int) -> bool:
    """Takes the player in with balances, days and profile; False where that was done before. In one transaction.

    Who comes back is active again. Raises PlayerLivesHere, MoveNotFound where another region is meant,
    LuggageSealedOtherwise, KeysUnavailable.
    """
    if luggage.to_region != own_region:
        raise MoveNotFound("this player goes to another region", region=luggage.to_region)
    profile = opened_profile(luggage.profile, luggage.transfer)
    draft = sealed_draft(luggage.player, profile, Stored()) if profile else None
    with transaction.atomic(durable=True), named_refusals(MOVE_REFUSALS):
        with connection.cursor() as cursor:
            cursor.execute("SELECT FROM world_transfer WHERE transfer = %s AND direction = 'in'", [luggage.transfer])
            if cursor.fetchone() is not None:
                return False
            cursor.execute(ARRIVE, [luggage.player, luggage.timezone])
            if cursor.fetchone() is None:
                raise PlayerLivesHere("a player of that id lives in this region already", region=own_region)
            cursor.execute(
                CARRY,
                [
                    luggage.player,
                    [each.day for each in luggage.days],
                    [each.starts_at for each in luggage.days],
                    [each.ends_at for each in luggage.days],
                    [each.cap for each in luggage.days],
                    [each.won for each in luggage.days],
                ],
            )
        if draft:
            put_profile(luggage.player, draft)
        _book(luggage, Transfer.Direction.IN, luggage.from_region, user_id)
    return True


@transaction.atomic(durable=True)
def confirm(*, transfer_id: UUID) -> None:
    """The other region has it all: what was kept for the journey goes, and what is known about the person here.

    That is the profile with its key, the time zone, and the name at the centre; the books stay. Who is back already
    keeps them. Again, it changes nothing. Raises MoveNotFound.
    """
    move = _move(transfer_id)
    if move.state == State.BEGUN:
        raise MoveNotFound("the player has not departed yet")
    if move.state == State.DEPARTED:
        if _locked_status(move.player_id) == Status.MOVED:
            remove_profile(move.player_id)
            Player.objects.filter(pk=move.player_id).update(timezone="UTC")
            PlayerReference.objects.filter(player_id=move.player_id).delete()
        Move.objects.filter(pk=move.pk).update(state=State.DONE, luggage=None)


def _move(transfer_id: UUID) -> Move:
    move = Move.objects.filter(pk=transfer_id).first()
    if move is None:
        raise MoveNotFound("there is no such move from this region")
    return move


def _book(luggage: Luggage, direction: Transfer.Direction, other: str, user_id: int) -> None:
    """The entry of one end, and the fact beside it. Who holds and owes nothing takes none along."""
    moved = [("player:usd", settlement(other), luggage.usd), (settlement(other), "player:usd-owed", luggage.usd_owed)]
    if direction == Transfer.Direction.IN:
        moved = [(credit, debit, amount) for debit, credit, amount in moved]
    postings = tuple(book.Posting(debit, credit, amount) for debit, credit, amount in moved if amount)
    entry = None
    if postings:
        [entry] = book.post(
            [book.Entry(holder=luggage.player, kind=f"move-{direction}", postings=postings, posted_by=user_id)]
        )
    Transfer.objects.create(
        transfer=luggage.transfer,
        direction=direction,
        other_region=other,
        entry_id=entry.entry_id if entry else None,
    )


def unpacked(luggage: Luggage) -> dict[str, Any]:
    """The luggage as JSON: amounts as decimal strings, times as RFC 3339."""
    flat = asdict(luggage)
    days = [{name: str(value) for name, value in day.items()} for day in flat.pop("days")]
    return {**{name: str(value) for name, value in flat.items() if value is not None}, "days": days}


def packed(content: Mapping[str, Any]) -> Luggage:
    """The luggage that `unpacked` wrote."""
    return Luggage(
        transfer=UUID(content["transfer"]),
        player=UUID(content["player"]),
        from_region=content["from_region"],
        to_region=content["to_region"],
        timezone=content["timezone"],
        usd=Decimal(content["usd"]),
        usd_owed=Decimal(content["usd_owed"]),
        days=tuple(
            CarriedDay(
                date.fromisoformat(day["day"]),
                datetime.fromisoformat(day["starts_at"]),
                datetime.fromisoformat(day["ends_at"]),
                Decimal(day["cap"]),
                Decimal(day["won"]),
            )
            for day in content["days"]
        ),
        profile=content.get("profile"),
    )
