"""`verify_books` finds every falsification that somebody with all rights could make, and names the row."""

import json
import time
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import call_command
from django.db import DatabaseError

from ledger import book
from ledger.metrics import readings
from ledger.tasks import verify_books_task
from ledger.verification_records import Mode, verify_and_record
from tests.approvals import undo
from tests.factories import an_entry, post
from tests.sql import in_parallel, run, without_triggers

pytestmark = [pytest.mark.django_db, pytest.mark.breaks_books]
TABLES = ("ledger_journalentry", "ledger_posting", "ledger_balance")


@pytest.fixture
def player() -> UUID:
    """A player with a win, a conversion and a reversed win."""
    player = uuid4()
    post(an_entry(player, ("dream:issued", "player:dream", "3")))
    post(an_entry(player, ("player:dream", "dream:redeemed", "1"), ("usd:rewards-expense", "player:usd", "0.15")))
    (mistake,) = post(an_entry(player, ("dream:issued", "player:dream", "1")))
    undo(mistake.entry_id)
    return player


def findings() -> dict[str, book.Finding]:
    return {finding.check.name: finding for finding in book.verify().findings if finding.wrong_rows}


def test_sound_books_have_no_finding(player: UUID) -> None:
    assert findings() == {}


@pytest.mark.parametrize(
    ("falsified", "check"),
    [
        ("UPDATE ledger_balance SET amount = amount + 1 WHERE account_id = 'player:usd'", "balances-equal-postings"),
        ("UPDATE ledger_balance SET holder = gen_random_uuid()", "balances-equal-postings"),
        ("DELETE FROM ledger_balance WHERE account_id = 'player:usd'", "balances-equal-postings"),
        ("INSERT INTO ledger_balance VALUES (gen_random_uuid(), 0.1, 0, 'player:usd')", "balances-equal-postings"),
        ("UPDATE ledger_posting SET amount = amount + 1 WHERE asset = 'USD'", "balances-equal-postings"),
        ("DELETE FROM ledger_posting WHERE asset = 'USD'", "balances-equal-postings"),
        ("UPDATE ledger_posting SET holder = gen_random_uuid()", "postings-fit-entries-and-accounts"),
        ("UPDATE ledger_posting SET asset = 'DREAM' WHERE asset = 'USD'", "postings-fit-entries-and-accounts"),
        ("UPDATE ledger_posting SET credit_id = debit_id", "postings-fit-entries-and-accounts"),
        ("UPDATE ledger_posting SET amount = 'NaN' WHERE asset = 'USD'", "postings-fit-entries-and-accounts"),
        ("UPDATE ledger_posting SET amount = 0.0000000011 WHERE asset = 'USD'", "postings-fit-entries-and-accounts"),
        ("DELETE FROM ledger_journalentry WHERE kind = 'test'", "postings-fit-entries-and-accounts"),
        ("INSERT INTO ledger_journalentry (holder, kind, memo, metadata) VALUES (gen_random_uuid(), 'test', '', '{}')", "entries-have-postings"),
        ("UPDATE ledger_posting SET credit_id = 'usd:fees-payable' WHERE asset = 'USD'; UPDATE ledger_posting SET debit_id = 'player:usd' WHERE asset = 'USD'", "fees-never-touch-players"),
        ("UPDATE ledger_posting SET amount = 0.5 FROM ledger_journalentry e WHERE e.id = entry_id AND e.reverses_id IS NOT NULL", "reversals-mirror-originals"),
        ("UPDATE ledger_journalentry SET holder = gen_random_uuid() WHERE reverses_id IS NOT NULL", "reversals-mirror-originals"),
    ],
)  # fmt: skip
def test_a_falsification_is_found_and_named(player: UUID, falsified: str, check: str) -> None:
    with without_triggers(*TABLES):
        for constraint in (
            "posting_two_accounts",
            "posting_amount_bounds",
            "posting_usd_precision",
            "posting_fee_never_touches_player",
        ):
            run(f"ALTER TABLE ledger_posting DROP CONSTRAINT {constraint}")
        for statement in falsified.split("; "):
            run(statement)
    found = findings()
    assert check in found
    assert found[check].subject
    assert found[check].problem


def verify_books() -> tuple[int, dict[str, Any]]:
    out = StringIO()
    try:
        call_command("verify_books", json=True, stdout=out)
    except SystemExit as end:
        return int(str(end.code)), json.loads(out.getvalue())
    return 0, json.loads(out.getvalue())


def test_the_command_exits_with_zero_and_says_clean(player: UUID) -> None:
    code, document = verify_books()
    assert (code, document["clean"]) == (0, True)
    assert len(document["checks"]) >= 5


def test_the_command_exits_with_one_and_names_the_row(player: UUID) -> None:
    with without_triggers(*TABLES):
        run("UPDATE ledger_balance SET amount = amount + 1 WHERE account_id = 'player:usd'")
    code, document = verify_books()
    assert code == 1
    (wrong,) = [check for check in document["checks"] if check["wrong_rows"]]
    assert wrong["first"]["subject"] == f"{player} player:usd"


def test_the_command_exits_with_two_when_it_cannot_check(player: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise DatabaseError("the server is away")

    monkeypatch.setattr("ledger.verification_records.verify", fail)
    with pytest.raises(SystemExit) as end:
        call_command("verify_books", stderr=StringIO())
    assert end.value.code == 2


def test_the_command_exits_with_two_when_the_anchor_cannot_be_read(player: UUID, settings: Any, tmp_path: Path) -> None:
    settings.LEDGER_ANCHOR_FILE = str(tmp_path)  # a directory
    errors = StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("verify_books", stderr=errors)
    assert end.value.code == 2
    assert "could not check" in errors.getvalue()


def test_many_workers_come_to_the_same_in_one_snapshot(player: UUID) -> None:
    """Somebody posts without a pause; a second snapshot would see balances that its postings do not explain."""
    ends = time.monotonic() + 3

    def writer() -> None:
        while time.monotonic() < ends:
            post(an_entry(uuid4(), ("dream:issued", "player:dream", "1")))

    def verifier() -> list[bool]:
        clean = []
        while time.monotonic() < ends:
            clean.append(book.verify(workers=4).clean)
        return clean

    outcomes = in_parallel([verifier, writer, writer])
    assert isinstance(outcomes[0], list)
    assert all(outcomes[0])
    assert len(outcomes[0]) >= 2
    with without_triggers(*TABLES):
        run("UPDATE ledger_balance SET amount = amount + 1 WHERE account_id = 'player:usd'")
    alone, together = book.verify(), book.verify(workers=4)
    assert [replace(each, seconds=0) for each in alone.findings] == [
        replace(each, seconds=0) for each in together.findings
    ]


def test_the_hourly_task_verifies_what_is_new_and_once_a_day_everything(player: UUID) -> None:
    def modes() -> list[str]:
        return [row[0] for row in run("SELECT mode FROM ledger_verificationrun ORDER BY id")]

    verify_books_task()
    verify_books_task()
    assert modes() == ["full", "incremental"]
    with without_triggers("ledger_verificationrun"):
        run("UPDATE ledger_verificationrun SET as_of = as_of - interval '24 hours' WHERE mode = 'full'")
    verify_books_task()
    assert modes() == ["full", "incremental", "full"]


def test_what_a_full_verification_found_is_not_forgotten_by_a_quick_one(player: UUID) -> None:
    assert verify_and_record(Mode.FULL).since is None
    with without_triggers(*TABLES):
        run("UPDATE ledger_balance SET amount = amount + 1 WHERE account_id = 'player:usd'")
    assert not verify_and_record(Mode.FULL).clean
    quick = verify_and_record(Mode.INCREMENTAL)
    assert (quick.clean, quick.since) == (False, None)
    with without_triggers(*TABLES):
        run("UPDATE ledger_balance SET amount = amount - 1 WHERE account_id = 'player:usd'")
    assert verify_and_record(Mode.INCREMENTAL).clean
    assert verify_and_record(Mode.INCREMENTAL).since is not None


def test_a_person_reads_what_is_wrong_first_and_whether_all_was_looked_at(player: UUID) -> None:
    def said(*options: str) -> str:
        out = StringIO()
        with suppress(SystemExit):
            call_command("verify_books", *options, stdout=out)
        return out.getvalue()

    assert "The books are clean: " in said()
    assert "What is new is clean: " in said("--incremental")
    with without_triggers(*TABLES):
        run("UPDATE ledger_balance SET amount = amount + 1 WHERE account_id = 'player:usd'")
    text = said()
    assert text.index("1 wrong") < text.index("holds")
    assert "The books are wrong: 1 of " in text


def test_age_and_outcome_of_the_latest_verifications_can_be_read(player: UUID) -> None:
    assert book.latest_verifications() == {}
    verify_and_record(Mode.FULL)
    verify_and_record(Mode.INCREMENTAL)
    with without_triggers(*TABLES):
        run("UPDATE ledger_balance SET amount = amount + 1")
    verify_and_record(Mode.FULL)
    latest = book.latest_verifications()
    assert set(latest) == {"full", "incremental"}
    assert not latest["full"].is_clean
    assert timedelta(0) < latest["full"].age < timedelta(minutes=5)
    (wrong,) = [each for each in latest["full"].findings if each["check"] == "balances-equal-postings"]
    assert wrong["rows"] == 2
    assert wrong["subject"].startswith(str(player))
    figures = {
        (sample.name, *sample.labels.values()): sample.value for metric in readings() for sample in metric.samples
    }
    assert figures["dreamland_verification_clean", "full"] == 0
    assert 0 <= figures["dreamland_verification_last_seconds", "full"] < 300
    assert figures["dreamland_uncounted_days",] == 0
    assert 0 < figures["dreamland_unsealed_entry_seconds",] < 300


def test_a_mode_that_never_ran_has_no_age() -> None:
    ages = {
        sample.labels["mode"]: sample.value
        for metric in readings()
        for sample in metric.samples
        if sample.name == "dreamland_verification_last_seconds"
    }
    assert ages == {"full": -1, "incremental": -1}


def test_the_trial_balance_prints_every_account_and_equal_totals(player: UUID) -> None:
    out = StringIO()
    call_command("trial_balance", json=True, stdout=out)
    document = json.loads(out.getvalue())
    assert {line["account"]: line["balance"] for line in document["accounts"]}["player:dream"] == "2"
    assert document["totals"]["DREAM"]["debits"] == document["totals"]["DREAM"]["credits"]
    table = StringIO()
    call_command("trial_balance", stdout=table)
    assert "Players' DREAM wallets" in table.getvalue()
