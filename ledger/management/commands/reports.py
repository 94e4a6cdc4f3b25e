"""`manage.py reports`: the accounting equation, the balance sheet and the income statement of each asset."""

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from dreamland.lib.arguments import instant
from dreamland.lib.console import console, plain, print_json, table
from ledger.reports import BalanceSheet, Equation, IncomeStatement, Reports, Section, reports

WRONG = 1
Rows = Iterator[tuple[Any, ...]]


class Command(BaseCommand):
    help = "Financial statements from the postings themselves. Exits 1 if the accounting equation of an asset fails."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--until", type=instant, help="only entries dated before this RFC 3339 instant")
        parser.add_argument("--json", action="store_true", help="one JSON document instead of tables")

    def handle(self, *args: Any, **options: Any) -> None:
        told = reports(until=options["until"])
        if options["json"]:
            print_json(self.stdout, as_document(told))
        else:
            for drawn in as_tables(told):
                console(self.stdout).print(drawn)
        if not told.hold:
            raise SystemExit(WRONG)


def as_document(told: Reports) -> dict[str, Any]:
    """The reports as `--json` prints them."""
    return {
        "as_of": told.as_of,
        "holds": told.hold,
        "equations": [_equation(equation) for equation in told.equations],
        "balance_sheets": [
            {
                "asset": sheet.asset,
                "assets": _section(sheet.assets),
                "liabilities": _section(sheet.liabilities),
                "equity": _section(sheet.equity),
                "result": sheet.result,
                "total_assets": sheet.total_assets,
                "total_liabilities_and_equity": sheet.total_liabilities_and_equity,
            }
            for sheet in told.balance_sheets
        ],
        "income_statements": [
            {
                "asset": statement.asset,
                "income": _section(statement.income),
                "expenses": _section(statement.expenses),
                "result": statement.result,
            }
            for statement in told.income_statements
        ],
    }


def _equation(equation: Equation) -> dict[str, Any]:
    return {
        "asset": equation.asset,
        "assets": equation.assets,
        "expenses": equation.expenses,
        "liabilities": equation.liabilities,
        "equity": equation.equity,
        "income": equation.income,
        "difference": equation.difference,
        "holds": equation.holds,
    }


def _section(section: Section) -> dict[str, Any]:
    return {
        "accounts": [{"account": line.account, "name": line.name, "balance": line.balance} for line in section.lines],
        "total": section.total,
    }


def as_tables(told: Reports) -> Iterator[Any]:
    """The reports as accountants draw them."""
    columns = ["asset", "assets", "expenses", "liabilities", "equity", "income", "difference"]
    yield table(
        f"Assets + expenses = liabilities + equity + income, as of {plain(told.as_of)}",
        [*columns, ""],
        [
            [
                *(getattr(equation, column) for column in columns),
                "[green]holds[/]" if equation.holds else "[red]fails[/]",
            ]
            for equation in told.equations
        ],
        numbers=columns[1:],
    )
    for sheet in told.balance_sheets:
        yield _drawn(f"Balance sheet, {sheet.asset}", _sheet_rows(sheet))
    for statement in told.income_statements:
        yield _drawn(f"Income statement, {statement.asset}", _statement_rows(statement))


def _drawn(title: str, rows: Rows) -> Any:
    return table(title, ["", "account", "name", "balance"], list(rows), numbers=["balance"])


def _sheet_rows(sheet: BalanceSheet) -> Rows:
    for section in (sheet.assets, sheet.liabilities, sheet.equity):
        yield from _section_rows(section)
    yield "result", "", "income less expenses", sheet.result
    yield "[bold]total[/]", "", "assets", sheet.total_assets
    yield "[bold]total[/]", "", "liabilities, equity and result", sheet.total_liabilities_and_equity


def _statement_rows(statement: IncomeStatement) -> Rows:
    for section in (statement.income, statement.expenses):
        yield from _section_rows(section)
    yield "[bold]result[/]", "", "income less expenses", statement.result


def _section_rows(section: Section) -> Rows:
    for line in section.lines:
        yield section.kind, line.account, line.name, line.balance
