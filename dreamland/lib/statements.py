"""A statement as a page shows it, whosever account it is of."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from dreamland.lib.columns import page_address
from dreamland.lib.pages import Block, Facts, Link, Table


class Line(Protocol):
    """One posting as an account sees it."""

    @property
    def posted_at(self) -> datetime: ...
    @property
    def entry_id(self) -> UUID: ...
    @property
    def kind(self) -> str: ...
    @property
    def memo(self) -> str: ...
    @property
    def counterpart(self) -> str: ...
    @property
    def movement(self) -> Decimal: ...
    @property
    def running(self) -> Decimal: ...


class Statement(Protocol):
    """An account over a time."""

    @property
    def asset(self) -> str: ...
    @property
    def opening(self) -> Decimal: ...
    @property
    def closing(self) -> Decimal: ...
    @property
    def lines(self) -> Sequence[Line]: ...


def statement_blocks(told: Statement) -> list[Block]:
    """Opening balance, each line with the balance after it, closing balance."""
    movement, balance = f"Movement, {told.asset}", f"Balance, {told.asset}"
    return [
        Facts([("Opening balance", told.opening), ("Closing balance", told.closing), ("Lines", len(told.lines))]),
        Table(
            headers=["Date", "Entry", "What", "Counterpart", movement, balance],
            numbers=[movement, balance],
            rows=[
                [
                    line.posted_at,
                    Link(line.entry_id, page_address("ledger_journalentry", line.entry_id)),
                    f"{line.kind}: {line.memo}" if line.memo else line.kind,
                    line.counterpart,
                    line.movement,
                    line.running,
                ]
                for line in told.lines
            ],
            totals=["Closing", "", "", "", told.closing - told.opening, told.closing],
            empty="Nothing moved this account in this time.",
        ),
    ]
