"""What the ledger's commands are asked with."""

from argparse import ArgumentTypeError
from datetime import UTC, datetime
from uuid import UUID

from ledger.models import HOUSE


def instant(text: str) -> datetime:
    """An RFC 3339 instant, in UTC. Raises ArgumentTypeError without an offset: a local time would be a guess."""
    try:
        given = datetime.fromisoformat(text)
        if given.tzinfo is None:
            raise ArgumentTypeError(f"{text!r} does not say its offset from UTC")
        return given.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ArgumentTypeError(f"{text!r} is no RFC 3339 instant such as 2026-11-20T10:00:00Z") from error


def holder(text: str) -> UUID:
    """A player's id, or `house` for Dreamland's own book."""
    if text == "house":
        return HOUSE
    try:
        return UUID(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is neither a player's id nor `house`") from error
