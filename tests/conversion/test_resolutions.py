"""A difference with the provider is resolved by two people, once, and booked to the last digit where it is right."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.urls import reverse

from conversion.errors import DifferenceNotFound, DifferenceResolved, SettlementExceedsPayable
from conversion.oversight import fees_payable
from conversion.reconciliation.reading import DifferenceFacts, differences, open_differences, statements
from ledger import book
from tests.approvals import approved, asked, fees_paid, somebody
from tests.conversion.helpers import HOUR, account
from tests.conversion.statements import Row, an_hour, imported, told, with_
from tests.sql import APP, OWNER, in_parallel, refusal, replaced, run, slow_to_commit, without_triggers

pytestmark = pytest.mark.django_db


@pytest.fixture
def rows() -> list[Row]:
    """Three conversions: fees of 0.0025, 0.004 and 0.0055, together 0.012 USD."""
    return an_hour(3)


def the_difference(rows: list[Row]) -> DifferenceFacts:
    """The one difference of a statement with these lines."""
    imported(rows)
    [found] = differences(limit=2)
    return found


def resolved(difference: DifferenceFacts, right: str, **words: Any) -> book.Request:
    return approved("difference", {"difference": str(difference.id), "right": right}, **words)


WE_OWE = Decimal("0.012")


def test_what_we_owe_before_any_difference(rows: list[Row]) -> None:
    assert fees_payable() == account("usd:fees-payable") == WE_OWE


@pytest.mark.parametrize(
    ("case", "effect"),
    [
        ("missing there", "-0.0025"),
        ("missing here", "0.002"),
        ("doubled", "0.004"),
        ("dearer", "0.0005"),
        ("cheaper", "-0.0005"),
    ],
)
def test_where_the_provider_is_right_the_difference_is_booked_to_the_last_digit(
    rows: list[Row], case: str, effect: str
) -> None:
    said = {
        "missing there": rows[1:],
        "missing here": [*rows, ("trade/7", told(HOUR), "1", "0.15", "0.002")],
        "doubled": [*rows, rows[1]],
        "dearer": [with_(rows[0], fee="0.003"), *rows[1:]],
        "cheaper": [with_(rows[0], fee="0.002"), *rows[1:]],
    }[case]
    difference = the_difference(said)
    assert difference.fee_effect == Decimal(effect)
    done = resolved(difference, "provider")
    [entry_id] = done.entry_ids
    assert run(
        "SELECT kind, posted_by_id, metadata->>'difference' FROM ledger_journalentry WHERE id = %s", [entry_id]
    ) == [("fee-adjustment", somebody("ada"), str(difference.id))]
    assert fees_payable() == account("usd:fees-payable") == account("usd:conversion-fees") == WE_OWE + Decimal(effect)
    assert set(open_differences().values()) == {0}
    [again] = differences(include_resolved=True, limit=2)
    assert (again.id, again.right) == (difference.id, "provider")
    assert statements(limit=1)[0].open == 0
    assert book.verify().clean


@pytest.mark.parametrize("case", ["we are right", "nothing to book"])
def test_where_nothing_is_owed_nothing_is_booked_and_the_word_of_two_people_stays(rows: list[Row], case: str) -> None:
    if case == "we are right":
        difference, right = the_difference(rows[1:]), "us"
    else:
        difference, right = the_difference([with_(rows[0], usd="9"), *rows[1:]]), "provider"
    done = resolved(difference, right, reason_code="told-later", reference="mail of 3 December")
    assert done.entry_ids == ()
    assert fees_payable() == account("usd:fees-payable") == WE_OWE
    assert run('SELECT "right", entry_id, amount FROM conversion_differenceresolution') == [(right, None, Decimal(0))]
    assert set(open_differences().values()) == {0}


def test_who_asks_does_not_approve_and_whoever_may_not_does_neither(rows: list[Row]) -> None:
    difference = the_difference(rows[1:])
    request = asked("difference", {"difference": str(difference.id), "right": "provider"})
    with pytest.raises(book.SamePerson):
        book.approve(request_id=request.id, decided_by=somebody("ada"))
    assert sum(open_differences().values()) == 1
    book.refuse(request_id=request.id, decided_by=somebody("bob"), word="ask them first")
    assert sum(open_differences().values()) == 1
    resolved(difference, "us")


def test_a_difference_is_resolved_once(rows: list[Row]) -> None:
    difference = the_difference(rows[1:])
    resolved(difference, "us")
    with pytest.raises(book.RequestDone):
        resolved(difference, "provider")
    with pytest.raises(DifferenceResolved):
        book.preview(kind="difference", payload={"difference": str(difference.id), "right": "provider"})
    with pytest.raises(DifferenceNotFound):
        asked("difference", {"difference": str(uuid4()), "right": "us"})
    with pytest.raises(book.InvalidRequest):
        asked("difference", {"difference": str(difference.id), "right": "nobody"})
    assert fees_payable() == WE_OWE


def test_ten_approvals_at_once_are_one(rows: list[Row]) -> None:
    difference = the_difference([with_(rows[0], fee="0.003"), *rows[1:]])
    request = asked("difference", {"difference": str(difference.id), "right": "provider"})
    bob = somebody("bob")
    done = in_parallel([lambda: book.approve(request_id=request.id, decided_by=bob)] * 10)
    assert not [each for each in done if isinstance(each, Exception)]
    assert run("SELECT count(*) FROM conversion_differenceresolution") == [(1,)]
    assert fees_payable() == WE_OWE + Decimal("0.0005")


def test_a_preview_says_what_is_owed_before_and_after(rows: list[Row]) -> None:
    difference = the_difference([with_(rows[0], fee="0.003"), *rows[1:]])
    change = book.preview(kind="difference", payload={"difference": str(difference.id), "right": "provider"}).change
    assert (change.before["fees_payable_usd"], change.after["fees_payable_usd"]) == ("0.012", "0.0125")


def test_what_is_paid_follows_what_was_resolved(rows: list[Row]) -> None:
    resolved(the_difference([with_(rows[0], fee="0.003"), *rows[1:]]), "provider")
    with pytest.raises(SettlementExceedsPayable):
        fees_paid("0.01250001", "bank 1")
    fees_paid("0.0125", "bank 2")
    assert fees_payable() == account("usd:fees-payable") == 0


def test_a_credit_after_the_payment_is_owed_to_us_and_lessens_the_next_payment(rows: list[Row]) -> None:
    fees_paid("0.012", "bank 1")
    resolved(the_difference(rows[1:]), "provider")
    assert fees_payable() == account("usd:fees-payable") == Decimal("-0.0025")
    with pytest.raises(SettlementExceedsPayable):
        fees_paid("0.001", "bank 2")


def a_payment_beside_a_resolution(rows: list[Row]) -> list[str]:
    """We owe 0.0025 less as soon as the resolution stands, and pay all that we owe without it meanwhile."""
    difference = the_difference(rows[1:])
    resolution = asked("difference", {"difference": str(difference.id), "right": "provider"})
    payment = asked("fee-settlement", {"amount": "0.012"}, reference="bank 1")
    slow_to_commit("conversion_differenceresolution")

    def pay() -> book.Request:
        time.sleep(0.5)
        return book.approve(request_id=payment.id, decided_by=somebody("bob"))

    def resolve() -> book.Request:
        return book.approve(request_id=resolution.id, decided_by=somebody("bob"))

    return [type(result).__name__ for result in in_parallel([resolve, pay])]


def test_a_payment_waits_for_the_resolution_at_work(rows: list[Row]) -> None:
    assert a_payment_beside_a_resolution(rows) == ["Request", "SettlementExceedsPayable"]
    assert fees_payable() == account("usd:fees-payable") == WE_OWE - Decimal("0.0025")


def test_control_without_the_lock_on_the_account_what_is_no_longer_owed_is_paid(rows: list[Row]) -> None:
    with replaced("resolution_guard", "FOR NO KEY UPDATE", ""):
        assert a_payment_beside_a_resolution(rows) == ["Request", "Request"]
    assert fees_payable() == Decimal("-0.0025")


# --- What PostgreSQL itself refuses ------------------------------------------------------------------------------

RESOLUTION = """
INSERT INTO conversion_differenceresolution (difference_id, request_id, "right", entry_id, amount)
VALUES (%(difference)s, %(request)s, %(right)s, %(entry)s, %(amount)s)
"""

RESOLUTION_AT = """
INSERT INTO conversion_differenceresolution (difference_id, request_id, "right", entry_id, amount, resolved_at)
VALUES (%s, %s, 'provider', %s, -0.0025, %s)
"""


@pytest.mark.parametrize("who", [OWNER, APP])
def test_a_resolution_without_an_approval_in_its_transaction_is_refused(rows: list[Row], who: str) -> None:
    difference = the_difference(rows[1:])
    request = asked("difference", {"difference": str(difference.id), "right": "us"})
    given = {"difference": difference.id, "request": request.id, "right": "us", "entry": None, "amount": 0}
    assert refusal(RESOLUTION, given, who=who) == "resolution_is_approved"
    assert refusal(RESOLUTION, given | {"right": "nobody"}, who=who) == "resolution_right_known"
    assert refusal(RESOLUTION, given | {"amount": 1}, who=who) == "resolution_amount_is_booked"
    assert refusal(RESOLUTION, given | {"amount": "NaN", "entry": uuid4()}, who=who) == "resolution_amount_is_booked"
    assert refusal(RESOLUTION, given | {"request": uuid4()}, who=who) in {
        "resolution_request_exists",
        "resolution_is_approved",
    }


@pytest.mark.parametrize(
    ("right", "changed", "guard"),
    [
        ("provider", {"right": "us"}, "resolution_is_approved"),
        ("provider", {}, "resolution_is_its_entry"),  # right, and nothing booked
        ("us", {"right": "provider"}, "resolution_is_approved"),
        ("us", {"entry": "win", "amount": "-0.0025"}, "resolution_is_its_entry"),
    ],
)
def test_a_resolution_other_than_it_was_approved_is_refused(
    rows: list[Row], right: str, changed: dict[str, Any], guard: str
) -> None:
    difference = the_difference(rows[1:])
    request = asked("difference", {"difference": str(difference.id), "right": right})
    given = {"difference": difference.id, "request": request.id, "right": right, "entry": None, "amount": 0} | changed
    if given["entry"]:
        given["entry"] = run("SELECT id FROM ledger_journalentry WHERE kind = 'win' LIMIT 1")[0][0]
    with approving(request):
        assert refusal(RESOLUTION, given) == guard


@contextmanager
def approving(request: book.Request) -> Iterator[None]:
    """Inside, the request is approved and its work still to be done; all of it is rolled back."""
    with transaction.atomic():
        run(
            "INSERT INTO ledger_approvaldecision (request_id, asked_by_id, decided_by_id, verdict)"
            " VALUES (%s, %s, %s, 'approved')",
            [request.id, somebody("ada"), somebody("bob")],
        )
        yield
        transaction.set_rollback(True)


WHAT_IT_COMES_TO = book.Posting("usd:fees-payable", "usd:conversion-fees", Decimal("0.0025"))
TWICE = replace(WHAT_IT_COMES_TO, amount=Decimal("0.00125"))
THE_OTHER_WAY = book.Posting("usd:conversion-fees", "usd:fees-payable", Decimal("0.0025"))
ITS_ENTRY: dict[str, Any] = {
    "kind": "fee-adjustment",
    "postings": (WHAT_IT_COMES_TO,),
    "named": True,  # it names the request
    "after": timedelta(0),  # posted at that time before it is resolved
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "adjustment"},
        {"postings": (replace(WHAT_IT_COMES_TO, amount=Decimal("0.0024")),)},
        {"postings": (THE_OTHER_WAY,)},
        {"postings": (TWICE, TWICE)},
        {"postings": (WHAT_IT_COMES_TO, book.Posting("usd:rewards-expense", "usd:cash", Decimal(1)))},
        {"postings": (book.Posting("usd:cash", "usd:conversion-fees", Decimal("0.0025")),)},
        {"named": False},
        {"after": timedelta(microseconds=1)},
    ],
    ids=[
        "another kind",
        "less",
        "the other way",
        "in two",
        "more beside it",
        "other accounts",
        "nobody's",
        "another time",
    ],
)
def test_a_resolution_with_another_entry_than_what_it_comes_to_is_refused(
    rows: list[Row], wrong: dict[str, Any]
) -> None:
    """And with its own it is not: so it is the entry that the guard refuses."""
    difference = the_difference(rows[1:])
    request = asked("difference", {"difference": str(difference.id), "right": "provider"})
    for its in (ITS_ENTRY, ITS_ENTRY | wrong):
        with approving(request):
            metadata = {"request": str(request.id)} if its["named"] else {}
            entry = book.Entry(book.HOUSE, its["kind"], its["postings"], metadata=metadata, posted_by=somebody("ada"))
            [receipt] = book.post([entry])
            given = [difference.id, request.id, receipt.entry_id, receipt.posted_at + its["after"]]
            if its is ITS_ENTRY:
                run(RESOLUTION_AT, given)
            else:
                assert refusal(RESOLUTION_AT, given) == "resolution_is_its_entry"


@pytest.mark.parametrize("statement", ["UPDATE {} SET amount = 0", "DELETE FROM {}", "TRUNCATE {}"])
def test_a_resolution_is_never_changed_or_removed(rows: list[Row], statement: str) -> None:
    resolved(the_difference(rows[1:]), "us")
    sql = statement.format("conversion_differenceresolution")
    assert refusal(sql, who=OWNER) == "resolution_is_final"
    assert refusal(sql, who=APP) == "privilege"


@pytest.mark.breaks_books
@pytest.mark.parametrize(
    "falsify",
    [
        "UPDATE conversion_differenceresolution SET amount = amount + 1",
        "UPDATE conversion_differenceresolution SET \"right\" = 'us'",
        "DELETE FROM conversion_differenceresolution",
        "UPDATE ledger_posting SET amount = amount + 1 WHERE entry_id IN (SELECT entry_id FROM conversion_differenceresolution)",
        "UPDATE ledger_posting SET debit_id = 'usd:rewards-expense' WHERE entry_id IN (SELECT entry_id FROM conversion_differenceresolution)",
        "DELETE FROM ledger_journalentry WHERE kind = 'fee-adjustment'",
    ],
)  # fmt: skip
def test_a_falsified_resolution_is_found(rows: list[Row], falsify: str) -> None:
    resolved(the_difference([with_(rows[0], fee="0.003"), *rows[1:]]), "provider")
    assert book.verify().clean
    with without_triggers("conversion_differenceresolution", "ledger_posting", "ledger_journalentry"):
        run(falsify)
    assert "resolutions-equal-entries" in {each.check.name for each in book.verify().findings if each.wrong_rows}


# --- Doors ------------------------------------------------------------------------------------------------------


def reconcile(*arguments: str) -> tuple[int, Any]:
    out = StringIO()
    try:
        call_command("reconcile", *arguments, "--json", stdout=out)
    except SystemExit as end:
        return int(str(end.code)), json.loads(out.getvalue())
    return 0, json.loads(out.getvalue())


def test_the_command_exits_with_zero_once_everything_is_resolved(rows: list[Row]) -> None:
    difference = the_difference(rows[1:])
    assert reconcile()[0] == 1
    resolved(difference, "us")
    code, document = reconcile()
    assert (code, document["differences"]) == (0, [])
    [listed] = reconcile("--all")[1]["differences"]
    assert (listed["id"], listed["right"]) == (str(difference.id), "us")


def test_the_page_of_a_difference_leads_to_the_request_that_resolves_it(rows: list[Row], admin_client: Client) -> None:
    difference = the_difference(rows[1:])
    address = reverse("admin:conversion_difference_change", args=[difference.id])
    page = admin_client.get(address).content.decode()
    assert str(difference.id) in page
    door = reverse("admin:ledger_approvalrequest_ask", args=["difference"])
    assert door in page
    form = admin_client.get(f"{door}?difference={difference.id}")
    assert form.status_code == 200
    assert str(difference.id) in form.content.decode()
    resolved(difference, "us")
    page = admin_client.get(address).content.decode()
    assert "we are right" in page
    listed = admin_client.get(reverse("admin:conversion_differenceresolution_changelist"))
    assert listed.status_code == 200
    one = reverse("admin:conversion_differenceresolution_change", args=[difference.id])
    assert admin_client.get(one).status_code == 200


def test_the_empty_list_of_resolutions_says_why(admin_client: Client) -> None:
    page = admin_client.get(reverse("admin:conversion_differenceresolution_changelist")).content.decode()
    assert "No difference was resolved yet" in page
