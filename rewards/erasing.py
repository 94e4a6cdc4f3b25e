"""Erasing a player: what is known about the person goes for good, and the books stay as they are (docs/privacy.md).

Writing the row of `rewards_erasure` is the deed: PostgreSQL destroys profile and key with it, ends the player and gives
up the name that the centre knows him by (sql/erasure.sql). Here stands what comes before: what is in the way, what has
to be kept, and that the erasure is told to the list that no restore rolls back.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from dreamland.lib.errors import DomainError
from dreamland.lib.races import LostRace, try_again
from dreamland.lib.vault.providers import Unreadable
from ledger import book
from rewards import erasure_list
from rewards.claims import status_refusal
from rewards.errors import LOST_PROFILE_RACES, PlayerNotFound
from rewards.models import Player
from rewards.profile_values import ProfileFacts
from rewards.profiles import Draft, Stored, opened, put_profile, sealed_draft, stored_of

log = logging.getLogger(__name__)


class MoneyOpen(DomainError):
    """The player holds, awaits or owes something that nobody could pay out or ask for any more. `open`: what."""

    code: ClassVar[str] = "money-open"


class RequestsWait(DomainError):
    """Requests about the player wait for a decision. `requests`: which."""

    code: ClassVar[str] = "requests-wait"


@dataclass(frozen=True, slots=True)
class Erased:
    """An erasure as it stands. `retain_until`: until when the minimum is kept, on which basis; None where nothing is.

    `replayed`: it stood before this call.
    """

    player_id: UUID
    erased_at: datetime
    basis: str
    retain_until: date | None
    replayed: bool = False


def erase_player(*, player_id: UUID, now: datetime, user_id: int | None = None, leave_open: bool = False) -> Erased:
    """Erases what is known about the player, for good; again, it finds it done.

    From then on nothing is won, the id stays taken, and the books go on under it: what is pending is converted, what is
    owed stays owed. `leave_open`: the person knows that nobody can pay that out any more. `user_id`: who does it.

    Raises PlayerNotFound, MoneyOpen, RequestsWait, PlayerMoving, PlayerElsewhere (who moved is erased where he lives),
    and Unavailable where the keys or the list of erasures cannot be reached; then nothing was written.
    """
    return try_again(
        lambda: _erase(player_id, now, user_id, leave_open=leave_open, listed=False), lost_races=LOST_PROFILE_RACES
    )


def erase_again(*, player_id: UUID, now: datetime) -> Erased:
    """Erases a player who was erased before a restore: whatever is in the way was settled then.

    Raises PlayerNotFound where the restored database does not know him.
    """
    return try_again(lambda: _erase(player_id, now, None, leave_open=True, listed=True), lost_races=LOST_PROFILE_RACES)


def _erase(player_id: UUID, now: datetime, user_id: int | None, *, leave_open: bool, listed: bool) -> Erased:
    """One attempt: what has to be kept is sealed outside the transaction, and written under the player's lock."""
    stored = stored_of(player_id)
    minimum = _sealed_minimum(player_id, stored)
    with transaction.atomic(durable=True):
        if (done := _locked(player_id)) is not None:
            return done
        if stored_of(player_id) != stored:
            raise LostRace
        if not listed and (waiting := book.open_requests_of(player_id)):
            told = ", ".join(map(str, waiting))
            raise RequestsWait(f"requests about the player wait for a decision: {told}", requests=list(waiting))
        open_money = _open_money(player_id)
        if open_money and not leave_open:
            told = ", ".join(f"{amount:f} on {account}" for account, amount in open_money.items())
            raise MoneyOpen(f"the player has {told}", open=open_money)
        until = _retain_until(player_id, now, open_money) if minimum else None
        erased = _write(player_id, user_id, until)
        if minimum and until:
            put_profile(player_id, minimum)
        if not listed:
            erasure_list.append(player_id, erased.erased_at)
    log.info("player erased", extra={"player_id": player_id, "retain_until": until, "again": listed})
    return erased


def _sealed_minimum(player_id: UUID, stored: Stored) -> Draft | None:
    """What may have to be kept, under a key of its own; None where nothing of it is known."""
    try:
        profile = opened(player_id, stored)
    except Unreadable:  # tampered with: it is as good as gone, and must not save itself from being erased
        return None
    if profile is None or not settings.RETENTION_YEARS:
        return None
    kept = {name: value for name, value in profile.said.items() if name in settings.RETENTION_FIELDS}
    return sealed_draft(player_id, ProfileFacts(**kept), Stored()) if kept else None


def _locked(player_id: UUID) -> Erased | None:
    """Locks the player against recordings; what there is, where he is erased already."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT status, region FROM rewards_player WHERE id = %s FOR UPDATE", [player_id])
        row = cursor.fetchone()
    if row is None:
        raise PlayerNotFound("there is no such player")
    status, region = row
    if status == Player.Status.ERASED:
        return find_erasure(player_id)
    if status in {Player.Status.MOVING, Player.Status.MOVED}:
        refusal = status_refusal(status, region)
        assert refusal is not None
        raise refusal
    return None


def _open_money(player_id: UUID) -> Mapping[str, Decimal]:
    shares = book.lock_balances([player_id])[player_id]
    return {account: amount for account, amount in sorted(shares.items()) if amount}


def _retain_until(player_id: UUID, now: datetime, open_money: Mapping[str, Decimal]) -> date | None:
    """The last day of the year in which the player was last paid or owed, and RETENTION_YEARS on; None: never was."""
    last = now if open_money else book.last_posted_at(player_id, asset="USD")
    if last is None:
        return None
    until = date(last.year + settings.RETENTION_YEARS, 12, 31)
    return until if until >= now.date() else None


WRITE = """
INSERT INTO rewards_erasure (player_id, erased_by_id, basis, retain_until) VALUES (%s, %s, %s, %s) RETURNING erased_at
"""


def _write(player_id: UUID, user_id: int | None, until: date | None) -> Erased:
    basis = settings.RETENTION_BASIS if until else ""
    with connection.cursor() as cursor:
        cursor.execute(WRITE, [player_id, user_id, basis, until])
        return Erased(player_id, cursor.fetchone()[0], basis, until)


def find_erasure(player_id: UUID) -> Erased | None:
    """The player's erasure; None where he is not erased."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT erased_at, basis, retain_until FROM rewards_erasure WHERE player_id = %s", [player_id])
        row = cursor.fetchone()
    if row is None:
        return None
    erased_at, basis, retain_until = row
    return Erased(player_id, erased_at, basis, retain_until, replayed=True)


FORGET = """
WITH over AS (
    SELECT erasure.player_id FROM rewards_erasure erasure
    JOIN rewards_playerkey key ON key.player_id = erasure.player_id
    WHERE erasure.retain_until < %s ORDER BY erasure.player_id LIMIT %s
), profiles AS (
    DELETE FROM rewards_profile WHERE player_id IN (SELECT player_id FROM over)
)
SELECT player_id FROM over
"""


def forget_retained(*, now: datetime) -> int:
    """Destroys what was kept of erased players until a date that is over, FORGET_CHUNK of them at most; how many.

    Raises nothing; PostgreSQL refuses to let go of what is younger.
    """
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(FORGET, [now.date(), settings.FORGET_CHUNK])
        players = [player_id for (player_id,) in cursor.fetchall()]
        cursor.execute("DELETE FROM rewards_playerkey WHERE player_id = ANY(%s::uuid[])", [players])
    return len(players)
