"""A pass of a run over the players: chunk after chunk in key order.

A chunk that was lost is taken up by the next pass (`conversion.chunks`).
"""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, OperationalError, connection

from conversion import chunks
from conversion.errors import PostConditionFailed
from conversion.quotes import HOUR
from conversion.rates import Terms
from conversion.runs import EVERYBODY, KeyRange, RunFacts
from dreamland.lib.errors import DomainError
from dreamland.lib.races import Unavailable, try_again

logger = logging.getLogger(__name__)
Progress = Callable[[int], None]


def unheard(players: int) -> None:
    """Progress that nobody listens to."""


# Two processes at one run can both see a player's next lot as free; the index lets one line in, and the other looks
# again.
LOST_RACES = {"conversion_line_once"}
# PostgreSQL, appendix A: lock_not_available, query_canceled (a timeout): somebody sits on these rows.
BUSY_SQLSTATES = {"55P03", "57014"}


def convert_lots(
    *,
    run: RunFacts,
    terms: Collection[Terms],
    ranges: Iterable[KeyRange] = (EVERYBODY,),
    progress: Progress = unheard,
) -> str:
    """Converts every lot of the hours in `terms`, one pass over the players of `ranges`, in key order in each.
    `progress` hears how many players were passed, chunk by chunk.

    Returns '' or the code of a trouble that left players out: `busy` (others hold their rows), `books-refuse` (their
    books do not add up; logged with each player). The others are converted all the same, unless the books refuse
    CONVERSION_BROKEN_PLAYERS_PER_RUN of them: then it is not the players, and the error is raised.
    """
    work = _Pass(run, terms)
    for between in ranges:
        for players in _chunks(run.hour + HOUR, [each.hour for each in terms], between, work.size):
            work.convert(players)
            progress(len(players))
    return work.trouble


class ChunkSize:
    """How many players the next chunk has: as many as are likely to take CONVERSION_CHUNK_MS.

    While a chunk is at work it holds the wallets of its players, and their next wins wait for it. So its time is
    bounded, whatever the machine, its load, and how much each player has won (docs/performance.md). Below
    CONVERSION_PLAYERS_PER_CHUNK_LEAST a chunk would be little but its round trips: on a slow machine a run of such
    chunks would not come to an end.
    """

    def __init__(self) -> None:
        self.least = min(settings.CONVERSION_PLAYERS_PER_CHUNK_LEAST, settings.CONVERSION_PLAYERS_PER_CHUNK)
        self.players = self.least

    def took(self, players: int, seconds: float) -> None:
        """Learns from a chunk. Grows twofold at most: one lucky chunk says little."""
        fitting = int(players * settings.CONVERSION_CHUNK_MS / 1_000 / max(seconds, 1e-6))
        self.players = max(self.least, min(fitting, 2 * self.players, settings.CONVERSION_PLAYERS_PER_CHUNK))


# The queue, in key order: index win_pending.
PLAYERS = """
SELECT DISTINCT player_id FROM rewards_win
WHERE converted_by_id IS NULL AND voided_by_id IS NULL
  AND won_at < %(end)s AND date_trunc('hour', won_at, 'UTC') = ANY(%(hours)s::timestamptz[])
  AND player_id BETWEEN %(first)s AND %(last)s
ORDER BY player_id LIMIT %(limit)s
"""


def _chunks(end: datetime, hours: Sequence[datetime], between: KeyRange, size: ChunkSize) -> Iterator[list[UUID]]:
    """The players of the queue, a few at a time. They are read many at a time: claiming looks at each again anyway."""
    first, last = between
    limit = settings.CONVERSION_PLAYERS_PER_CHUNK
    while hours:
        with connection.cursor() as cursor:
            cursor.execute(PLAYERS, {"end": end, "hours": list(hours), "first": first, "last": last, "limit": limit})
            players = [row[0] for row in cursor.fetchall()]
        place = 0
        while place < len(players):
            chunk = players[place : place + size.players]
            yield chunk
            place += len(chunk)
        if len(players) < limit or players[-1] == last:
            return
        first = UUID(int=players[-1].int + 1)


@dataclass(slots=True)
class _Pass:
    """One pass of a run over the players: what went wrong so far does not stop it, up to a limit."""

    run: RunFacts
    terms: Collection[Terms]
    size: ChunkSize = field(default_factory=ChunkSize)
    trouble: str = ""
    broken_players: int = 0

    def convert(self, players: list[UUID]) -> None:
        """Converts a chunk. Where the books refuse it, halves it until the player whom they refuse stands alone."""
        began = time.monotonic()
        try:
            try_again(lambda: chunks.convert_chunk(self.run, self.terms, players), lost_races=LOST_RACES)
            self.size.took(len(players), time.monotonic() - began)
        except (Unavailable, OperationalError) as error:
            cause = error.__cause__
            if isinstance(error, OperationalError) and getattr(cause, "sqlstate", None) not in BUSY_SQLSTATES:
                raise
            logger.warning("players not converted: their rows are busy", extra={"first_player": str(players[0])})
            self.trouble = self.trouble or "busy"
        except (PostConditionFailed, DomainError, IntegrityError):
            if len(players) > 1:
                middle = len(players) // 2
                self.convert(players[:middle])
                self.convert(players[middle:])
                return
            logger.exception("a player was not converted: the books refuse", extra={"player": str(players[0])})
            self.trouble, self.broken_players = "books-refuse", self.broken_players + 1
            if self.broken_players >= settings.CONVERSION_BROKEN_PLAYERS_PER_RUN:
                raise
