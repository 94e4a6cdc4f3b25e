"""Instants as PostgreSQL's microseconds: exact both ways."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamland.lib.instants import instant, microseconds
from tests.sql import run

INSTANTS = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)).map(  # noqa: DTZ001
    lambda naive: naive.replace(tzinfo=UTC)
)


@given(INSTANTS)
def test_every_microsecond_comes_back(given_: datetime) -> None:
    since = (given_ - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert instant(since) == given_


@pytest.mark.django_db
@pytest.mark.parametrize(
    "text", ["1969-12-31T23:59:59.999999Z", "2026-11-21T07:00:00.000001Z", "2038-01-19T03:14:08.123457Z", "9999-12-30Z"]
)
def test_the_database_says_the_same(text: str) -> None:
    ((counted, seen),) = run(f"SELECT {microseconds('%s::timestamptz')}, %s::timestamptz", [text, text])
    assert instant(counted) == seen == datetime.fromisoformat(text if "T" in text else f"{text[:-1]}T00:00:00Z")
