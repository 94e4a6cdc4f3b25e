"""The HTTP road to a rate, against a real server that behaves badly."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from pytest_django import Settings
from werkzeug import Response

from conversion.gateway import HttpProvider, read_answer
from conversion.quotes import NoQuote
from tests.conversion.helpers import HOUR, RateApi, quoted


def refused(code: str) -> NoQuote:
    with pytest.raises(NoQuote) as caught:
        HttpProvider().fetch(HOUR)
    assert caught.value.code == code
    return caught.value


def test_the_api_is_asked_for_the_pair_the_hour_and_with_the_token(rate_api: RateApi) -> None:
    rate_api.says(HOUR, "0.15")
    quote = HttpProvider().fetch(HOUR)
    assert (quote.base, quote.quote, quote.price, quote.quoted_at) == ("DREAM", "USD", Decimal("0.15"), HOUR)
    [(request, _)] = rate_api.server.log
    assert request.query_string == b"base=DREAM&quote=USD&at=2026-11-10T10%3A00%3A00Z"
    assert request.headers["Authorization"] == "Bearer a-token"


def test_an_api_without_a_token_is_asked_without_one(rate_api: RateApi, settings: Settings) -> None:
    """A header of "Bearer " and nothing behind it is refused by the client itself, and looked like a dead network."""
    settings.RATE_HTTP_TOKEN = ""
    rate_api.server.expect_request("/open").respond_with_data(quoted("0.15", "2026-11-10T10:00:00Z"))
    settings.RATE_HTTP_URL = rate_api.server.url_for("/open")
    assert HttpProvider().fetch(HOUR).price == Decimal("0.15")
    [(request, _)] = rate_api.server.log
    assert "Authorization" not in request.headers


def test_a_server_that_stumbles_is_asked_again(rate_api: RateApi) -> None:
    answers = iter([Response(status=500), Response(status=429), Response(quoted("0.15", "2026-11-10T10:00:00Z"))])
    rate_api.says(HOUR, lambda _: next(answers))
    assert HttpProvider().fetch(HOUR).price == Decimal("0.15")
    assert len(rate_api.asked) == 3


def test_a_server_that_keeps_failing_is_asked_three_times_and_no_more(rate_api: RateApi) -> None:
    rate_api.says(HOUR, lambda _: Response(status=503))
    refused("http-status")
    assert len(rate_api.asked) == 3


@pytest.mark.parametrize("status", [204, 301, 302, 307, 400, 401, 404])
def test_an_answer_that_will_not_get_better_is_not_asked_for_again(rate_api: RateApi, status: int) -> None:
    """A redirect is one: the token must not follow it to another host."""
    rate_api.says(HOUR, lambda _: Response(status=status, headers={"Location": "http://127.0.0.1:1/"}))
    refused("http-status")
    assert len(rate_api.asked) == 1


def test_nobody_there_is_unreachable(settings: Settings, rate_api: RateApi) -> None:
    settings.RATE_HTTP_URL = "http://127.0.0.1:9/rate"
    refused("unreachable")


def test_a_server_that_says_nothing_times_out(rate_api: RateApi) -> None:
    def sleep(_: str) -> Response:
        time.sleep(0.5)
        return Response()

    rate_api.says(HOUR, sleep)
    refused("timeout")


def test_a_server_that_drips_is_cut_off_by_the_total_limit(rate_api: RateApi) -> None:
    """Catches a byte now and then, which no read timeout ever sees."""

    def drip() -> Iterator[bytes]:
        while True:
            time.sleep(0.1)
            yield b" "

    rate_api.says(HOUR, lambda _: Response(drip()))
    begun = time.monotonic()
    refused("timeout")
    assert time.monotonic() - begun < 3


def test_a_huge_body_is_not_read_to_its_end(settings: Settings, rate_api: RateApi) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 512 * 1024 * 1024:
            sent += 64 * 1024
            yield b" " * 64 * 1024

    rate_api.says(HOUR, lambda _: Response(endless()))
    refused("too-large")
    assert sent < 64 * 1024 * 1024


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>maintenance</html>",
        b"[]",
        b'"0.15"',
        b"null",
        b"{}",
        b'{"base":"DREAM","quote":"USD","price":"0.15"}',
        b'{"base":"DREAM","quote":"USD","price":"0.15","at":"2026-11-10T10:00:00"}',
        b'{"base":"DREAM","quote":"USD","price":"0.15","at":1}',
        b'{"base":"DREAM","quote":"USD","price":"0.15","at":"0001-01-01T00:00:00+14:00"}',
        b'{"base":"DREAM","quote":"USD","price":"0.15","price":"15","at":"2026-11-10T10:00:00Z"}',
        b'{"base":["DREAM"],"quote":"USD","price":"0.15","at":"2026-11-10T10:00:00Z"}',
        b'{"base":"DREAM","quote":"USD","price":1e99999999999999999999,"at":"2026-11-10T10:00:00Z"}',
        b"[" * 60_000,
        b"\xff\xfe\x00\x00",
    ],
)
def test_what_cannot_be_read_is_garbage_and_kept_as_text(body: bytes) -> None:
    with pytest.raises(NoQuote) as caught:
        read_answer(body)
    assert caught.value.code == "garbage"
    assert "\x00" not in caught.value.raw


@pytest.mark.parametrize(
    ("price", "read"),
    [
        ("0.15", "0.15"),
        ('"0.15"', "0.15"),
        ("15e-2", "0.15"),
        ("0.1500000000000000055511151231257827", "0.1500000000000000055511151231257827"),
        ("1" * 5_000, "1" * 5_000),
    ],
)
def test_a_price_is_read_to_its_last_digit(price: str, read: str) -> None:
    """Catches a float on the way, and the limit of 4,300 digits of int()."""
    body = f'{{"base":"DREAM","quote":"USD","price":{price},"at":"2026-11-10T10:00:00Z"}}'
    assert read_answer(body.encode()).price == Decimal(read)


@pytest.mark.parametrize(
    "price", ['"NaN"', "NaN", "Infinity", "-Infinity", "true", "null", '"1_0"', '" 1"', '"٣"', '"+1"']
)
def test_a_price_that_is_no_number_is_read_as_such(price: str) -> None:
    body = f'{{"base":"DREAM","quote":"USD","price":{price},"at":"2026-11-10T10:00:00Z"}}'
    assert not read_answer(body.encode()).price.is_finite()


def test_the_providers_own_time_is_read_in_any_offset(rate_api: RateApi) -> None:
    at = (HOUR + timedelta(minutes=5)).isoformat().replace("T10", "T15").replace("+00:00", "+05:00")
    answer: Callable[[str], Response] = lambda _: Response(quoted("0.15", at))  # noqa: E731
    rate_api.says(HOUR, answer)
    assert HttpProvider().fetch(HOUR).quoted_at == HOUR + timedelta(minutes=5)
