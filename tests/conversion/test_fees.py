"""Fees: rules that follow each other, a minimum, what is owed, and paying it exactly once."""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import transaction

from conversion.errors import (
    FeeRuleTooEarly,
    InvalidFeeRule,
    InvalidSettlement,
    SettlementConflict,
    SettlementExceedsPayable,
)
from conversion.oversight import fee_rules, fees_by_provider
from conversion.selectors import fees_payable
from conversion.services import Settlement, add_fee_rule, convert_due_hours, convert_hour, settle_fees
from ledger import book
from tests.approvals import reverse
from tests.conversion.helpers import HOUR, OVER, account, lines, win
from tests.factories import a_player, an_entry, players, post
from tests.sql import APP, OWNER, in_parallel, refusal, run, without_triggers

pytestmark = pytest.mark.django_db
PERCENT = Decimal("0.01")


def rule(start: datetime, **parts: Any) -> None:
    add_fee_rule(effective_from=start, provider="desk", **({"percentage": PERCENT} | parts))


def test_a_conversion_costs_at_least_the_minimum_of_its_rule() -> None:
    rule(HOUR, minimum=Decimal("0.002"))
    ada, bob = players(2)
    win(ada, "1"), win(bob, "2")  # 1 % of 0.15 is less than the minimum, of 0.30 more
    convert_hour(hour=HOUR, now=OVER)
    assert {line[0]: line[5] for line in lines()} == {ada: Decimal("0.002"), bob: Decimal("0.003")}
    assert account("usd:fees-payable") == fees_payable() == Decimal("0.005")


def test_a_rule_holds_until_the_next_one_begins() -> None:
    later = OVER + timedelta(hours=1)
    rule(later, percentage=Decimal("0.5"))
    rule(HOUR, percentage=Decimal("0.25"))  # in any order
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
            rule(start)
    rule(OVER)
    with pytest.raises(FeeRuleTooEarly):
        rule(OVER)


RULE = (
    "INSERT INTO conversion_feerule (effective_from, provider, percentage, fixed, minimum) VALUES (%s, 't', 0, 0, %s)"
)


@pytest.mark.parametrize("who", [OWNER, APP])
def test_the_database_refuses_rules_that_cannot_be(who: str) -> None:
    for minimum in ("NaN", "-0.01", "1000.01"):
        assert refusal(RULE, [HOUR, minimum], who=who) == "fee_rule_minimum_bounds"
    assert refusal(RULE, [HOUR, "0.000000001"], who=who) == "fee_rule_minimum_precision"
    assert refusal(RULE, [HOUR + timedelta(minutes=1), "0"], who=who) == "fee_rule_hour_is_whole"
    run(RULE, [OVER, "0"])
    assert refusal(RULE, [OVER, "0"], who=who).startswith("conversion_feerule_effective_from")
    win(a_player())
    convert_hour(hour=HOUR, now=OVER)
    assert refusal(RULE, [HOUR, "0"], who=who) == "fee_rule_after_settled_hours"


def test_a_rule_that_is_not_committed_yet_is_waited_for_by_the_hour_it_is_for() -> None:
    """Catches an hour whose rate is accepted, and whose fee is reckoned, while its rule is on its way to COMMIT."""
    win(a_player())

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
    for parts in ({"percentage": Decimal(2)}, {"fixed": Decimal(-1)}, {"minimum": Decimal("NaN")}):
        with pytest.raises(InvalidFeeRule):
            rule(HOUR, **parts)
    with pytest.raises(InvalidFeeRule):
        rule(HOUR + timedelta(minutes=30))


@pytest.fixture
def owed() -> int:
    """Fees of 0.0105 USD; the id of somebody who pays them."""
    win(a_player(), "5"), win(a_player(), "1")
    convert_hour(hour=HOUR, now=OVER)
    assert fees_payable() == Decimal("0.011")
    person: int = get_user_model().objects.create_user("finance").pk
    return person


def test_what_is_paid_is_no_longer_owed_and_the_same_payment_counts_once(owed: int) -> None:
    paid = settle_fees(amount=Decimal("0.01"), reference="bank 17", posted_by=owed)
    assert settle_fees(amount=Decimal("0.01"), reference="bank 17", posted_by=owed) == paid
    assert fees_payable() == account("usd:fees-payable") == Decimal("0.001")
    assert account("usd:cash") == Decimal("-0.01")
    assert account("usd:conversion-fees") == Decimal("0.011")  # what it cost us is not what we paid
    with pytest.raises(SettlementConflict):
        settle_fees(amount=Decimal("0.001"), reference="bank 17", posted_by=owed)
    with pytest.raises(SettlementExceedsPayable):
        settle_fees(amount=Decimal("0.00100001"), reference="bank 18", posted_by=owed)
    settle_fees(amount=Decimal("0.001"), reference="bank 18", posted_by=owed)
    assert fees_payable() == 0


@pytest.mark.parametrize("amount", ["0", "-1", "NaN", "0.000000001"])
def test_a_payment_is_an_amount_that_can_be(owed: int, amount: str) -> None:
    with pytest.raises((InvalidSettlement, book.InvalidPosting)):
        settle_fees(amount=Decimal(amount), reference="bank 17", posted_by=owed)
    with pytest.raises(InvalidSettlement):
        settle_fees(amount=Decimal("0.001"), reference=" ", posted_by=owed)


def test_a_payment_that_was_reversed_is_owed_again(owed: int) -> None:
    paid = settle_fees(amount=Decimal("0.011"), reference="bank 17", posted_by=owed)
    reverse(paid.entry_id)
    assert fees_payable() == account("usd:fees-payable") == Decimal("0.011")
    settle_fees(amount=Decimal("0.011"), reference="bank 18", posted_by=owed)


def pay_twice_at_once(person: int) -> list[object]:
    return in_parallel(
        [
            lambda reference=reference: settle_fees(amount=Decimal("0.008"), reference=reference, posted_by=person)  # type: ignore[misc]
            for reference in ("bank 1", "bank 2")
        ]
    )


def test_two_payments_at_once_never_pay_more_than_is_owed(owed: int) -> None:
    results = pay_twice_at_once(owed)
    assert sorted(type(result).__name__ for result in results) == ["Settlement", "SettlementExceedsPayable"]
    assert fees_payable() == Decimal("0.003")


@pytest.mark.breaks_books
def test_control_without_the_guard_two_payments_pay_too_much(owed: int) -> None:
    with without_triggers("conversion_feesettlement"):
        results = pay_twice_at_once(owed)
    assert all(isinstance(result, Settlement) for result in results)
    assert fees_payable() < 0


def test_the_same_payment_twice_at_once_is_one(owed: int) -> None:
    results = in_parallel([lambda: settle_fees(amount=Decimal("0.011"), reference="bank 1", posted_by=owed)] * 3)
    assert len({str(result) for result in results}) == 1
    assert isinstance(results[0], Settlement)


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
    ]
    for forged, amount, guard in attacks:
        with transaction.atomic():
            book.post([forged])
            assert refusal(SETTLE, ["x", amount, owed, forged.id], who=who) == guard
            transaction.set_rollback(True)


@pytest.mark.parametrize("who", [OWNER, APP])
def test_a_settlement_stays(owed: int, who: str) -> None:
    settle_fees(amount=Decimal("0.001"), reference="bank 17", posted_by=owed)
    expected = "settlement_is_final" if who == OWNER else "privilege"
    for statement in ("UPDATE {} SET amount = 1", "DELETE FROM {}", "TRUNCATE {}"):
        assert refusal(statement.format("conversion_feesettlement"), who=who) == expected


def test_fees_are_told_by_provider(owed: int) -> None:
    rule(OVER)
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


def test_the_command_adds_a_rule_and_shows_all_of_them_with_what_is_owed(owed: int) -> None:
    add = ["--from", OVER.isoformat(), "--provider", "desk", "--percentage", "0.02", "--minimum", "0.0005"]
    status, out = command(*add)
    assert (status, "desk" in out, "Owed: 0.011 USD" in out) == (0, True, True)
    assert command(*add)[0] == 2
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
