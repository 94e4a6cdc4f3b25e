"""`verify_books` finds what is wrong with conversions when somebody has gone behind every guard."""

from datetime import timedelta

import pytest
from django.db import connection

from conversion.services import convert_hour
from ledger import book
from tests.conversion.helpers import HOUR, OVER, win
from tests.factories import a_player, an_entry, post
from tests.sql import run

pytestmark = [pytest.mark.django_db, pytest.mark.breaks_books]


def broken_claims() -> set[str]:
    return {finding.check.name for finding in book.verify().findings if finding.wrong_rows}


def forge(*statements: str) -> None:
    """Writes past every trigger and foreign key, as only a superuser can."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        for statement in statements:
            cursor.execute(statement)
        cursor.execute("SET session_replication_role = origin")


@pytest.fixture(autouse=True)
def converted() -> None:
    """Two lines in one finished run, and one win that is still pending."""
    ada = a_player()
    win(ada, "1"), win(ada, "2"), win(a_player(), "0.5")
    convert_hour(hour=HOUR, now=OVER)
    win(ada, "1", at=OVER)
    assert broken_claims() == set()


@pytest.mark.parametrize(
    ("statement", "claims"),
    [
        (
            "UPDATE rewards_win SET converted_by_id = NULL WHERE amount = 2",
            {"conversions-equal-wins", "wallets-equal-pending-wins"},
        ),
        (
            "UPDATE rewards_win SET converted_by_id = entry_id WHERE converted_by_id IS NULL",
            {"converted-wins-have-conversions", "wallets-equal-pending-wins"},
        ),
        (
            "UPDATE rewards_win SET converted_by_id = (SELECT entry_id FROM conversion_conversion WHERE tokens = 3)"
            " WHERE amount = 0.5",
            {"converted-wins-have-conversions", "conversions-equal-wins"},
        ),
        (
            "UPDATE conversion_conversion SET day = day - 1 WHERE tokens = 3",
            {"converted-wins-have-conversions"},
        ),
        (
            "UPDATE conversion_conversion SET usd = usd + 0.00000001 WHERE tokens = 3",
            {"conversions-equal-entries", "usd-equals-tokens-at-rate", "runs-equal-lines"},
        ),
        (
            "UPDATE conversion_conversion SET fee = 0 WHERE tokens = 3",
            {"conversions-equal-entries", "fees-follow-rules", "runs-equal-lines"},
        ),
        (
            "UPDATE conversion_conversion SET converted_at = converted_at + interval '1 second' WHERE tokens = 3",
            {"conversions-equal-entries"},
        ),
        (
            "DELETE FROM conversion_conversion WHERE tokens = 3",
            {"converted-wins-have-conversions", "conversions-equal-entries", "runs-equal-lines"},
        ),
        ("UPDATE conversion_rate SET price = 0.16", {"usd-equals-tokens-at-rate"}),
        ("UPDATE conversion_rate SET hour = hour - interval '1 hour'", {"usd-equals-tokens-at-rate"}),
        ("UPDATE conversion_rate SET state = 'refused', reason = 'x'", {"usd-equals-tokens-at-rate"}),
        ("UPDATE conversion_feerule SET fixed = 0.002", {"fees-follow-rules"}),
        ("UPDATE conversion_feerule SET effective_from = '2030-01-01Z'", {"fees-follow-rules"}),
        ("UPDATE conversion_conversionrun SET usd = usd + 1", {"runs-equal-lines"}),
        ("UPDATE conversion_conversionrun SET hour = hour - interval '1 hour'", {"runs-equal-lines"}),
    ],
)
def test_a_forged_row_is_found_by_the_claims_that_it_breaks(statement: str, claims: set[str]) -> None:
    forge(statement)
    assert broken_claims() == claims


def test_an_entry_that_calls_itself_a_conversion_is_found() -> None:
    post(an_entry(a_player(), ("usd:rewards-expense", "player:usd", "1"), kind="conversion"))
    assert broken_claims() == {"conversions-equal-entries"}


def test_a_fourth_leg_of_a_conversion_is_found() -> None:
    [(player, entry)] = run("SELECT player_id, entry_id FROM conversion_conversion WHERE tokens = 3")
    forge(
        "INSERT INTO ledger_posting (id, entry_id, holder, debit_id, credit_id, asset, amount)"
        f" VALUES (uuidv7(), '{entry}', '{player}', 'usd:cash', 'usd:adjustments', 'USD', 1)"
    )
    assert broken_claims() == {"conversions-equal-entries"}


def test_a_line_that_joins_a_finished_run_behind_its_back_is_found() -> None:
    """Catches totals that were right when they were counted."""
    run = convert_hour(hour=OVER, now=OVER + timedelta(hours=1))
    forge(f"UPDATE conversion_conversion SET run_id = '{run.id}' WHERE tokens = 3")
    assert broken_claims() == {"runs-equal-lines"}
