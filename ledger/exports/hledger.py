"""hledger: `hledger check --strict ordereddates` then proves every entry and every balance of ours, at any size.

Source: hledger's journal format (https://hledger.org/hledger.html#journal).
"""

import json
from collections.abc import Iterator
from datetime import date
from typing import BinaryIO

from dreamland.lib.console import money
from ledger.exports.reader import ExportedEntry, Journal
from ledger.exports.text import DECIMALS, account_name, account_names, exact, heading, text_stream
from ledger.exports.totals import Totals
from ledger.models import Account

TYPES = {
    Account.Kind.ASSET: "A",
    Account.Kind.LIABILITY: "L",
    Account.Kind.EQUITY: "E",
    Account.Kind.INCOME: "R",
    Account.Kind.EXPENSE: "X",
}


def write(journal: Journal, out: BinaryIO) -> None:
    """Writes the journal as an hledger file that declares all it uses and asserts our closing balances."""
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
    yield "\ndecimal-mark .\n"
    for asset in totals.debits:
        # The decimals say how exactly an entry has to balance.
        yield f"commodity 1.{'0' * DECIMALS[Account.Asset(asset)]} {asset}\n"
    for account in totals.accounts:
        yield f"account {account_name(account)}  ; type:{TYPES[Account.Kind(account.kind)]}, code:{account.account}\n"


def _transaction(entry: ExportedEntry, names: dict[str, str]) -> Iterator[str]:
    yield f"\n{entry.posted_at.date()} {entry.kind}\n"
    for key, value in _tags(entry):
        yield f"    ; {key}:{value}\n"
    for posting in entry.postings:
        amount = money(posting.amount, 0)
        yield f"    {names[posting.debit]}  {amount} {posting.asset}\n"
        yield f"    {names[posting.credit]}  -{amount} {posting.asset}\n"


def _tags(entry: ExportedEntry) -> Iterator[tuple[str, str]]:
    facts = {"id": entry.id, "holder": entry.holder, "posted_by": entry.posted_by, "reverses": entry.reverses}
    yield from ((key, str(value)) for key, value in facts.items() if value is not None)
    yield "kind", entry.kind
    yield "posted_at", exact(entry.posted_at)
    if entry.memo:
        yield "memo", quoted(entry.memo)
    if entry.metadata != "{}":
        yield "metadata", quoted(entry.metadata)


def _balances(totals: Totals, last: date) -> Iterator[str]:
    """An entry that moves nothing and asserts, to the last digit (`==`), all that each account holds."""
    yield f"\n{last} closing-balances\n    ; as_of:{exact(totals.as_of)}\n"
    for line in totals.accounts:
        yield f"    {account_name(line)}  0 {line.asset} == {money(line.net, 0)} {line.asset}\n"


def quoted(text: str) -> str:
    """`text` as a JSON string on one line. A comma would end the tag, so it is written as an escape, like all that
    does not print.
    """
    written = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() and char != "," else _escape(char) for char in written)


def _escape(char: str) -> str:
    return json.dumps(char)[1:-1] if ord(char) > 0x7E else f"\\u{ord(char):04x}"
