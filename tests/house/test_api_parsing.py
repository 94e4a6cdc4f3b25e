"""Bodies and queries: what is read exactly, and what is refused before anything is done."""

import io
import json
import time
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from dreamland.lib.api.errors import BodyTooLarge, DuplicateKey, MalformedJSON, UnknownParameter
from dreamland.lib.api.pages import PageQuery
from dreamland.lib.api.parsing import StrictJSONParser, loads, parse_query


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": [1, "x", true, null]}', {"a": [1, "x", True, None]}),
        (b" [] \n", []),
        ('"é漢🎲"'.encode(), "é漢🎲"),
        (b'"\\ud83c\\udfb2"', "🎲"),
        (b'"brackets in text: [[[[[[[[[[[[ {{{{{{{{{"', "brackets in text: [[[[[[[[[[[[ {{{{{{{{{"),
        (b'"an escaped \\" [[[[[[[[[[[["', 'an escaped " [[[[[[[[[[[['),
        (b'["[", "\\\\", "["]', ["[", "\\", "["]),
    ],
)
def test_json_is_read_as_it_is_written(body: bytes, value: Any) -> None:
    assert loads(body) == value


@pytest.mark.parametrize("text", ["0.1", "1e0", "1.5", "5E-1", "0.10"])
def test_a_number_with_a_point_or_an_exponent_never_becomes_a_float(text: str) -> None:
    value = loads(text.encode())
    assert type(value) is Decimal
    assert str(value) == str(Decimal(text))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"[1,]",
        b"{'a': 1}",
        b"{} {}",
        b"// comment\n{}",
        b"NaN",
        b'{"a": NaN}',
        b"Infinity",
        b"[-Infinity]",
        b"01",
        b"\xff\xfe{\x00}\x00",  # UTF-16
        b"\xef\xbb\xbf{}",  # a byte order mark
        b'\xef\xbb\xbf{"a": 1}',  # a byte order mark
        b'"\xff"',
        b'"\xed\xa0\x80"',  # a surrogate in UTF-8's clothes
        b'"\x00"',
        b'"line\nbreak"',
        b'{"a\\u0000": 1}',
        b'{"\\ud800": 1}',
        b"1e99999999999999999999",
        b"9" * 5_000,
        nested(settings.API_MAX_JSON_DEPTH + 1),
        nested(20_000),
        b'{"a":' * 20_000,
        b"[" * 60_000,
    ],
)
def test_what_is_not_strictly_json_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedJSON):
        loads(body)


def test_nesting_is_allowed_up_to_the_limit_and_counts_closed_brackets_out() -> None:
    loads(nested(settings.API_MAX_JSON_DEPTH))
    assert len(loads(b"[" + b",".join([b"[[]]"] * 100) + b"]")) == 100


def test_reading_a_hostile_body_takes_linear_time() -> None:
    """A string that never ends, of escaped quotes: a careless scan starts again at each of its thousands of quotes."""
    body = b'"' + b'\\"' * (settings.API_MAX_BODY_BYTES // 2)
    started = time.perf_counter()
    with pytest.raises(MalformedJSON):
        loads(body)
    assert time.perf_counter() - started < 1  # 0.003 s; the careless scan takes many seconds


@pytest.mark.parametrize("body", [b'{"a": 1, "a": 1}', b'{"a": 1, "b": {"a": 2, "a": 3}}', b'[{"a": 1, "\\u0061": 2}]'])
def test_a_key_that_comes_twice_is_refused_by_name(body: bytes) -> None:
    with pytest.raises(DuplicateKey) as refused:
        loads(body)
    assert refused.value.extra == {"key": "a"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs", "Cc"])), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(json_values)
def test_every_value_of_moderate_depth_survives_the_round_trip(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)
    try:
        assert loads(text.encode()) == value
    except MalformedJSON as refused:
        assert "nested" in refused.detail  # noqa: PT017  the only reason there may be


class Stream(io.BytesIO):
    """Counts how much is read of it."""

    asked: int = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.asked += size or 0
        return super().read(size)


def parse(body: bytes, *, declared: int | None = None, limit: int | None = None) -> tuple[Any, Stream]:
    request = APIRequestFactory().post("/", body, content_type="application/json")
    request.META["CONTENT_LENGTH"] = str(len(body) if declared is None else declared)
    view = type("View", (), {} if limit is None else {"body_limit_bytes": limit})()
    stream = Stream(body)
    return StrictJSONParser().parse(stream, "application/json", {"request": request, "view": view}), stream


def test_a_body_of_exactly_the_limit_is_read() -> None:
    body = b'"' + b"a" * (settings.API_MAX_BODY_BYTES - 2) + b'"'
    assert len(parse(body)[0]) == settings.API_MAX_BODY_BYTES - 2


def test_one_byte_more_is_refused_also_where_the_header_lies() -> None:
    body = b'"' + b"a" * (settings.API_MAX_BODY_BYTES - 1) + b'"'
    for declared in (len(body), 10):
        with pytest.raises(BodyTooLarge) as refused:
            parse(body, declared=declared)
        assert refused.value.extra == {"limit_bytes": settings.API_MAX_BODY_BYTES}


def test_a_body_that_is_declared_too_large_is_not_even_read() -> None:
    with pytest.raises(BodyTooLarge):
        parse(b"{}", declared=settings.API_MAX_BODY_BYTES + 1)


def test_the_size_is_checked_before_the_content() -> None:
    with pytest.raises(BodyTooLarge):
        parse(b"\xff" * (settings.API_MAX_BODY_BYTES + 1))


def test_no_more_than_the_limit_and_one_byte_is_ever_read() -> None:
    value, stream = parse(b"{}")
    assert value == {}
    assert stream.asked == settings.API_MAX_BODY_BYTES + 1


def test_a_view_may_take_larger_bodies() -> None:
    body = b'"' + b"a" * settings.API_MAX_BODY_BYTES + b'"'
    assert parse(body, limit=settings.API_MAX_BATCH_BODY_BYTES)


def query(text: str) -> dict[str, Any]:
    return parse_query(Request(APIRequestFactory().get(f"/?{text}")), PageQuery)


def test_the_page_has_defaults_and_bounds() -> None:
    assert query("") == {"limit": 50, "cursor": None}
    assert query("limit=1")["limit"] == 1
    assert query("limit=200")["limit"] == 200


@pytest.mark.parametrize("text", ["limit=0", "limit=201", "limit=-1", "limit=", "limit=1.0", "limit=ten", "limit=١"])
def test_a_limit_out_of_bounds_is_refused(text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        query(text)
    assert set(refused.value.detail) == {"limit"}


@pytest.mark.parametrize("text", ["limits=1", "offset=5", "Limit=1", "limit=1&page=2", "format=json"])
def test_an_unknown_parameter_is_refused_by_name(text: str) -> None:
    with pytest.raises(UnknownParameter) as refused:
        query(text)
    assert refused.value.extra["parameter"] not in {"limit", "cursor"}


def test_a_parameter_that_comes_twice_is_refused() -> None:
    with pytest.raises(ValidationError) as refused:
        query("limit=1&limit=2")
    assert refused.value.get_codes() == {"limit": ["repeated"]}
