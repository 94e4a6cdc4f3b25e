"""Epochs of the keys that wrap every player's own: begun, followed by what they wrap, and destroyed.

A backup of the database can be read for as long as its epochs live. So an epoch begins every month, everything is
wrapped anew, and the epochs that no backup needs any more are destroyed (docs/privacy.md, "Keys").
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from dreamland.lib.errors import DomainError, named_refusals
from dreamland.lib.races import LostRace, try_again
from dreamland.lib.vault import sealing
from dreamland.lib.vault.providers import EpochDestroyed, newest_epoch, provider
from rewards.errors import LOST_PROFILE_RACES
from rewards.profiles import KNOW_EPOCH, Stored, email_index, key_purpose, lock_unchanged, opened, stored_of

NO_PLAYER = UUID(int=0)


class EpochInUse(DomainError):
    """The epoch still wraps something, or is the one that wraps what is new."""

    code: ClassVar[str] = "epoch-in-use"


class EpochNotFound(DomainError):
    """There never was an epoch of that name."""

    code: ClassVar[str] = "epoch-not-found"


class KeysLost(DomainError):
    """The database holds wrapped keys, and nobody holds the epochs that wrap them."""

    code: ClassVar[str] = "keys-lost"


EPOCH_REFUSALS: dict[str, type[DomainError]] = {"key_epoch_wraps_nothing": EpochInUse}


@dataclass(frozen=True, slots=True)
class EpochFacts:
    """An epoch: how many keys of players it wraps, and whether its key can still be used."""

    name: str
    usable: bool
    newest: bool
    keys: int
    first_used_at: datetime | None
    destroyed_at: datetime | None


def list_epochs() -> tuple[EpochFacts, ...]:
    """Every epoch that the provider or the database knows, by name. Raises KeysUnavailable."""
    usable = provider().epochs()
    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT epoch.name, epoch.first_used_at, epoch.destroyed_at,
                   (SELECT count(*) FROM rewards_playerkey key WHERE key.epoch_id = epoch.name)
            FROM rewards_keyepoch epoch
        """)
        known = {name: row for name, *row in cursor.fetchall()}
    found = []
    for name in sorted({*usable, *known}):
        first_used_at, destroyed_at, keys = known.get(name, (None, None, 0))
        found.append(EpochFacts(name, name in usable, (name,) == usable[-1:], keys, first_used_at, destroyed_at))
    return tuple(found)


def begin_first_epoch() -> str | None:
    """Makes the first epoch where there is none; its name, or None where there is one already.

    Raises KeysLost where the database holds keys that an epoch wrapped which nobody has: then the keys were not brought
    along, and a new one would hide it. Raises KeysUnavailable.
    """
    if provider().epochs():
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT epoch_id FROM rewards_playerkey LIMIT 1")
        row = cursor.fetchone()
    if row is not None:
        raise KeysLost(f"profiles are sealed under epoch {row[0]}, and its key is not here")
    return provider().begin_epoch()


def begin_epoch() -> str:
    """Makes a new epoch, which wraps from now on. What stands follows by `rewrap`. Raises KeysUnavailable."""
    return provider().begin_epoch()


BEHIND = """
SELECT player_id FROM rewards_playerkey
WHERE epoch_id <> %s AND player_id > %s
ORDER BY player_id LIMIT %s
"""


def rewrap(*, limit: int | None = None, each: Callable[[int], None] = lambda _count: None) -> int:
    """Wraps keys of players anew, with the newest epoch, up to `limit` of them; how many. `each` is told the count.

    Player by player, so it may be stopped at any moment and goes on where it was. What an epoch wrapped that is
    destroyed stays as it is: nobody can read it. Raises KeysUnavailable.
    """
    done, after = 0, NO_PLAYER
    while limit is None or done < limit:
        chunk = settings.VAULT_REWRAP_CHUNK if limit is None else min(settings.VAULT_REWRAP_CHUNK, limit - done)
        with connection.cursor() as cursor:
            cursor.execute(BEHIND, [newest_epoch(), after, chunk])
            players: list[UUID] = [player_id for (player_id,) in cursor.fetchall()]
        if not players:
            break
        for player_id in players:
            done += rewrap_player(player_id)
        after = players[-1]
        each(done)
    return done


def rewrap_player(player_id: UUID) -> bool:
    """Wraps one player's key with the newest epoch, and indexes the e-mail under it; whether anything was done."""
    return try_again(lambda: _rewrap(player_id), lost_races=LOST_PROFILE_RACES)


def _rewrap(player_id: UUID) -> bool:
    stored = stored_of(player_id)
    if stored.key is None:
        return False
    try:
        key = sealing.unwrap(stored.key, bound_to=key_purpose(player_id))
    except EpochDestroyed:
        return False
    wrapped = sealing.wrap(key, bound_to=key_purpose(player_id))
    index = _index(player_id, stored, wrapped.epoch)
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        lock_unchanged(player_id, stored)
        cursor.execute(KNOW_EPOCH, [wrapped.epoch])
        cursor.execute(
            "UPDATE rewards_playerkey SET epoch_id = %s, wrapped = %s WHERE player_id = %s",
            [wrapped.epoch, wrapped.wrapped, player_id],
        )
        cursor.execute(
            "UPDATE rewards_profile SET email_index = %s WHERE player_id = %s AND sealed = %s",
            [index, player_id, stored.sealed],
        )
        if stored.sealed is not None and not cursor.rowcount:
            raise LostRace  # the profile was replaced under the same key meanwhile
    return True


def _index(player_id: UUID, stored: Stored, epoch: str) -> bytes | None:
    profile = opened(player_id, stored)
    return None if profile is None else email_index(profile, epoch)


def destroy_epoch(*, name: str) -> None:
    """Destroys an epoch for good, in the database first and then where its key is kept. Again, it changes nothing.

    Raises EpochInUse while it wraps anything or is the newest one, also in a race; EpochNotFound; KeysUnavailable.
    """
    usable = provider().epochs()
    if usable and name == usable[-1]:
        raise EpochInUse(f"epoch {name} is the one that wraps what is new; begin another one first")
    with transaction.atomic(durable=True), named_refusals(EPOCH_REFUSALS), connection.cursor() as cursor:
        if name in usable:
            cursor.execute(KNOW_EPOCH, [name])
        cursor.execute("SELECT FROM rewards_keyepoch WHERE name = %s", [name])
        if cursor.fetchone() is None:
            raise EpochNotFound(f"there is no epoch {name!r}")
        cursor.execute(
            "UPDATE rewards_keyepoch SET destroyed_at = clock_timestamp() WHERE name = %s AND destroyed_at IS NULL",
            [name],
        )
    provider().destroy_epoch(name)
