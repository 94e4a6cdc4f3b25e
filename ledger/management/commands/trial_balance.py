"""`manage.py trial_balance`: every account with what was debited and credited."""

from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from dreamland.lib.arguments import instant
from dreamland.lib.console import console, money, print_json, table
from ledger import book

DECIMALS_SHOWN = {"DREAM": 2, "USD": 2}


class Command(BaseCommand):
    help = "The trial balance, from the postings themselves. Exits 1 if debits and credits of an asset differ."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--until", type=instant, help="only entries dated before this RFC 3339 instant")
        parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")

    def handle(self, *args: Any, **options: Any) -> None:
        trial_balance = book.trial_balance(until=options["until"])
        if options["json"]:
            print_json(self.stdout, as_document(trial_balance))
        else:
            console(self.stdout).print(as_table(trial_balance))
        if any(debits != credits for debits, credits in trial_balance.totals().values()):
            raise SystemExit(1)


def as_document(trial_balance: book.TrialBalance) -> dict[str, Any]:
    """The trial balance as `--json` prints it."""
    return {
        "as_of": trial_balance.as_of,
        "accounts": [
            {
                "account": line.account,
                "name": line.name,
                "asset": line.asset,
                "kind": line.kind,
                "debits": line.debits,
                "credits": line.credits,
                "balance": line.balance,
                "normal_side": line.normal_side,
            }
            for line in trial_balance.lines
        ],
        "totals": {
            asset: {"debits": debits, "credits": credits} for asset, (debits, credits) in trial_balance.totals().items()
        },
    }


def as_table(trial_balance: book.TrialBalance) -> Any:
    """The trial balance as accountants draw it."""

    def shown(amount: Decimal, asset: str) -> str:
        return money(amount, DECIMALS_SHOWN[asset]) if amount else "-"

    rows = [
        (
            line.account,
            line.name,
            shown(line.debits, line.asset),
            shown(line.credits, line.asset),
            shown(line.balance, line.asset),
            line.asset,
        )
        for line in trial_balance.lines
    ]
    rows += [
        ("[bold]total[/]", "", shown(debits, asset), shown(credits, asset), "", asset)
        for asset, (debits, credits) in trial_balance.totals().items()
    ]
    return table(
        f"Trial balance as of {trial_balance.as_of}",
        ["account", "name", "debits", "credits", "balance", "asset"],
        rows,
        numbers=["debits", "credits", "balance"],
    )
