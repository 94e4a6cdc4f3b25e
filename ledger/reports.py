"""Financial statements: the accounting equation, the balance sheet and the income statement of each asset.

DREAM and USD are never added to each other, so each has statements of its own. All are read from one trial balance, and
so agree with each other.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from ledger.models import Account
from ledger.selectors import ZERO, TrialBalance, trial_balance

Kind = Account.Kind


@dataclass(frozen=True, slots=True)
class ReportLine:
    """One account and its balance on its normal side."""

    account: str
    name: str
    balance: Decimal


@dataclass(frozen=True, slots=True)
class Section:
    """The accounts of one kind and what they add up to."""

    kind: str
    lines: tuple[ReportLine, ...]

    @property
    def total(self) -> Decimal:
        return sum((line.balance for line in self.lines), ZERO)


@dataclass(frozen=True, slots=True)
class Equation:
    """Assets + expenses = liabilities + equity + income, of one asset."""

    asset: str
    assets: Decimal
    expenses: Decimal
    liabilities: Decimal
    equity: Decimal
    income: Decimal

    @property
    def difference(self) -> Decimal:
        """What the left side has more than the right one; zero in books that balance."""
        return self.assets + self.expenses - self.liabilities - self.equity - self.income

    @property
    def holds(self) -> bool:
        return not self.difference


@dataclass(frozen=True, slots=True)
class IncomeStatement:
    """What one asset earned and cost since the books began."""

    asset: str
    income: Section
    expenses: Section

    @property
    def result(self) -> Decimal:
        """Income less expenses; negative where more was spent."""
        return self.income.total - self.expenses.total


@dataclass(frozen=True, slots=True)
class BalanceSheet:
    """What of one asset we own, what we owe and what is left. `result` is the income statement's: not closed yet."""

    asset: str
    assets: Section
    liabilities: Section
    equity: Section
    result: Decimal

    @property
    def total_assets(self) -> Decimal:
        return self.assets.total

    @property
    def total_liabilities_and_equity(self) -> Decimal:
        return self.liabilities.total + self.equity.total + self.result


@dataclass(frozen=True, slots=True)
class Reports:
    """Everything, as of one instant, asset by asset in the same order."""

    as_of: datetime
    equations: tuple[Equation, ...]
    balance_sheets: tuple[BalanceSheet, ...]
    income_statements: tuple[IncomeStatement, ...]

    @property
    def hold(self) -> bool:
        return all(equation.holds for equation in self.equations)


def reports(*, until: datetime | None = None) -> Reports:
    """All reports of the entries dated before `until`, or of all entries. One statement."""
    return reports_of(trial_balance(until=until))


def reports_of(books: TrialBalance) -> Reports:
    """The reports that a trial balance tells."""
    return Reports(
        as_of=books.as_of,
        equations=tuple(_equation(books, asset) for asset in _assets(books)),
        balance_sheets=tuple(_balance_sheet(books, asset) for asset in _assets(books)),
        income_statements=tuple(_income_statement(books, asset) for asset in _assets(books)),
    )


def _assets(books: TrialBalance) -> Iterator[str]:
    return iter(sorted({line.asset for line in books.lines}))


def _section(books: TrialBalance, asset: str, kind: Kind) -> Section:
    return Section(
        kind,
        tuple(
            ReportLine(line.account, line.name, line.balance)
            for line in books.lines
            if line.asset == asset and line.kind == kind
        ),
    )


def _equation(books: TrialBalance, asset: str) -> Equation:
    return Equation(
        asset=asset,
        assets=_section(books, asset, Kind.ASSET).total,
        expenses=_section(books, asset, Kind.EXPENSE).total,
        liabilities=_section(books, asset, Kind.LIABILITY).total,
        equity=_section(books, asset, Kind.EQUITY).total,
        income=_section(books, asset, Kind.INCOME).total,
    )


def _income_statement(books: TrialBalance, asset: str) -> IncomeStatement:
    return IncomeStatement(
        asset=asset, income=_section(books, asset, Kind.INCOME), expenses=_section(books, asset, Kind.EXPENSE)
    )


def _balance_sheet(books: TrialBalance, asset: str) -> BalanceSheet:
    return BalanceSheet(
        asset=asset,
        assets=_section(books, asset, Kind.ASSET),
        liabilities=_section(books, asset, Kind.LIABILITY),
        equity=_section(books, asset, Kind.EQUITY),
        result=_income_statement(books, asset).result,
    )
