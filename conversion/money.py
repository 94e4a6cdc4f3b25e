"""Exact arithmetic of a conversion: every product is exact, and it is rounded once, half-even, at 8 decimals of a USD.

The default context of `decimal` keeps 28 digits and rounds the rest in silence; two columns of 38 digits need 76.
"""

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow

USD_STEP = Decimal("1e-8")
DIGITS = 100  # 38 for an amount, 38 for a price, and room for the sum with a fixed fee

# Here a lost digit is an error, not a rounding.
EXACT = Context(prec=DIGITS, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
ROUNDING = Context(prec=DIGITS, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])


def usd_of(tokens: Decimal, price: Decimal) -> Decimal:
    """What `tokens` DREAM are worth at `price` USD each, half-even at 8 decimals."""
    return EXACT.multiply(tokens, price).quantize(USD_STEP, context=ROUNDING)


def fee_of(usd: Decimal, percentage: Decimal, fixed: Decimal, minimum: Decimal) -> Decimal:
    """What converting to `usd` costs us: a fraction and a fixed part, half-even at 8 decimals; `minimum` at least."""
    return max(EXACT.fma(usd, percentage, fixed).quantize(USD_STEP, context=ROUNDING), minimum)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum; the built-in `sum` would round at 28 digits."""
    result = Decimal(0)
    for amount in amounts:
        result = EXACT.add(result, amount)
    return result
