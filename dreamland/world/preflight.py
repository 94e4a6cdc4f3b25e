"""Before a contract is published: would the centre take every row of it, exactly?

The safe order for a new column: the centre first, then the region's table, then the grant and the publication. In any
other order the stream of that region stops at the first row, and goes on by itself once the column is there; but a
column that is narrower at the centre would round in silence. So types are compared, not only names.
"""

from collections.abc import Iterator
from typing import Any

import psycopg

from dreamland.world.contract import Publication

COLUMNS = """
SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped
"""
KEY = """
SELECT array_agg(attname::text ORDER BY attname) FROM pg_index index
JOIN pg_attribute ON attrelid = index.indrelid AND attnum = ANY (index.indkey)
WHERE index.indrelid = to_regclass(%s) AND index.indisprimary
"""


def obstacles(
    connection: psycopg.Connection[Any], cell: psycopg.Connection[Any], facts: Publication
) -> tuple[str, ...]:
    """What stands in the way, one line each: `connection` is to the centre, `cell` to the region that would publish."""
    return tuple(_obstacles(connection, cell, facts))


def _obstacles(connection: psycopg.Connection[Any], cell: psycopg.Connection[Any], facts: Publication) -> Iterator[str]:
    for table in facts.tables:
        there = dict(cell.execute(COLUMNS, [table.name]).fetchall())
        here = dict(connection.execute(COLUMNS, [table.name]).fetchall())
        for column, kind in table.columns.items():
            for place, found in (("the centre", here.get(column)), ("the region", there.get(column))):
                if found is None:
                    yield f"{table.name}.{column}: {place} has no such column"
                elif found != kind:
                    yield f"{table.name}.{column}: {place} has {found}, the contract says {kind}"
        for column in here.keys() - table.columns.keys() - {"region", "arrived_at"}:
            if column in there:
                yield f"{table.name}.{column}: the centre has it, and the contract no longer does"
        key = cell.execute(KEY, [table.name]).fetchone()
        if key is None or key[0] != sorted(table.key):
            yield f"{table.name}: the region's key is {key[0] if key else None}, the contract's {sorted(table.key)}"
