"""`manage.py approvals`: the shell as a door to the same services, with the same refusals."""

import json
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from ledger import book
from tests.approvals import somebody
from tests.sql import run

pytestmark = pytest.mark.django_db
FUNDING = ["--payload", '{"amount": "100"}', "--reason", "working-capital", "--reference", "wire 7"]


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("approvals", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def told(*arguments: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(command(*arguments))
    return document


def test_one_asks_and_another_approves_at_the_shell() -> None:
    somebody("ada"), somebody("bob")
    shown = told("--preview", "funding", "--payload", '{"amount": "100"}')
    assert [(each["account"], each["after"]) for each in shown["balances"]] == [
        ("usd:adjustments", "100"),
        ("usd:cash", "100"),
    ]
    request = told("--ask", "funding", *FUNDING, "--as", "ada")
    assert (request["state"], request["asked_by"]) == ("open", "ada")
    with pytest.raises(SystemExit) as refused:
        command("--approve", request["id"], "--as", "ada")
    assert refused.value.code == 2
    for _ in range(2):
        assert told("--approve", request["id"], "--as", "bob")["state"] == "approved"
    assert book.trial_balance().balance("usd:cash") == Decimal(100)
    table = command()
    assert "wire 7" in table
    assert "quarantined-rate" in table
    assert told("--json")["requests"][0]["decided_by"] == "bob"


def test_a_request_is_refused_with_a_word_or_withdrawn() -> None:
    somebody("ada"), somebody("bob")
    first = told("--ask", "funding", *FUNDING, "--as", "ada")["id"]
    with pytest.raises(SystemExit):
        command("--refuse", first, "--as", "bob")
    assert told("--refuse", first, "--as", "bob", "--word", "it is 99")["state"] == "refused"
    second = told("--ask", "funding", *FUNDING, "--as", "ada")["id"]
    assert told("--withdraw", second, "--as", "ada")["state"] == "withdrawn"


def test_wrong_calls_have_a_reason_and_write_nothing() -> None:
    somebody("ada")
    for arguments in (
        ["--ask", "funding", *FUNDING, "--as", "nobody"],
        ["--ask", "funding", "--payload", "{", "--as", "ada"],
        ["--ask", "funding", "--payload", "[]", "--as", "ada"],
    ):
        with pytest.raises(CommandError):
            command(*arguments)
    for arguments in (
        ["--ask", "gift", *FUNDING, "--as", "ada"],
        ["--ask", "funding", "--payload", "{}", "--as", "ada"],
        ["--approve", "00000000-0000-7000-8000-000000000001", "--as", "ada"],
    ):
        with pytest.raises(SystemExit) as refused:
            command(*arguments)
        assert refused.value.code == 2
    assert run("SELECT count(*) FROM ledger_approvalrequest") == [(0,)]
