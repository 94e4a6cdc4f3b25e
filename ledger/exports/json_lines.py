"""JSON Lines: one entry with its postings on each line, amounts as strings."""

import json
from typing import Any, BinaryIO

from dreamland.lib.console import plain
from ledger.exports.reader import ExportedEntry, Journal
from ledger.exports.text import text_stream


def write(journal: Journal, out: BinaryIO) -> None:
    """Writes one JSON object for each entry."""
    with text_stream(out) as lines:
        for entry in journal.entries():
            lines.write(line_of(entry))


def line_of(entry: ExportedEntry) -> str:
    """One entry as one line."""
    document: dict[str, Any] = {
        "id": entry.id,
        "holder": entry.holder,
        "kind": entry.kind,
        "memo": entry.memo,
        "posted_at": entry.posted_at,
        "posted_by": entry.posted_by,
        "reverses": entry.reverses,
        "postings": [
            {
                "id": posting.id,
                "debit": posting.debit,
                "credit": posting.credit,
                "asset": posting.asset,
                "amount": posting.amount,
            }
            for posting in entry.postings
        ],
    }
    # The metadata is JSON already. Read and written again, its numbers could lose digits.
    return f'{json.dumps(document, default=plain)[:-1]}, "metadata": {entry.metadata}}}\n'
