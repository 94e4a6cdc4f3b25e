"""The second factor: a TOTP device (RFC 6238) and ten recovery codes for the day it is lost.

Devices, their clocks and their throttling are django-otp's. Of a recovery code only a digest is kept: it has 80 random
bits, so that nobody finds it from the digest.
"""

import hashlib
import re
import secrets
import time
from base64 import b32encode
from binascii import unhexlify
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django_otp import verify_token
from django_otp.models import Device
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice, default_key

from dreamland.lib.errors import named_refusals
from dreamland.staff.errors import REFUSALS, AlreadyEnrolled, CodeRefused, NothingToReset, NotPermitted
from dreamland.staff.models import FactorReset

RECOVERY_CODES = 10
RECOVERY_CODE_BYTES = 10
TOTP_STEP_SECONDS = 30
TOTP_TOLERANCE = 1  # steps before and after: clocks of telephones differ a little
TOTP_CODE = re.compile(r"[0-9]{6}")
RECOVERY_CODE = re.compile(r"[a-z2-7]{16}")


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A device that works, and the recovery codes, which are told this once."""

    device: Device
    recovery_codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """A second factor was shown. `codes_left`: recovery codes that were not used yet, where one was."""

    device: Device
    codes_left: int | None


def new_seed() -> str:
    """A seed of 160 random bits, in hex: what a device is made of once its first code is right."""
    seed: str = default_key()
    return seed


def qr_uri(user: Any, seed: str) -> str:
    """What the QR code says: the otpauth address of a device of this seed."""
    return str(TOTPDevice(user=user, key=seed).config_url)


def readable_seed(seed: str) -> str:
    """The seed as people type it: base32 in groups of four."""
    return _in_fours(b32encode(unhexlify(seed)).decode())


def has_factor(user: Any) -> bool:
    """Whether the person has a device."""
    return bool(TOTPDevice.objects.filter(user_id=user.pk, confirmed=True).exists())


def codes_left(user: Any) -> int:
    """How many recovery codes of the person were not used yet."""
    return int(StaticToken.objects.filter(device__user_id=user.pk).count())


def enrol(*, user: Any, seed: str, code: str, replace: bool = False) -> Enrolled:
    """Makes the device of this seed the person's only one, with new recovery codes; `code` proves that it works.

    `replace`: the person showed the old device in this session. Raises CodeRefused and AlreadyEnrolled.
    """
    totp = TOTP(unhexlify(seed), step=TOTP_STEP_SECONDS)
    totp.time = time.time()
    given = code.replace(" ", "")
    if not TOTP_CODE.fullmatch(given) or not totp.verify(int(given), TOTP_TOLERANCE):
        raise CodeRefused("This is not the code that the device shows now. Wait for the next one and try again.")
    with transaction.atomic(durable=True):
        _lock(user)
        if has_factor(user) and not replace:
            raise AlreadyEnrolled("You have a second factor already.")
        _forget_devices(user)
        device = TOTPDevice.objects.create(
            user_id=user.pk,
            name="Authenticator",
            key=seed,
            step=TOTP_STEP_SECONDS,
            tolerance=TOTP_TOLERANCE,
            drift=totp.drift,
            last_t=totp.t(),
        )
        return Enrolled(device, _make_codes(user))


def make_recovery_codes(*, user: Any) -> tuple[str, ...]:
    """Ten new recovery codes, told this once; the old ones are void."""
    with transaction.atomic(durable=True):
        _lock(user)
        return _make_codes(user)


def show_factor(*, user: Any, code: str) -> Shown:
    """Takes the code of the person's device, or a recovery code, each once. Raises CodeRefused.

    After each wrong code the device takes none for a while, twice as long each time (1 s, 2 s, 4 s ...).
    """
    given = code.replace(" ", "").replace("-", "").lower()
    if TOTP_CODE.fullmatch(given):
        devices: list[Any] = list(TOTPDevice.objects.filter(user_id=user.pk, confirmed=True))
    elif RECOVERY_CODE.fullmatch(given):
        devices = list(StaticDevice.objects.filter(user_id=user.pk, confirmed=True))
        given = _digest(given)
    else:
        raise CodeRefused("A code has six digits; a recovery code has sixteen letters and digits.")
    for device in devices:
        allowed, told = device.verify_is_allowed()
        if not allowed:
            raise CodeRefused("Too many wrong codes. Wait a little and try again.", locked_until=_unlocked(told))
        if verify_token(user, device.persistent_id, given):
            return Shown(device, codes_left(user) if isinstance(device, StaticDevice) else None)
    raise CodeRefused("This code is not right, or it was used before. Wait for the next one and try again.")


def reset_factor(*, user: User, by: User, reason: str) -> FactorReset:
    """Takes the second factor of somebody who lost it, so that the next sign-in sets up a new one.

    Sessions that it opened are shut by that. `by`: another person, with the permission `staff.reset_second_factor`.
    Raises NotPermitted, ResetByOneself, NothingToReset, ReasonMissing, ReasonTooLong.
    """
    if not by.is_active or not by.has_perm("staff.reset_second_factor"):
        raise NotPermitted("Resetting a second factor needs its own permission.")
    with named_refusals(REFUSALS), transaction.atomic(durable=True):
        _lock(user)
        if not has_factor(user) and not codes_left(user):
            raise NothingToReset("This person has no second factor: the next sign-in sets one up.")
        reset = FactorReset.objects.create(user=user, by=by, reason=reason)
        _forget_devices(user)
        return reset


def _lock(user: Any) -> None:
    User.objects.select_for_update(of=("self",)).get(pk=user.pk)


def _forget_devices(user: Any) -> None:
    for model in (StaticToken.objects.filter(device__user_id=user.pk), StaticDevice.objects.filter(user_id=user.pk)):
        model.delete()
    TOTPDevice.objects.filter(user_id=user.pk).delete()


def _make_codes(user: Any) -> tuple[str, ...]:
    StaticToken.objects.filter(device__user_id=user.pk).delete()
    device, _ = StaticDevice.objects.get_or_create(user_id=user.pk, defaults={"name": "Recovery codes"})
    codes = [b32encode(secrets.token_bytes(RECOVERY_CODE_BYTES)).decode().lower() for _ in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create(StaticToken(device=device, token=_digest(code)) for code in codes)
    return tuple(_in_fours(code, "-") for code in codes)


def _in_fours(text: str, between: str = " ") -> str:
    return between.join(text[start : start + 4] for start in range(0, len(text), 4))


def _digest(code: str) -> str:
    """80 bits of SHA-256 over the code, in the 16 letters that django-otp's column has."""
    return b32encode(hashlib.sha256(code.encode()).digest()[:RECOVERY_CODE_BYTES]).decode().lower()


def _unlocked(told: Any) -> Any:
    return (told or {}).get("locked_until")
