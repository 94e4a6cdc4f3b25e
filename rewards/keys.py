"""Game keys: `dl_<environment>_<key id>_<secret>`. The secret has 256 bits and is shown once; we keep its SHA-256.

A fast hash is right here: nobody can guess 256 random bits, so there is nothing to slow down.
"""

import hashlib
import hmac
import logging
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import Q
from django.db.models.functions import Least
from django.utils import timezone

from dreamland.lib.errors import DomainError, named_refusals
from dreamland.lib.fields import ClockTimestamp
from rewards.models import Game, GameKey, Scope

KEY_ID_BYTES = 8
SECRET_BYTES = 32
LIVE_KEYS_PER_GAME = 2  # the old one and the new one, while a game's servers change over
ROTATION_OVERLAP = timedelta(hours=24)
LAST_USED_PRECISION = timedelta(minutes=1)
FORM = re.compile(
    r"dl_(?P<environment>[a-z0-9-]+)"
    rf"_(?P<key_id>[0-9a-f]{{{2 * KEY_ID_BYTES}}})"
    rf"_(?P<secret>[0-9a-f]{{{2 * SECRET_BYTES}}})"
)
NO_SECRET = hashlib.sha256(secrets.token_bytes(SECRET_BYTES)).digest()  # compared with where there is no such key

log = logging.getLogger(__name__)


class TooManyKeys(DomainError):
    """The game has LIVE_KEYS_PER_GAME live keys already."""

    code: ClassVar[str] = "too-many-keys"


class KeyNotFound(DomainError):
    """There is no such key, or it is not live any more."""

    code: ClassVar[str] = "key-not-found"


class InvalidScopes(DomainError):
    """A key has one or more of the scopes in rewards.models.Scope."""

    code: ClassVar[str] = "invalid"


class InvalidKey(DomainError):
    """No key of ours, of another environment, or the wrong secret: all the same to who tries."""

    code: ClassVar[str] = "not-authenticated"


class KeyExpired(DomainError):
    """The secret is right, but the key has expired or was revoked."""

    code: ClassVar[str] = "credential-expired"


# The database counts too (sql/game_key.sql).
KEY_REFUSALS: dict[str, type[DomainError]] = {"game_key_two_live": TooManyKeys}


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key. `plaintext` is what the game sends; it exists here and nowhere else."""

    key_id: str
    plaintext: str = field(repr=False)
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Credential:
    """A key that proved itself: which game calls, and what it may do."""

    key_id: str
    game_id: UUID
    scopes: frozenset[str]


def create_game_key(*, game_id: UUID, scopes: Iterable[str], expires_at: datetime | None = None) -> IssuedKey:
    """Issues a key for a game. Raises TooManyKeys for a third live one, also in a race, and InvalidScopes."""
    with transaction.atomic(durable=True), named_refusals(KEY_REFUSALS):
        Game.objects.select_for_update(no_key=True).get(id=game_id)
        return _issue(game_id, scopes, expires_at)


def rotate_game_key(
    *, key_id: str, overlap: timedelta = ROTATION_OVERLAP, expires_at: datetime | None = None
) -> IssuedKey:
    """Issues a successor with the same scopes; the old key dies after `overlap` at the latest.

    Raises KeyNotFound where the key is not live, TooManyKeys where both places stay taken. Zero ends the old one now.
    """
    with transaction.atomic(durable=True):
        old = _lock_with_game(key_id)
        if not GameKey.objects.filter(_live(), id=old.id).exists():
            raise KeyNotFound(f"key {key_id} is not live")
        ends_at = ClockTimestamp() + overlap
        GameKey.objects.filter(id=old.id).update(expires_at=Least("expires_at", ends_at))  # ignores NULL
        return _issue(old.game_id, old.scopes, expires_at)


def revoke_game_key(*, key_id: str) -> None:
    """Ends a key at once and for good. Doing it again changes nothing. Raises KeyNotFound."""
    with transaction.atomic(durable=True):
        key = _lock_with_game(key_id)
        GameKey.objects.filter(id=key.id, revoked_at=None).update(revoked_at=ClockTimestamp())


def _lock_with_game(key_id: str) -> GameKey:
    """The key, with its game's row locked: whoever changes the keys of one game does it alone."""
    game = Game.objects.select_for_update(no_key=True).filter(keys=key_id).first()
    key = GameKey.objects.filter(id=key_id).first() if game else None
    if key is None:
        raise KeyNotFound(f"there is no key {key_id}")
    return key


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """A key as those see it who look after it. Nothing of the secret."""

    key_id: str
    game: str
    scopes: tuple[str, ...]
    state: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


def list_game_keys(*, slug: str | None = None, now: datetime) -> tuple[KeyFacts, ...]:
    """The keys of one game or of all, newest first, with what they are at `now`: live, expired or revoked."""
    keys = GameKey.objects.select_related("game").order_by("game__slug", "-created_at")
    if slug is not None:
        keys = keys.filter(game__slug=slug)
    return tuple(
        KeyFacts(
            key.id,
            key.game.slug,
            tuple(key.scopes),
            "revoked" if key.revoked_at else "expired" if key.expires_at and key.expires_at <= now else "live",
            key.created_at,
            key.expires_at,
            key.revoked_at,
            key.last_used_at,
        )
        for key in keys
    )


def _live() -> Q:
    """Keys that open something now, by the database's clock: the transaction's start may be before a lock wait."""
    return Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=ClockTimestamp()))


def _issue(game_id: UUID, scopes: Iterable[str], expires_at: datetime | None) -> IssuedKey:
    wanted = sorted(set(scopes))
    if not wanted or not set(wanted) <= set(Scope.values):
        raise InvalidScopes(f"a key has one or more of these scopes: {', '.join(Scope.values)}")
    if GameKey.objects.filter(_live(), game_id=game_id).count() >= LIVE_KEYS_PER_GAME:
        raise TooManyKeys(f"the game has {LIVE_KEYS_PER_GAME} live keys; revoke one first")
    key_id, secret = secrets.token_hex(KEY_ID_BYTES), secrets.token_hex(SECRET_BYTES)
    GameKey.objects.create(
        id=key_id, game_id=game_id, secret_sha256=_digest(secret), scopes=wanted, expires_at=expires_at
    )
    return IssuedKey(key_id, f"dl_{settings.ENVIRONMENT}_{key_id}_{secret}", expires_at)


def verify_game_key(presented: str) -> Credential:
    """The credential behind a presented key. One indexed query, and as much work where there is no such key.

    Nothing is cached, so a revocation holds from the next call on: the query is 0.04 ms of a call of 1 ms.

    Raises InvalidKey, and KeyExpired only to who knows the secret.
    """
    parts = FORM.fullmatch(presented)
    if parts is None or parts["environment"] != settings.ENVIRONMENT:
        raise InvalidKey("this is no key of this environment")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT game_id, secret_sha256, scopes, expires_at, revoked_at, last_used_at"
            " FROM rewards_gamekey WHERE id = %s",
            [parts["key_id"]],
        )
        row = cursor.fetchone() or (None, NO_SECRET, (), None, None, None)
    game_id, stored, scopes, expires_at, revoked_at, last_used_at = row
    proven = hmac.compare_digest(_digest(parts["secret"]), bytes(stored))
    if not proven or game_id is None:
        raise InvalidKey("the key is not valid")
    if revoked_at is not None:
        raise KeyExpired("the key was revoked")
    now = timezone.now()
    if expires_at is not None and expires_at <= now:
        raise KeyExpired("the key has expired")
    if last_used_at is None or last_used_at <= now - LAST_USED_PRECISION:
        _note_use(parts["key_id"], now)
    return Credential(parts["key_id"], game_id, frozenset(scopes))


# Not worth a flush to disk: a crash may forget it.
NOTE_USE = """
WITH quiet AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true) AS setting),
     key AS MATERIALIZED (SELECT id FROM rewards_gamekey WHERE id = %s FOR NO KEY UPDATE SKIP LOCKED)
UPDATE rewards_gamekey SET last_used_at = %s FROM quiet, key WHERE rewards_gamekey.id = key.id AND quiet.setting = 'off'
"""


def _note_use(key_id: str, now: datetime) -> None:
    """Writes down that the key is in use: a statement of its own, before the call's transaction, about once a minute.

    It waits for nobody (a row that somebody holds is skipped) and breaks nothing: a standby that only reads still
    answers reads.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute(NOTE_USE, [key_id, now])
    except DatabaseError as error:
        log.warning("the last use of key %s is not written down: %s", key_id, error)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
