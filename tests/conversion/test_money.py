"""Rounding: once, half-even, at 8 decimals, from an exact product; in Python and in PostgreSQL the same."""

from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from conversion.money import EXACT, fee_of, total, usd_of

AMOUNTS = st.decimals(min_value=0, max_value=Decimal(10) ** 20 - 1, places=18, allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("tokens", "price", "usd"),
    [
        ("5", "0.15", "0.75"),
        ("0.0000001", "0.15", "0.00000002"),  # 1.5 steps: up to the even 2
        ("0.0000003", "0.15", "0.00000004"),  # 4.5 steps: down to the even 4
        ("0.00000001", "0.5", "0.00000000"),  # half a step: down to 0, the wallet keeps it
        ("0.00000003", "0.5", "0.00000002"),  # 1.5 steps
        ("0.000000010000000001", "0.5", "0.00000001"),  # a hair over half a step
    ],
)
def test_usd_is_rounded_half_even_at_eight_decimals(tokens: str, price: str, usd: str) -> None:
    assert usd_of(Decimal(tokens), Decimal(price)) == Decimal(usd)


@given(AMOUNTS, AMOUNTS)
def test_no_digit_of_the_product_is_lost_before_it_is_rounded(tokens: Decimal, price: Decimal) -> None:
    """Catches the default context of 28 digits: 38 digits times 38 digits are 76."""
    exact = Context(prec=400).multiply(tokens, price)
    assert usd_of(tokens, price) == exact.quantize(Decimal("1e-8"), rounding=ROUND_HALF_EVEN, context=Context(prec=400))


def test_a_product_that_does_not_fit_is_an_error_and_not_a_rounding() -> None:
    with pytest.raises(Inexact):
        EXACT.multiply(Decimal("1" * 60), Decimal("1" * 60))


def test_a_long_sum_keeps_its_last_digit() -> None:
    """Catches the built-in sum, which rounds at 28 digits."""
    assert total([Decimal(10) ** 19, Decimal("1e-18")]) == Decimal("10000000000000000000.000000000000000001")


def test_the_fee_is_a_share_and_a_fixed_part_rounded_once() -> None:
    none = Decimal(0)
    assert fee_of(Decimal("0.75"), Decimal("0.01"), Decimal("0.001"), none) == Decimal("0.0085")
    assert fee_of(Decimal("0.00000050"), Decimal("0.01"), none, none) == Decimal(0)  # half a step
    assert fee_of(Decimal("0.00000150"), Decimal("0.01"), none, none) == Decimal("0.00000002")
    assert fee_of(Decimal("0.75"), Decimal("0.01"), Decimal("0.001"), Decimal("0.0086")) == Decimal("0.0086")


def test_postgresql_reckons_a_fee_as_python_does(db: None) -> None:
    """Catches a proof that calls an honest fee wrong, or a dry run that promises another one."""
    cases = [
        tuple(Decimal(part) for part in case.split())
        for case in ("0.75 0.01 0.001 0", "0.0000005 0.01 0 0", "0.0000015 0.01 0 0", "0.75 0.01 0 0.05", "1 0 0 0")
    ]
    with connection.cursor() as cursor:
        for case in cases:
            cursor.execute("SELECT conversion_fee(%s, %s, %s, %s)", list(case))
            assert cursor.fetchone()[0] == fee_of(*case)


def test_postgresql_rounds_ties_as_python_does(db: None) -> None:
    """Catches numeric round(), which takes 0.5 away from zero: every stored USD would be called wrong by the proof."""
    values = [Decimal(n) / 2 for n in range(-9, 10)] + [
        Decimal("0.125"),
        Decimal("-2.675"),
        Decimal("1e19"),
        Decimal(0),
    ]
    values += [Decimal("2.5000000000000000000000000000000000001"), Decimal("123456789012345678901234567890.5")]
    wide = Context(prec=100)
    with connection.cursor() as cursor:
        for decimals in (0, 2, 8):
            scaled = [value.scaleb(-decimals, wide) for value in values]
            cursor.execute(
                "SELECT round_half_even(value, %s) FROM unnest(%s::numeric[]) WITH ORDINALITY v (value, n) ORDER BY n",
                [decimals, scaled],
            )
            step = Decimal(1).scaleb(-decimals)
            assert [row[0] for row in cursor.fetchall()] == [
                value.quantize(step, rounding=ROUND_HALF_EVEN, context=wide) for value in scaled
            ]
