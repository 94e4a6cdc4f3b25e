"""Control totals: what an export says about itself, so that whoever loads it can prove that nothing is missing."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from ledger.models import Account

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which entries: those dated in [since, until), of one holder or of all."""

    since: datetime | None = None
    until: datetime | None = None
    holder: UUID | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """What passed from all postings between two accounts: `before` the selected time, and `within` it."""

    debit: str
    credit: str
    before: Decimal
    within: Decimal


@dataclass(frozen=True, slots=True)
class AccountTotals:
    """One account in an export. `opening_net` and `net` are debits less credits, as plain-text accounting counts."""

    account: str
    name: str
    asset: str
    kind: str
    normal_side: str
    opening_net: Decimal
    debits: Decimal
    credits: Decimal

    @property
    def net(self) -> Decimal:
        return self.opening_net + self.debits - self.credits

    @property
    def opening(self) -> Decimal:
        return self._on_normal_side(self.opening_net)

    @property
    def balance(self) -> Decimal:
        return self._on_normal_side(self.net)

    def _on_normal_side(self, net: Decimal) -> Decimal:
        return net if self.normal_side == Account.Side.DEBIT else ZERO - net  # unary minus would make -0 of 0


@dataclass(frozen=True, slots=True)
class Totals:
    """The control totals of a selection, as of one snapshot: `as_of` is the instant that the balances hold for."""

    selection: Selection
    as_of: datetime
    entries: int
    postings: int
    accounts: tuple[AccountTotals, ...]

    @property
    def debits(self) -> dict[str, Decimal]:
        """What the selected entries debited, by asset."""
        sums: dict[str, Decimal] = {}
        for line in self.accounts:
            sums[line.asset] = sums.get(line.asset, ZERO) + line.debits
        return sums

    def as_document(self) -> dict[str, Any]:
        """The totals as `--totals` and the metadata of Parquet tell them."""
        return {
            "as_of": self.as_of,
            "from": self.selection.since,
            "to": self.selection.until,
            "holder": self.selection.holder,
            "entries": self.entries,
            "postings": self.postings,
            "debits": self.debits,
            "accounts": [
                {
                    "account": line.account,
                    "name": line.name,
                    "asset": line.asset,
                    "kind": line.kind,
                    "normal_side": line.normal_side,
                    "opening": line.opening,
                    "debits": line.debits,
                    "credits": line.credits,
                    "balance": line.balance,
                }
                for line in self.accounts
            ],
        }


def account_totals(accounts: Iterable[Account], moved: Iterable[Moved]) -> tuple[AccountTotals, ...]:
    """Each account's part in what moved, in order of code."""
    opening: dict[str, Decimal] = {}
    debits: dict[str, Decimal] = {}
    credits: dict[str, Decimal] = {}
    for pair in moved:
        opening[pair.debit] = opening.get(pair.debit, ZERO) + pair.before
        opening[pair.credit] = opening.get(pair.credit, ZERO) - pair.before
        debits[pair.debit] = debits.get(pair.debit, ZERO) + pair.within
        credits[pair.credit] = credits.get(pair.credit, ZERO) + pair.within
    return tuple(
        AccountTotals(
            account=account.code,
            name=account.name,
            asset=account.asset,
            kind=account.kind,
            normal_side=account.normal_side,
            opening_net=opening.get(account.code, ZERO),
            debits=debits.get(account.code, ZERO),
            credits=credits.get(account.code, ZERO),
        )
        for account in sorted(accounts, key=lambda account: account.code)
    )
