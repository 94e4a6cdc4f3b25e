"""What a caller of the door may hold on to before it posts: balances that nobody moves, reversals not yet posted."""

import time
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import transaction

from ledger import book
from tests.databases import APP_ROLE
from tests.factories import an_entry, post
from tests.sql import APP, in_parallel, refusal, run

pytestmark = pytest.mark.django_db


def test_locked_balances_are_those_of_after_the_wait_and_stay_until_the_end() -> None:
    """Catches a read of the snapshot from before the wait, and a lock that lets others through."""
    holder, seen = uuid4(), []
    post(an_entry(holder, ("dream:issued", "player:dream", "1")))

    def look_and_take_all() -> None:
        with transaction.atomic():
            share = book.lock_balances([holder])[holder]["player:dream"]
            time.sleep(0.2)
            seen.append(share)
            book.post([an_entry(holder, ("player:dream", "dream:redeemed", str(share / 2)))])

    outcomes = in_parallel([look_and_take_all] * 3)
    assert outcomes == [None] * 3
    assert seen == [Decimal(1), Decimal("0.5"), Decimal("0.25")]


def test_control_without_the_lock_everybody_sees_the_same_balance() -> None:
    holder, seen = uuid4(), []
    post(an_entry(holder, ("dream:issued", "player:dream", "1")))

    def look_and_take_half() -> None:
        with transaction.atomic():
            share = book.balances([holder])[holder]["player:dream"]
            time.sleep(0.5)
            seen.append(share)
            book.post([an_entry(holder, ("player:dream", "dream:redeemed", str(share / 2)))])

    in_parallel([look_and_take_half] * 2)
    assert seen == [Decimal(1), Decimal(1)]


def test_the_app_role_locks_a_balance_and_cannot_write_it() -> None:
    holder = uuid4()
    post(an_entry(holder, ("dream:issued", "player:dream", "1")))
    with transaction.atomic():
        run(f"SET LOCAL ROLE {APP_ROLE}")
        assert book.lock_balances([holder])[holder]["player:dream"] == Decimal(1)
    assert refusal("UPDATE ledger_balance SET movement = 9", who=APP) == "balance_follows_postings"
    assert refusal("UPDATE ledger_balance SET amount = 9", who=APP) == "privilege"


@pytest.mark.breaks_books  # the void of what was no win
def test_reversals_are_prepared_and_posted_together_with_others() -> None:
    holder = uuid4()
    (receipt,) = post(an_entry(holder, ("dream:issued", "player:dream", "1")))
    with transaction.atomic(durable=True):
        prepared = book.reversals([receipt.entry_id], memo="taken back", kind="void")
        assert run("SELECT count(*) FROM ledger_journalentry") == [(1,)]
        book.post([*prepared, an_entry(holder, ("dream:issued", "player:dream", "3"))])
    assert book.balances([holder])[holder]["player:dream"] == Decimal(3)
    with transaction.atomic(), pytest.raises(book.EntryNotFound):
        book.reversals([uuid4()], memo="")


def test_a_holder_without_shares_has_nothing_to_lock() -> None:
    holder = uuid4()
    with transaction.atomic():
        assert set(book.lock_balances([holder])[holder].values()) == {Decimal(0)}
