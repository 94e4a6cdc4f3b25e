"""The statements that finance reads: they agree with each other, and say so when the books do not."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command

from ledger import book
from ledger.reports import Reports, reports, reports_of
from ledger.selectors import TrialBalance, TrialBalanceLine
from tests.factories import an_entry, post
from tests.ledger.exporting import FEE, REDEEM, REWARD, WIN, busy_books
from tests.sql import run, without_triggers

pytestmark = pytest.mark.django_db
EARLY = datetime(2026, 11, 1, tzinfo=UTC)


def command(**options: Any) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("reports", stdout=out, **options)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    return 0, out.getvalue()


def of(told: Reports, asset: str) -> tuple[Any, Any, Any]:
    """The equation, the balance sheet and the income statement of one asset."""
    kinds = (told.equations, told.balance_sheets, told.income_statements)
    equation, sheet, statement = (next(one for one in kind if one.asset == asset) for kind in kinds)
    return equation, sheet, statement


def test_a_day_of_play_comes_to_the_figures_that_an_accountant_would_write() -> None:
    player = uuid4()
    post(an_entry(player, (*WIN, "3")))
    post(an_entry(player, (*REDEEM, "2"), (*REWARD, "0.3"), (*FEE, "0.004")))
    post(an_entry(book.HOUSE, ("usd:cash", "usd:adjustments", "10")))
    told = reports()
    equation, sheet, statement = of(told, "USD")
    assert (equation.assets, equation.expenses) == (10, Decimal("0.304"))
    assert (equation.liabilities, equation.equity, equation.income) == (Decimal("0.3"), Decimal("10.004"), 0)
    assert equation.holds
    assert statement.result == Decimal("-0.304")
    assert [(line.account, line.balance) for line in statement.expenses.lines] == [
        ("usd:conversion-fees", Decimal("0.004")),
        ("usd:rewards-expense", Decimal("0.3")),
    ]
    assert sheet.total_assets == sheet.total_liabilities_and_equity == 10
    assert (sheet.liabilities.total, sheet.equity.total) == (Decimal("0.3"), Decimal("10.004"))
    assert sheet.result == statement.result
    equation, sheet, statement = of(told, "DREAM")
    assert (equation.liabilities, equation.equity, equation.difference) == (1, -1, 0)
    assert (sheet.total_assets, sheet.total_liabilities_and_equity, statement.result) == (0, 0, 0)


def test_the_reports_stand_on_the_trial_balance_of_their_instant() -> None:
    _, (_, until, _) = busy_books()
    told, books = reports(until=until), book.trial_balance(until=until)
    assert told == reports_of(books) != reports()
    assert told.as_of == until
    lines = [
        (line.account, line.balance)
        for sheet, statement in zip(told.balance_sheets, told.income_statements, strict=True)
        for section in (sheet.assets, sheet.liabilities, sheet.equity, statement.income, statement.expenses)
        for line in section.lines
    ]
    assert sorted(lines) == [(line.account, line.balance) for line in books.lines], (
        "each account once, and in one place"
    )


def line(account: str, kind: str, side: str, debits: str, credits: str, asset: str = "USD") -> TrialBalanceLine:
    return TrialBalanceLine(account, account, asset, kind, side, Decimal(debits), Decimal(credits))


SOUND = TrialBalance(
    EARLY,
    (
        line("a", "asset", "debit", "100", "30"),
        line("b", "liability", "credit", "5", "25"),
        line("c", "equity", "credit", "0", "40"),
        line("d", "income", "credit", "0", "35"),
        line("e", "expense", "debit", "25", "0"),
        line("f", "asset", "debit", "1", "0", "DREAM"),
        line("g", "equity", "credit", "0", "1", "DREAM"),
    ),
)


def test_income_counts_for_the_result_and_expenses_against_it() -> None:
    equation, sheet, statement = of(reports_of(SOUND), "USD")
    assert equation.holds
    assert (statement.income.total, statement.expenses.total, statement.result) == (35, 25, 10)
    assert (sheet.total_assets, sheet.total_liabilities_and_equity) == (70, 70)


@pytest.mark.parametrize("place", range(5))
def test_one_wrong_unit_in_any_kind_of_account_fails_the_equation_of_its_asset_alone(place: int) -> None:
    lines = list(SOUND.lines)
    lines[place] = replace(lines[place], debits=lines[place].debits + Decimal("1e-18"))
    told = reports_of(TrialBalance(EARLY, tuple(lines)))
    assert not told.hold
    assert {equation.asset: equation.difference for equation in told.equations} == {
        "DREAM": 0,
        "USD": Decimal("1e-18"),
    }
    _, sheet, _ = of(told, "USD")
    assert sheet.total_assets - sheet.total_liabilities_and_equity == Decimal("1e-18")


def test_the_command_tells_people_and_machines_the_same_and_exits_with_zero() -> None:
    busy_books()
    code, printed = command(json=True)
    document = json.loads(printed)
    assert (code, document["holds"]) == (0, True)
    usd = next(equation for equation in document["equations"] if equation["asset"] == "USD")
    assert usd == {
        "asset": "USD",
        "assets": "1000.50000003",
        "expenses": "0.912",
        "liabilities": "0.90000003",
        "equity": "1000.512",
        "income": "0",
        "difference": "0",
        "holds": True,
    }
    code, tables = command()
    assert code == 0
    for shown in ("Balance sheet, USD", "Income statement, USD", "Balance sheet, DREAM", "1000.50000003", "holds"):
        assert shown in tables


@pytest.mark.breaks_books
def test_the_command_exits_with_one_and_says_by_how_much_where_a_posting_mixes_assets() -> None:
    """Only somebody with all rights can write it: debits and credits would still be equal over both assets together."""
    post(an_entry(uuid4(), (*WIN, "2")))
    with without_triggers("ledger_posting"):
        run("ALTER TABLE ledger_posting DROP CONSTRAINT posting_credit_has_asset")
        run("UPDATE ledger_posting SET credit_id = 'player:usd'")
    code, printed = command(json=True)
    assert code == 1
    differences = {equation["asset"]: equation["difference"] for equation in json.loads(printed)["equations"]}
    assert differences == {"DREAM": "2", "USD": "-2"}
    code, tables = command()
    assert code == 1
    assert "fails" in tables
