"""`manage.py fee_rule`: what conversions cost us, from when, and what is owed."""

from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from conversion.oversight import fee_rules, fees_by_provider, fees_payable
from dreamland.lib.console import console, money, print_json, table


class Command(BaseCommand):
    help = (
        "Shows the fee rules, the fees by provider, and what is owed. A rule is added by two people"
        " (manage.py approvals --ask fee-rule)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON document instead of tables")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["json"]:
            rules = [asdict(rule) for rule in fee_rules()]
            document = {"rules": rules, "fees": fees_by_provider(), "payable": fees_payable()}
            print_json(self.stdout, document)
        else:
            self._print()

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
