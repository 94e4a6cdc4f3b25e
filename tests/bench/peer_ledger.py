"""django-ledger records wins: run by `tests.bench.drivers` in the interpreter that has it installed."""

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.bench.drivers import in_one_transaction

AMOUNT = Decimal("0.01")  # it keeps two digits behind the point


def prepare(players: int) -> None:
    """An entity, its chart of accounts with one for each player, and a posted ledger."""
    from django.contrib.auth import get_user_model
    from django_ledger.io import roles  # type: ignore[import-not-found]
    from django_ledger.models import EntityModel  # type: ignore[import-not-found]

    admin = get_user_model().objects.create_user("bench")
    entity = EntityModel.create_entity(name="Bench", admin=admin, use_accrual_method=True, fy_start_month=1)
    entity.create_chart_of_accounts(coa_name="Bench", assign_as_default=True, commit=True)
    entity.create_account(
        code="3000", role=roles.EQUITY_CAPITAL, name="dream issued", balance_type="debit", active=True
    )
    for number in range(1, players + 1):
        entity.create_account(
            code=f"2{number:05}", role=roles.LIABILITY_CL_OTHER, name=f"player {number}", balance_type="credit",
            active=True,
        )  # fmt: skip
    entity.create_ledger(name="wins", posted=True)


def one(_size: int, chance: random.Random) -> Callable[[], int]:
    """Its documented way: `commit_txs` of the ledger, posted. Entity, ledger and accounts are loaded before."""
    from django.utils import timezone
    from django_ledger.models import AccountModel, EntityModel

    entity = EntityModel.objects.get(name="Bench")
    ledger: Any = entity.ledgermodel_set.select_related("entity").get()
    accounts = AccountModel.objects.filter(coa_model=entity.default_coa)
    issued = accounts.get(code="3000")
    players = list(accounts.filter(code__startswith="2", name__startswith="player"))

    def once() -> int:
        ledger.commit_txs(
            je_timestamp=timezone.now(),
            je_txs=[
                {"account": issued, "amount": AMOUNT, "tx_type": "debit", "description": "win"},
                {"account": chance.choice(players), "amount": AMOUNT, "tx_type": "credit", "description": "win"},
            ],
            je_posted=True,
            je_desc="win",
        )
        return 1

    return once


def many(size: int, chance: random.Random) -> Callable[[], int]:
    """The same for many in one transaction: it documents no other way for as many journal entries."""
    return in_one_transaction(one(1, chance), size)
