"""`verify_books` finds every falsification that somebody with all rights could make, and names the row."""

import json
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import call_command
from django.db import DatabaseError, transaction

from ledger import book
from tests.factories import an_entry, post
from tests.sql import run, without_triggers

pytestmark = [pytest.mark.django_db, pytest.mark.breaks_books]
TABLES = ("ledger_journalentry", "ledger_posting", "ledger_balance")


@pytest.fixture
def player() -> UUID:
    """A player with a win, a conversion and a reversed win."""
    player = uuid4()
    post(an_entry(player, ("dream:issued", "player:dream", "3")))
    post(an_entry(player, ("player:dream", "dream:redeemed", "1"), ("usd:rewards-expense", "player:usd", "0.15")))
    (mistake,) = post(an_entry(player, ("dream:issued", "player:dream", "1")))
    with transaction.atomic():
        book.reverse([mistake.entry_id], memo="mistake")
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

    monkeypatch.setattr("ledger.verification.verify", fail)
    with pytest.raises(SystemExit) as end:
        call_command("verify_books", stderr=StringIO())
    assert end.value.code == 2


def test_the_trial_balance_prints_every_account_and_equal_totals(player: UUID) -> None:
    out = StringIO()
    call_command("trial_balance", json=True, stdout=out)
    document = json.loads(out.getvalue())
    assert {line["account"]: line["balance"] for line in document["accounts"]}["player:dream"] == "2"
    assert document["totals"]["DREAM"]["debits"] == document["totals"]["DREAM"]["credits"]
    table = StringIO()
    call_command("trial_balance", stdout=table)
    assert "Players' DREAM wallets" in table.getvalue()
