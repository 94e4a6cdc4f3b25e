"""Use cases that lose a race are tried again, a bounded number of times."""

import logging
from collections.abc import Callable, Collection
from typing import ClassVar, TypeVar

import stamina
from django.conf import settings
from django.db import IntegrityError, OperationalError
from stamina.instrumentation import RetryDetails

from dreamland.lib.errors import DomainError, constraint_name

logger = logging.getLogger(__name__)
T = TypeVar("T")

# PostgreSQL, appendix A: serialization_failure, deadlock_detected.
RETRYABLE_SQLSTATES = {"40001", "40P01"}


class LostRace(Exception):
    """What was read before the lock no longer holds after it."""


class Unavailable(DomainError):
    """Not now: every attempt lost a race. Nothing was written; the same call may be sent again."""

    code: ClassVar[str] = "unavailable"


def tell_of_another_attempt(details: RetryDetails) -> None:
    """Logs that something is tried again, here or at the network, and after what: never the text of the error, which
    quotes rows and addresses. (stamina's own hook would print that, past our handlers, on standard output.)"""
    error = details.caused_by
    cause = getattr(error.__cause__, "sqlstate", None)
    named = constraint_name(error) if isinstance(error, IntegrityError) else None
    logger.info(
        "another attempt", extra={"attempt": details.retry_num + 1, "after": named or cause or type(error).__name__}
    )


def try_again(use_case: Callable[[], T], *, lost_races: Collection[str] = ()) -> T:
    """Runs `use_case` (one whole transaction) until it is not undone by another one, SERVICE_ATTEMPTS times at most.

    `lost_races` names constraints whose violation means that somebody else was faster. Raises Unavailable after the
    last attempt; any other error passes through at once.
    """

    def lost(error: Exception) -> bool:
        if isinstance(error, OperationalError):
            return getattr(error.__cause__, "sqlstate", None) in RETRYABLE_SQLSTATES
        if isinstance(error, IntegrityError):
            return constraint_name(error) in lost_races
        return isinstance(error, LostRace)

    try:
        for attempt in stamina.retry_context(
            on=lost, attempts=settings.SERVICE_ATTEMPTS, timeout=None, wait_initial=0.01, wait_max=0.2, wait_jitter=0.05
        ):
            with attempt:
                return use_case()
    except (OperationalError, IntegrityError, LostRace) as error:
        if not lost(error):
            raise
        raise Unavailable("too many others at the same rows; send it again") from error
    raise AssertionError("unreachable: the last attempt returns or raises")
