"""The judgement: what is refused, what is held for a person, what is believed."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from conversion.quotes import Quarantine, Quote, Refusal, decimals, judge
from tests.conversion.helpers import HOUR, OVER


def verdict(previous: str | None = None, **said: Any) -> Refusal | Quarantine | None:
    facts: dict[str, Any] = {
        "provider": "t",
        "base": "DREAM",
        "quote": "USD",
        "price": Decimal("0.15"),
        "quoted_at": HOUR,
        "raw": "",
    }
    return judge(Quote(**(facts | said)), hour=HOUR, now=OVER, previous_price=Decimal(previous) if previous else None)


@pytest.mark.parametrize("price", ["0.0001", "0.15", "1000", "0.150000000000000000000", "1.5e-1"])
def test_a_price_within_the_bounds_is_believed(price: str) -> None:
    assert verdict(price=Decimal(price)) is None


@pytest.mark.parametrize(
    ("price", "code"),
    [
        ("NaN", "not-a-number"),
        ("sNaN", "not-a-number"),
        ("Infinity", "not-a-number"),
        ("0", "zero"),
        ("-0", "zero"),
        ("-0.15", "negative"),
        ("0.00009999", "out-of-bounds"),
        ("1000.00000001", "out-of-bounds"),
        ("1E+999999", "out-of-bounds"),
        ("1E-999999", "out-of-bounds"),
        ("0.1234567890123456789", "too-many-decimals"),
    ],
)
def test_a_price_that_cannot_be_is_refused_by_name(price: str, code: str) -> None:
    assert verdict(price=Decimal(price)) == Refusal(code)


@pytest.mark.parametrize(("base", "quote"), [("USD", "DREAM"), ("DREAM", "EUR"), ("dream", "usd"), ("", "")])
def test_another_pair_and_the_inverted_one_are_refused(base: str, quote: str) -> None:
    """Catches 6.67 DREAM for a dollar taken for 6.67 dollars for a DREAM."""
    assert verdict(base=base, quote=quote) == Refusal("wrong-pair")


@pytest.mark.parametrize(
    ("quoted_at", "code"),
    [
        (HOUR - timedelta(minutes=120), None),
        (HOUR - timedelta(minutes=120, microseconds=1), "stale"),
        (OVER + timedelta(seconds=120), None),
        (OVER + timedelta(seconds=120, microseconds=1), "future"),
    ],
)
def test_a_quote_must_be_of_its_time(quoted_at: Any, code: str | None) -> None:
    assert verdict(quoted_at=quoted_at) == (Refusal(code) if code else None)


def test_todays_price_is_not_taken_for_the_price_of_an_hour_of_yesterday() -> None:
    """Catches a provider that ignores the hour: a game could hold wins back for a better rate."""
    now = OVER + timedelta(days=1)
    quote = Quote("t", "DREAM", "USD", Decimal("0.15"), quoted_at=now, raw="")
    assert judge(quote, hour=HOUR, now=now, previous_price=None) == Refusal("wrong-hour")


@pytest.mark.parametrize(
    ("price", "held"), [("0.15", False), ("0.225", False), ("0.075", False), ("0.2250001", True), ("0.0749999", True)]
)
def test_a_jump_over_half_of_the_last_price_is_held_for_a_person(price: str, held: bool) -> None:
    assert verdict("0.15", price=Decimal(price)) == (Quarantine("jump") if held else None)


def test_zeros_at_the_end_are_no_decimals() -> None:
    assert [decimals(Decimal(text)) for text in ("1", "1.50", "1E+3", "0.001", "100")] == [0, 1, 0, 3, 0]
