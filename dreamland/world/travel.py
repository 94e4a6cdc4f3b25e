"""A profile on its way: sealed under a key that the regions have, and nobody between them (MOVE_KEY).

Bound to the transfer, so that it opens in no other luggage.
"""

import binascii
from base64 import b64decode, b64encode
from uuid import UUID

from django.conf import settings

from dreamland.lib.vault.providers import KEY_BYTES, Unreadable
from dreamland.lib.vault.sealing import DataKey
from dreamland.world.errors import LuggageSealedOtherwise
from rewards.profile_values import ProfileFacts
from rewards.profiles import read_profile


def move_key() -> DataKey | None:
    """The key of MOVE_KEY; None where there is none. Raises ValueError where it is no key."""
    if not settings.MOVE_KEY:
        return None
    secret = b64decode(settings.MOVE_KEY, validate=True)
    if len(secret) != KEY_BYTES:
        raise ValueError(f"it has {len(secret)} bytes, and not {KEY_BYTES}")
    return DataKey(secret)


def sealed_profile(player_id: UUID, transfer: UUID) -> str | None:
    """The player's profile for the journey; None where there is none, or no key to seal it with.

    Outside any transaction: it asks who keeps the keys. Raises KeysUnavailable.
    """
    key = move_key()
    if key is None:
        return None
    try:
        profile = read_profile(player_id)
    except Unreadable:  # tampered with: nobody could read it here either
        return None
    return None if profile is None else b64encode(key.seal(profile.said, bound_to=_purpose(transfer))).decode()


def opened_profile(sealed: str | None, transfer: UUID) -> ProfileFacts | None:
    """What came along. Raises LuggageSealedOtherwise."""
    if sealed is None:
        return None
    key = move_key()
    try:
        if key is None:
            raise Unreadable
        return ProfileFacts(**key.open(b64decode(sealed, validate=True), bound_to=_purpose(transfer)))
    except (Unreadable, binascii.Error) as error:
        raise LuggageSealedOtherwise("the profile was not sealed under this MOVE_KEY for this move") from error


def _purpose(transfer: UUID) -> bytes:
    return b"profile on the way:" + transfer.bytes
