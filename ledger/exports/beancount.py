"""Beancount: `bean-check` then proves every entry and every balance of ours, without any tolerance.

Source: beancount's language syntax (https://beancount.github.io/docs/beancount_language_syntax.html).
"""

from collections.abc import Iterator
from datetime import date
from typing import BinaryIO
from uuid import UUID

from dreamland.lib.console import money
from ledger.exports.reader import ExportedEntry, Journal
from ledger.exports.text import account_name, account_names, day_after, exact, heading, text_stream
from ledger.exports.totals import Totals

OPENED = date(1970, 1, 1)  # before any entry can be
# The default tolerance only counts for assets without decimals; the multiplier is what forgives half a last digit.
OPTIONS = """\
option "title" "Dreamland"
option "inferred_tolerance_default" "*:0"
option "tolerance_multiplier" "0"
"""
ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})


def write(journal: Journal, out: BinaryIO) -> None:
    """Writes the journal as a beancount file that asserts our closing balances."""
    names = account_names(journal.totals)
    last = journal.totals.as_of.date()
    with text_stream(out) as lines:
        lines.writelines(_head(journal.totals))
        for entry in journal.entries():
            lines.writelines(_transaction(entry, names))
            last = max(last, entry.posted_at.date())
        lines.writelines(_balances(journal.totals, last))


def _head(totals: Totals) -> Iterator[str]:
    for line in heading(totals):
        yield f"; {line}\n"
    yield f"\n{OPTIONS}\n"
    for asset in totals.debits:
        yield f"{OPENED} commodity {asset}\n"
    for account in totals.accounts:
        yield f"{OPENED} open {account_name(account)} {account.asset}\n  code: {quoted(account.account)}\n"


def _transaction(entry: ExportedEntry, names: dict[str, str]) -> Iterator[str]:
    yield f"\n{entry.posted_at.date()} * {quoted(entry.kind)} {quoted(entry.memo)}\n"
    for key, value in _metadata(entry):
        yield f"  {key}: {quoted(value)}\n"
    for posting in entry.postings:
        amount = money(posting.amount, 0)
        yield f"  {names[posting.debit]}  {amount} {posting.asset}\n"
        yield f"  {names[posting.credit]}  -{amount} {posting.asset}\n"


def _metadata(entry: ExportedEntry) -> Iterator[tuple[str, str]]:
    facts: dict[str, UUID | int | None] = {
        "id": entry.id,
        "holder": entry.holder,
        "posted_by": entry.posted_by,
        "reverses": entry.reverses,
    }
    yield from ((key, str(value)) for key, value in facts.items() if value is not None)
    yield "kind", entry.kind
    yield "posted_at", exact(entry.posted_at)
    if entry.metadata != "{}":
        yield "metadata", entry.metadata


def _balances(totals: Totals, last: date) -> Iterator[str]:
    """Beancount proves a balance at the start of a day; without `~ 0` it would forgive two units of the last digit."""
    yield f"\n; What each account held as of {exact(totals.as_of)}, debits less credits\n"
    for line in totals.accounts:
        yield f"{day_after(last)} balance {account_name(line)}  {money(line.net, 0)} ~ 0 {line.asset}\n"


def quoted(text: str) -> str:
    """`text` as a string that ends where it should, on one line."""
    return f'"{text.translate(ESCAPES)}"'
