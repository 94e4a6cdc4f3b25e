"""The door to the books: what it writes, what it reads back, what it refuses."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from ledger import book
from tests.approvals import undo
from tests.factories import an_entry, post
from tests.sql import in_parallel, run

pytestmark = pytest.mark.django_db
WIN = ("dream:issued", "player:dream")
REDEEM = ("player:dream", "dream:redeemed")


def test_receipts_come_in_the_order_of_the_entries_whatever_order_is_written() -> None:
    entries = [an_entry(uuid4(), (*WIN, "1")) for _ in range(20)]
    receipts = post(*entries)
    assert [receipt.entry_id for receipt in receipts] == [entry.id for entry in entries]
    assert [receipt.holder for receipt in receipts] == [entry.holder for entry in entries]


@pytest.mark.breaks_books  # a fee without a conversion: the books alone are looked at here
def test_a_conversion_moves_both_wallets_and_the_fee_stays_with_the_house() -> None:
    player = uuid4()
    post(an_entry(player, (*WIN, "2")))
    post(
        an_entry(
            player,
            (*REDEEM, "2"),
            ("usd:rewards-expense", "player:usd", "0.3"),
            ("usd:conversion-fees", "usd:fees-payable", "0.004"),
        )
    )
    assert book.balances([player])[player] == {
        "player:dream": 0,
        "player:usd": Decimal("0.3"),
        "player:usd-owed": 0,
    }
    trial_balance = book.trial_balance()
    assert trial_balance.balance("usd:fees-payable") == Decimal("0.004")
    assert trial_balance.balance("dream:issued") == -2
    assert trial_balance.totals() == {"DREAM": (4, 4), "USD": (Decimal("0.304"), Decimal("0.304"))}


def test_a_holder_without_postings_has_zero_in_every_held_account() -> None:
    assert book.balances([book.HOUSE])[book.HOUSE] == {"player:dream": 0, "player:usd": 0, "player:usd-owed": 0}


def test_what_a_player_owes_counts_on_the_debit_side() -> None:
    player = uuid4()
    post(an_entry(player, ("player:usd-owed", "usd:rewards-expense", "0.25")))
    assert book.balances([player])[player]["player:usd-owed"] == Decimal("0.25")
    with pytest.raises(book.InsufficientFunds):
        post(an_entry(player, ("usd:rewards-expense", "player:usd-owed", "0.26")))


def test_one_refused_entry_takes_all_others_with_it() -> None:
    rich, poor = uuid4(), uuid4()
    with pytest.raises(book.InsufficientFunds):
        post(an_entry(rich, (*WIN, "5")), an_entry(poor, (*REDEEM, "1")))
    assert run("SELECT count(*) FROM ledger_journalentry") == [(0,)]


def test_a_statement_may_dip_below_zero_only_if_its_sum_does_not() -> None:
    player = uuid4()
    post(an_entry(player, (*REDEEM, "3")), an_entry(player, (*WIN, "3")))
    assert book.balances([player])[player]["player:dream"] == 0


@pytest.mark.parametrize(
    ("debit", "credit", "amount", "error"),
    [
        (*WIN, "0", book.InvalidPosting),
        (*WIN, "-1", book.InvalidPosting),
        (*WIN, "NaN", book.InvalidPosting),
        (*WIN, "Infinity", book.InvalidPosting),
        (*WIN, "0.0000000000000000001", book.InvalidPosting),
        ("usd:rewards-expense", "player:usd", "0.000000001", book.InvalidPosting),
        ("dream:issued", "player:usd", "1", book.InvalidPosting),
        ("no:such-account", "player:usd", "1", book.InvalidPosting),
        ("dream:issued", "no:such-account", "1", book.InvalidPosting),
        ("player:usd", "usd:fees-payable", "1", book.InvalidPosting),
        (*REDEEM, "1", book.InsufficientFunds),
    ],
)
def test_each_refusal_has_its_name(debit: str, credit: str, amount: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        post(an_entry(uuid4(), (debit, credit, amount)))


def test_what_only_our_own_code_can_get_wrong_is_an_assertion() -> None:
    sound = an_entry(uuid4(), (*WIN, "1"))
    with pytest.raises(AssertionError, match="inside the transaction"):
        book.post([sound])
    with pytest.raises(AssertionError, match="no posting"):
        post(book.Entry(holder=uuid4(), kind="test", postings=()))
    with pytest.raises(AssertionError, match="Decimal"):
        post(book.Entry(holder=uuid4(), kind="test", postings=(book.Posting(*WIN, 1.5),)))  # type: ignore[arg-type]


def test_a_reversal_takes_everything_back_once() -> None:
    player = uuid4()
    (receipt,) = post(an_entry(player, (*WIN, "2"), ("usd:rewards-expense", "player:usd", "0.5")))
    reversal = undo(receipt.entry_id)
    assert set(book.balances([player])[player].values()) == {0}
    assert run("SELECT reverses_id, kind FROM ledger_journalentry WHERE id = %s", [reversal.entry_id]) == [
        (receipt.entry_id, "reversal")
    ]
    for again in (receipt.entry_id, reversal.entry_id):
        with pytest.raises(book.AlreadyReversed):
            undo(again, reference="again")


def test_a_reversal_of_what_is_spent_and_of_what_never_was_is_refused() -> None:
    player = uuid4()
    (receipt,) = post(an_entry(player, (*WIN, "2")))
    post(an_entry(player, (*REDEEM, "1")))
    with pytest.raises(book.InsufficientFunds):
        undo(receipt.entry_id)
    with pytest.raises(book.EntryNotFound):
        book.reversals([uuid4()], memo="what?")


def test_a_statement_runs_from_opening_to_closing_balance() -> None:
    player, other = uuid4(), uuid4()
    first, second, third = (post(an_entry(player, move))[0] for move in ((*WIN, "2"), (*REDEEM, "0.5"), (*WIN, "1")))
    post(an_entry(other, (*WIN, "7")))
    whole = book.statement(account="player:dream", holder=player)
    assert [(line.movement, line.running) for line in whole.lines] == [
        (2, 2),
        (Decimal("-0.5"), Decimal("1.5")),
        (1, Decimal("2.5")),
    ]
    assert [line.counterpart for line in whole.lines] == ["dream:issued", "dream:redeemed", "dream:issued"]
    part = book.statement(account="player:dream", holder=player, since=second.posted_at, until=third.posted_at)
    assert (part.opening, part.closing, len(part.lines)) == (Decimal(2), Decimal("1.5"), 1)
    empty = book.statement(account="player:dream", holder=player, since=third.posted_at + timedelta(hours=1))
    assert (empty.opening, empty.closing, empty.lines) == (Decimal("2.5"), Decimal("2.5"), ())
    everybody = book.statement(account="player:dream", holder=None)
    assert everybody.closing == Decimal("9.5") == book.trial_balance().balance("player:dream")
    before = book.trial_balance(until=second.posted_at)
    assert (before.balance("player:dream"), before.balance("dream:issued")) == (Decimal(2), Decimal(-2))
    assert first.posted_at < second.posted_at < third.posted_at


def test_a_statement_that_is_too_long_is_refused_and_never_cut_in_silence(settings: pytest.FixtureRequest) -> None:
    settings.STATEMENT_MAX_LINES = 3  # type: ignore[attr-defined]
    player = uuid4()
    post(*(an_entry(player, (*WIN, "1")) for _ in range(3)))
    assert len(book.statement(account="player:dream", holder=player).lines) == 3
    post(an_entry(player, (*WIN, "1")))
    with pytest.raises(book.StatementTooLong):
        book.statement(account="player:dream", holder=player)


@pytest.mark.parametrize("count", [1, 1_000])
def test_one_statement_posts_one_entry_or_a_thousand(count: int) -> None:
    entries = [an_entry(uuid4(), (*WIN, "1")) for _ in range(count)]
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        book.post(entries)
    assert len(queries) == 1


def test_amounts_come_back_to_the_last_digit_also_when_they_are_added_up() -> None:
    """Python's decimals keep 28 digits by default, in every new thread again, and round the rest of a sum in silence."""
    player = uuid4()
    amount, atom = "99999999999999999999.999999999999999999", "0.000000000000000001"
    post(an_entry(player, (*WIN, amount)), an_entry(player, (*WIN, atom)))
    total = Decimal(100000000000000000000)

    def balances_statement_and_trial_balance() -> list[Decimal]:
        return [
            book.balances([player])[player]["player:dream"],
            book.statement(account="player:dream", holder=player).closing,
            book.trial_balance().balance("player:dream"),
            Decimal(amount) + Decimal(atom),
        ]

    assert balances_statement_and_trial_balance() == [total] * 4
    assert in_parallel([balances_statement_and_trial_balance] * 2) == [[total] * 4] * 2


# --- Where a premise holds


def post_where(premise: str, *entries: book.Entry) -> Any:
    """Entries where the premise holds, and beside them a row that joins both."""
    run("CREATE TABLE IF NOT EXISTS beside (id uuid, word text, posted_at timestamptz)")
    return book.post_where(
        entries,
        premise=book.Premise(f"SELECT word FROM (SELECT %s::text AS word) AS its WHERE {premise}", ["so"]),
        beside=book.Facts(
            {"facts": "INSERT INTO beside SELECT entries.id, premise.word, posted_at FROM entries CROSS JOIN premise"},
            [],
        ),
    )


def test_where_the_premise_holds_entries_and_facts_are_written_and_committed() -> None:
    entries = [an_entry(uuid4(), (*WIN, "1")) for _ in range(3)]
    receipts, row = post_where("true", *entries)
    assert row == ("so",)
    assert [receipt.entry_id for receipt in receipts] == [entry.id for entry in entries]
    [seen] = in_parallel([lambda: run("SELECT id, word, posted_at FROM beside")])  # by another connection
    assert not isinstance(seen, Exception)
    assert sorted(seen) == sorted((receipt.entry_id, "so", receipt.posted_at) for receipt in receipts)


def test_where_it_does_not_hold_nothing_is_written_nowhere() -> None:
    holder = uuid4()
    assert post_where("false", an_entry(holder, (*WIN, "1"))) is None
    assert run("SELECT (SELECT count(*) FROM ledger_journalentry), (SELECT count(*) FROM beside)") == [(0, 0)]
    assert book.balances([holder])[holder]["player:dream"] == 0


def test_where_the_books_refuse_the_facts_beside_go_too() -> None:
    with pytest.raises(book.InsufficientFunds):
        post_where("true", an_entry(uuid4(), (*REDEEM, "1")))
    assert run("SELECT count(*) FROM beside") == [(0,)]


def test_it_is_a_transaction_by_itself_and_not_part_of_another() -> None:
    with pytest.raises(AssertionError, match="by itself"), transaction.atomic():
        post_where("true", an_entry(uuid4(), (*WIN, "1")))
