"""`manage.py fee_rule`: what conversions cost us, and from when."""

import argparse
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from conversion.oversight import fee_rules, fees_by_provider, fees_payable
from conversion.services import add_fee_rule
from dreamland.lib.arguments import instant
from dreamland.lib.console import console, money, print_json, table
from dreamland.lib.errors import DomainError

USAGE = 2


def decimal(text: str) -> Decimal:
    """An exact amount."""
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no decimal number") from error


class Command(BaseCommand):
    help = (
        "Shows the fee rules, the fees by provider, and what is owed. --from adds a rule that holds from then on, until"
        " the next one begins. Exits 2 for a wrong call."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--from", dest="start", type=instant, metavar="INSTANT", help="add a rule; a whole hour")
        parser.add_argument("--provider", help="who is owed; needed to add a rule")
        parser.add_argument("--percentage", type=decimal, help="as a fraction: 0.01 is one percent; needed to add one")
        parser.add_argument("--fixed", type=decimal, default=Decimal(0), help="USD for each conversion (0)")
        parser.add_argument("--minimum", type=decimal, default=Decimal(0), help="USD that one costs at least (0)")
        parser.add_argument("--json", action="store_true", help="one JSON document instead of tables")

    def handle(self, *args: Any, start: datetime | None, **options: Any) -> None:
        if start is not None:
            self._add(start, **options)
        if options["json"]:
            rules = [asdict(rule) for rule in fee_rules()]
            document = {"rules": rules, "fees": fees_by_provider(), "payable": fees_payable()}
            print_json(self.stdout, document)
        else:
            self._print()

    def _add(self, start: datetime, *, provider: str | None, percentage: Decimal | None, **options: Any) -> None:
        if not provider or percentage is None:
            raise CommandError("a rule needs --provider and --percentage", returncode=USAGE)
        fixed, minimum = options["fixed"], options["minimum"]
        try:
            add_fee_rule(effective_from=start, provider=provider, percentage=percentage, fixed=fixed, minimum=minimum)
        except DomainError as error:
            self.stderr.write(error.detail)
            raise SystemExit(USAGE) from error

    def _print(self) -> None:
        screen = console(self.stdout)
        columns = ["from", "until", "provider", "percentage", "fixed", "minimum"]
        rows = [
            (rule.effective_from, rule.effective_until or "-", rule.provider, rule.percentage, rule.fixed, rule.minimum)
            for rule in fee_rules()
        ]
        screen.print(table("Fee rules", columns, rows, numbers=columns[3:]))
        for provider, fees in fees_by_provider().items():
            screen.print(f"{provider}: {money(fees, 2)} USD of fees")
        screen.print(f"Owed: {money(fees_payable(), 2)} USD")
