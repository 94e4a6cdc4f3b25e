"""Who keeps the key-encryption keys. They live in epochs: the newest one wraps, older ones still unwrap.

A destroyed epoch opens nothing any more, here or in any backup: that is how people are erased from backups. A key
management service outside implements `KeyProvider` and is named by VAULT_KEY_PROVIDER (docs/privacy.md, "Keys").
"""

import contextlib
import hmac
import os
import re
import secrets
from functools import cache
from pathlib import Path
from typing import ClassVar, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.module_loading import import_string

from dreamland.lib.races import Unavailable

KEY_BYTES = 32  # AES-256, and the digest of HMAC-SHA256
NONCE_BYTES = 12  # NIST SP 800-38D, section 8.2.2: random, far below 2^32 messages under one key
KEY_FILE = re.compile(r"(?P<epoch>[0-9]{6})\.(?P<kind>key|destroyed)")
OTHERS_MAY = 0o077  # permission bits of group and others


class KeysUnavailable(Unavailable):
    """Who keeps the keys cannot be asked just now, or is not set up. Nothing was written."""

    code: ClassVar[str] = "unavailable"


class EpochDestroyed(Exception):
    """The epoch is gone for good, and with it whatever it wrapped."""


class Unreadable(Exception):
    """Not sealed by this key for this purpose, or changed since."""


class KeyProvider(Protocol):
    """Keeps key-encryption keys, by epoch, and never gives one out.

    The shape of a key management service: AWS KMS has Encrypt, Decrypt and GenerateMac for it, with `bound_to` as the
    encryption context, and an epoch is a pair of its keys. Each call may cross a network, so no caller holds a lock.
    All raise KeysUnavailable; those that name an epoch raise EpochDestroyed where it is gone.
    """

    def epochs(self) -> tuple[str, ...]:
        """The epochs that can still be used, oldest first; the last one wraps what is new."""

    def begin_epoch(self) -> str:
        """Makes a new epoch, which wraps from now on."""

    def wrap(self, epoch: str, key: bytes, *, bound_to: bytes) -> bytes:
        """A data key as it may be stored."""

    def unwrap(self, epoch: str, wrapped: bytes, *, bound_to: bytes) -> bytes:
        """The data key. Raises Unreadable where it was wrapped otherwise or for something else."""

    def mac(self, epoch: str, message: bytes) -> bytes:
        """32 bytes that only who holds the epoch can compute: a blind index."""

    def destroy_epoch(self, epoch: str) -> None:
        """Ends an epoch for good. Again, it changes nothing."""


class FileKeys:
    """Keys in a directory, for one machine: `000001.key` is 32 random bytes that nobody but their owner may read.

    A destroyed epoch leaves `000001.destroyed`, so that its number never comes again. Overwriting a file does not reach
    copies of the disk: where destroying has to hold against backups of the directory, there must be none.
    """

    def __init__(self, directory: str) -> None:
        self.directory = Path(directory)

    def epochs(self) -> tuple[str, ...]:
        return tuple(sorted(epoch for epoch, kind in self._files() if kind == "key"))

    def begin_epoch(self) -> str:
        taken = [int(epoch) for epoch, _ in self._files()]
        epoch = f"{max(taken, default=0) + 1:06}"
        path = self.directory / f"{epoch}.key"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise KeysUnavailable("another epoch began at the same moment; look before you try again") from None
        except OSError as error:
            raise KeysUnavailable(f"no key can be written: {error.strerror}") from error
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        return epoch

    def wrap(self, epoch: str, key: bytes, *, bound_to: bytes) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + AESGCM(self._derived(epoch, b"wrap")).encrypt(nonce, key, bound_to)

    def unwrap(self, epoch: str, wrapped: bytes, *, bound_to: bytes) -> bytes:
        nonce, sealed = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        try:
            return AESGCM(self._derived(epoch, b"wrap")).decrypt(nonce, sealed, bound_to)
        except (InvalidTag, ValueError):
            raise Unreadable("this key was not wrapped by this epoch for this purpose") from None

    def mac(self, epoch: str, message: bytes) -> bytes:
        return hmac.digest(self._derived(epoch, b"mac"), message, "sha256")

    def destroy_epoch(self, epoch: str) -> None:
        path = self.directory / f"{epoch}.key"
        try:
            path.with_suffix(".destroyed").touch(mode=0o600)
            with contextlib.suppress(FileNotFoundError), path.open("r+b") as file:
                file.write(bytes(KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            path.unlink(missing_ok=True)
        except OSError as error:
            raise KeysUnavailable(f"the key cannot be destroyed: {error.strerror}") from error

    def _files(self) -> list[tuple[str, str]]:
        if not self.directory.is_dir():
            raise KeysUnavailable("VAULT_KEY_DIR is no directory")
        names = [KEY_FILE.fullmatch(path.name) for path in self.directory.iterdir()]
        found = [(name["epoch"], name["kind"]) for name in names if name]
        gone = {epoch for epoch, kind in found if kind == "destroyed"}
        return [(epoch, kind) for epoch, kind in found if kind == "destroyed" or epoch not in gone]

    def _derived(self, epoch: str, use: bytes) -> bytes:
        """A key of its own for each use, from the epoch's secret (RFC 5869)."""
        path = self.directory / f"{epoch}.key"
        if path.with_suffix(".destroyed").exists():
            raise EpochDestroyed(epoch)
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_mode & OTHERS_MAY:
                    raise KeysUnavailable(f"the key of epoch {epoch} can be read by others: chmod 600")
                secret = file.read()
        except OSError as error:
            raise KeysUnavailable(f"the key of epoch {epoch} cannot be read: {error.strerror}") from error
        if len(secret) != KEY_BYTES:
            raise KeysUnavailable(f"the key of epoch {epoch} has not {KEY_BYTES} bytes")
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=b"dreamland vault: " + use).derive(secret)


@cache
def _made(path: str, directory: str) -> KeyProvider:
    if path == "file":
        return FileKeys(directory)
    made: KeyProvider = import_string(path)()
    return made


def provider() -> KeyProvider:
    """Who keeps the keys here (VAULT_KEY_PROVIDER). Raises KeysUnavailable where nobody does."""
    if settings.VAULT_KEY_PROVIDER == "file" and not settings.VAULT_KEY_DIR:
        raise KeysUnavailable("VAULT_KEY_DIR is not set")
    return _made(settings.VAULT_KEY_PROVIDER, settings.VAULT_KEY_DIR)


def newest_epoch() -> str:
    """The epoch that wraps what is new. Raises KeysUnavailable where there is none yet."""
    epochs = provider().epochs()
    if not epochs:
        raise KeysUnavailable("there is no key yet: `manage.py vault --first-epoch` makes it")
    return epochs[-1]
