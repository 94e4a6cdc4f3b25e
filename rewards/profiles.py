"""Profiles: written as a whole, sealed under the player's own key, read by the player himself.

Whoever keeps the key-encryption keys is asked before the transaction and never inside: it may be across a network. What
was read before is compared under the lock of the player's row; where somebody was faster, the call begins again.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from django.db import connection

from dreamland.lib.races import LostRace
from dreamland.lib.vault import sealing
from dreamland.lib.vault.providers import EpochDestroyed, provider
from dreamland.lib.vault.sealing import DataKey, WrappedKey
from rewards.models import Player
from rewards.profile_values import ProfileFacts, email_key, email_value
from rewards.selectors import PlayerFacts

FORMAT = 1  # of the sealed bytes; a later one is another number, and those of before are still read

log = logging.getLogger(__name__)


def key_purpose(player_id: UUID) -> bytes:
    """What a player's wrapped key is bound to: that player."""
    return b"player key:" + player_id.bytes


def profile_purpose(player_id: UUID, version: int) -> bytes:
    """What a sealed profile is bound to: that player, and how the bytes are read."""
    return b"profile:%d:" % version + player_id.bytes


@dataclass(frozen=True, slots=True)
class Stored:
    """What the tables hold about a player: the wrapped key and the sealed profile, each None where there is none."""

    key: WrappedKey | None = field(default=None, repr=False)
    version: int | None = None
    sealed: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Draft:
    """A profile sealed and ready to be written, and what it was sealed upon. `new_key`: None where one stands."""

    before: Stored = field(repr=False)
    new_key: WrappedKey | None = field(repr=False)
    sealed: bytes = field(repr=False)
    email_index: bytes | None = field(repr=False)


READ = """
SELECT key.epoch_id, key.wrapped, profile.format, profile.sealed
FROM rewards_playerkey key LEFT JOIN rewards_profile profile ON profile.player_id = key.player_id
WHERE key.player_id = %s
"""


def stored_of(player_id: UUID) -> Stored:
    """What the tables hold about the player. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(READ, [player_id])
        row = cursor.fetchone()
    if row is None:
        return Stored()
    epoch, wrapped, version, sealed = row
    return Stored(WrappedKey(epoch, bytes(wrapped)), version, None if sealed is None else bytes(sealed))


def read_profile(player_id: UUID) -> ProfileFacts | None:
    """The player's profile; None where there is none, or none that anybody can read any more.

    Raises KeysUnavailable, and Unreadable where somebody tampered with it.
    """
    return opened(player_id, stored_of(player_id))


def own_profile(player: PlayerFacts) -> ProfileFacts | None:
    """What the player himself is shown. What the law keeps of somebody erased is for nobody to read back."""
    return None if player.status == Player.Status.ERASED else read_profile(player.id)


def opened(player_id: UUID, stored: Stored) -> ProfileFacts | None:
    """What the stored bytes say. A profile from a backup whose epoch is destroyed is gone, and that is no failure."""
    if stored.key is None or stored.sealed is None or stored.version is None:
        return None
    try:
        key = sealing.unwrap(stored.key, bound_to=key_purpose(player_id))
    except EpochDestroyed:
        log.warning("a profile cannot be read any more: its epoch is destroyed", extra={"player_id": player_id})
        return None
    return ProfileFacts(**key.open(stored.sealed, bound_to=profile_purpose(player_id, stored.version)))


def sealed_draft(player_id: UUID, profile: ProfileFacts, stored: Stored) -> Draft:
    """The profile under the player's key, or under a new one where there is none or its epoch is destroyed.

    Outside any transaction. Raises KeysUnavailable.
    """
    purpose = key_purpose(player_id)
    key, wrapped, fresh = _key(stored, purpose)
    return Draft(
        before=stored,
        new_key=wrapped if fresh else None,
        sealed=key.seal(profile.said, bound_to=profile_purpose(player_id, FORMAT)),
        email_index=email_index(profile, wrapped.epoch),
    )


def _key(stored: Stored, purpose: bytes) -> tuple[DataKey, WrappedKey, bool]:
    """The data key, how it is wrapped, and whether it is new."""
    if stored.key is not None:
        try:
            return sealing.unwrap(stored.key, bound_to=purpose), stored.key, False
        except EpochDestroyed:
            pass
    key, wrapped = sealing.new_key(bound_to=purpose)
    return key, wrapped, True


def email_index(profile: ProfileFacts, epoch: str) -> bytes | None:
    """The blind index of the e-mail: a digest that only who holds the epoch can compute."""
    if profile.email is None:
        return None
    try:
        return provider().mac(epoch, email_key(profile.email))
    except EpochDestroyed as error:  # between two calls: the next attempt takes the new one
        raise LostRace from error


KNOW_EPOCH = "INSERT INTO rewards_keyepoch (name) VALUES (%s) ON CONFLICT (name) DO NOTHING"
PUT_KEY = """
INSERT INTO rewards_playerkey (player_id, epoch_id, wrapped) VALUES (%s, %s, %s)
ON CONFLICT (player_id) DO UPDATE SET epoch_id = excluded.epoch_id, wrapped = excluded.wrapped
"""
PUT_PROFILE = """
INSERT INTO rewards_profile (player_id, format, sealed, email_index) VALUES (%s, %s, %s, %s)
ON CONFLICT (player_id) DO UPDATE SET format = excluded.format, sealed = excluded.sealed,
    email_index = excluded.email_index, changed_at = clock_timestamp()
"""


def write_profile(player_id: UUID, draft: Draft) -> None:
    """Writes what was sealed; the caller's transaction, under the lock of the player's row.

    Raises LostRace where the key is not what the draft was sealed upon.
    """
    lock_unchanged(player_id, draft.before)
    put_profile(player_id, draft)


def put_profile(player_id: UUID, draft: Draft) -> None:
    """Writes what was sealed, whatever stands there; the caller's transaction, which holds the player."""
    with connection.cursor() as cursor:
        if draft.new_key is not None:
            cursor.execute(KNOW_EPOCH, [draft.new_key.epoch])
            cursor.execute(PUT_KEY, [player_id, draft.new_key.epoch, draft.new_key.wrapped])
        cursor.execute(PUT_PROFILE, [player_id, FORMAT, draft.sealed, draft.email_index])


def lock_unchanged(player_id: UUID, before: Stored) -> None:
    """Locks the player's key; the caller's transaction. Raises LostRace where it is not the one that was read."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT epoch_id, wrapped FROM rewards_playerkey WHERE player_id = %s FOR NO KEY UPDATE", [player_id]
        )
        row = cursor.fetchone()
    now = None if row is None else WrappedKey(row[0], bytes(row[1]))
    if now != before.key:
        raise LostRace


def remove_profile(player_id: UUID) -> None:
    """Removes the profile, and the key with it; the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM rewards_profile WHERE player_id = %s", [player_id])
        cursor.execute("DELETE FROM rewards_playerkey WHERE player_id = %s", [player_id])


def find_players(*, email: str) -> tuple[UUID, ...]:
    """The players whose profile says this e-mail, without opening one. Several may share an address.

    Raises Django's ValidationError for what is no address, KeysUnavailable.
    """
    wanted = email_key(email_value(email))
    indexes = list(_indexes(wanted))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT player_id FROM rewards_profile WHERE email_index = ANY(%s::bytea[]) ORDER BY player_id", [indexes]
        )
        return tuple(player_id for (player_id,) in cursor.fetchall())


def _indexes(message: bytes) -> Iterable[bytes]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM rewards_keyepoch WHERE destroyed_at IS NULL ORDER BY name")
        epochs = [name for (name,) in cursor.fetchall()]
    for epoch in epochs:
        try:
            yield provider().mac(epoch, message)
        except EpochDestroyed:
            continue
