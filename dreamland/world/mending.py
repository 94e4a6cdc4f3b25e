"""Making the centre right again: a few hours of a region, or all of it, while the other regions go on streaming."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql

from dreamland.world.centre import partition
from dreamland.world.contract import Publication, Table


@dataclass(frozen=True, slots=True)
class Mended:
    """What was done to a table in an hour: rows taken away that the region does not have so, rows that were missing."""

    table: str
    starts_at: datetime
    removed: int
    added: int


CLOSED = "SELECT starts_at, ends_at, number, chain FROM world_hourclose"
WRONG = """
SELECT starts_at FROM hour_differences WHERE region = %s
UNION SELECT starts_at FROM hour_chain WHERE region = %s AND NOT (follows AND is_linked)
"""
BEATS = "SELECT max(beat_at) FROM world_beat WHERE region = %s"
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def repair(
    connection: psycopg.Connection[Any], cell: psycopg.Connection[Any], facts: Publication, region: str
) -> tuple[Mended, ...]:
    """Fetches again, from the region itself, every closed hour that is missing at the centre or differs there.

    `connection` is the owner's at the centre, `cell` one to the region. Only hours up to the last one that the centre
    knows of: the stream has passed them, and does not come back to them. Later ones may still be on their way.
    """
    here = {row[0]: row[2:] for row in connection.execute(CLOSED.encode() + b" WHERE region = %s", [region])}
    wrong = {row[0] for row in connection.execute(WRONG.encode(), [region, region])}
    mended: list[Mended] = []
    for starts, ends, *link in cell.execute(CLOSED.encode() + b" ORDER BY number").fetchall():
        if starts <= max(here, default=LONG_AGO) and (starts in wrong or here.get(starts) != tuple(link)):
            mended += _mend_hour(connection, cell, facts, region, starts, ends)
    mended += _mend_beats(connection, cell, facts, region)
    return changed(mended)


def _mend_hour(  # noqa: PLR0913  two databases and an hour of a region
    connection: psycopg.Connection[Any],
    cell: psycopg.Connection[Any],
    facts: Publication,
    region: str,
    starts: datetime,
    ends: datetime,
) -> Iterator[Mended]:
    with connection.transaction():
        connection.execute("SELECT set_config('dreamland.region', %s, true)", [region])
        for table in facts.tables:
            if table.name != "world_beat":
                yield _mend_table(connection, cell, table, region, starts, ends)


def _mend_beats(
    connection: psycopg.Connection[Any], cell: psycopg.Connection[Any], facts: Publication, region: str
) -> Iterator[Mended]:
    """Beats are few: all of those before the last one that came."""
    row = connection.execute(BEATS.encode(), [region]).fetchone()
    if row is None or row[0] is None:
        return
    with connection.transaction():
        connection.execute("SELECT set_config('dreamland.region', %s, true)", [region])
        yield _mend_table(connection, cell, facts.table("world_beat"), region, LONG_AGO, row[0])


def _scope(table: Table, starts: datetime, ends: datetime, of_region: sql.Composable) -> sql.Composed:
    """Which rows are the hour's."""
    between = sql.SQL("{} >= {} AND {} < {}")
    if table.entry == "id" or not table.entry:
        time = sql.Identifier("posted_at" if table.entry else table.time)
        return between.format(time, sql.Literal(starts), time, sql.Literal(ends))
    time = sql.Identifier("posted_at")
    return sql.SQL("{} IN (SELECT id FROM ledger_journalentry WHERE {}{})").format(
        sql.Identifier(table.entry), of_region, between.format(time, sql.Literal(starts), time, sql.Literal(ends))
    )


def _mend_table(  # noqa: PLR0913
    connection: psycopg.Connection[Any],
    cell: psycopg.Connection[Any],
    table: Table,
    region: str,
    starts: datetime,
    ends: datetime,
) -> Mended:
    columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
    leaf, copied = sql.Identifier(partition(table, region)), sql.Identifier("mending")
    connection.execute(
        sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
            copied, columns, leaf
        )
    )
    with cell.cursor() as source, connection.cursor() as target:
        rows = sql.SQL("COPY (SELECT {} FROM {} WHERE {}) TO STDOUT").format(
            columns, sql.Identifier(table.name), _scope(table, starts, ends, sql.SQL(""))
        )
        with (
            source.copy(rows) as read,
            target.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(copied, columns)) as write,
        ):
            for block in read:
                write.write(block)
    same = sql.SQL("({}) IS NOT DISTINCT FROM ({})").format(
        sql.SQL(", ").join(sql.SQL("copied.{}").format(sql.Identifier(name)) for name in table.columns),
        sql.SQL(", ").join(sql.SQL("fact.{}").format(sql.Identifier(name)) for name in table.columns),
    )
    here = _scope(table, starts, ends, sql.SQL("region = {} AND ").format(sql.Literal(region)))
    removed = connection.execute(
        sql.SQL("DELETE FROM {} fact WHERE {} AND NOT EXISTS (SELECT FROM {} copied WHERE {})").format(
            leaf, here, copied, same
        )
    ).rowcount
    added = connection.execute(
        sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} ON CONFLICT DO NOTHING").format(leaf, columns, columns, copied)
    ).rowcount
    connection.execute(sql.SQL("DROP TABLE {}").format(copied))
    return Mended(table.name, starts, removed, added)


def empty(connection: psycopg.Connection[Any], facts: Publication, region: str) -> None:
    """Takes away everything the centre has of a region, and nothing of any other."""
    leaves = sql.SQL(", ").join(sql.Identifier(partition(table, region)) for table in facts.tables)
    connection.execute(sql.SQL("TRUNCATE {}").format(leaves))


def changed(mended: Sequence[Mended]) -> tuple[Mended, ...]:
    """Those where something was wrong."""
    return tuple(each for each in mended if each.removed or each.added)
