"""The list of erasures outside the database: a restore brings people back, and this says whom to erase again.

One line of JSON for each, written and synced before the erasure commits: who is erased is on the list. Where a commit
failed after it, the list names somebody who asked to be erased and was told that it has to be done once more.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings

from dreamland.lib.durable import append_line
from dreamland.lib.races import Unavailable


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of the list. `player_id` is None where it cannot be read: `line` says which one."""

    line: int
    player_id: UUID | None


def append(player_id: UUID, erased_at: datetime) -> None:
    """Adds an erasure, on the disk when this returns. Raises Unavailable. Without ERASURE_LIST nothing is kept."""
    if not settings.ERASURE_LIST:
        return
    text = json.dumps({"player": str(player_id), "erased_at": erased_at.isoformat()})
    try:
        append_line(settings.ERASURE_LIST, text, mode=0o600)
    except OSError as error:
        raise Unavailable(f"the list of erasures cannot be written: {error.strerror}") from error


def read(lines: Iterable[str]) -> Iterator[Listed]:
    """What a list says, in its order, whatever is broken in it."""
    for number, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        try:
            yield Listed(number, UUID(json.loads(text)["player"]))
        except (ValueError, KeyError, TypeError, AttributeError):
            yield Listed(number, None)
