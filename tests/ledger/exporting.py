"""Busy books, and what the export of them says: shared by the tests of every format."""

import json
from datetime import datetime
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from django.core.management import call_command

from ledger import book
from tests.approvals import undo
from tests.factories import an_entry, post
from tests.sql import run

WIN = ("dream:issued", "player:dream")
REDEEM = ("player:dream", "dream:redeemed")
REWARD = ("usd:rewards-expense", "player:usd")
FEE = ("usd:conversion-fees", "usd:adjustments")  # what is owed for fees has to be the fees of real conversions
ROOTS = {"asset": "Assets", "liability": "Liabilities", "equity": "Equity", "income": "Income", "expense": "Expenses"}


def a_day(player: UUID, won: str = "2.000000000000000001", usd: str = "0.30000001", fee: str = "0.004") -> None:
    """A win and its conversion."""
    post(an_entry(player, (*WIN, won), kind="test-win"))
    post(an_entry(player, (*REDEEM, "1.5"), (*REWARD, usd), (*FEE, fee), kind="test-conversion"))


def busy_books() -> tuple[list[UUID], list[datetime]]:
    """Players with wins, conversions, a reversal and a debt, and Dreamland's own cash; and instants in between."""
    players = [uuid4() for _ in range(3)]
    instants = []
    for player in players:
        a_day(player)
        (mistake,) = post(an_entry(player, (*WIN, "0.25"), kind="test-win"))
        undo(mistake.entry_id)
        instants.append(now())
    post(an_entry(book.HOUSE, ("usd:cash", "usd:adjustments", "1000.5")))
    post(an_entry(players[0], ("player:usd-owed", "usd:rewards-expense", "0.00000003")))
    return players, instants


def now() -> datetime:
    ((instant,),) = run("SELECT clock_timestamp()")
    assert isinstance(instant, datetime)
    return instant


def exported(directory: Path, file_format: str, **options: Any) -> Path:
    """The export by the command, as a file. Control totals lie beside it as `totals.json`."""
    path = directory / f"export.{file_format}"
    given = [f"--format={file_format}", f"--output={path}", f"--totals={directory / 'totals.json'}"]
    given += [f"--{name}={value}" for name, value in options.items()]
    call_command("export_journal", *given, stderr=StringIO())
    return path


def totals(directory: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((directory / "totals.json").read_text())
    return document


def our_balances(until: datetime | None = None) -> dict[str, Decimal]:
    """Debits less credits of every account that ever moved, by the name that the other tools know it by."""
    return {
        ":".join([ROOTS[line.kind], *(part.capitalize() for part in line.account.split(":"))]): line.debits
        - line.credits
        for line in book.trial_balance(until=until).lines
    }


def moved(balances: dict[str, Decimal]) -> dict[str, Decimal]:
    """Without the accounts that stand at zero: a tool need not mention them."""
    return {account: amount for account, amount in balances.items() if amount}
