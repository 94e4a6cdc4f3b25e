"""The queue of hours: which are due, which wins each has to take, and how a run moves from one state to the next.

**Which run takes which win.** A win is taken by the oldest unfinished run at or after the hour it was won in. So a run
has the wins of its own hour, and the late ones of the finished hours right before it; an hour that waits for its rate
keeps its wins to itself and holds up nobody, and when it is over at last, whatever came too late goes to the next run.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection, transaction

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


def begin(hour: datetime) -> RunFacts:
    """The run of that hour, made where there is none; it is running now, unless it was done before."""
    with connection.cursor() as cursor:
        cursor.execute(OPEN, [hour])
        cursor.execute(BEGIN, [hour])
        cursor.execute(READ, [hour])
        return RunFacts(*cursor.fetchone())


# Only hours that still have a pending win matter, so the search for the last unfinished hour begins there.
TAKES_FROM = """
SELECT coalesce(max(hour) + interval '1 hour', '-infinity')
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
        cursor.execute(WIN_HOURS, {"hour": hour})
        return sorted(row[0] for row in cursor.fetchall())


# The totals must be read after the lock is taken: a statement that waits for a lock still sees what it saw before.
LOCK = "SELECT id FROM conversion_conversionrun WHERE id = %s AND state <> 'done' FOR NO KEY UPDATE"
SETTLE = """
UPDATE conversion_conversionrun run
SET state = %(state)s, reason = %(reason)s, waits_for = %(waits_for)s,
    finished_at = CASE WHEN %(state)s = 'done' THEN clock_timestamp() END,
    conversions = line.conversions, tokens = line.tokens, usd = line.usd, fees = line.fees
FROM (SELECT count(*) AS conversions, coalesce(sum(tokens), 0) AS tokens, coalesce(sum(usd), 0) AS usd,
             coalesce(sum(fee), 0) AS fees
      FROM conversion_conversion WHERE run_id = %(run)s) line
WHERE run.id = %(run)s
"""


@transaction.atomic(durable=True)
def settle(run: RunFacts, *, missing: list[Missing], trouble: str) -> RunFacts:
    """Ends an attempt: the run is done, or waits for a rate, or has to be looked at. Counts its lines either way.

    Lines of the run are written under a shared lock on it (`conversion.lots`), so none appears after it is done.
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
            waits_for = gap.hour if gap else None
            cursor.execute(SETTLE, {"run": run.id, "state": state.value, "reason": reason, "waits_for": waits_for})
        cursor.execute(READ, [run.hour])
        return RunFacts(*cursor.fetchone())


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
