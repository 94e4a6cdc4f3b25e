"""What the plain-text formats share: account names, exact figures, text streams."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from io import TextIOWrapper
from typing import BinaryIO, TextIO

from dreamland.lib.console import money, plain
from ledger.exports.totals import AccountTotals, Totals
from ledger.models import Account

# The five roots that beancount and hledger both know; the roots say what kind an account is.
ROOTS = {
    Account.Kind.ASSET: "Assets",
    Account.Kind.LIABILITY: "Liabilities",
    Account.Kind.EQUITY: "Equity",
    Account.Kind.INCOME: "Income",
    Account.Kind.EXPENSE: "Expenses",
}
DECIMALS = {Account.Asset.DREAM: 18, Account.Asset.USD: 8}


def account_names(totals: Totals) -> dict[str, str]:
    """`usd:fees-payable` -> `Liabilities:Usd:Fees-payable`. Codes are lower-case, so no two names are the same."""
    return {line.account: account_name(line) for line in totals.accounts}


def account_name(line: AccountTotals) -> str:
    return ":".join([ROOTS[Account.Kind(line.kind)], *(part.capitalize() for part in line.account.split(":"))])


def exact(amount: object) -> str:
    """An amount or an instant with every digit and nothing else."""
    return str(plain(amount))


def day_after(last: date) -> date:
    return last + timedelta(days=1)


def heading(totals: Totals) -> list[str]:
    """The control totals as lines of text, for a format's comments. Nothing in them was written by a person."""
    selection = totals.selection
    return [
        f"Dreamland journal as of {exact(totals.as_of)}",
        f"from {exact(selection.since) if selection.since else 'the beginning'}"
        f" to {exact(selection.until) if selection.until else 'now'}"
        f", holder {selection.holder or 'all'}",
        f"entries: {totals.entries}",
        f"postings: {totals.postings}",
        *(f"debits: {money(amount, 0)} {asset}" for asset, amount in totals.debits.items()),
    ]


@contextmanager
def text_stream(out: BinaryIO) -> Iterator[TextIO]:
    """`out` as UTF-8 text, with line ends as they are written; `out` stays open."""
    stream = TextIOWrapper(out, encoding="utf-8", newline="")
    try:
        yield stream
    finally:
        stream.detach()  # writes what is left; a stream that is let go closes `out`
