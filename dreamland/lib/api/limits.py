"""How often one caller may call: counted in Valkey, told in RateLimit fields, never in the way of money.

Each policy counts calls in fixed windows; one round trip counts for all policies of a caller. Where Valkey is away
every call passes: a limit protects the service from haste, and an outage of the counter must not become ours.
Source: draft-ietf-httpapi-ratelimit-headers-11: `RateLimit-Policy: "burst";q=1000;w=5`, `RateLimit: "burst";r=999;t=5`.
"""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import redis
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from redis.backoff import NoBackoff
from redis.commands.core import Script
from redis.retry import Retry

KEPT_WINDOWS = 2  # a counter outlives its window, so that clocks of two servers may differ a little

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Policy:
    """At most `quota` calls in each window of `window_seconds`."""

    name: str
    quota: int
    window_seconds: int


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of a policy, and in how many seconds the window begins anew."""

    policy: Policy
    used: int
    resets_in_seconds: int

    @property
    def remaining(self) -> int:
        return max(0, self.policy.quota - self.used)

    @property
    def exceeded(self) -> bool:
        return self.used > self.policy.quota


class Unavailability:
    """Valkey was away: how often calls passed uncounted, and until when it is not even asked. One for each process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._total = 0
        self._shut_until_seconds = 0.0

    @property
    def total(self) -> int:
        """Calls that passed uncounted since the process began."""
        return self._total

    def is_shut(self) -> bool:
        """Whether a call should not wait for Valkey now."""
        return time.monotonic() < self._shut_until_seconds

    def note(self) -> None:
        """Counts a call that passed uncounted."""
        with self._lock:
            self._total += 1

    def shut(self) -> None:
        """Spares the calls of the next API_LIMITS_PAUSE_SECONDS the wait that this one had."""
        self._shut_until_seconds = time.monotonic() + settings.API_LIMITS_PAUSE_SECONDS

    def open(self) -> None:
        """Asks again at the next call."""
        self._shut_until_seconds = 0.0


unavailable = Unavailability()


def policies_for(kind: str) -> tuple[Policy, ...]:
    """The policies of one kind of caller (settings.API_LIMITS)."""
    return _policies(tuple(settings.API_LIMITS[kind]))


@cache
def _policies(named: tuple[tuple[str, int, int], ...]) -> tuple[Policy, ...]:
    return tuple(Policy(*policy) for policy in named)


def count_call(kind: str, identity: str) -> tuple[Quota, ...]:
    """Counts one call of this caller; what is left of each policy. Empty where nobody could count."""
    if unavailable.is_shut():
        unavailable.note()
        return ()
    policies, now_seconds = policies_for(kind), int(timezone.now().timestamp())
    try:
        used = _add_one(kind, identity, policies, now_seconds)
    except (redis.RedisError, OSError, ValueError) as error:  # ValueError: an address that is none
        unavailable.shut()
        unavailable.note()
        log.warning("rate limits are not counted: %s", error)
        return ()
    return tuple(
        Quota(policy, count, policy.window_seconds - now_seconds % policy.window_seconds)
        for policy, count in zip(policies, used, strict=True)
    )


def address_of(request: HttpRequest) -> str:
    """Where a stranger calls from: the last address that our own proxy saw, or else the other end of the connection."""
    forwarded = str(request.META.get("HTTP_X_FORWARDED_FOR", "")) if settings.BEHIND_TLS_PROXY else ""
    return forwarded.rpartition(",")[2].strip() or str(request.META.get("REMOTE_ADDR", "unknown"))


def tell(response: HttpResponseBase, kind: str, quotas: Sequence[Quota]) -> None:
    """Writes the limits of this kind of caller into an answer, and what is left of them where that was counted."""
    response["RateLimit-Policy"] = policy_field(policies_for(kind))
    if quotas:
        response["RateLimit"] = quota_field(quotas)


def tell_stranger(request: HttpRequest, response: HttpResponseBase) -> None:
    """Counts a call that came to no view of ours, and tells the limits of strangers."""
    tell(response, "stranger", count_call("stranger", address_of(request)))


# One command, so one round trip, and no counter without an end: a script runs whole or not at all.
COUNT = """
local counts = {}
for place, key in ipairs(KEYS) do
    counts[place] = redis.call('INCR', key)
    if counts[place] == 1 then redis.call('EXPIRE', key, ARGV[place]) end
end
return counts
"""


def _add_one(kind: str, identity: str, policies: Sequence[Policy], now_seconds: int) -> list[int]:
    """Counts the call in the window of each policy that it falls into; how many calls fell into each."""
    keys = [
        f"limit:{kind}:{identity}:{policy.window_seconds}:{now_seconds // policy.window_seconds}" for policy in policies
    ]
    counts: list[int] = _script(settings.API_LIMITS_URL)(
        keys=keys, args=[KEPT_WINDOWS * policy.window_seconds for policy in policies]
    )
    return counts


@cache
def _script(url: str) -> Script:
    """COUNT at that address: named by its digest, and sent again where Valkey has forgotten it."""
    return _client(url).register_script(COUNT)


@cache
def _client(url: str) -> redis.Redis:
    """One pool of connections for each process. It gives up soon and never tries twice: see `Unavailability`."""
    return redis.Redis.from_url(
        url,
        socket_timeout=settings.API_LIMITS_TIMEOUT_SECONDS,
        socket_connect_timeout=settings.API_LIMITS_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


@cache
def policy_field(policies: tuple[Policy, ...]) -> str:
    """The value of RateLimit-Policy: what holds, whatever was used. A List of Strings with parameters (RFC 9651)."""
    return ", ".join(f'"{policy.name}";q={policy.quota};w={policy.window_seconds}' for policy in policies)


def quota_field(quotas: Sequence[Quota]) -> str:
    """The value of RateLimit: what is left now."""
    return ", ".join(f'"{quota.policy.name}";r={quota.remaining};t={quota.resets_in_seconds}' for quota in quotas)
