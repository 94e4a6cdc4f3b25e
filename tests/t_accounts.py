"""`python -m tests.t_accounts`: runs a day of one player and writes its figures into docs/ledgers.md.

tests/e2e/test_ledgers_document.py runs the same day and fails where the document says otherwise.
"""

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

PATH = Path(__file__).parent.parent / "docs" / "ledgers.md"
PLAYER = UUID("0b7e7e9c-52b5-4d0c-9f43-0d9a4f0b1c2d")
TEN = datetime(2026, 11, 10, 10, tzinfo=UTC)
PART = re.compile(r"(<!-- (?P<name>[a-z-]+): begin -->\n).*?(<!-- (?P=name): end -->)", re.DOTALL)
Row = tuple[int, str, str, str, str, Decimal]  # number of the entry, what, debit, credit, asset, amount


def live(finance: int) -> None:
    """The day, through the services that every other day goes through. `finance`: the user who pays the fees."""
    from django.db import transaction

    from conversion.services import convert_hour
    from conversion.voiding import Author, void_win
    from ledger import book
    from rewards.services import Claim, Recorded, create_game, record_wins, register_player
    from tests.approvals import fees_paid

    register_player(player_id=PLAYER, timezone="UTC")
    game = create_game(slug="chess", name="Chess")

    def win(amount: str, hour: int, minute: int) -> UUID:
        won_at = TEN.replace(hour=hour, minute=minute)
        claim = Claim(PLAYER, f"match-{hour}-{minute}", Decimal(amount), won_at)
        (outcome,) = record_wins(game_id=game.id, claims=[claim], now=won_at)
        assert isinstance(outcome, Recorded), outcome
        return outcome.win.id

    def convert(hour: int) -> None:
        convert_hour(hour=TEN.replace(hour=hour), now=TEN.replace(hour=hour) + timedelta(hours=1))

    win("2", 10, 15)
    win("0.5", 10, 40)
    convert(10)
    cheated = win("1", 11, 20)
    convert(11)
    mistaken = win("0.25", 12, 5)
    void_win(win_id=mistaken, reason="reported twice", author=Author())
    payout = book.Entry(
        holder=PLAYER, kind="payout", postings=(book.Posting("player:usd", "usd:cash", Decimal("0.45")),)
    )
    with transaction.atomic(durable=True):
        book.post([payout])
    void_win(win_id=cheated, reason="cheating", author=Author())
    win("1.2", 13, 30)
    convert(13)
    fees_paid("0.008", "bank 1")


def rows() -> list[Row]:
    """Every posting of the books, oldest first; the entries are numbered from 1."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT dense_rank() OVER (ORDER BY entry.posted_at, entry.id), entry.kind, debit_id, credit_id, asset, amount"
            " FROM ledger_journalentry entry JOIN ledger_posting posting ON posting.entry_id = entry.id"
            " ORDER BY 1, asset, posting.id"
        )
        return [tuple(row) for row in cursor.fetchall()]


def parts() -> dict[str, str]:
    """What stands between the marks of the document, by name."""
    moved = rows()
    return {"journal": journal(moved), "t-accounts": t_accounts(moved), "trial-balance": trial_balance()}


def plain(amount: Decimal) -> str:
    return format(amount.normalize(), "f")


def journal(moved: list[Row]) -> str:
    lines = ["| | Entry | Debit | Credit | Amount |", "|---|---|---|---|---|"]
    last = 0
    for number, kind, debit, credit, asset, amount in moved:
        first = number != last
        lines.append(
            f"| {number if first else ''} | {kind if first else ''} | `{debit}` | `{credit}` | {plain(amount)} {asset} |"
        )
        last = number
    return "\n".join(lines) + "\n"


def t_accounts(moved: list[Row]) -> str:
    from ledger import book

    drawn: list[str] = []
    for line in book.trial_balance().lines:
        debits = [(number, amount) for number, _, debit, _, _, amount in moved if debit == line.account]
        credits = [(number, amount) for number, _, _, credit, _, amount in moved if credit == line.account]
        if debits or credits:
            drawn += [*t_account(line, debits, credits), ""]
    return "\n".join(["```", *drawn[:-1], "```"]) + "\n"


def t_account(line: Any, debits: list[tuple[int, Decimal]], credits: list[tuple[int, Decimal]]) -> Iterator[str]:
    """One account: what was debited to the left, what was credited to the right, the balance on its normal side."""
    width = 24
    yield f"{line.account} ({line.kind}, {line.asset})".center(2 * width + 1).rstrip()
    yield "-" * width + "+" + "-" * width
    for place in range(max(len(debits), len(credits))):
        left, right = (
            f"({side[place][0]}) {plain(side[place][1])}" if place < len(side) else "" for side in (debits, credits)
        )
        yield f"{left:>{width - 1}} | {right}".rstrip()
    yield "-" * width + "+" + "-" * width
    balance = f"balance {plain(line.balance)}"
    yield (f"{balance:>{width - 1}} |" if line.normal_side == "debit" else f"{'':>{width - 1}} | {balance}")


def trial_balance() -> str:
    from ledger import book

    balance = book.trial_balance()
    lines = ["| Account | Debits | Credits | Balance |", "|---|---|---|---|"]
    lines += [
        f"| `{line.account}` | {plain(line.debits)} | {plain(line.credits)} | {plain(line.balance)} {line.asset} |"
        for line in balance.lines
        if line.debits or line.credits
    ]
    lines += [
        f"| all {asset} | {plain(debited)} | {plain(credited)} | |"
        for asset, (debited, credited) in sorted(balance.totals().items())
    ]
    return "\n".join(lines) + "\n"


def filled(text: str, made: dict[str, str]) -> str:
    """The document with these parts. Raises KeyError for a mark that nobody fills."""
    return PART.sub(lambda found: f"{found[1]}{made[found['name']]}{found[3]}", text)


def main() -> int:
    """Runs the day in a database of its own and writes the document."""
    import os

    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    from django.contrib.auth.models import User

    from tests import databases

    name = databases.name_for("day")
    template = databases.template()
    databases.copy(template, name)
    databases.use(name)
    try:
        live(User.objects.create_user("finance").pk)
        PATH.write_text(filled(PATH.read_text(), parts()))
    finally:
        databases.use("postgres")
        with databases.maintenance() as server:
            databases.drop(server, name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
