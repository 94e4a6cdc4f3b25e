"""Whole columns as array literals: what PostgreSQL reads from them is what was put in."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamland.lib.arrays import numbers, texts, uuids
from tests.sql import run

pytestmark = pytest.mark.django_db

AWKWARD = ["", "NULL", "null", "{}", '"', "\\", '\\"', "a,b", " ", "{a,b}", "'", "\n", "Ω 中 🎮", "\\N"]


def read(literal: str, kind: str) -> Any:
    [(values,)] = run(f"SELECT %s::{kind}[]", [literal])
    return values


def test_text_that_looks_like_syntax_stays_text() -> None:
    """Catches a reference or memo that ends its element, or that becomes NULL."""
    assert read(texts([*AWKWARD, None, *AWKWARD]), "text") == [*AWKWARD, None, *AWKWARD]


@given(st.lists(st.one_of(st.none(), st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))))
def test_any_text_comes_back(values: list[str | None]) -> None:
    assert read(texts(values), "text") == values


@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=18, min_value=0, max_value=10**20)))
def test_any_amount_comes_back_to_the_last_digit(values: list[Decimal]) -> None:
    assert read(numbers(values), "numeric") == values


def test_no_amount_is_made_finite_on_its_way() -> None:
    """Catches a literal that hides from the CHECKs what they are there for."""
    nan, huge = read(numbers([Decimal("NaN"), Decimal("1E+40")]), "numeric")
    assert nan.is_nan()
    assert huge == Decimal("1E+40")


def test_ids_days_and_instants_come_back() -> None:
    ids = [UUID(int=0), UUID(int=2**128 - 1)]
    assert read(uuids(ids), "uuid") == ids
    assert read(texts(ids), "uuid") == ids
    instants = [datetime(2026, 3, 1, 12, 30, 0, 123456, tzinfo=UTC), datetime(2024, 2, 29, tzinfo=UTC)]
    assert read(texts(instants), "timestamptz") == instants
    assert read(texts([date(2024, 2, 29), None]), "date") == [date(2024, 2, 29), None]


def test_an_empty_column_is_an_empty_array() -> None:
    assert (read(uuids([]), "uuid"), read(numbers([]), "numeric"), read(texts([]), "text")) == ([], [], [])
