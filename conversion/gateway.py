"""The roads to a rate: a fixed price, or a third party's HTTP API (docs/operations.md, "The rate API").

    GET {RATE_HTTP_URL}?base=DREAM&quote=USD&at=2026-11-20T10:00:00Z        Authorization: Bearer {RATE_HTTP_TOKEN}
    {"base": "DREAM", "quote": "USD", "price": "0.15", "at": "2026-11-20T10:00:00Z"}

`price` is a decimal string or a JSON number, never a float on its way; `at` is the provider's own time of the quote.
"""

import json
import re
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx2
import stamina
from django.conf import settings
from django.utils.module_loading import import_string

from conversion.models import BASE, QUOTE
from conversion.quotes import NoQuote, Provider, Quote

OK = 200
TOO_MANY_REQUESTS = 429
SERVER_ERRORS = range(500, 600)
PRICE = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,6})?", re.ASCII)
NOT_A_NUMBER = Decimal("NaN")


class TryAgain(NoQuote):
    """It may go better in a moment: the network, a 5xx, a 429."""

    def __init__(self, code: str) -> None:
        super().__init__(code, unreachable=True)


class FixedProvider:
    """The price that stands in the settings, for every hour."""

    name = "fixed"

    def fetch(self, hour: datetime) -> Quote:
        price = settings.RATE_FIXED_PRICE
        return Quote(self.name, BASE, QUOTE, Decimal(price), quoted_at=hour, raw=f"RATE_FIXED_PRICE={price}")


class HttpProvider:
    """A third party's API: bounded in time, size and attempts; no redirects, no proxy from the environment."""

    name = "http"

    def fetch(self, hour: datetime) -> Quote:
        """Raises NoQuote: unreachable, timeout, http-status, too-large (nothing to keep), garbage (with the answer)."""
        deadline = time.monotonic() + settings.RATE_HTTP_TOTAL_TIMEOUT_SECONDS
        for attempt in stamina.retry_context(
            on=TryAgain,
            attempts=settings.RATE_HTTP_ATTEMPTS,
            timeout=settings.RATE_HTTP_TOTAL_TIMEOUT_SECONDS,
            wait_initial=settings.RATE_HTTP_WAIT_SECONDS,
            wait_max=settings.RATE_HTTP_WAIT_MAX_SECONDS,
            wait_jitter=settings.RATE_HTTP_WAIT_SECONDS,
        ):
            with attempt:
                return read_answer(_ask(hour, deadline))
        raise AssertionError("unreachable: the last attempt returns or raises")


def _ask(hour: datetime, deadline: float) -> bytes:
    """The body of one answer with status 200."""
    left = max(deadline - time.monotonic(), 0.001)
    timeout = httpx2.Timeout(
        min(settings.RATE_HTTP_READ_TIMEOUT_SECONDS, left),
        connect=min(settings.RATE_HTTP_CONNECT_TIMEOUT_SECONDS, left),
    )
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": "identity",  # what is not compressed cannot blow up
    }
    if settings.RATE_HTTP_TOKEN:  # "Bearer " with nothing behind it is no header that HTTP allows
        headers["Authorization"] = f"Bearer {settings.RATE_HTTP_TOKEN}"
    params = {"base": BASE, "quote": QUOTE, "at": hour.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
    try:
        with (
            httpx2.Client(timeout=timeout, follow_redirects=False, trust_env=False) as client,
            client.stream("GET", settings.RATE_HTTP_URL, params=params, headers=headers) as response,
        ):
            if response.status_code == TOO_MANY_REQUESTS or response.status_code in SERVER_ERRORS:
                raise TryAgain("http-status")
            if response.status_code != OK:
                raise NoQuote("http-status")
            return _body(response, deadline)
    except httpx2.TimeoutException as error:
        raise TryAgain("timeout") from error
    except httpx2.TransportError as error:
        raise TryAgain("unreachable") from error


def _body(response: httpx2.Response, deadline: float) -> bytes:
    """Reads a body that must not be too large or too slow; a byte now and then keeps every read timeout content."""
    body = bytearray()
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > settings.RATE_HTTP_MAX_BYTES:
            raise NoQuote("too-large")
        if time.monotonic() > deadline:
            raise NoQuote("timeout", unreachable=True)
    return bytes(body)


def read_answer(body: bytes) -> Quote:
    """The quote in an answer's body, not judged. Raises NoQuote("garbage") where there is none to be found."""
    raw = body.decode(errors="replace").replace("\x00", "\N{REPLACEMENT CHARACTER}")  # a text column holds no NUL
    try:
        answer = json.loads(
            body, parse_float=Decimal, parse_int=Decimal, parse_constant=Decimal, object_pairs_hook=_without_duplicates
        )
        return Quote(
            HttpProvider.name,
            base=_text(answer["base"]),
            quote=_text(answer["quote"]),
            price=_price(answer["price"]),
            quoted_at=_instant(answer["at"]),
            raw=raw,
        )
    except (ArithmeticError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise NoQuote("garbage", raw) from error


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice, and nobody can say which one is meant")
    return found


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _price(value: Any) -> Decimal:
    """A JSON number, or a text that could be one; NaN for anything else, so that the judgement names it."""
    if isinstance(value, Decimal):
        return value
    return Decimal(value) if isinstance(value, str) and PRICE.fullmatch(value) else NOT_A_NUMBER


def _instant(value: Any) -> datetime:
    instant = datetime.fromisoformat(_text(value))
    if instant.tzinfo is None:
        raise ValueError("a time without an offset is no instant")
    return instant.astimezone(UTC)


KNOWN: dict[str, type[Provider]] = {"fixed": FixedProvider, "http": HttpProvider}


def providers() -> list[Provider]:
    """The providers of RATE_PROVIDERS, in the order in which they are asked: known names, or paths of classes."""
    return [KNOWN[name]() if name in KNOWN else import_string(name)() for name in settings.RATE_PROVIDERS]
