"""What commands print: tables for people, one JSON document for machines."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.management.base import OutputWrapper
from rich.console import Console
from rich.table import Table

WIDTH_OF_A_PIPE = 160  # columns where no terminal says how wide it is


def plain(value: Any) -> Any:
    """`value` as JSON can carry it: amounts and ids as strings, instants in RFC 3339."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def print_json(out: OutputWrapper, document: Any) -> None:
    """Writes one JSON document."""
    out.write(json.dumps(document, default=plain, indent=2))


def console(out: OutputWrapper) -> Console:
    """A console on a command's output; no colours and a fixed width where it is not a terminal."""
    wide = None if out.isatty() else WIDTH_OF_A_PIPE
    return Console(file=out, width=wide, highlight=False)  # type: ignore[arg-type]  # it only needs write and flush


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Sequence[str] = ()) -> Table:
    """A table; the columns named in `right` hold numbers. Amounts come with their decimals aligned by `money`."""
    drawn = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        drawn.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(cell if isinstance(cell, str) else str(plain(cell)) for cell in row))
    return drawn


def money(amount: Decimal, decimals: int) -> str:
    """An exact amount with at least `decimals` decimals and no digit lost: 1 -> 1.00, 0.12345 -> 0.12345."""
    shown = format(amount.normalize(), "f")
    whole, _, fraction = shown.partition(".")
    return f"{whole}.{fraction.ljust(decimals, '0')}" if fraction or decimals else whole
