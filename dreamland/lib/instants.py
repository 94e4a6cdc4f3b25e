"""Instants as whole microseconds since 1970, which is how PostgreSQL keeps them.

psycopg spells and parses each one as text in Python; of ten thousand rows that was a third of the time
(docs/performance.md, "Posting in bulk"). Exact both ways: no float in between.
"""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(expression: str) -> str:
    """SQL for an instant as a bigint, to be read by `instant`."""
    return f"(extract(epoch FROM {expression}) * 1000000)::bigint"


def instant(microseconds: int) -> datetime:
    """The instant, in UTC."""
    return EPOCH + timedelta(microseconds=microseconds)
