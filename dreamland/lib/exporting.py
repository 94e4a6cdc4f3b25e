"""Lists and reports as files: CSV and XLSX, row by row, exact, with control totals, and without a formula in them.

A cell that begins like a formula would be run by whoever opens the file in a spreadsheet (OWASP, "CSV Injection"). In
CSV such a text gets an apostrophe in front; in XLSX it is marked as text.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from io import StringIO
from typing import IO, Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

from dreamland.lib.console import money
from dreamland.lib.pages import Label, Link

FORMATS = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
FORMULA = tuple("=+-@\t\r\n")
NOT_IN_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
NOT_IN_NAMES = re.compile(r"[\[\]:*?/\\]")
XLSX_DIGITS = 15  # what a number of a spreadsheet keeps


@dataclass(slots=True)
class Sheet:
    """Rows to write down, once. `facts` say what they are; `count` and `totals` grow as rows pass."""

    title: str
    headers: Sequence[str]
    rows: Iterable[Sequence[Any]]
    facts: Mapping[str, Any] = field(default_factory=dict)
    adds_up: Sequence[str] = ()
    totals_by: str = ""  # a column whose values are never added to each other: the asset
    count: int = 0
    totals: dict[str, Decimal] = field(default_factory=dict)

    def passing(self) -> Iterator[Sequence[Any]]:
        """The rows, counted and added up on their way."""
        places = [(place, name) for place, name in enumerate(self.headers) if name in self.adds_up]
        kind = self.headers.index(self.totals_by) if self.totals_by else None
        if kind is None:
            self.totals = {name: Decimal(0) for _, name in places}
        for row in self.rows:
            self.count += 1
            for place, name in places:
                named = name if kind is None else f"{name}, {row[kind]}"
                self.totals[named] = self.totals.get(named, Decimal(0)) + (row[place] or 0)
            yield row

    def control(self) -> list[tuple[str, Any]]:
        """What tells whether the file is whole. Only after the rows have passed."""
        sums = [(f"Total of {name}", total) for name, total in self.totals.items()]
        return [("Rows", self.count), *sums, *self.facts.items()]


def plain_text(value: Any) -> str:
    """A value as a file holds it: amounts with every digit, instants in RFC 3339, ids whole."""
    match value:
        case Link(value=inner) | Label(text=inner):
            return plain_text(inner)
        case Decimal():
            return money(value, 0)
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case _:
            return "" if value is None else str(value)


def is_amount(value: Any) -> bool:
    return isinstance(value.value if isinstance(value, Link) else value, Decimal | int)


def safe_text(value: Any) -> str:
    """The same for CSV: no text in it is a formula; a negative amount is none."""
    text = plain_text(value)
    return f"'{text}" if text.startswith(FORMULA) and not is_amount(value) else text


def csv_lines(sheet: Sheet) -> Iterator[str]:
    """The sheet as CSV (RFC 4180): header, rows, an empty line, and the control totals."""
    buffer = StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")

    def line(cells: Iterable[Any]) -> str:
        buffer.seek(0)
        buffer.truncate()
        writer.writerow([safe_text(cell) for cell in cells])
        return buffer.getvalue()

    yield line(sheet.headers)
    for row in sheet.passing():
        yield line(row)
    yield "\r\n"
    for name, value in sheet.control():
        yield line((name, value))


def write_xlsx(sheets: Sequence[Sheet], out: IO[bytes]) -> None:
    """The sheets as one XLSX file, each with a second one for its control totals.

    Amounts are text, since a spreadsheet's number keeps 15 digits; beside each stands the number, for adding up.
    """
    book = Workbook(write_only=True)
    for place, sheet in enumerate(sheets):
        page = book.create_sheet(_sheet_name(sheet.title, place))
        page.append([_text(page, name) for name in _xlsx_headers(sheet)])
        for row in sheet.passing():
            page.append(
                [
                    cell
                    for name, value in zip(sheet.headers, row, strict=False)
                    for cell in _cells(page, sheet, name, value)
                ]
            )
        control = book.create_sheet(_sheet_name(f"Control {sheet.title}", place))
        for name, value in sheet.control():
            control.append([_text(control, name), _text(control, plain_text(value))])
    book.save(out)


def _xlsx_headers(sheet: Sheet) -> Iterator[str]:
    for name in sheet.headers:
        yield name
        if name in sheet.adds_up:
            yield f"{name} (rounded to {XLSX_DIGITS} digits)"


def _cells(page: Any, sheet: Sheet, name: str, value: Any) -> Iterator[Any]:
    yield _text(page, plain_text(value))
    if name in sheet.adds_up:
        yield value.value if isinstance(value, Link) else value


def _text(page: Any, text: str) -> Any:
    cell = WriteOnlyCell(page, value=NOT_IN_XML.sub("\ufffd", text))
    cell.data_type = "s"
    return cell


def _sheet_name(title: str, place: int) -> str:
    """At most 31 characters and none of []:*?/\\; the number keeps names apart."""
    return f"{NOT_IN_NAMES.sub(' ', title)[:27]} {place + 1}"
