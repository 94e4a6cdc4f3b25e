"""The queue of hours: which are due, which wins each has to take, and how a run moves from one state to the next.

**Which run takes which win.** A win is taken by the oldest unfinished run at or after the hour it was won in. So a run
has the wins of its own hour, and the late ones of the finished hours right before it; an hour that waits for its rate
keeps its wins to itself and holds up nobody, and when it is over at last, whatever came too late goes to the next run.
No win is late for longer than CONVERSION_LATE_WINDOW: what is still pending then is dust (docs/decisions/0008).

**The life of a run.** due -> running -> done, with awaiting_rate and rate_quarantined beside running. PostgreSQL lets
no other step happen and keeps a record of each (sql/run_transition.sql).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from conversion.errors import PostConditionFailed
from conversion.models import ConversionRun
from conversion.quotes import HOUR
from conversion.rates import Missing

State = ConversionRun.State


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A run as it stands in the database: where it is, why it waits, and what it has converted so far."""

    id: UUID
    hour: datetime
    state: str
    reason: str
    waits_for: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    conversions: int
    tokens: Decimal
    usd: Decimal
    fees: Decimal


COLUMNS = "id, hour, state, reason, waits_for, started_at, finished_at, conversions, tokens, usd, fees"
OPEN = "INSERT INTO conversion_conversionrun (hour) VALUES (%s) ON CONFLICT (hour) DO NOTHING"
# A run that somebody holds is running already; nobody waits to say so again.
BEGIN = """
UPDATE conversion_conversionrun SET state = 'running', reason = '', waits_for = NULL, started_at = clock_timestamp()
WHERE id IN (SELECT id FROM conversion_conversionrun WHERE hour = %s AND state <> 'done'
             FOR NO KEY UPDATE SKIP LOCKED)
"""
READ = f"SELECT {COLUMNS} FROM conversion_conversionrun WHERE hour = %s"
READ_BY_ID = f"SELECT {COLUMNS} FROM conversion_conversionrun WHERE id = %s"


def begin(hour: datetime) -> RunFacts:
    """The run of that hour, made where there is none; it is running now, unless it was done before."""
    with connection.cursor() as cursor:
        cursor.execute(OPEN, [hour])
        cursor.execute(BEGIN, [hour])
        cursor.execute(READ, [hour])
        return RunFacts(*cursor.fetchone())


def read(run_id: UUID) -> RunFacts | None:
    """The run with that id, if there is one."""
    with connection.cursor() as cursor:
        cursor.execute(READ_BY_ID, [run_id])
        row = cursor.fetchone()
    return RunFacts(*row) if row else None


# Only hours that still have a pending win matter, so the search for the last unfinished hour begins there.
TAKES_FROM = """
SELECT greatest(max(hour) + interval '1 hour', %(hour)s::timestamptz - %(late_window)s::interval)
FROM generate_series(
    (SELECT date_trunc('hour', min(won_at), 'UTC') FROM rewards_win
     WHERE converted_by_id IS NULL AND voided_by_id IS NULL),
    %(hour)s::timestamptz - interval '1 hour', interval '1 hour', 'UTC'
) AS hour
WHERE NOT EXISTS (SELECT FROM conversion_conversionrun run WHERE run.hour = hour.hour AND run.state = 'done')
"""
WIN_HOURS = f"""
SELECT DISTINCT date_trunc('hour', won_at, 'UTC') FROM rewards_win
WHERE converted_by_id IS NULL AND voided_by_id IS NULL
  AND won_at >= ({TAKES_FROM}) AND won_at < %(hour)s::timestamptz + interval '1 hour'
"""


def win_hours(hour: datetime) -> list[datetime]:
    """The hours whose pending wins the run of `hour` has to take, by the rule at the top of this module."""
    with connection.cursor() as cursor:
        wanted: dict[str, Any] = {"hour": hour, "late_window": settings.CONVERSION_LATE_WINDOW}
        cursor.execute(WIN_HOURS, wanted)
        return sorted(row[0] for row in cursor.fetchall())


# The whole key space in parts of so many players who still have something to convert. Player ids need not be spread
# evenly (UUIDv7 is not), so the parts are cut where the players are.
RANGES = """
SELECT player_id, count(*) OVER () FROM (
    SELECT player_id, row_number() OVER (ORDER BY player_id) - 1 AS place FROM (
        SELECT DISTINCT player_id FROM rewards_win
        WHERE converted_by_id IS NULL AND voided_by_id IS NULL
          AND date_trunc('hour', won_at, 'UTC') = ANY(%(hours)s::timestamptz[])
    ) AS pending
) AS placed WHERE place %% %(size)s = 0 ORDER BY player_id
"""
KeyRange = tuple[UUID, UUID]  # first and last player, both included
EVERYBODY: KeyRange = (UUID(int=0), UUID(int=2**128 - 1))


def key_ranges(hours: Collection[datetime]) -> list[KeyRange]:
    """Ranges of player ids that meet without a gap or an overlap, from the first id that can be to the last.

    Each has at most CONVERSION_PLAYERS_PER_RANGE players with pending wins of `hours`.
    """
    with connection.cursor() as cursor:
        cursor.execute(RANGES, {"hours": list(hours), "size": settings.CONVERSION_PLAYERS_PER_RANGE})
        cuts = [player.int for player, _ in cursor.fetchall()][1:]
    return [
        (UUID(int=first), UUID(int=after - 1))
        for first, after in pairwise([EVERYBODY[0].int, *cuts, EVERYBODY[1].int + 1])
    ]


def pending_players(hours: Collection[datetime]) -> int:
    """How many players have something to convert that was won in `hours`."""
    with connection.cursor() as cursor:
        cursor.execute(PENDING_PLAYERS, [list(hours)])
        return int(cursor.fetchone()[0])


PENDING_PLAYERS = """
SELECT count(DISTINCT player_id) FROM rewards_win
WHERE converted_by_id IS NULL AND voided_by_id IS NULL
  AND date_trunc('hour', won_at, 'UTC') = ANY(%s::timestamptz[])
"""
# What is counted must be read after the lock is taken: a statement that waits for a lock still sees what it saw before.
# A run that somebody else has settled meanwhile is not running, and is left as it is.
LOCK = "SELECT id FROM conversion_conversionrun WHERE id = %s AND state = 'running' FOR NO KEY UPDATE"
# The lines of the run, and what stands in the journal for them.
COUNT = """
SELECT line.*, posted.* FROM (
    SELECT count(*), coalesce(sum(tokens), 0), coalesce(sum(usd), 0), coalesce(sum(fee), 0)
    FROM conversion_conversion WHERE run_id = %(run)s
) line, (
    SELECT count(DISTINCT posting.entry_id),
           coalesce(sum(amount) FILTER (WHERE debit_id = 'player:dream' AND credit_id = 'dream:redeemed'), 0),
           coalesce(sum(amount) FILTER (WHERE debit_id = 'usd:rewards-expense' AND credit_id = 'player:usd'), 0),
           coalesce(sum(amount) FILTER (
               WHERE debit_id = 'usd:conversion-fees' AND credit_id = 'usd:fees-payable'), 0)
    FROM conversion_conversion line
    JOIN ledger_posting posting ON posting.holder = line.player_id AND posting.entry_id = line.entry_id
    WHERE line.run_id = %(run)s
) posted
"""
SETTLE = """
UPDATE conversion_conversionrun
SET state = %s, reason = %s, waits_for = %s, finished_at = CASE WHEN %s THEN clock_timestamp() END,
    conversions = %s, tokens = %s, usd = %s, fees = %s
WHERE id = %s AND state = 'running'
"""


@transaction.atomic(durable=True)
def settle(run: RunFacts, *, missing: list[Missing], trouble: str) -> RunFacts:
    """Ends an attempt: the run is done, or waits for a rate, or has to be looked at. Counts its lines either way.

    Lines of the run are written under a shared lock on it (`conversion.chunks`), so none appears after it is done.
    Raises PostConditionFailed where the journal does not hold exactly these lines; the run then stays as it was.
    """
    gap = min(missing, key=lambda gap: (not gap.quarantined, gap.hour), default=None)
    state, reason = State.DONE, ""
    if trouble:
        state, reason = State.RUNNING, trouble
    elif gap is not None:
        state, reason = State.RATE_QUARANTINED if gap.quarantined else State.AWAITING_RATE, gap.code
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [run.id])
        if cursor.fetchone():
            cursor.execute(COUNT, {"run": run.id})
            totals = cursor.fetchone()
            lines, posted = totals[:4], totals[4:]
            if lines != posted:
                raise PostConditionFailed(f"run {run.id}: lines (count, tokens, USD, fees) {lines}, posted {posted}")
            waits_for = gap.hour if gap else None
            cursor.execute(SETTLE, [state.value, reason, waits_for, state == State.DONE, *lines, run.id])
        cursor.execute(READ, [run.hour])
        return RunFacts(*cursor.fetchone())


BREAK_OFF = "UPDATE conversion_conversionrun SET reason = 'does-not-add-up' WHERE id = %s AND state = 'running'"


def break_off(run: RunFacts) -> None:
    """Leaves the run unfinished with the word that its books did not add up, where finance and alarms see it."""
    with connection.cursor() as cursor:
        cursor.execute(BREAK_OFF, [run.id])


# Hours that never got into trouble come first to last; of those that did, the ones that were tried longest ago. Each
# kind has its own limit, so that a hundred hours without a rate cannot keep the hour that just ended from its turn.
DUE = """
WITH hours AS (
    SELECT hour FROM generate_series(
        least((SELECT min(hour) FROM conversion_conversionrun),
              (SELECT date_trunc('hour', min(won_at), 'UTC') FROM rewards_win
               WHERE converted_by_id IS NULL AND voided_by_id IS NULL)),
        %(last)s::timestamptz, interval '1 hour', 'UTC'
    ) AS hour
), unfinished AS (
    SELECT hours.hour, coalesce(run.reason, '') <> '' AS troubled, run.started_at
    FROM hours LEFT JOIN conversion_conversionrun run ON run.hour = hours.hour
    WHERE run.state IS DISTINCT FROM 'done'
)
SELECT hour FROM (
    (SELECT hour FROM unfinished WHERE NOT troubled ORDER BY hour LIMIT %(fresh)s)
    UNION ALL
    (SELECT hour FROM unfinished WHERE troubled ORDER BY started_at, hour LIMIT %(troubled)s)
) AS turn ORDER BY hour
"""


def due_hours(*, until: datetime, fresh: int, troubled: int) -> list[datetime]:
    """The hours over at `until` that are not done, oldest first: at most `fresh` new ones and `troubled` others."""
    with connection.cursor() as cursor:
        cursor.execute(DUE, {"last": until - HOUR, "fresh": fresh, "troubled": troubled})
        return [row[0] for row in cursor.fetchall()]
