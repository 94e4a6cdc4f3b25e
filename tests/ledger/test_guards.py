"""What PostgreSQL itself refuses, attacked by raw SQL: as the owner of the tables and as the app's role."""

from uuid import UUID, uuid4

import pytest
from django.db import transaction

from ledger.models import HOUSE
from tests.factories import an_entry, post
from tests.sql import APP, OWNER, acting_as, refusal, run

pytestmark = pytest.mark.django_db

WHO = [OWNER, APP]
STRANGER = UUID(int=7)
NEW_ENTRY = "INSERT INTO ledger_journalentry (id, holder, kind, memo, metadata) VALUES (%(entry)s, %(holder)s, 'test', '', '{}')"
POSTED = f"""
WITH entry AS ({NEW_ENTRY})
INSERT INTO ledger_posting (entry_id, holder, debit_id, credit_id, asset, amount)
VALUES (%(entry)s, %(posting_holder)s, %(debit)s, %(credit)s, %(asset)s, %(amount)s)
"""


def posting(**changed: object) -> dict[str, object]:
    """A sound win of 1 DREAM, with what the attack changes."""
    holder = changed.get("holder", uuid4())
    sound = {
        "entry": uuid4(),
        "holder": holder,
        "posting_holder": holder,
        "debit": "dream:issued",
        "credit": "player:dream",
        "asset": "DREAM",
        "amount": "1",
    }
    return sound | changed


@pytest.fixture
def entry() -> UUID:
    """An entry of an earlier transaction: 5 DREAM in some player's wallet."""
    return post(an_entry(uuid4(), ("dream:issued", "player:dream", "5")))[0].entry_id


@pytest.mark.parametrize("who", WHO)
def test_a_sound_posting_is_accepted_or_all_the_refusals_below_would_mean_nothing(who: str) -> None:
    with acting_as(who):
        run(POSTED, posting())
    assert run("SELECT amount FROM ledger_balance") == [(1,)]


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize(
    ("attack", "guard"),
    [
        ({"amount": "NaN"}, "posting_amount_bounds"),
        ({"amount": "Infinity"}, "posting_amount_bounds"),
        ({"amount": "-Infinity"}, "posting_amount_bounds"),
        ({"amount": "0"}, "posting_amount_bounds"),
        ({"amount": "-1"}, "posting_amount_bounds"),
        ({"amount": "100000000000000000000"}, "posting_amount_bounds"),
        ({"amount": "1.0000000000000000001"}, "posting_amount_precision"),
        (
            {"debit": "usd:rewards-expense", "credit": "player:usd", "asset": "USD", "amount": "0.000000001"},
            "posting_usd_precision",
        ),
        ({"debit": "player:dream"}, "posting_two_accounts"),
        ({"asset": "USD"}, "posting_debit_has_asset"),
        ({"credit": "player:usd"}, "posting_credit_has_asset"),
        ({"debit": "usd:cash"}, "posting_debit_has_asset"),
        ({"debit": "no:such"}, "posting_debit_has_asset"),
        ({"posting_holder": STRANGER}, "posting_holder_is_entrys"),
        ({"entry": None}, "23502"),
        ({"holder": HOUSE}, "posting_house_holds_no_share"),
        (
            {"debit": "player:usd", "credit": "usd:fees-payable", "asset": "USD"},
            "posting_fee_never_touches_player",
        ),
        (
            {"debit": "usd:conversion-fees", "credit": "player:usd", "asset": "USD"},
            "posting_fee_never_touches_player",
        ),
        (
            {"debit": "player:usd-owed", "credit": "usd:fees-payable", "asset": "USD"},
            "posting_fee_never_touches_player",
        ),
        ({"debit": "player:dream", "credit": "dream:redeemed"}, "balance_amount_not_negative"),
    ],
    ids=str,
)
def test_a_posting_that_cannot_be_is_refused_by_its_named_guard(
    who: str, attack: dict[str, object], guard: str
) -> None:
    assert refusal(POSTED, posting(**attack), who=who).startswith(guard)


@pytest.mark.parametrize("who", WHO)
def test_an_unbalanced_entry_is_unrepresentable_because_a_posting_needs_both_sides(who: str) -> None:
    assert refusal(POSTED, posting(debit=None), who=who).startswith("23502")  # not_null_violation
    assert refusal(POSTED, posting(credit=None), who=who).startswith("23502")
    columns = run("SELECT column_name FROM information_schema.columns WHERE table_name = 'ledger_posting'")
    assert {"debit_amount", "credit_amount", "sign", "direction"}.isdisjoint(name for (name,) in columns)


@pytest.mark.parametrize("who", WHO)
def test_an_overdraft_of_a_wallet_that_has_something_is_refused(who: str) -> None:
    holder = uuid4()
    post(an_entry(holder, ("dream:issued", "player:dream", "5")))
    overdraft = posting(holder=holder, debit="player:dream", credit="dream:redeemed", amount="5.000000000000000001")
    assert refusal(POSTED, overdraft, who=who) == "balance_amount_not_negative"


@pytest.mark.parametrize(
    ("statement", "guard"),
    [
        ("UPDATE ledger_posting SET amount = 2", "posting_is_final"),
        ("UPDATE ledger_posting SET debit_id = credit_id, credit_id = debit_id", "posting_is_final"),
        ("DELETE FROM ledger_posting", "posting_is_final"),
        ("TRUNCATE ledger_posting", "posting_is_final"),
        ("UPDATE ledger_journalentry SET memo = 'x'", "journal_entry_is_final"),
        ("UPDATE ledger_journalentry SET holder = gen_random_uuid()", "journal_entry_is_final"),
        ("UPDATE ledger_journalentry SET posted_at = now()", "journal_entry_is_final"),
        ("DELETE FROM ledger_journalentry", "journal_entry_is_final"),
        ("TRUNCATE ledger_journalentry, ledger_posting, rewards_win, conversion_conversion", "journal_entry_is_final"),
        ("INSERT INTO ledger_balance VALUES (gen_random_uuid(), 1, 1, 'player:dream')", "balance_follows_postings"),
        ("UPDATE ledger_balance SET amount = amount + 1", "balance_follows_postings"),
        ("DELETE FROM ledger_balance", "balance_follows_postings"),
        ("TRUNCATE ledger_balance", "balance_follows_postings"),
        ("UPDATE ledger_account SET normal_side = 'debit', kind = 'asset'", "account_is_fixed"),
        ("UPDATE ledger_account SET asset = 'USD' WHERE code = 'player:dream'", "account_is_fixed"),
        ("DELETE FROM ledger_account WHERE code = 'usd:adjustments'", "account_stays"),
    ],
)
def test_the_journal_only_grows_and_balances_follow_it(entry: UUID, statement: str, guard: str) -> None:
    if "TRUNCATE ledger_journalentry" in statement:
        statement += " CASCADE"
    refused = refusal(statement)
    assert refused == guard or (statement.startswith("TRUNCATE") and refused.endswith("_is_final"))
    assert refusal(statement, who=APP) == "privilege"
    assert run("SELECT id FROM ledger_journalentry") == [(entry,)]
    assert run("SELECT amount FROM ledger_balance") == [(5,)]


@pytest.mark.parametrize("who", WHO)
def test_a_posting_cannot_be_slipped_into_an_entry_of_an_earlier_transaction(entry: UUID, who: str) -> None:
    ((holder,),) = run("SELECT holder FROM ledger_journalentry")
    slipped = """
        INSERT INTO ledger_posting (entry_id, holder, debit_id, credit_id, asset, amount)
        VALUES (%s, %s, 'dream:issued', 'player:dream', 'DREAM', 1)
    """
    assert refusal(slipped, [entry, holder], who=who) == "posting_entry_is_open"


def test_a_posting_may_join_its_entry_from_inside_a_savepoint() -> None:
    sound = posting()
    with acting_as(OWNER):
        run(NEW_ENTRY, sound)
        run("SAVEPOINT inner_one")
        run(
            "INSERT INTO ledger_posting (entry_id, holder, debit_id, credit_id, asset, amount)"
            " VALUES (%(entry)s, %(holder)s, 'dream:issued', 'player:dream', 'DREAM', 1)",
            sound,
        )
    assert run("SELECT count(*) FROM ledger_posting") == [(1,)]


@pytest.mark.parametrize(
    "forged", ["posted_at = now() - interval '2 seconds'", "posted_at = now() + interval '1 hour'"]
)
def test_an_entry_carries_the_clock_of_the_database(forged: str) -> None:
    value = forged.removeprefix("posted_at = ")
    statement = f"INSERT INTO ledger_journalentry (holder, kind, memo, metadata, posted_at) VALUES (%s, 'test', '', '{{}}', {value})"
    assert refusal(statement, [uuid4()]) == "journal_entry_clock_is_databases"
    assert refusal(statement, [uuid4()], who=APP) == "privilege"


def test_an_entry_carries_the_transaction_that_wrote_it() -> None:
    statement = (
        "INSERT INTO ledger_journalentry (holder, kind, memo, metadata, transaction) VALUES (%s, 'test', '', '{}', '1')"
    )
    assert refusal(statement, [uuid4()]) == "journal_entry_clock_is_databases"
    assert refusal(statement, [uuid4()], who=APP) == "privilege"


@pytest.mark.parametrize("who", WHO)
def test_a_second_reversal_is_refused_also_when_the_first_is_in_the_same_statement(entry: UUID, who: str) -> None:
    ((holder,),) = run("SELECT holder FROM ledger_journalentry")
    twice = """
        INSERT INTO ledger_journalentry (holder, kind, memo, metadata, reverses_id)
        VALUES (%(holder)s, 'void', '', '{}', %(entry)s), (%(holder)s, 'void', '', '{}', %(entry)s)
    """
    assert refusal(twice, {"holder": holder, "entry": entry}, who=who) == "journal_entry_reversed_once"


@pytest.mark.parametrize("who", WHO)
def test_an_entry_of_another_holder_and_a_reversal_cannot_be_reversed(entry: UUID, who: str) -> None:
    reversing = (
        "INSERT INTO ledger_journalentry (id, holder, kind, memo, metadata, reverses_id)"
        " VALUES (%s, %s, 'void', '', '{}', %s)"
    )
    assert refusal(reversing, [uuid4(), uuid4(), entry], who=who) == "journal_entry_reverses_original"
    ((holder,),) = run("SELECT holder FROM ledger_journalentry")
    first = uuid4()
    with transaction.atomic():
        run(reversing, [first, holder, entry])
        assert refusal(reversing, [uuid4(), holder, first], who=who) == "journal_entry_reverses_original"
        transaction.set_rollback(True)  # a reversal without postings is no sound entry


@pytest.mark.parametrize("who", WHO)
def test_a_balance_follows_raw_postings_as_it_follows_the_door(who: str) -> None:
    holder = uuid4()
    for amount in ("1.5", "0.000000000000000001"):
        with acting_as(who):
            run(POSTED, posting(holder=holder, amount=amount))
    with acting_as(who):
        run(POSTED, posting(holder=holder, debit="player:dream", credit="dream:redeemed", amount="0.5"))
    assert [str(row[0]) for row in run("SELECT amount FROM ledger_balance")] == ["1.000000000000000001"]


def test_the_app_role_can_do_nothing_that_makes_rules() -> None:
    for statement in (
        "ALTER TABLE ledger_posting DISABLE TRIGGER ALL",
        "DROP TRIGGER posting_is_final ON ledger_posting",
        "CREATE TABLE mine (id int)",
        "SET session_replication_role = replica",
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    ):
        assert refusal(statement, who=APP) == "privilege", statement
