"""What a provider says about an hour, and whether we believe it. Nothing here reads or writes anything."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from django.conf import settings

from conversion.models import BASE, QUOTE

HOUR = timedelta(hours=1)
MAX_DECIMALS = 18


@dataclass(frozen=True, slots=True)
class Quote:
    """A provider's answer, read but not judged: `price` may be anything that Decimal can hold, NaN too."""

    provider: str
    base: str
    quote: str
    price: Decimal
    quoted_at: datetime
    raw: str


class NoQuote(Exception):
    """There is no answer that could be read. `code` says why; `raw` is the unreadable answer, if there was one.

    `unreachable`: nothing was answered at all (the network, a timeout, a 5xx, a 429). Only then is the next provider
    asked: whoever answers and lies has to be looked at, and not to be replaced in silence.
    """

    def __init__(self, code: str, raw: str = "", *, unreachable: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.raw = raw
        self.unreachable = unreachable


class Provider(Protocol):
    """Somebody who knows what a DREAM was worth. An adapter is a class without arguments (RATE_PROVIDERS).

    `name` stands on every rate that it gives: 1 to 40 of a-z, 0-9, `.`, `_`, `-`.
    """

    name: str

    def fetch(self, hour: datetime) -> Quote:
        """The provider's quote for the UTC hour that begins at `hour`. Raises NoQuote."""
        ...


@dataclass(frozen=True, slots=True)
class Refusal:
    """The answer cannot be right; the provider is asked again."""

    code: str


@dataclass(frozen=True, slots=True)
class Quarantine:
    """The answer may be right; a person decides, unless the provider thinks better of it."""

    code: str


def _price_refusal(quote: Quote) -> str | None:
    price = quote.price
    if not price.is_finite():
        return "not-a-number"
    if price <= 0:
        return "zero" if price == 0 else "negative"
    if not Decimal(settings.RATE_MIN) <= price <= Decimal(settings.RATE_MAX):
        return "out-of-bounds"
    return "too-many-decimals" if decimals(price) > MAX_DECIMALS else None


def _time_refusal(quote: Quote, hour: datetime, now: datetime) -> str | None:
    if quote.quoted_at < hour - settings.RATE_MAX_AGE:
        return "stale"
    if quote.quoted_at > now + settings.RATE_CLOCK_TOLERANCE:
        return "future"
    # A provider that ignores the hour it is asked for would lend a late win the rate of today.
    return "wrong-hour" if quote.quoted_at > hour + HOUR + settings.RATE_CLOCK_TOLERANCE else None


def judge(
    quote: Quote, *, hour: datetime, now: datetime, previous_price: Decimal | None
) -> Refusal | Quarantine | None:
    """None where the quote can be believed as the rate of `hour`.

    `previous_price` is the accepted price of the nearest earlier hour. Refusals: wrong-pair, not-a-number, zero,
    negative, out-of-bounds, too-many-decimals, stale, future, wrong-hour. Quarantine: jump.
    """
    if (quote.base, quote.quote) != (BASE, QUOTE):
        return Refusal("wrong-pair")
    if code := _price_refusal(quote) or _time_refusal(quote, hour, now):
        return Refusal(code)
    if previous_price is not None:
        largest_jump = previous_price * Decimal(settings.RATE_MAX_JUMP)
        if abs(quote.price - previous_price) > largest_jump:
            return Quarantine("jump")
    return None


def decimals(price: Decimal) -> int:
    """How many decimals a finite price really has; zeros at the end do not count."""
    _, digits, exponent = price.as_tuple()  # never written out: 1E-999999999 would not fit in memory
    zeros = len(digits) - len(bytes(digits).rstrip(b"\0"))
    return max(0, -int(exponent) - zeros)
