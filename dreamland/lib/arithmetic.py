"""Decimal arithmetic without silent rounding."""

import decimal

# Two amounts of 38 digits multiplied, and room for sums of very many of them.
DIGITS = 100


def keep_every_digit() -> None:
    """Gives every thread 100 digits: `decimal` comes with 28 and rounds the rest of a sum without a word.

    Threads copy the default context when they first calculate, so this comes before any of them starts.
    """
    for context in (decimal.DefaultContext, decimal.getcontext()):
        context.prec = DIGITS
