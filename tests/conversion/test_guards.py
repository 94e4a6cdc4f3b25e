"""What PostgreSQL itself refuses about rates, fee rules, runs and conversions, asked by raw SQL as the owner."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction

from conversion.models import RAW_MAX_LENGTH
from conversion.services import convert_hour
from ledger import book
from tests.approvals import fees_paid, rule_added
from tests.conversion.helpers import HOUR, OVER, win
from tests.factories import a_player
from tests.sql import APP, OWNER, refusal, run

pytestmark = pytest.mark.django_db


@pytest.fixture
def converted() -> None:
    """One finished run with one line."""
    win(a_player())
    convert_hour(hour=HOUR, now=OVER)


@pytest.mark.parametrize("who", [OWNER, APP])
@pytest.mark.parametrize(
    ("table", "column", "constraint"),
    [
        ("conversion_rate", "raw = 'forged'", "rate_is_final"),
        ("conversion_rate", "price = price * 2", "rate_is_final"),
        ("conversion_feerule", "percentage = 0", "fee_rule_is_final"),
        ("conversion_conversion", "usd = usd * 2", "conversion_is_final"),
        ("conversion_conversion", "day = day - 1", "conversion_is_final"),
    ],
)
def test_a_fact_is_never_changed_or_removed(
    converted: None, who: str, table: str, column: str, constraint: str
) -> None:
    expected = constraint if who == OWNER else "privilege"
    assert refusal(f"UPDATE {table} SET {column}", who=who) == expected
    assert refusal(f"DELETE FROM {table}", who=who) == expected
    assert refusal(f"TRUNCATE {table} CASCADE", who=who) == expected


def test_a_run_is_never_removed(converted: None) -> None:
    assert refusal("DELETE FROM conversion_conversionrun") == "run_stays"
    assert refusal("TRUNCATE conversion_conversionrun CASCADE") == "run_stays"


RATE = """
INSERT INTO conversion_rate (hour, price, provider, quoted_at, state, reason) VALUES (%s, %s, 't', now(), %s, %s)
"""


@pytest.mark.parametrize(
    ("price", "constraint"),
    [
        ("NaN", "rate_price_bounds"),
        ("Infinity", "rate_price_bounds"),
        ("-1", "rate_price_bounds"),
        ("0", "rate_price_bounds"),
        ("1e20", "rate_price_bounds"),
        ("0.1234567890123456789", "rate_price_precision"),
        (None, "rate_has_price_unless_refused"),
    ],
)
def test_an_accepted_rate_is_a_number_that_can_be(price: str | None, constraint: str) -> None:
    assert refusal(RATE, [HOUR, price, "accepted", ""]) == constraint


def test_an_hour_has_one_accepted_rate() -> None:
    run(RATE, [HOUR, "0.15", "accepted", ""])
    run(RATE, [HOUR, "0.16", "quarantined", "jump"])
    assert refusal(RATE, [HOUR, "0.16", "accepted", ""]) == "rate_one_accepted_for_hour"
    assert refusal(RATE, [HOUR, "0.16", "quarantined", "jump"]) == "rate_finding_once"


@pytest.mark.parametrize(
    ("hour", "state", "reason", "constraint"),
    [
        (HOUR + timedelta(minutes=1), "accepted", "", "rate_hour_is_whole"),
        (HOUR, "accepted", "jump", "rate_reason_unless_accepted"),
        (HOUR, "refused", "", "rate_reason_unless_accepted"),
        (HOUR, "liked", "x", "rate_state_known"),
        (HOUR, "refused", "Too High!", "rate_reason_form"),
    ],
)
def test_a_rate_says_what_became_of_it(hour: object, state: str, reason: str, constraint: str) -> None:
    assert refusal(RATE, [hour, "0.15", state, reason]) == constraint


def test_a_rate_is_of_the_one_pair_and_a_decision_has_a_name() -> None:
    rate = (
        "INSERT INTO conversion_rate (hour, price, provider, quoted_at, state, {}) SELECT %s, 1, 't', now(), 'accepted'"
    )
    assert refusal(rate.format("base, quote") + ", 'USD', 'DREAM'", [HOUR]) == "rate_pair_known"
    assert refusal(rate.format("decides_id") + ", uuidv7()", [HOUR]) == "rate_decision_names_both"
    assert refusal(rate.format("decided_by_id") + ", 1", [HOUR]) == "rate_decision_names_both"


@pytest.mark.parametrize(
    ("percentage", "fixed", "constraint"),
    [
        ("NaN", "0", "fee_rule_percentage_bounds"),
        ("-0.01", "0", "fee_rule_percentage_bounds"),
        ("1.01", "0", "fee_rule_percentage_bounds"),
        ("0", "NaN", "fee_rule_fixed_bounds"),
        ("0", "-1", "fee_rule_fixed_bounds"),
        ("0", "1000.01", "fee_rule_fixed_bounds"),
        ("0", "0.000000001", "fee_rule_fixed_precision"),
        ("0.0000000000000000001", "0", "fee_rule_percentage_precision"),
    ],
)
def test_a_fee_rule_is_within_bounds(percentage: str, fixed: str, constraint: str) -> None:
    rule = "INSERT INTO conversion_feerule (effective_from, provider, percentage, fixed) VALUES (%s, 't', %s, %s)"
    assert refusal(rule, [HOUR, percentage, fixed]) == constraint


def test_two_fee_rules_do_not_begin_at_one_instant() -> None:
    rule = (
        "INSERT INTO conversion_feerule (effective_from, provider, percentage, fixed) VALUES ('2020-01-01Z', 't', 0, 0)"
    )
    assert refusal(rule).startswith("conversion_feerule_effective_from")


def test_an_hour_has_one_run_and_a_finished_one_stays_as_it_is(converted: None) -> None:
    new = "INSERT INTO conversion_conversionrun (hour) VALUES (%s)"
    assert refusal(new, [HOUR]).startswith("conversion_conversionrun_hour")
    assert refusal(new, [HOUR + timedelta(minutes=1)]) == "run_hour_is_whole"
    assert refusal("UPDATE conversion_conversionrun SET usd = 0") == "run_done_is_final"
    assert refusal("UPDATE conversion_conversionrun SET hour = hour + interval '1 hour'") == "run_hour_is_fixed"


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("state = 'lost'", "run_state_known"),
        ("state = 'done'", "run_finished_when_done"),
        ("finished_at = now()", "run_finished_when_done"),
        ("usd = 'NaN'", "run_totals_bounds"),
        ("fees = -1", "run_totals_bounds"),
        ("reason = 'Because I say so'", "run_reason_form"),
    ],
)
def test_a_run_is_in_a_state_that_can_be(change: str, constraint: str) -> None:
    run("INSERT INTO conversion_conversionrun (hour) VALUES (%s)", [HOUR])
    assert refusal(f"UPDATE conversion_conversionrun SET {change}") == constraint


COPY = """
INSERT INTO conversion_conversion
    (entry_id, run_id, player_id, hour, day, rate_id, fee_rule_id, tokens, usd, fee, recovered, converted_at)
SELECT {entry}, {run}, {player}, {hour}, day, {rate}, {rule}, {tokens}, {usd}, {fee}, {recovered}, converted_at
FROM conversion_conversion
"""
SAME = {
    "entry": "(SELECT entry_id FROM rewards_win LIMIT 1)",
    "run": "(SELECT id FROM conversion_conversionrun WHERE state <> 'done')",
    "player": "player_id",
    "hour": "hour",
    "rate": "rate_id",
    "rule": "fee_rule_id",
    "tokens": "tokens",
    "usd": "usd",
    "fee": "fee",
    "recovered": "recovered",
}


@pytest.mark.parametrize(
    ("forged", "constraint"),
    [
        ({"tokens": "'NaN'"}, "conversion_tokens_bounds"),
        ({"tokens": "0"}, "conversion_tokens_bounds"),
        ({"usd": "'NaN'"}, "conversion_usd_bounds"),
        ({"usd": "0"}, "conversion_usd_bounds"),
        ({"usd": "0.000000001"}, "conversion_usd_precision"),
        ({"fee": "'NaN'"}, "conversion_fee_bounds"),
        ({"fee": "-1"}, "conversion_fee_bounds"),
        ({"fee": "0.000000001"}, "conversion_fee_precision"),
        ({"recovered": "'NaN'"}, "conversion_recovered_bounds"),
        ({"recovered": "-1"}, "conversion_recovered_bounds"),
        ({"recovered": "usd + 0.00000001"}, "conversion_recovered_bounds"),
        ({"recovered": "0.000000001"}, "conversion_recovered_precision"),
        ({"hour": "hour + interval '1 minute'"}, "conversion_hour_is_whole"),
        ({"hour": "hour - interval '1 hour'"}, "conversion_terms_are_its_hours"),
        ({"entry": "uuidv7()"}, "conversion_entry_exists"),
        ({"player": "uuidv7()"}, "conversion_player_exists"),
        ({"rate": "uuidv7()"}, "conversion_rate_exists"),
        ({"rule": "uuidv7()"}, "conversion_fee_rule_exists"),
        ({"run": "uuidv7()"}, "conversion_run_exists"),
        ({"run": "run_id", "hour": "hour - interval '1 hour'"}, "conversion_run_is_open"),
        ({"run": "run_id"}, "conversion_line_once"),
    ],
)
def test_a_line_that_cannot_be_is_refused(converted: None, forged: dict[str, str], constraint: str) -> None:
    run("INSERT INTO conversion_conversionrun (hour) VALUES (%s)", [OVER])
    assert refusal(COPY.format(**(SAME | forged))) == constraint


def test_a_rate_in_quarantine_converts_nothing(converted: None) -> None:
    run("INSERT INTO conversion_conversionrun (hour) VALUES (%s)", [OVER])
    run(RATE, [HOUR, "9", "quarantined", "jump"])
    held = "(SELECT id FROM conversion_rate WHERE state = 'quarantined')"
    assert refusal(COPY.format(**(SAME | {"rate": held}))) == "conversion_terms_are_its_hours"


def test_an_answer_that_is_kept_is_no_longer_than_what_is_read_of_one() -> None:
    rate = "INSERT INTO conversion_rate (hour, provider, raw, state, reason) VALUES (%s, 't', %s, 'refused', 'garbage')"
    assert refusal(rate, [HOUR, "x" * (RAW_MAX_LENGTH + 1)]) == "rate_raw_length"
    run(rate, [HOUR, "x" * RAW_MAX_LENGTH])


def test_a_transition_is_of_a_run_that_exists() -> None:
    """The trigger writes it, so this key only ever speaks where somebody has switched the trigger's guard off."""
    run("ALTER TABLE conversion_runtransition DISABLE TRIGGER run_transition_follows_run")
    stray = "INSERT INTO conversion_runtransition (run_id, from_state, to_state, cause, by_role)"
    assert refusal(f"{stray} VALUES (uuidv7(), '', 'due', 'opened', 'me')") == "run_transition_run_exists"


@pytest.mark.parametrize(
    ("forged", "constraint"),
    [
        ({"entry": "uuidv7()"}, "settlement_entry_exists"),
        ({"person": "0"}, "settlement_posted_by_exists"),
        ({"reference": "' '"}, "settlement_reference_said"),
        ({"reference": "repeat('x', 201)"}, "settlement_reference_said"),
        ({"amount": "0.001000001"}, "settlement_usd_precision"),
        ({"amount": "0"}, "settlement_amount_bounds"),
        ({}, "settlement_reference_once"),
    ],
)
def test_a_settlement_that_cannot_be_is_refused(
    converted: None, django_user_model: Any, forged: dict[str, str], constraint: str
) -> None:
    person = django_user_model.objects.create_user("finance").pk
    fees_paid("0.001", "bank 1")
    same = {"entry": "entry_id", "reference": "reference", "amount": "amount", "person": str(person)}
    if not forged:
        with transaction.atomic(durable=True):
            pay = book.Posting("usd:fees-payable", "usd:cash", Decimal("0.001"))
            [paid] = book.post([book.Entry(book.HOUSE, "fee-settlement", (pay,))])
            again = same | {"entry": f"'{paid.entry_id}'::uuid"}
            assert refusal(FORGED_SETTLEMENT.format(**again)) == constraint
            transaction.set_rollback(True)
        return
    if "entry" not in forged:
        forged = forged | {"entry": "(SELECT entry_id FROM rewards_win LIMIT 1)"}
    if "reference" not in forged:
        forged = forged | {"reference": "'bank 2'"}
    assert refusal(FORGED_SETTLEMENT.format(**(same | forged))) == constraint


FORGED_SETTLEMENT = """
INSERT INTO conversion_feesettlement (entry_id, reference, amount, posted_by_id, settled_at)
SELECT {entry}, {reference}, {amount}, {person}, settled_at FROM conversion_feesettlement
"""


def test_a_run_that_is_done_takes_no_line_however_right(converted: None) -> None:
    """Another player, the very hour, its rate and its rule: only the run is closed."""
    win(a_player(), late=OVER - HOUR)
    other = "(SELECT player_id FROM rewards_win WHERE converted_by_id IS NULL)"
    assert refusal(COPY.format(**(SAME | {"run": "run_id", "player": other}))) == "conversion_run_is_open"


def test_a_run_takes_no_win_of_a_later_hour(converted: None) -> None:
    run("INSERT INTO conversion_conversionrun (hour) VALUES (%s)", [HOUR - timedelta(hours=1)])
    assert refusal(COPY.format(**SAME)) == "conversion_terms_are_its_hours"


def test_a_run_is_not_finished_while_a_line_of_it_is_on_its_way(converted: None) -> None:
    """Catches totals that miss a line: by raw SQL too, whoever writes it and whatever he has locked."""
    run("INSERT INTO conversion_conversionrun (hour) VALUES (%s)", [OVER])
    run("UPDATE conversion_conversionrun SET state = 'running' WHERE state = 'due'")

    def finish() -> str:
        return on_own_connection(
            lambda: refusal(
                "UPDATE conversion_conversionrun SET state = 'done', finished_at = clock_timestamp()"
                " WHERE state = 'running'"
            )
        )

    with transaction.atomic(), ThreadPoolExecutor(1) as pool:
        run(COPY.format(**SAME))
        run("SET LOCAL lock_timeout = '5s'")
        assert pool.submit(finish).result().startswith("55P03")  # lock_not_available
        transaction.set_rollback(True)


def on_own_connection(work: Callable[[], str]) -> str:
    try:
        run("SET lock_timeout = '300ms'")
        return work()
    finally:
        connection.close()


def test_a_line_is_not_charged_by_a_rule_that_begins_later(converted: None) -> None:
    run("INSERT INTO conversion_conversionrun (hour) VALUES (%s)", [OVER])
    rule_added(OVER, provider="t")
    later = "(SELECT id FROM conversion_feerule WHERE provider = 't')"
    assert refusal(COPY.format(**(SAME | {"rule": later}))) == "conversion_terms_are_its_hours"


def test_only_an_accepted_rate_settles_the_rule_of_its_hour() -> None:
    """Catches a guard that a rate in quarantine, which may never count, already shuts."""
    run(RATE, [HOUR, "9", "quarantined", "jump"])
    rule_added(HOUR)
    run(RATE, [HOUR, "0.15", "accepted", ""])
    rule = "INSERT INTO conversion_feerule (effective_from, provider, percentage, fixed) VALUES (%s, 't', 0, 1)"
    assert refusal(rule, [HOUR]) == "fee_rule_after_settled_hours"
