"""docs/ledgers.md tells a day that really happened: here it happens again."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import User

from ledger import book
from tests import t_accounts

pytestmark = pytest.mark.django_db


def test_the_figures_of_the_document_are_those_of_the_day() -> None:
    t_accounts.live(User.objects.create_user("finance").pk)
    written = t_accounts.PATH.read_text()
    made = t_accounts.parts()
    assert {found["name"] for found in t_accounts.PART.finditer(written)} == set(made)
    assert written == t_accounts.filled(written, made), "run `python -m tests.t_accounts`"


def test_the_day_ends_as_the_document_says_in_words() -> None:
    t_accounts.live(User.objects.create_user("finance").pk)
    shares = book.balances([t_accounts.PLAYER])[t_accounts.PLAYER]
    assert shares == {"player:dream": 0, "player:usd": Decimal("0.105"), "player:usd-owed": 0}
    balance = book.trial_balance()
    assert balance.balance("usd:rewards-expense") == Decimal("0.555")
    assert balance.balance("usd:cash") == Decimal("-0.458")


def test_control_another_figure_is_another_document() -> None:
    t_accounts.live(User.objects.create_user("finance").pk)
    written = t_accounts.PATH.read_text().replace("0.375", "0.376")
    assert written != t_accounts.filled(written, t_accounts.parts())
