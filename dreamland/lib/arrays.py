"""Columns of many values as array literals of PostgreSQL, for `unnest(%s::uuid[], ...)`.

psycopg does this too, value by value in Python: of an hour's conversion that was a third of the time. These know what
kind of value a whole column holds, and spell it in one go (docs/performance.md). The text that comes out is a
parameter like any other.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from uuid import UUID


def uuids(values: Iterable[UUID]) -> str:
    """`{0193...,0193...}`, for `::uuid[]`."""
    return "{" + ",".join([value.hex for value in values]) + "}"


def numbers(values: Iterable[Decimal | int]) -> str:
    """`{0.15,2}`, exact to the last digit, for `::numeric[]`."""
    return "{" + ",".join(map(str, values)) + "}"


def texts(values: Sequence[object]) -> str:
    """`{"a","b",NULL}`, quoted; None is NULL. Also for whatever PostgreSQL reads from its `str`: dates, instants, ids.

    Each distinct value is spelled once, so a column that repeats itself costs little.
    """
    spelled = {value: _quoted(value) for value in set(values)}
    return "{" + ",".join([spelled[value] for value in values]) + "}"


def _quoted(value: object) -> str:
    if value is None:
        return "NULL"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
