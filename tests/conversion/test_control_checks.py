"""`verify_books` finds what is wrong around the conversions when somebody has gone behind every guard."""

from datetime import timedelta

import pytest

from conversion.services import convert_due_hours
from tests.approvals import fees_paid, rate_passed, rule_added
from tests.conversion.helpers import HOUR, OVER, RateApi, win
from tests.conversion.test_verification import broken_claims, forge
from tests.factories import a_player
from tests.sql import run

pytestmark = [pytest.mark.django_db, pytest.mark.breaks_books]
LATER = OVER + timedelta(hours=1)


@pytest.fixture
def decided(rate_api: RateApi) -> None:
    """Two finished runs, one of them at a rate that two people let pass; some of the fees are paid."""
    win(a_player()), win(a_player(), at=OVER)
    rate_api.says(HOUR, "0.15")
    rate_api.says(OVER, "0.30")
    convert_due_hours(now=LATER)
    [(held,)] = run("SELECT id FROM conversion_rate WHERE state = 'quarantined'")
    rate_passed(held)
    convert_due_hours(now=LATER)
    fees_paid("0.001", "bank 1")
    rule_added(LATER)
    assert broken_claims() == set()


@pytest.mark.parametrize(
    ("statement", "claims"),
    [
        ("DELETE FROM conversion_runtransition", {"runs-equal-transitions"}),
        ("DELETE FROM conversion_runtransition WHERE to_state = 'running'", {"runs-equal-transitions"}),
        ("UPDATE conversion_runtransition SET to_state = 'due' WHERE to_state = 'done'", {"runs-equal-transitions"}),
        (
            "UPDATE ledger_approvalrequest SET asked_by_id = (SELECT max(decided_by_id) FROM ledger_approvaldecision)"
            " WHERE kind = 'quarantined-rate'",
            {"decided-rates-have-two-people", "decisions-are-anothers"},
        ),
        (
            "UPDATE ledger_approvaldecision SET verdict = 'refused', word = 'no' FROM ledger_approvalrequest request"
            " WHERE request.id = request_id AND kind = 'quarantined-rate'",
            {"decided-rates-have-two-people", "approved-requests-have-their-outcome"},
        ),
        (
            "UPDATE ledger_approvalrequest SET payload = payload - 'rate' WHERE kind = 'quarantined-rate'",
            {"decided-rates-have-two-people"},
        ),
        ("UPDATE conversion_feerule SET percentage = 0.02 WHERE request_id IS NOT NULL", {"fee-rules-are-approved"}),
        ("UPDATE conversion_feesettlement SET reference = 'bank 2'", {"settlements-are-approved"}),
        ("UPDATE conversion_rate SET price = 0.31 WHERE state = 'quarantined'", {"decided-rates-have-two-people"}),
        (
            "UPDATE conversion_feesettlement SET amount = 0.0011",
            {"fees-payable-equal-fees", "settlements-equal-entries"},
        ),
        ("DELETE FROM conversion_feesettlement", {"fees-payable-equal-fees", "settlements-equal-entries"}),
        ("UPDATE conversion_feerule SET minimum = 0.5 WHERE request_id IS NULL", {"fees-follow-rules"}),
        (
            "INSERT INTO conversion_feerule (effective_from, provider, percentage, fixed)"
            " VALUES ('2026-11-10T10:00Z', 'late', 0.01, 0.001)",
            {"fees-follow-rules"},
        ),
    ],
)
def test_a_forged_row_is_found_by_the_claims_that_it_breaks(decided: None, statement: str, claims: set[str]) -> None:
    """The last one is a rule slipped in after the fact: the fee is the same, and still not by the rule in force."""
    forge(statement)
    assert broken_claims() == claims
