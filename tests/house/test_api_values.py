"""Values in and out: what the contract says of values, line by line."""

import sys
import unicodedata
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ValidationError
from rest_framework.fields import Field

from dreamland.lib.api.fields import (
    CONTROL_CHARACTER,
    AmountField,
    CountField,
    DayField,
    EachByItself,
    InstantField,
    StrictSerializer,
    StrictUUIDField,
    TextField,
    render_amount,
    render_instant,
)


def refusal(field: Field[Any, Any, Any, Any], data: Any) -> str:
    """The code of the one error with which `field` refuses `data`."""
    with pytest.raises(ValidationError) as refused:
        field.run_validation(data)
    codes: Any = refused.value.get_codes()
    (code,) = set(codes)
    return str(code)


@pytest.mark.parametrize(
    "given", ["0.5", "1", "1.50", "10", "0.000000000000000001", "99999999999999999999.999999999999999999"]
)
def test_an_amount_is_taken_exactly(given: str) -> None:
    taken = AmountField(positive=True).run_validation(given)
    assert type(taken) is Decimal
    assert format(taken, "f") == given  # every digit as it was sent


@pytest.mark.parametrize(
    "given",
    [
        1,
        0.1,
        Decimal("1.5"),  # what the parser makes of the JSON number 1.5
        True,
        ["1"],
        {"amount": "1"},
        "",
        "1e0",
        "1E2",
        "+1",
        "-1",
        "-0",
        "01",
        "00",
        ".5",
        "5.",
        "1_0",
        "1,5",
        "1 000",
        " 1",
        "1 ",
        "1\n",
        "\t1",
        "１",
        "١",  # Arabic-Indic
        "1\u0660",
        "NaN",
        "nan",
        "sNaN",
        "Infinity",
        "-Infinity",
        "inf",
        "0x1",
        "1.0000000000000000001",  # 19 decimals
        "100000000000000000000",  # 21 digits
        "1" * 10_000,
        "1\x00",
        "\ud800",
        "one",
    ],
)
def test_what_is_no_amount_is_refused_and_never_rounded(given: Any) -> None:
    assert refusal(AmountField(), given) == "invalid-amount"


@pytest.mark.parametrize("given", ["0", "0.0", "0.000000000000000000"])
def test_zero_is_an_amount_but_nothing_that_one_can_win(given: str) -> None:
    assert AmountField().run_validation(given) == 0
    assert refusal(AmountField(positive=True), given) == "invalid-amount"


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "0"),
        ("0.000000000000000000", "0"),
        ("-0", "0"),
        ("-0.00", "0"),
        ("0E-18", "0"),
        ("0E+3", "0"),
        ("1E+2", "100"),
        ("100", "100"),
        ("1.50", "1.5"),
        ("5.000000000000000000", "5"),
        ("1E-18", "0.000000000000000001"),
        ("-2.50", "-2.5"),
        # 38 digits: more than the 28 of Python's decimal context
        ("99999999999999999999.999999999999999999", "99999999999999999999.999999999999999999"),
    ],
)
def test_an_amount_has_one_spelling(amount: str, text: str) -> None:
    assert render_amount(Decimal(amount)) == text
    assert AmountField().to_representation(Decimal(amount)) == text


@given(st.decimals(min_value=0, max_value="99999999999999999999", places=18))
def test_what_is_rendered_is_taken_back_as_the_same_amount(amount: Decimal) -> None:
    assert AmountField().run_validation(render_amount(amount)) == amount


@pytest.mark.parametrize(
    ("given", "instant"),
    [
        ("2026-11-20T10:00:00Z", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("2026-11-20T15:45:00+05:45", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("2026-11-20T00:30:00-09:30", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("2026-11-20T10:00:00+00:00", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("2026-11-20T10:00:00-00:00", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("2026-11-20T10:00:00.5Z", datetime(2026, 11, 20, 10, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-11-20T10:00:00.123456Z", datetime(2026, 11, 20, 10, 0, 0, 123_456, tzinfo=UTC)),
        ("2024-02-29T23:59:59Z", datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_time_with_an_offset_is_that_instant(given: str, instant: datetime) -> None:
    taken = InstantField().run_validation(given)
    assert taken == instant
    assert taken.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "given",
    [
        "2026-11-20T10:00:00",  # naive
        "2026-11-20",
        "2026-W47-5",
        "2026-W47-5T10:00:00Z",
        "2026-324T10:00:00Z",
        "20261120T100000Z",
        "2026-11-20T24:00:00Z",
        "2026-11-20T10:60:00Z",
        "2026-11-20T23:59:60Z",
        "2026-11-20T10:00Z",
        "2026-11-20T10Z",
        "2026-11-20 10:00:00Z",
        "2026-11-20t10:00:00Z",
        "2026-11-20T10:00:00z",
        "2026-11-20T10:00:00,5Z",
        "2026-11-20T10:00:00.Z",
        "2026-11-20T10:00:00.1234567Z",  # finer than is kept
        "2026-11-20T10:00:00+0545",
        "2026-11-20T10:00:00+05",
        "2026-11-20T10:00:00+24:00",
        "2026-11-20T10:00:00+05:60",
        "2026-11-20T10:00:00 +05:45",
        "2026-11-20T10:00:00Z ",
        "2026-11-20T10:00:00Z\n",
        " 2026-11-20T10:00:00Z",
        "2026-02-30T10:00:00Z",
        "2026-13-01T10:00:00Z",
        "2025-02-29T10:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",  # before the year 1 in UTC
        "9999-12-31T23:59:59-01:00",  # after the year 9999
        "-2026-11-20T10:00:00Z",
        "２０２６-11-20T10:00:00Z",
        "2026-11-20T10:00:00Europe/Zurich",
        "now",
        "",
        1_763_632_800,
        Decimal("1763632800.5"),
        True,
        [],
    ],
)
def test_what_is_no_exact_time_is_refused(given: Any) -> None:
    assert refusal(InstantField(), given) == "invalid-time"


def test_an_instant_is_answered_in_utc_with_z() -> None:
    nepal = timezone(timedelta(hours=5, minutes=45))
    assert render_instant(datetime(2026, 11, 20, 15, 45, tzinfo=nepal)) == "2026-11-20T10:00:00Z"
    assert render_instant(datetime(2026, 11, 20, 10, 0, 0, 1, tzinfo=UTC)) == "2026-11-20T10:00:00.000001Z"


def test_a_naive_time_is_never_answered() -> None:
    with pytest.raises(AssertionError):
        render_instant(datetime(2026, 11, 20, 10))  # noqa: DTZ001


def test_a_day_is_a_date_or_today() -> None:
    assert DayField().run_validation("2026-11-20") == date(2026, 11, 20)
    assert DayField(or_today=True, allow_null=True).run_validation("today") is None
    assert DayField().to_representation(date(2026, 1, 2)) == "2026-01-02"


@pytest.mark.parametrize(
    "given", ["today", "yesterday", "20261120", "2026-W47-5", "2026-324", "2026-02-30", "2026-11-20T00:00:00Z", "", " "]
)
def test_what_is_no_day_is_refused(given: str) -> None:
    assert refusal(DayField(), given) == "invalid-time"


def test_an_id_is_taken_in_its_canonical_form() -> None:
    text = "0192f8c4-7a1e-7c3d-9b2a-1f2e3d4c5b6a"
    assert StrictUUIDField().run_validation(text) == UUID(text)


@pytest.mark.parametrize(
    "given",
    [
        "0192F8C4-7A1E-7C3D-9B2A-1F2E3D4C5B6A",
        "0192f8c47a1e7c3d9b2a1f2e3d4c5b6a",
        "{0192f8c4-7a1e-7c3d-9b2a-1f2e3d4c5b6a}",
        "urn:uuid:0192f8c4-7a1e-7c3d-9b2a-1f2e3d4c5b6a",
        " 0192f8c4-7a1e-7c3d-9b2a-1f2e3d4c5b6a",
        "0192f8c4-7a1e-7c3d-9b2a-1f2e3d4c5b6a\n",
        "0192f8c4-7a1e-7c3d-9b2a-1f2e3d4c5b6g",
        "",
        7,
        None.__class__,
    ],
)
def test_other_spellings_of_an_id_are_refused(given: Any) -> None:
    assert refusal(StrictUUIDField(), given) == "invalid"


@pytest.mark.parametrize("given", ["match-1", "Ünïcödé 漢字 🎲", " kept as it is ", "a" * 10])
def test_text_is_kept_as_it_was_sent(given: str) -> None:
    assert TextField(max_length=20).run_validation(given) == given


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("a\x00b", "null_characters_not_allowed"),
        ("\ud800", "surrogate_characters_not_allowed"),
        ("a\udfff", "surrogate_characters_not_allowed"),
        ("line\nbreak", "control-characters"),
        ("\x1b[31m", "control-characters"),
        ("\x7f", "control-characters"),
        ("\x85", "control-characters"),
        ("a" * 21, "max_length"),
        ("", "blank"),
        (7, "invalid"),
        (Decimal("7.5"), "invalid"),
        (True, "invalid"),
        (None, "null"),
        ([], "invalid"),
    ],
)
def test_what_is_no_text_is_refused(given: Any, code: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TextField(max_length=20).run_validation(given)
    codes: Any = refused.value.get_codes()
    assert code in codes


def test_every_control_character_that_unicode_knows_is_refused_and_nothing_else() -> None:
    """In a copy of the set, which is faster than asking for each character."""
    known = {chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) == "Cc"}
    assert {character for character in map(chr, range(sys.maxunicode + 1)) if CONTROL_CHARACTER.search(character)} == (
        known - {"\0"}  # that one DRF refuses itself
    )


@pytest.mark.parametrize("given", ["", "-1", "+1", "01", "1.0", "1e2", " 1", "1_0", "١", "9" * 10_000])
def test_a_count_is_plain_ascii_digits(given: str) -> None:
    assert CountField().run_validation("10") == 10
    assert refusal(CountField(), given) == "invalid"


class Pair(StrictSerializer):
    amount = AmountField()
    won_at = InstantField()


class Pairs(StrictSerializer):
    pairs = EachByItself(child=Pair(), max_length=3)


RIGHT = {"amount": "1", "won_at": "2026-11-20T10:00:00Z"}


def test_unknown_fields_are_named_together_with_all_else_that_is_wrong() -> None:
    with pytest.raises(ValidationError) as refused:
        Pair().run_validation({"amount": 1, "amonut": "1", "extra": None})
    assert refused.value.get_codes() == {
        "amount": ["invalid-amount"],
        "won_at": ["required"],
        "amonut": ["unknown-field"],
        "extra": ["unknown-field"],
    }


def test_an_unknown_field_alone_is_enough_to_refuse() -> None:
    with pytest.raises(ValidationError) as refused:
        Pair().run_validation({**RIGHT, "note": ""})
    assert refused.value.get_codes() == {"note": ["unknown-field"]}


@pytest.mark.parametrize("given", [[], "text", 1, True, [RIGHT]])
def test_what_is_no_object_is_refused_as_a_whole(given: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        Pair().run_validation(given)
    assert refused.value.get_codes() == {"non_field_errors": ["invalid"]}


def test_a_bad_item_does_not_spoil_its_neighbours() -> None:
    first, second, third = Pairs().run_validation({"pairs": [RIGHT, {**RIGHT, "amount": "x"}, 7]})["pairs"]
    assert first["amount"] == 1
    assert second.get_codes() == {"amount": ["invalid-amount"]}
    assert third.get_codes() == {"non_field_errors": ["invalid"]}


def test_a_list_that_is_too_long_is_refused_before_its_items_are_read() -> None:
    with pytest.raises(ValidationError) as refused:
        Pairs().run_validation({"pairs": [7] * 4})
    assert refused.value.get_codes() == {"pairs": {"non_field_errors": ["max_length"]}}
