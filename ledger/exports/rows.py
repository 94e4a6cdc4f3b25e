"""One row for each posting, for the formats that are tables."""

from collections.abc import Iterator
from typing import Any

from ledger.exports.reader import ExportedEntry

COLUMNS = (
    *("posted_at", "entry_id", "holder", "kind", "memo", "posted_by", "reverses", "metadata"),
    *("posting_id", "debit", "credit", "asset", "amount"),
)
MEMO = COLUMNS.index("memo")


def rows(entry: ExportedEntry) -> Iterator[tuple[Any, ...]]:
    """The entry's postings, each beside the facts of the entry; in order of COLUMNS."""
    for posting in entry.postings:
        yield (
            *(entry.posted_at, entry.id, entry.holder, entry.kind, entry.memo, entry.posted_by, entry.reverses),
            *(entry.metadata, posting.id, posting.debit, posting.credit, posting.asset, posting.amount),
        )
