"""Is the centre right? What its own database can tell, without asking a region.

The regions say what each closed hour held, in the stream that carries the rows; the chain of hours says that none is
missing. So a lost row, a doubled one, a changed one, a lost hour and a silent region all show here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import sql

from dreamland.world.contract import Publication
from dreamland.world.subscriptions import Subscription

FIRST_FINDINGS = 100  # of one kind: who has more looks at the first ones


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with what the centre has of a region."""

    region: str
    kind: str
    subject: str
    problem: str


CHAIN = """
SELECT region, CASE WHEN follows THEN 'chain-broken' ELSE 'hour-missing' END, format('hour %s', number),
       CASE WHEN follows THEN 'its link does not cover the one before it' ELSE 'does not follow the one before it' END
FROM hour_chain WHERE NOT (follows AND is_linked) ORDER BY region, number LIMIT {limit}
"""
HOURS = """
SELECT region, 'hour-differs', format('hour %s, %s', number, name),
       format('the region says %s, here is %s', coalesce(told::text, 'nothing'), coalesce(here::text, 'nothing'))
FROM hour_differences ORDER BY region, number, name LIMIT {limit}
"""
BEATS = """
SELECT region, 'beat-missing', format('beat %s', number), format('follows beat %s', before)
FROM (SELECT region, number, lag(number) OVER (PARTITION BY region ORDER BY number) AS before FROM world_beat) beat
WHERE number <> coalesce(before, 0) + 1 ORDER BY region, number LIMIT {limit}
"""
WITHOUT_ENTRY = """
SELECT fact.region, 'entry-missing', format('{table} %s', fact.{entry}), 'is of no journal entry that is here'
FROM {table} fact LEFT JOIN ledger_journalentry entry ON entry.region = fact.region AND entry.id = fact.{entry}
WHERE entry.id IS NULL ORDER BY fact.region, fact.{entry} LIMIT {limit}
"""
SILENT = """
SELECT region, 'silent', 'beats', coalesce('the last one came at ' || max(beat.arrived_at), 'none ever came')
FROM unnest(%(regions)s::text[]) AS region LEFT JOIN world_beat beat USING (region)
GROUP BY region HAVING coalesce(max(beat.arrived_at), '-infinity') < clock_timestamp() - %(silence)s ORDER BY region
"""
LATE = """
SELECT region, 'hours-late', 'closed hours', 'the last one ended at ' || max(closed.ends_at)
FROM unnest(%(regions)s::text[]) AS region JOIN world_hourclose closed USING (region)
GROUP BY region HAVING max(closed.ends_at) < clock_timestamp() - %(late)s ORDER BY region
"""
# A player on the way is no fault; one who does not arrive is.
IN_TRANSIT = """
SELECT '', 'in-transit', format('move %%s', transfer),
       format('%%s, %%s USD between the regions for %%s', array_to_string(ends, ', '), in_transit, age)
FROM settlement WHERE NOT is_settled AND age > %(transit)s ORDER BY transfer
"""
# A worker that cannot apply a row starts again and again: the failures grow, and none stays at work.
STREAMS = """
SELECT %(region)s, 'stream-stopped', sub.subname::text,
       CASE WHEN NOT sub.subenabled THEN 'is disabled'
            ELSE format('nobody is at work on it; %%s rows could not be applied', stats.apply_error_count) END
FROM pg_subscription sub
LEFT JOIN pg_stat_subscription work ON work.subid = sub.oid AND work.worker_type = 'apply'
JOIN pg_stat_subscription_stats stats ON stats.subid = sub.oid
WHERE sub.subname = %(name)s AND (NOT sub.subenabled OR work.pid IS NULL OR work.latest_end_time IS NULL)
UNION ALL
SELECT %(region)s, 'stream-stopped', %(name)s, 'there is no such subscription'
WHERE NOT EXISTS (SELECT FROM pg_subscription WHERE subname = %(name)s)
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """When a region counts as silent, its closed hours as late, a player on the way as lost."""

    silence: timedelta = timedelta(minutes=15)
    late: timedelta = timedelta(hours=2)
    transit: timedelta = timedelta(minutes=15)


def verify_centre(
    connection: psycopg.Connection[Any],
    facts: Publication,
    subscriptions: dict[str, Subscription],
    limits: Limits = Limits(),  # noqa: B008  frozen
) -> tuple[Finding, ...]:
    """Everything that is wrong, in one snapshot; `subscriptions` by region. Empty where the centre is right."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return tuple(_findings(connection, facts, subscriptions, limits))


def _findings(
    connection: psycopg.Connection[Any],
    facts: Publication,
    subscriptions: dict[str, Subscription],
    limits: Limits,
) -> Iterator[Finding]:
    regions = {"regions": list(subscriptions), "silence": limits.silence, "late": limits.late}
    for statement in (CHAIN, HOURS, BEATS):
        yield from _selected(connection, statement.format(limit=FIRST_FINDINGS))
    for table in facts.tables:
        if table.entry and table.entry != "id":
            yield from _selected(
                connection, WITHOUT_ENTRY.format(table=table.name, entry=table.entry, limit=FIRST_FINDINGS)
            )
    yield from _selected(connection, SILENT, regions)
    yield from _selected(connection, LATE, regions)
    yield from _selected(connection, IN_TRANSIT, {"transit": limits.transit})
    for region, subscription in subscriptions.items():
        yield from _selected(connection, STREAMS, {"region": region, "name": subscription.name})


def _selected(connection: psycopg.Connection[Any], statement: str, parameters: Any = None) -> Iterator[Finding]:
    for row in connection.execute(statement.encode(), parameters):
        yield Finding(*row)


@dataclass(frozen=True, slots=True)
class RegionStatus:
    """What the centre has of a region. `lag`: between the region's clock and arrival, of the latest beat."""

    region: str
    entries: int
    postings: int
    hours_closed: int
    last_hour_ended: str
    lag: timedelta | None
    since_beat: timedelta | None


STATUS = """
SELECT region,
       (SELECT count(*) FROM ledger_journalentry entry WHERE entry.region = name.region),
       (SELECT count(*) FROM ledger_posting posting WHERE posting.region = name.region),
       (SELECT count(*) FROM world_hourclose closed WHERE closed.region = name.region),
       coalesce((SELECT max(ends_at)::text FROM world_hourclose closed WHERE closed.region = name.region), ''),
       beat.arrived_at - beat.beat_at, clock_timestamp() - beat.arrived_at
FROM unnest(%s::text[]) AS name (region)
LEFT JOIN LATERAL (
    SELECT beat_at, arrived_at FROM world_beat WHERE world_beat.region = name.region ORDER BY number DESC LIMIT 1
) AS beat ON true
ORDER BY region
"""


def status(connection: psycopg.Connection[Any], regions: Sequence[str]) -> tuple[RegionStatus, ...]:
    """How far the centre is, region by region."""
    return tuple(RegionStatus(*row) for row in connection.execute(STATUS, [list(regions)]))


@dataclass(frozen=True, slots=True)
class TrialBalanceLine:
    """An account's debits and credits in a region; region "" is all of them together."""

    region: str
    account: str
    asset: str
    debits: Decimal
    credits: Decimal


def trial_balance(connection: psycopg.Connection[Any]) -> tuple[TrialBalanceLine, ...]:
    """Every account of every region, and of all together."""
    rows = connection.execute(
        "SELECT coalesce(region, ''), account, asset, sum(debits), sum(credits) FROM trial_balance"
        " GROUP BY GROUPING SETS ((region, account, asset), (account, asset)) ORDER BY 1, 2, 3"
    )
    return tuple(TrialBalanceLine(*row) for row in rows)


def count(connection: psycopg.Connection[Any], table: str) -> int:
    """How many rows a table has."""
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
    return int(row[0]) if row else 0
