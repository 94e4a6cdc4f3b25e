"""Bulk postings against each other: real threads, real commits, and beside each race a control that goes wrong."""

from decimal import Decimal
from functools import partial
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction

from ledger import book
from tests.approvals import asked_to_undo, undone
from tests.factories import an_entry, post
from tests.sql import in_parallel, run

pytestmark = pytest.mark.django_db
WIN = ("dream:issued", "player:dream")


def entries(holders: list[UUID]) -> list[book.Entry]:
    return [an_entry(holder, (*WIN, "1")) for holder in holders]


def post_in_order(holders: list[UUID], rounds: int) -> None:
    for _ in range(rounds):
        post(*entries(holders))


def test_two_bulk_posts_over_the_same_players_in_opposite_order_do_not_deadlock() -> None:
    holders = sorted(uuid4() for _ in range(300))
    outcomes = in_parallel([partial(post_in_order, order, rounds=10) for order in (holders, holders[::-1]) * 2])
    assert outcomes == [None] * 4
    assert {share["player:dream"] for share in book.balances(holders).values()} == {40}


def test_control_taking_the_same_balances_in_opposite_order_does_deadlock() -> None:
    """Without the order that `book.post` and the trigger keep: one statement for each player, in the caller's order."""
    holders = sorted(uuid4() for _ in range(300))

    def one_by_one(order: list[UUID]) -> None:
        for _ in range(10):
            with transaction.atomic():
                for entry in entries(order):
                    book.post([entry])

    outcomes = in_parallel([partial(one_by_one, order) for order in (holders, holders[::-1])])
    deadlocks = [error for error in outcomes if isinstance(error, OperationalError)]
    assert deadlocks
    assert "deadlock" in str(deadlocks[0])


def spend(holder: UUID) -> None:
    post(an_entry(holder, ("player:dream", "dream:redeemed", "1")))


def test_fifty_spenders_of_ten_tokens_leave_exactly_zero() -> None:
    holder = uuid4()
    post(an_entry(holder, (*WIN, "10")))
    outcomes = in_parallel([lambda: spend(holder)] * 50)
    assert outcomes.count(None) == 10
    assert sum(isinstance(outcome, book.InsufficientFunds) for outcome in outcomes) == 40
    assert book.balances([holder])[holder]["player:dream"] == 0


@pytest.mark.breaks_books
def test_control_without_the_check_fifty_spenders_overdraw() -> None:
    run("ALTER TABLE ledger_balance DROP CONSTRAINT balance_amount_not_negative")
    holder = uuid4()
    post(an_entry(holder, (*WIN, "10")))
    assert in_parallel([lambda: spend(holder)] * 50) == [None] * 50
    assert book.balances([holder])[holder]["player:dream"] == -40


def test_twenty_reversals_of_one_entry_at_once_are_one() -> None:
    holder = uuid4()
    (receipt,) = post(an_entry(holder, (*WIN, "1")))

    requests = [asked_to_undo(receipt.entry_id, reference=f"ticket-{number}") for number in range(20)]
    outcomes = in_parallel([lambda request=request: undone(request) for request in requests])  # type: ignore[misc]
    assert sorted({type(outcome).__name__ for outcome in outcomes}) == ["AlreadyReversed", "Receipt"]
    assert len([outcome for outcome in outcomes if isinstance(outcome, book.Receipt)]) == 1


def test_first_postings_of_a_new_holder_in_parallel_make_one_balance() -> None:
    holder = uuid4()
    outcomes = in_parallel([lambda: post(an_entry(holder, (*WIN, "0.1")))] * 20)
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert book.balances([holder])[holder]["player:dream"] == Decimal("2.0")


@pytest.mark.breaks_books
def test_control_a_read_and_write_balance_loses_updates() -> None:
    """What the trigger's single upsert prevents: reading a balance and writing back the sum."""
    holder = uuid4()
    post(an_entry(holder, (*WIN, "1")))
    run("ALTER TABLE ledger_balance DISABLE TRIGGER balance_guard")

    def read_and_write() -> None:
        for _ in range(20):
            amount = book.balances([holder])[holder]["player:dream"]
            with connection.cursor() as cursor:
                cursor.execute("UPDATE ledger_balance SET amount = %s WHERE holder = %s", [amount + 1, holder])

    assert in_parallel([read_and_write] * 8) == [None] * 8
    assert book.balances([holder])[holder]["player:dream"] < 161


def test_a_raw_insert_into_the_same_balance_is_no_way_around() -> None:
    with pytest.raises(IntegrityError):
        run(
            "INSERT INTO ledger_balance (holder, account_id, amount, movement) VALUES (%s, 'player:usd', 5, 5)",
            [uuid4()],
        )
