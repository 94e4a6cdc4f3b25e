"""Types of command-line arguments."""

from argparse import ArgumentTypeError
from datetime import UTC, datetime


def instant(text: str) -> datetime:
    """An RFC 3339 instant, in UTC. Raises ArgumentTypeError without an offset: a local time would be a guess."""
    try:
        given = datetime.fromisoformat(text)
        if given.tzinfo is None:
            raise ArgumentTypeError(f"{text!r} does not say its offset from UTC, as RFC 3339 asks")
        return given.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ArgumentTypeError(f"{text!r} is no RFC 3339 instant such as 2026-11-20T10:00:00Z") from error
