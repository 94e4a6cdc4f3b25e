"""How often somebody may try to sign in: counted in PostgreSQL, so it holds whether Valkey is there or not.

Each try is counted before the password is looked at, in fixed windows (settings.STAFF_SIGN_IN_LIMITS): by address,
by account from that address, and by account from anywhere. The first two are strict. The third is wide, because whoever
knows a name could shut its owner out with it; behind every password stands a second factor.
"""

import hashlib
import hmac
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import AddressValueError, IPv6Address

from django.conf import settings
from django.db import connection

from dreamland.staff.errors import TooManyAttempts

IPV6_NETWORK_BITS = 64  # what one customer of a provider has at the least

COUNT = """
    INSERT INTO staff_signinattempts AS counted (key, window_starts_at, attempts) VALUES (%s, %s, 1)
    ON CONFLICT (key, window_starts_at) DO UPDATE SET attempts = counted.attempts + 1
    RETURNING attempts
"""
GIVE_BACK = """
    UPDATE staff_signinattempts SET attempts = attempts - 1
    WHERE key = %s AND window_starts_at = %s AND attempts > 0
"""


@dataclass(frozen=True, slots=True)
class Counted:
    """One try, and the windows that it was counted in."""

    windows: tuple[tuple[str, datetime], ...]


def count_attempt(*, username: str, address: str, now: datetime) -> Counted:
    """Counts one try of this account from this address. Whether there is such an account makes no difference.

    Raises TooManyAttempts, with `retry_after_seconds`. A try that is refused for its address is not counted for the
    account, so that the table grows by what an address may try and no faster.
    """
    windows: list[tuple[str, datetime]] = []
    for kind, limit, window_seconds in settings.STAFF_SIGN_IN_LIMITS:
        second = int(now.timestamp())
        window = datetime.fromtimestamp(second - second % window_seconds, UTC)
        key = _key(kind, username, address)
        with connection.cursor() as cursor:
            cursor.execute(COUNT, [key, window])
            (attempts,) = cursor.fetchone() or (0,)
        if attempts > limit:
            wait = window_seconds - second % window_seconds
            raise TooManyAttempts(
                f"Too many attempts. Try again in {_minutes(wait)}.", retry_after_seconds=wait, kind=kind
            )
        windows.append((key, window))
    return Counted(tuple(windows))


def give_back(counted: Counted) -> None:
    """Takes a try that succeeded out of the count: who signs in often is not shut out for it."""
    with connection.cursor() as cursor:
        cursor.executemany(GIVE_BACK, sorted(counted.windows))


def forget_windows(*, before: datetime) -> int:
    """Removes the counts of windows that began before; how many."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM staff_signinattempts WHERE window_starts_at < %s", [before])
        return int(cursor.rowcount)


def _key(kind: str, username: str, address: str) -> str:
    parts: Sequence[str] = {
        "address": (network_of(address),),
        "account-and-address": (_folded(username), network_of(address)),
        "account": (_folded(username),),
    }[kind]
    text = "\0".join((kind, *parts)).encode()
    return hmac.digest(settings.SECRET_KEY.encode(), b"sign-in attempts\0" + text, hashlib.sha256).hex()


def _folded(username: str) -> str:
    return unicodedata.normalize("NFKC", username).casefold().strip()


def network_of(address: str) -> str:
    """An IPv4 address as it is; of an IPv6 address the network, since its owner has all addresses in it."""
    try:
        parsed = IPv6Address(address.partition("%")[0])
    except AddressValueError:
        return address
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) >> IPV6_NETWORK_BITS << IPV6_NETWORK_BITS)}/{IPV6_NETWORK_BITS}"


def _minutes(seconds: int) -> str:
    minutes = -(-seconds // 60)
    return "a minute" if minutes == 1 else f"{minutes} minutes"
