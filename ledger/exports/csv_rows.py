"""CSV (RFC 4180): one row for each posting, safe to open in a spreadsheet."""

import csv
from typing import Any, BinaryIO

from ledger.exports.reader import Journal
from ledger.exports.rows import COLUMNS, MEMO, rows
from ledger.exports.text import exact, text_stream

# What a spreadsheet takes for the beginning of a formula (OWASP, "CSV Injection"), in its wide forms too; and the mark
# that we put in front of it, so that it can be taken away again without a doubt.
MARK = "'"
FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\t", "\r", "\n", "|", "%", MARK)


def write(journal: Journal, out: BinaryIO) -> None:
    """Writes a header and one row for each posting."""
    with text_stream(out) as lines:
        table = csv.writer(lines)  # the dialect "excel" is RFC 4180: CRLF, quotes doubled
        table.writerow(COLUMNS)
        for entry in journal.entries():
            for row in rows(entry):
                table.writerow([*map(_cell, row[:MEMO]), safe(row[MEMO]), *map(_cell, row[MEMO + 1 :])])


def _cell(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else exact(value)


def safe(text: str) -> str:
    """`text` as no spreadsheet takes for a formula: with an apostrophe in front where one could, else as it is."""
    return MARK + text if text.startswith(FORMULA) or text.lstrip().startswith(FORMULA) else text
