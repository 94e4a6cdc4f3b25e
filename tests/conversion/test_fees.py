"""Fees: rules that follow each other, a minimum, what is owed, and paying it exactly once."""

import json
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import transaction

from conversion.errors import FeeRuleTooEarly, InvalidFeeRule, InvalidSettlement, SettlementExceedsPayable
from conversion.oversight import fee_rules, fees_by_provider
from conversion.selectors import fees_payable
from conversion.services import convert_due_hours, convert_hour
from ledger import book
from tests.approvals import asked, fees_paid, reverse, rule_added, somebody
from tests.conversion.helpers import HOUR, OVER, account, lines, win
from tests.factories import a_player, an_entry, players, post
from tests.sql import APP, OWNER, in_parallel, refusal, replaced, run, slow_to_commit, without_triggers

pytestmark = pytest.mark.django_db


def test_a_conversion_costs_at_least_the_minimum_of_its_rule() -> None:
    rule_added(HOUR, minimum="0.002")
    ada, bob = players(2)
    win(ada, "1"), win(bob, "2")  # 1 % of 0.15 is less than the minimum, of 0.30 more
    convert_hour(hour=HOUR, now=OVER)
    assert {line[0]: line[5] for line in lines()} == {ada: Decimal("0.002"), bob: Decimal("0.003")}
    assert account("usd:fees-payable") == fees_payable() == Decimal("0.005")


def test_a_rule_holds_until_the_next_one_begins() -> None:
    later = OVER + timedelta(hours=1)
    rule_added(later, percentage="0.5")
    rule_added(HOUR, percentage="0.25")  # in any order
    assert [(each.effective_from, each.effective_until) for each in fee_rules()][1:] == [(HOUR, later), (later, None)]
    ada = a_player()
    for hour in (HOUR, OVER, later):
        win(ada, "1", at=hour)
    convert_due_hours(now=later + timedelta(hours=1))
    assert [line[5] for line in lines()] == [Decimal("0.0375"), Decimal("0.0375"), Decimal("0.075")]


def test_a_rule_never_begins_before_an_hour_whose_terms_are_settled() -> None:
    """Catches a fee that is changed after the fact."""
    win(a_player())
    convert_hour(hour=HOUR, now=OVER)
    for start in (HOUR - timedelta(days=1), HOUR):
        with pytest.raises(FeeRuleTooEarly):
            rule_added(start)
    rule_added(OVER)
    with pytest.raises(book.RequestDone):
        rule_added(OVER, percentage="0.02")


RULE = (
    "INSERT INTO conversion_feerule (effective_from, provider, percentage, fixed, minimum) VALUES (%s, 't', 0, 0, %s)"
)


@pytest.mark.parametrize("who", [OWNER, APP])
def test_the_database_refuses_rules_that_cannot_be(who: str) -> None:
    for minimum in ("NaN", "-0.01", "1000.01"):
        assert refusal(RULE, [HOUR, minimum], who=who) == "fee_rule_minimum_bounds"
    assert refusal(RULE, [HOUR, "0.000000001"], who=who) == "fee_rule_minimum_precision"
    assert refusal(RULE, [HOUR + timedelta(minutes=1), "0"], who=who) == "fee_rule_hour_is_whole"
    assert refusal(RULE, [OVER, "0"], who=who) == "fee_rule_is_approved"
    rule_added(OVER)
    assert refusal(RULE, [OVER, "0"], who=who).startswith("conversion_feerule_effective_from")
    win(a_player())
    convert_hour(hour=HOUR, now=OVER)
    assert refusal(RULE, [HOUR, "0"], who=who) == "fee_rule_after_settled_hours"


def test_a_rule_that_is_not_committed_yet_is_waited_for_by_the_hour_it_is_for() -> None:
    """Catches an hour whose rate is accepted, and whose fee is reckoned, while its rule is on its way to COMMIT."""
    win(a_player())
    run("ALTER TABLE conversion_feerule DISABLE TRIGGER fee_rule_is_approved")

    def add_slowly() -> None:
        with transaction.atomic():
            run(RULE, [HOUR, "0.5"])
            run("SELECT pg_sleep(0.7)")

    def convert() -> None:
        run("SELECT pg_sleep(0.2)")
        convert_hour(hour=HOUR, now=OVER)

    assert not [result for result in in_parallel([add_slowly, convert]) if result]
    assert [line[5] for line in lines()] == [Decimal("0.5")]


def test_wrong_parts_of_a_rule_have_a_name() -> None:
    wrong = [{"percentage": "2"}, {"fixed": "1000.01"}, {"minimum": "0.000000001"}]
    for parts in wrong:
        with pytest.raises(InvalidFeeRule):
            rule_added(HOUR, **parts)
    for parts in ({"fixed": "-1"}, {"minimum": "NaN"}, {"percentage": "one"}, {"provider": ""}):
        with pytest.raises(book.InvalidRequest):
            rule_added(HOUR, **parts)
    with pytest.raises(InvalidFeeRule):
        rule_added(HOUR + timedelta(minutes=30))
    assert run("SELECT count(*) FROM ledger_approvalrequest") == [(0,)]


def test_a_rule_is_asked_by_one_and_approved_by_another_who_sees_what_changes() -> None:
    payload = {"effective_from": OVER.isoformat(), "provider": "desk", "percentage": "0.02", "minimum": "0.5"}
    change = book.preview(kind="fee-rule", payload=payload).change
    assert (change.before["share_of_the_usd"], change.after["share_of_the_usd"]) == ("0.01", "0.02")
    request = asked("fee-rule", payload)
    with pytest.raises(book.SamePerson):
        book.approve(request_id=request.id, decided_by=somebody("ada"))
    assert len(fee_rules()) == 1
    book.approve(request_id=request.id, decided_by=somebody("bob"))
    assert [(each.provider, each.minimum) for each in fee_rules()][1:] == [("desk", Decimal("0.5"))]


def test_a_rule_is_stale_once_another_begins_before_it_or_its_hour_has_a_rate() -> None:
    later = OVER + timedelta(hours=1)
    request = asked("fee-rule", {"effective_from": later.isoformat(), "provider": "desk", "percentage": "0.02"})
    rule_added(OVER)
    with pytest.raises(book.RequestStale):
        book.approve(request_id=request.id, decided_by=somebody("bob"))
    again = asked("fee-rule", {"effective_from": HOUR.isoformat(), "provider": "desk", "percentage": "0.02"})
    win(a_player())
    convert_hour(hour=HOUR, now=OVER)
    with pytest.raises(book.RequestStale):
        book.approve(request_id=again.id, decided_by=somebody("bob"))


def two_rules_at_once() -> list[str]:
    """Two rules that were asked for when neither was there, approved at the same moment."""
    requests = [
        asked("fee-rule", {"effective_from": start.isoformat(), "provider": "desk", "percentage": "0.02"})
        for start in (OVER, OVER + timedelta(hours=1))
    ]
    slow_to_commit("conversion_feerule")
    work = [lambda each=each: book.approve(request_id=each.id, decided_by=somebody("bob")) for each in requests]
    return sorted(type(result).__name__ for result in in_parallel(work))


def test_two_rules_at_once_each_of_which_another_change_was_not_asked_for_are_one() -> None:
    assert two_rules_at_once() == ["Request", "RequestStale"]


def test_control_without_the_lock_two_rules_are_added_that_did_not_know_of_each_other() -> None:
    with replaced("lock_fee_rules", "LOCK TABLE conversion_feerule IN SHARE ROW EXCLUSIVE MODE;", ""):
        assert two_rules_at_once() == ["Request", "Request"]


DECIDE = """
INSERT INTO ledger_approvaldecision (request_id, asked_by_id, decided_by_id, verdict)
SELECT id, asked_by_id, %s, 'approved' FROM ledger_approvalrequest WHERE id = %s
"""
RULE_OF = """
INSERT INTO conversion_feerule (effective_from, provider, percentage, fixed, minimum, request_id)
VALUES (%s, %s, %s, 0, 0, %s)
"""


@pytest.mark.parametrize("who", [OWNER, APP])
def test_a_rule_is_what_its_approved_request_says_by_raw_sql_too(who: str) -> None:
    request = asked("fee-rule", {"effective_from": OVER.isoformat(), "provider": "desk", "percentage": "0.02"})
    other = asked("funding", {"amount": "1"})
    sound = [OVER, "desk", "0.02", request.id]
    assert refusal(RULE_OF, sound, who=who) == "fee_rule_is_approved"  # asked, not approved
    with transaction.atomic():
        for each in (request, other):
            run(DECIDE, [somebody("bob"), each.id])
        for forged in (
            [OVER + timedelta(hours=1), "desk", "0.02", request.id],
            [OVER, "friend", "0.02", request.id],
            [OVER, "desk", "0.03", request.id],
            [OVER, "desk", "0.02", other.id],
            [OVER, "desk", "0.02", None],
        ):
            assert refusal(RULE_OF, forged, who=who) == "fee_rule_is_approved", forged
        run(RULE_OF, sound)
        transaction.set_rollback(True)
    missing = [OVER, "desk", "0.02", UUID(int=7)]
    assert refusal(RULE_OF, missing, who=who) in {"fee_rule_request_exists", "fee_rule_is_approved"}


@pytest.fixture
def owed() -> int:
    """Fees of 0.0105 USD; the id of somebody who pays them."""
    win(a_player(), "5"), win(a_player(), "1")
    convert_hour(hour=HOUR, now=OVER)
    assert fees_payable() == Decimal("0.011")
    person: int = get_user_model().objects.create_user("finance").pk
    return person


def test_what_is_paid_is_no_longer_owed_and_the_same_payment_counts_once(owed: int) -> None:
    paid = fees_paid("0.01", "bank 17")
    assert fees_paid("0.01", "bank 17") == paid
    assert fees_payable() == account("usd:fees-payable") == Decimal("0.001")
    assert account("usd:cash") == Decimal("-0.01")
    assert account("usd:conversion-fees") == Decimal("0.011")  # what it cost us is not what we paid
    with pytest.raises(book.RequestDone):
        fees_paid("0.001", "bank 17")
    with pytest.raises(SettlementExceedsPayable):
        fees_paid("0.00100001", "bank 18")
    fees_paid("0.001", "bank 18")
    assert fees_payable() == 0


def test_a_payment_is_an_amount_that_can_be(owed: int) -> None:
    for amount in ("0", "-1", "NaN", "1e-3", ""):
        with pytest.raises(book.InvalidRequest):
            fees_paid(amount, "bank 17")
    with pytest.raises(InvalidSettlement):
        fees_paid("0.000000001", "bank 17")
    with pytest.raises(book.InvalidRequest):
        fees_paid("0.001", " ")


def test_a_payment_that_was_reversed_is_owed_again(owed: int) -> None:
    paid = fees_paid("0.011", "bank 17")
    reverse(paid)
    assert fees_payable() == account("usd:fees-payable") == Decimal("0.011")
    fees_paid("0.011", "bank 18")


def test_nobody_books_a_payment_alone(owed: int) -> None:
    request = asked("fee-settlement", {"amount": "0.011"}, reference="bank 17")
    with pytest.raises(book.SamePerson):
        book.approve(request_id=request.id, decided_by=somebody("ada"))
    assert fees_payable() == Decimal("0.011")


def pay_twice_at_once() -> list[str]:
    """Two payments, each of most of what is owed, approved at the same moment."""
    requests = [asked("fee-settlement", {"amount": "0.008"}, reference=reference) for reference in ("bank 1", "bank 2")]
    slow_to_commit("conversion_feesettlement")
    work = [lambda each=each: book.approve(request_id=each.id, decided_by=somebody("bob")) for each in requests]
    return sorted(type(result).__name__ for result in in_parallel(work))


def test_two_payments_at_once_never_pay_more_than_is_owed(owed: int) -> None:
    assert pay_twice_at_once() == ["Request", "SettlementExceedsPayable"]
    assert fees_payable() == Decimal("0.003")


@pytest.mark.breaks_books
def test_control_without_the_guard_two_payments_pay_too_much(owed: int) -> None:
    with without_triggers("conversion_feesettlement"):
        assert pay_twice_at_once() == ["Request", "Request"]
    assert fees_payable() < 0


@pytest.mark.breaks_books
def test_control_without_the_lock_on_the_account_two_payments_pay_too_much(owed: int) -> None:
    """The guard alone adds up what is committed: two that do not see each other pass it."""
    with replaced("settlement_guard", "FOR NO KEY UPDATE", ""):
        assert pay_twice_at_once() == ["Request", "Request"]
    assert fees_payable() < 0


def test_the_same_payment_asked_and_approved_by_many_at_once_is_one(owed: int) -> None:
    ada, bob = somebody("ada"), somebody("bob")
    payment = {
        "kind": "fee-settlement",
        "payload": {"amount": "0.011"},
        "reason_code": "invoice",
        "reference": "bank 1",
    }
    asked_for = in_parallel([lambda: book.ask(**payment, asked_by=ada)] * 3)  # type: ignore[arg-type]
    [request_id] = {each.id for each in asked_for if isinstance(each, book.Request)}
    results = in_parallel([lambda: book.approve(request_id=request_id, decided_by=bob)] * 3)
    assert [getattr(each, "state", each) for each in results] == ["approved"] * 3
    assert run("SELECT count(*) FROM conversion_feesettlement") == [(1,)]


SETTLE = """
INSERT INTO conversion_feesettlement (entry_id, reference, amount, posted_by_id, settled_at)
SELECT id, %s, %s, %s, posted_at FROM ledger_journalentry WHERE id = %s
"""


@pytest.mark.parametrize("who", [OWNER, APP])
def test_a_settlement_is_its_entry_by_raw_sql_too(owed: int, who: str) -> None:
    """Catches a payment without a posting, of another amount, of another account, or of more than is owed."""

    def entry(*moves: tuple[str, str, str], kind: str = "fee-settlement") -> object:
        return an_entry(book.HOUSE, *moves, kind=kind)

    pay = ("usd:fees-payable", "usd:cash", "0.001")
    attacks: list[tuple[Any, str, str]] = [
        (entry(pay, kind="test"), "0.001", "settlement_is_its_entry"),
        (entry(pay), "0.002", "settlement_is_its_entry"),
        (entry(pay, pay), "0.001", "settlement_is_its_entry"),
        (entry(("usd:fees-payable", "usd:adjustments", "0.001")), "0.001", "settlement_is_its_entry"),
        (entry(("usd:fees-payable", "usd:cash", "1")), "1", "settlement_within_payable"),
        (entry(pay), "NaN", "settlement_amount_bounds"),
        (entry(pay), "0.001", "settlement_is_approved"),
    ]
    for forged, amount, guard in attacks:
        with transaction.atomic():
            book.post([forged])
            assert refusal(SETTLE, ["x", amount, owed, forged.id], who=who) == guard
            transaction.set_rollback(True)


@pytest.mark.parametrize("who", [OWNER, APP])
def test_a_settlement_stays(owed: int, who: str) -> None:
    fees_paid("0.001", "bank 17")
    expected = "settlement_is_final" if who == OWNER else "privilege"
    for statement in ("UPDATE {} SET amount = 1", "DELETE FROM {}", "TRUNCATE {}"):
        assert refusal(statement.format("conversion_feesettlement"), who=who) == expected


def test_fees_are_told_by_provider(owed: int) -> None:
    rule_added(OVER)
    win(a_player(), at=OVER)
    convert_due_hours(now=OVER + timedelta(hours=1))
    assert fees_by_provider() == {"default": Decimal("0.011"), "desk": Decimal("0.0015")}
    assert fees_by_provider(since=OVER) == {"desk": Decimal("0.0015")}
    assert fees_by_provider(until=OVER) == {"default": Decimal("0.011")}


def command(*arguments: str) -> tuple[int, str]:
    out, status = StringIO(), 0
    try:
        call_command("fee_rule", *arguments, stdout=out, stderr=out)
    except SystemExit as stop:
        status = int(stop.code or 0)
    return status, out.getvalue()


def test_the_command_shows_the_rules_and_what_is_owed(owed: int) -> None:
    rule_added(OVER, percentage="0.02", minimum="0.0005")
    status, out = command()
    assert (status, "desk" in out, "Owed: 0.011 USD" in out) == (0, True, True)
    document = json.loads(command("--json")[1])
    assert [(each["percentage"], each["minimum"]) for each in document["rules"]] == [("0.01", "0"), ("0.02", "0.0005")]
    assert (document["fees"], document["payable"]) == ({"default": "0.011"}, "0.011")


@pytest.mark.breaks_books
def test_a_fee_posted_behind_every_guard_is_found() -> None:
    def broken() -> set[str]:
        return {finding.check.name for finding in book.verify().findings if finding.wrong_rows}

    assert broken() == set()
    post(an_entry(book.HOUSE, ("usd:fees-payable", "usd:cash", "1"), kind="fee-settlement"))
    assert broken() == {"fees-payable-equal-fees", "settlements-equal-entries"}
