"""The small guards of the ledger's tables: what an account is, what a day, a seal and an entry may say of themselves."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from ledger.models import MEMO_MAX_LENGTH
from tests.factories import an_entry, post
from tests.ledger.test_guards import NEW_ENTRY, POSTED, posting
from tests.sql import OWNER, refusal, run

pytestmark = pytest.mark.django_db

ACCOUNT = "INSERT INTO ledger_account (code, name, asset, kind, normal_side, held) VALUES (%s, 'x', %s, %s, %s, %s)"


@pytest.mark.parametrize(
    ("account", "guard"),
    [
        (("Usd:cash", "USD", "asset", "debit", False), "account_code_form"),
        (("usd", "USD", "asset", "debit", False), "account_code_form"),
        (("eur:cash", "EUR", "asset", "debit", False), "account_asset_known"),
        (("usd:loan", "USD", "asset", "credit", False), "account_normal_side_follows_kind"),
        (("usd:loan", "USD", "liability", "debit", False), "account_normal_side_follows_kind"),
        (("usd:loan", "USD", "gift", "debit", False), "account_normal_side_follows_kind"),
        (("usd:shares", "USD", "liability", "credit", True), "account_held_is_players"),
        (("player:points", "USD", "liability", "credit", False), "account_held_is_players"),
        (("usd:cash", "DREAM", "asset", "debit", False), "ledger_account_pkey"),
    ],
    ids=str,
)
def test_an_account_that_cannot_be_is_refused(account: tuple[object, ...], guard: str) -> None:
    assert refusal(ACCOUNT, account) == guard
    assert refusal(ACCOUNT, account, who="app") == "privilege"


def test_control_a_sound_account_is_taken() -> None:
    run(ACCOUNT, ["usd:loan", "USD", "liability", "credit", False])


ENTRY_OF = NEW_ENTRY.replace("'test', ''", "%(kind)s, %(memo)s")


@pytest.mark.breaks_books  # the control is an entry without a posting
@pytest.mark.parametrize("who", [OWNER, "app"])
@pytest.mark.parametrize(
    ("changed", "guard"),
    [
        ({"kind": ""}, "journal_entry_kind_form"),
        ({"kind": "Win"}, "journal_entry_kind_form"),
        ({"kind": "a" * 33}, "journal_entry_kind_form"),
        ({"memo": "x" * (MEMO_MAX_LENGTH + 1)}, "journal_entry_memo_length"),
    ],
    ids=str,
)
def test_an_entry_has_a_kind_in_one_word_and_a_short_memo(who: str, changed: dict[str, object], guard: str) -> None:
    sound = {"entry": uuid4(), "holder": uuid4(), "kind": "a" * 32, "memo": "x" * MEMO_MAX_LENGTH}
    assert refusal(ENTRY_OF, sound | changed, who=who) == guard
    run(ENTRY_OF, sound)


@pytest.mark.parametrize("who", [OWNER, "app"])
def test_nothing_refers_to_what_does_not_exist(who: str) -> None:
    reversal = NEW_ENTRY.replace("metadata)", "metadata, reverses_id)").replace("'{}')", "'{}', %(of)s)")
    entry = {"entry": uuid4(), "holder": uuid4(), "of": uuid4()}
    assert refusal(reversal, entry, who=who) == "journal_entry_reverses_exists"
    loose = POSTED[POSTED.index("INSERT INTO ledger_posting") :]
    assert refusal(loose, posting(), who=who) == "posting_entry_exists"


@pytest.fixture
def unwatched() -> Iterator[None]:
    """Somebody has switched off the guard that lets postings alone write balances: the table has its own."""
    post(an_entry(uuid4(), ("dream:issued", "player:dream", "5")))
    run("ALTER TABLE ledger_balance DISABLE TRIGGER balance_guard")
    yield
    run("ALTER TABLE ledger_balance ENABLE TRIGGER balance_guard")


@pytest.mark.parametrize(
    ("statement", "guard"),
    [
        ("UPDATE ledger_balance SET amount = 'NaN'", "balance_amount_is_number"),
        ("UPDATE ledger_balance SET amount = 'Infinity'", "balance_amount_is_number"),
        ("UPDATE ledger_balance SET amount = -1", "balance_amount_not_negative"),
        ("UPDATE ledger_balance SET account_id = 'no:such'", "balance_account_exists"),
    ],
)
def test_a_balance_is_a_number_of_an_account_whoever_writes_it(unwatched: None, statement: str, guard: str) -> None:
    assert refusal(statement) == guard


CLOSED = "INSERT INTO ledger_closedday (day, fence, closed_at, entries) VALUES ('2020-01-01', '1', %s, %s)"
TOTAL = "INSERT INTO ledger_daytotal (day, account_id, debits, credits) VALUES (%s, %s, 0, 0)"


@pytest.mark.parametrize("counted", [(None, 5), ("2020-01-02Z", None), ("2020-01-02Z", -1)])
def test_a_day_is_closed_with_its_count_or_open_without(counted: tuple[object, object]) -> None:
    assert refusal(CLOSED, counted) == "closed_day_is_counted"


def test_a_total_is_of_a_closed_day_and_of_an_account() -> None:
    assert refusal(TOTAL, ["2020-01-01", "usd:cash"]) == "day_total_day_exists"
    run("INSERT INTO ledger_closedday (day, fence) VALUES ('2020-01-01', '1')")
    assert refusal(TOTAL, ["2020-01-01", "no:such"]) == "day_total_account_exists"
    run("ALTER TABLE ledger_closedday DISABLE TRIGGER USER")
    run("DELETE FROM ledger_closedday")
    run("ALTER TABLE ledger_closedday ENABLE TRIGGER USER")


@pytest.mark.parametrize(("number", "entries"), [(0, 1), (1, 0), (-1, 1)])
def test_a_seal_has_a_number_and_holds_entries(number: int, entries: int) -> None:
    statement = """INSERT INTO ledger_seal (number, hash_version, starts, ends, entries, digest)
                   VALUES (%s, 1, '0', '1', %s, '')"""
    assert refusal(statement, [number, entries]) == "seal_holds_entries"


VERIFIED = """
INSERT INTO ledger_verificationrun (mode, as_of, seconds, horizon, is_clean, findings)
VALUES (%s, now(), 1, '1', true, '[]')
"""


@pytest.mark.breaks_books
def test_a_verification_is_of_a_known_kind_and_what_it_found_stays() -> None:
    assert refusal(VERIFIED, ["lenient"]) == "verification_mode_known"
    run(VERIFIED, ["full"])
    for statement in (
        "UPDATE ledger_verificationrun SET is_clean = false",
        "DELETE FROM ledger_verificationrun",
        "TRUNCATE ledger_verificationrun",
    ):
        assert refusal(statement) == "verification_run_is_final"
        assert refusal(statement, who="app") == "privilege"


def test_a_period_is_closed_when_it_is_over_and_each_later_than_the_last() -> None:
    close = "INSERT INTO ledger_periodclose (ends_at) VALUES (%s)"
    assert refusal(close, ["2999-01-01Z"]) == "period_close_moves_forward"
    run(close, ["2020-02-01Z"])
    for again in ("2020-01-01Z", "2020-02-01Z"):
        assert refusal(close, [again]) == "period_close_moves_forward"
