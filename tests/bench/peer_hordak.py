"""django-hordak records wins: run by `tests.bench.drivers` in the interpreter that has it installed."""

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.bench.drivers import in_one_transaction

AMOUNT = Decimal("0.01")


def prepare(players: int) -> None:
    """Dreamland's account, and one for each player."""
    from hordak.models import Account, AccountType

    Account.objects.create(name="dream:issued", code="0", type=AccountType.equity)
    for number in range(1, players + 1):
        Account.objects.create(name=f"player {number}", code=str(number), type=AccountType.liability)


def one(_size: int, chance: random.Random) -> Callable[[], int]:
    """Its documented way: `Account.transfer_to`, a transaction each. Accounts are loaded before."""
    from djmoney.money import Money

    issued, players = _accounts()

    def once() -> int:
        chance.choice(players).transfer_to(issued, Money(AMOUNT, "EUR"), description="win")
        return 1

    return once


def many(size: int, chance: random.Random) -> Callable[[], int]:
    """The same for many in one transaction: it documents no other way."""
    return in_one_transaction(one(1, chance), size)


def in_bulk(size: int, chance: random.Random) -> Callable[[], int]:
    """Not documented, and yet its triggers check it: the rows by Django's bulk_create."""
    from django.db import transaction
    from djmoney.money import Money
    from hordak.models import Leg, Transaction

    issued, players = _accounts()
    amount = Money(AMOUNT, "EUR")

    def once() -> int:
        with transaction.atomic():
            made = Transaction.objects.bulk_create([Transaction(description="win") for _ in range(size)])
            Leg.objects.bulk_create(
                leg
                for each in made
                for leg in (
                    Leg(transaction=each, account=chance.choice(players), credit=amount),
                    Leg(transaction=each, account=issued, debit=amount),
                )
            )
        return size

    return once


def _accounts() -> tuple[Any, list[Any]]:
    from hordak.models import Account

    issued, *players = Account.objects.order_by("id")
    return issued, players
