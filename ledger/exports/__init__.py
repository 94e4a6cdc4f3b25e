"""The journal for other programs: five formats, one reader, one set of control totals (docs/exports.md)."""

from collections.abc import Callable
from typing import BinaryIO

from ledger.exports import beancount, csv_rows, hledger, json_lines, parquet
from ledger.exports.reader import Journal, Selection, snapshot
from ledger.exports.totals import AccountTotals, Totals

__all__ = ["FORMATS", "AccountTotals", "Selection", "Totals", "export"]

FORMATS: dict[str, Callable[[Journal, BinaryIO], None]] = {
    "beancount": beancount.write,
    "hledger": hledger.write,
    "csv": csv_rows.write,
    "jsonl": json_lines.write,
    "parquet": parquet.write,
}


def export(selection: Selection, *, file_format: str, out: BinaryIO) -> Totals:
    """Writes the selected entries to `out` and returns their control totals; all from one snapshot of the database.

    Memory does not grow with the journal. The totals are PostgreSQL's own sums; what was read row by row has been
    compared with them.

    Raises JournalDiffersError if the two differ, ImportError where the library of the format is missing. Must not be
    called inside a transaction.
    """
    with snapshot(selection) as journal:
        FORMATS[file_format](journal, out)
        journal.assert_complete()
        return journal.totals
