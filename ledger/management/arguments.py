"""What the ledger's commands are asked with."""

from argparse import ArgumentTypeError
from uuid import UUID

from ledger.models import HOUSE


def holder(text: str) -> UUID:
    """A player's id, or `house` for Dreamland's own book."""
    if text == "house":
        return HOUSE
    try:
        return UUID(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is neither a player's id nor `house`") from error
