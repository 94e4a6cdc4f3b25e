"""What commands print: tables for people, one JSON document for machines."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.management.base import OutputWrapper
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

WIDTH_OF_A_PIPE = 160  # columns where no terminal says how wide it is


def plain(value: Any) -> Any:
    """`value` as JSON can carry it: amounts and ids as strings, instants in RFC 3339."""
    if isinstance(value, int):
        return value
    if isinstance(value, Decimal):
        return money(value, 0)
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


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, numbers: Sequence[str] = ()) -> Table:
    """A table. The columns in `numbers` stand point under point."""
    drawn = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        drawn.add_column(column, overflow="fold")
    texts = [[cell if isinstance(cell, str) else str(plain(cell)) for cell in row] for row in rows]
    for place, column in enumerate(columns):
        if column in numbers:
            _align(texts, place)
    for row in texts:
        drawn.add_row(*row)
    return drawn


def _align(rows: list[list[str]], place: int) -> None:
    """Fills a column of numbers up with blanks, so that the points stand under each other."""
    widest = max((len(row[place].partition(".")[0]) for row in rows), default=0)
    for row in rows:
        row[place] = " " * (widest - len(row[place].partition(".")[0])) + row[place]


def money(amount: Decimal, decimals: int) -> str:
    """An exact amount with at least `decimals` decimals and no digit lost: 1 -> 1.00, 0.12345 -> 0.12345."""
    shown = format(amount.normalize(), "f")
    whole, _, fraction = shown.partition(".")
    return f"{whole}.{fraction.ljust(decimals, '0')}" if fraction or decimals else whole


@contextmanager
def progress(screen: Console, steps: int) -> Iterator[Callable[[str], None]]:
    """A progress bar on a terminal, and nothing elsewhere. Call what it gives before each step, with its name."""
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task("", total=steps)
        begun = False

        def step(name: str) -> None:
            nonlocal begun
            bar.update(task, description=name, advance=1 if begun else 0)
            begun = True

        yield step
