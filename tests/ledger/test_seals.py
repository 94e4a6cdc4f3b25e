"""Seals: whatever is changed behind the guards is found, the anchor finds a rewritten chain, and nothing else alarms."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction

from ledger import book, seals
from ledger.anchors import FileAnchor, Link
from ledger.verification_records import Mode, verify_and_record
from tests.databases import APP_ROLE
from tests.factories import an_entry, post
from tests.sql import APP, OWNER, in_parallel, refusal, run, without_triggers

pytestmark = [pytest.mark.django_db, pytest.mark.breaks_books]
WIN = ("dream:issued", "player:dream")
TABLES = ("ledger_journalentry", "ledger_posting", "ledger_balance", "ledger_seal")
SEALS = {"seals-match-the-journal", "seals-match-their-anchor"}


@pytest.fixture(autouse=True)
def anchor_file(tmp_path: Path, settings: Any) -> Path:
    settings.LEDGER_ANCHOR_FILE = str(tmp_path / "anchors" / "anchor.jsonl")
    settings.SEAL_ENTRIES = 3
    return Path(settings.LEDGER_ANCHOR_FILE)


def seal_journal(patience_seconds: float = 5.0) -> tuple[Link, ...]:
    """Seals all there is. Other tests on the same server hold the horizon back too, for as long as they write."""
    links = seals.seal_journal()
    deadline = time.monotonic() + patience_seconds
    unsealed = (
        "SELECT 1 FROM ledger_journalentry WHERE transaction >= coalesce((SELECT max(ends) FROM ledger_seal), '0')"
    )
    while run(unsealed) and time.monotonic() < deadline:
        time.sleep(0.02)
        links += seals.seal_journal()
    return links


def some_history(count: int = 10) -> None:
    for number in range(count):
        player = uuid4()
        post(an_entry(player, (*WIN, f"1.{number}"), ("usd:rewards-expense", "player:usd", "0.15")))


def found() -> set[str]:
    return {finding.check.name for finding in book.verify().findings if finding.wrong_rows}


def test_sealing_covers_every_entry_once_in_numbers_without_a_gap() -> None:
    some_history(10)
    links = seal_journal()
    assert [link.number for link in links] == list(range(1, len(links) + 1))
    assert len(links) >= 4  # more, where somebody else on the server held the horizon back for a moment
    assert sum(link.entries for link in links) == 10
    assert seal_journal() == ()
    some_history(1)
    (link,) = seal_journal()
    assert (link.number, link.starts) == (links[-1].number + 1, links[-1].ends)
    assert found() == set()


def test_a_transaction_is_never_split_over_two_links() -> None:
    with transaction.atomic():
        book.post([an_entry(uuid4(), (*WIN, "1")) for _ in range(10)])
    assert [link.entries for link in seal_journal()] == [10]


def history_and_seals() -> tuple[Link, ...]:
    some_history(2)
    return seal_journal(patience_seconds=1)


def test_what_is_still_at_work_holds_the_horizon_and_is_sealed_later() -> None:
    some_history(1)
    with transaction.atomic():
        book.post([an_entry(uuid4(), (*WIN, "1"))])
        (sealed,) = in_parallel([history_and_seals])
    assert not isinstance(sealed, Exception)
    first = sum(link.entries for link in sealed)
    assert first <= 1  # a writer in another database of the server may hold the horizon further back
    later, deadline = 0, time.monotonic() + 20
    while first + later < 4 and time.monotonic() < deadline:
        later += sum(link.entries for link in seal_journal())
    assert first + later == 4
    assert found() == set()


def entry(position: str) -> str:
    """SQL that names the first, a middle or the last entry."""
    order = {"first": "id LIMIT 1", "middle": "id OFFSET 4 LIMIT 1", "last": "id DESC LIMIT 1"}[position]
    return f"(SELECT id FROM ledger_journalentry ORDER BY {order})"


def removed(position: str) -> list[str]:
    return [
        f"CREATE TEMP TABLE gone AS SELECT {entry(position)} AS id",
        "DELETE FROM ledger_posting WHERE entry_id IN (SELECT id FROM gone)",
        "DELETE FROM ledger_balance WHERE holder IN (SELECT holder FROM ledger_journalentry WHERE id IN (SELECT id FROM gone))",
        "DELETE FROM ledger_journalentry WHERE id IN (SELECT id FROM gone)",
    ]


def set_column(table: str, column: str, value: str, position: str = "middle") -> list[str]:
    key = "id" if table == "ledger_journalentry" else "entry_id"
    return [f"UPDATE {table} SET {column} = {value} WHERE {key} = {entry(position)}"]


INSERTED = """
    INSERT INTO ledger_journalentry (holder, kind, memo, metadata, transaction, posted_at)
    SELECT holder, 'test', '', '{}', transaction, posted_at FROM ledger_journalentry ORDER BY id OFFSET 4 LIMIT 1
"""
SWAPPED = """
    UPDATE ledger_journalentry mine SET holder = other.holder FROM ledger_journalentry other
    WHERE (mine.id, other.id) IN (({a}, {b}), ({b}, {a}))
"""
FALSIFICATIONS: dict[str, list[str]] = {
    **{f"a changed amount, {where}": set_column("ledger_posting", "amount", "amount + 1", where) for where in ("first", "middle", "last")},
    "an amount written otherwise": set_column("ledger_posting", "amount", "amount::numeric(38,18)"),
    "a changed debit account": set_column("ledger_posting", "debit_id", "'dream:redeemed'"),
    "a changed credit account": set_column("ledger_posting", "credit_id", "'usd:adjustments'"),
    "swapped debit and credit": ["UPDATE ledger_posting SET debit_id = credit_id, credit_id = debit_id"],
    "a changed asset": set_column("ledger_posting", "asset", "'USD'"),
    "a changed posting id": set_column("ledger_posting", "id", "gen_random_uuid()"),
    "a changed holder of postings": set_column("ledger_posting", "holder", "gen_random_uuid()"),
    "a changed holder": set_column("ledger_journalentry", "holder", "gen_random_uuid()"),
    "a changed time": set_column("ledger_journalentry", "posted_at", "posted_at - interval '1 microsecond'"),
    "a changed memo": set_column("ledger_journalentry", "memo", "'harmless'"),
    "a changed kind": set_column("ledger_journalentry", "kind", "'gift'"),
    "changed metadata": set_column("ledger_journalentry", "metadata", "'{\"a\": 1}'"),
    "a changed person": ["ALTER TABLE ledger_journalentry DROP CONSTRAINT journal_entry_posted_by_exists", *set_column("ledger_journalentry", "posted_by_id", "7")],
    "a changed transaction": set_column("ledger_journalentry", "transaction", "'1'"),
    "a pretended reversal": set_column("ledger_journalentry", "reverses_id", entry("first")),
    "swapped holders of two entries": [SWAPPED.format(a=entry("first"), b=entry("last"))],
    "an inserted entry": [INSERTED],
    "an added posting": [
        "INSERT INTO ledger_posting (entry_id, holder, debit_id, credit_id, asset, amount)"
        f" SELECT id, holder, 'dream:issued', 'player:dream', 'DREAM', 1 FROM ledger_journalentry WHERE id = {entry('middle')}"
    ],
    "a removed posting": [f"DELETE FROM ledger_posting WHERE asset = 'USD' AND entry_id = {entry('middle')}"],
    "the first entry removed": removed("first"),
    "a middle entry removed": removed("middle"),
    "the last entry removed": removed("last"),
    "everything removed": ["DELETE FROM ledger_posting", "DELETE FROM ledger_balance", "DELETE FROM ledger_journalentry"],
    "a changed digest": ["UPDATE ledger_seal SET digest = sha256('x') WHERE number = 2"],
    "a changed beginning of the chain": ["UPDATE ledger_seal SET starts = '1' WHERE number = 1"],
    "the last seal removed": ["DELETE FROM ledger_seal WHERE number = 4"],
    "a middle seal removed": ["DELETE FROM ledger_seal WHERE number = 2"],
    "the first seal removed": ["DELETE FROM ledger_seal WHERE number = 1"],
    "all seals removed": ["DELETE FROM ledger_seal"],
    "seals renumbered": ["UPDATE ledger_seal SET number = number + 10"],
    "the last entry and its seal removed": [*removed("last"), "DELETE FROM ledger_seal WHERE number = 4"],
}  # fmt: skip
AGAIN = [
    "CREATE TEMP TABLE many AS SELECT max(number) AS number FROM ledger_seal",
    "DELETE FROM ledger_seal",
    "SELECT seal_journal(3) FROM generate_series(1, (SELECT number FROM many))",
]
REWRITTEN = {f"{name}, and sealed anew": [*statements, *AGAIN] for name, statements in FALSIFICATIONS.items() if name in {"a changed memo", "a removed posting", "the last entry removed", "an inserted entry"}}  # fmt: skip


@pytest.mark.parametrize("name", [*FALSIFICATIONS, *REWRITTEN])
def test_a_falsification_behind_the_guards_is_found(name: str) -> None:
    some_history(10)
    seal_journal()
    assert found() == set()
    with without_triggers(*TABLES):
        for constraint in ("posting_debit_has_asset", "posting_credit_has_asset", "posting_usd_precision"):
            run(f"ALTER TABLE ledger_posting DROP CONSTRAINT {constraint}")
        for statement in (FALSIFICATIONS | REWRITTEN)[name]:
            run(statement)
    assert found() & SEALS


def test_there_are_at_least_thirty_falsifications() -> None:
    assert len(FALSIFICATIONS | REWRITTEN) >= 30


def test_a_chain_that_was_sealed_anew_is_found_by_the_anchor_alone() -> None:
    some_history(10)
    seal_journal()
    with without_triggers(*TABLES):
        for statement in REWRITTEN["a changed memo, and sealed anew"]:
            run(statement)
    assert found() == {"seals-match-their-anchor"}


def test_no_false_alarm_while_twenty_writers_post_and_others_seal_and_verify() -> None:
    ends = time.monotonic() + 4

    def until_the_end(action: Callable[[], object]) -> Callable[[], list[object]]:
        def work() -> list[object]:
            results = []
            while time.monotonic() < ends:
                results.append(action())
            return results

        return work

    def slow_post() -> None:
        with transaction.atomic():
            book.post([an_entry(uuid4(), (*WIN, "1"))])
            time.sleep(0.01)

    verify = until_the_end(found)
    outcomes = in_parallel(
        [verify, until_the_end(seals.seal_journal), until_the_end(seals.seal_journal), *[until_the_end(slow_post)] * 20]
    )
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert isinstance(outcomes[0], list)
    assert all(result == set() for result in outcomes[0])
    seal_journal()
    assert found() == set()
    numbers = [row[0] for row in run("SELECT number FROM ledger_seal ORDER BY number")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert run("SELECT sum(entries) FROM ledger_seal") == run("SELECT count(*) FROM ledger_journalentry")


def seal_slowly(lock: str) -> list[object]:
    """Eight sealers who all take their time between reading the last link and writing the next one."""
    ((definition,),) = run("SELECT pg_get_functiondef('seal_journal(int)'::regprocedure)")
    assert "LOCK TABLE ledger_seal IN EXCLUSIVE MODE;" in str(definition)
    slow = str(definition).replace("horizon :=", "PERFORM pg_sleep(0.5); horizon :=")
    run(slow.replace("LOCK TABLE ledger_seal IN EXCLUSIVE MODE;", lock))
    some_history(3)
    time.sleep(0.2)
    deadline = time.monotonic() + 30
    while True:
        outcomes = in_parallel([seals.seal_journal] * 8)
        # A writer in another database of the server may hold the horizon: then there is nothing to seal yet.
        if run("SELECT number FROM ledger_seal") or time.monotonic() > deadline:
            return [outcome for outcome in outcomes if isinstance(outcome, Exception)]


def test_eight_sealers_at_once_make_one_chain() -> None:
    assert seal_slowly("LOCK TABLE ledger_seal IN EXCLUSIVE MODE;") == []
    seal_journal()
    assert run("SELECT sum(entries) FROM ledger_seal") == [(3,)]
    assert found() == set()


def test_control_without_the_lock_two_sealers_make_the_same_link() -> None:
    assert any("ledger_seal_pkey" in str(error) for error in seal_slowly(""))


def test_a_link_whose_anchoring_was_cut_off_is_anchored_by_the_next_call(anchor_file: Path) -> None:
    some_history(6)
    numbers = [link.number for link in seal_journal()]
    whole = anchor_file.read_text()
    anchor_file.write_text(whole[: len(whole) - 40])  # the machine died in the middle of the last line
    assert sorted(FileAnchor(str(anchor_file)).read(0)) == numbers[:-1]
    seal_journal()
    assert sorted(FileAnchor(str(anchor_file)).read(0)) == numbers
    assert found() == set()


@pytest.mark.parametrize(
    "statement", ["UPDATE ledger_seal SET entries = 9", "DELETE FROM ledger_seal", "TRUNCATE ledger_seal"]
)
def test_a_seal_is_final(statement: str) -> None:
    some_history(2)
    seal_journal()
    assert refusal(statement, who=OWNER) == "seal_is_final"
    assert refusal(statement, who=APP) == "privilege"


def test_the_app_role_may_have_the_journal_sealed_and_may_not_write_a_seal() -> None:
    some_history(2)
    assert refusal("INSERT INTO ledger_seal VALUES (1, 1, '0', '1', 1, 'x')", who=APP) == "privilege"
    run(f"SET ROLE {APP_ROLE}")
    assert sum(link.entries for link in seal_journal()) == 2
    run("RESET ROLE")


def test_an_incremental_verification_looks_at_what_is_new_and_a_full_one_at_everything() -> None:
    some_history(5)
    seal_journal()  # and so nothing older is at work that would have to be looked at again
    assert verify_and_record(Mode.FULL).clean
    with without_triggers(*TABLES):
        run("UPDATE ledger_balance SET amount = amount + 1 WHERE account_id = 'player:usd'")
    assert verify_and_record(Mode.INCREMENTAL).clean  # nothing of these holders is new: the limit of a quick look
    assert not verify_and_record(Mode.FULL).clean
    recorded = run("SELECT mode, is_clean FROM ledger_verificationrun ORDER BY id")
    assert recorded == [("full", True), ("incremental", True), ("full", False)]


def test_an_incremental_verification_finds_what_is_new_and_wrong() -> None:
    some_history(5)
    verify_and_record(Mode.FULL)
    some_history(1)
    with without_triggers(*TABLES):
        run(
            f"UPDATE ledger_balance SET amount = amount + 1 WHERE holder = (SELECT holder FROM ledger_journalentry WHERE id = {entry('last')})"
        )
    verification = verify_and_record(Mode.INCREMENTAL)
    assert "balances-equal-postings" in {finding.check.name for finding in verification.findings if finding.wrong_rows}


def test_an_incremental_verification_counts_from_the_last_clean_one() -> None:
    some_history(1)
    verify_and_record(Mode.FULL)
    some_history(1)
    with without_triggers(*TABLES):
        run("UPDATE ledger_balance SET amount = amount + 1")
    for _ in range(2):
        assert not verify_and_record(Mode.INCREMENTAL).clean
