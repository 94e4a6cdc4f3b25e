"""What is sealed under a person's data key: AES-256-GCM, bound to what it is about (NIST SP 800-38D)."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dreamland.lib.vault.providers import KEY_BYTES, NONCE_BYTES, Unreadable, newest_epoch, provider

PADDED_TO_BYTES = 256  # so that the length of a ciphertext does not tell the length of a name


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key as it is stored: which epoch wraps it, and the wrapped bytes."""

    epoch: str
    wrapped: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class DataKey:
    """A data key in the clear. It lives as long as the call that needs it."""

    secret: bytes = field(repr=False)

    def seal(self, facts: Mapping[str, Any], *, bound_to: bytes) -> bytes:
        """The facts as bytes that only this key opens, and only for the same `bound_to`."""
        text = json.dumps(facts, ensure_ascii=False, sort_keys=True).encode()
        padded = text.ljust(-(-len(text) // PADDED_TO_BYTES) * PADDED_TO_BYTES)  # blanks, which JSON skips
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + AESGCM(self.secret).encrypt(nonce, padded, bound_to)

    def open(self, sealed: bytes, *, bound_to: bytes) -> dict[str, Any]:
        """The facts. Raises Unreadable for another key, another `bound_to`, or a changed byte."""
        try:
            text = AESGCM(self.secret).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound_to)
        except (InvalidTag, ValueError):
            raise Unreadable("this was not sealed by this key for this purpose") from None
        facts: dict[str, Any] = json.loads(text)
        return facts


def new_key(*, bound_to: bytes) -> tuple[DataKey, WrappedKey]:
    """A fresh data key, and how it is stored. Raises KeysUnavailable."""
    key = DataKey(secrets.token_bytes(KEY_BYTES))
    return key, wrap(key, bound_to=bound_to)


def wrap(key: DataKey, *, bound_to: bytes) -> WrappedKey:
    """The data key, wrapped by the newest epoch. Raises KeysUnavailable."""
    epoch = newest_epoch()
    return WrappedKey(epoch, provider().wrap(epoch, key.secret, bound_to=bound_to))


def unwrap(stored: WrappedKey, *, bound_to: bytes) -> DataKey:
    """The data key. Raises EpochDestroyed, Unreadable, KeysUnavailable."""
    return DataKey(provider().unwrap(stored.epoch, stored.wrapped, bound_to=bound_to))
