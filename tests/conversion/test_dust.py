"""What is worth nothing stays in its wallet, and is not looked at for ever (docs/decisions/0008)."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.conf import settings as configured
from django.db import connection

from conversion.runs import win_hours
from conversion.services import convert_due_hours, convert_hour
from ledger import book
from tests.conversion.helpers import HOUR, OVER, wallet, win
from tests.factories import a_player, players
from tests.sql import run

pytestmark = pytest.mark.django_db
DUST = "0.00000003"  # 0.45 of the smallest USD at 0.15
WINDOW = configured.CONVERSION_LATE_WINDOW


def wrong() -> set[str]:
    return {finding.check.name for finding in book.verify().findings if finding.wrong_rows}


def test_dust_is_not_read_again_by_every_run_for_ever() -> None:
    """Catches a queue that grows by every hour in which somebody won next to nothing."""
    ada = a_player()
    win(ada, DUST)
    convert_due_hours(now=HOUR + WINDOW)
    assert win_hours(HOUR + WINDOW) == [HOUR]
    convert_due_hours(now=HOUR + WINDOW + timedelta(hours=1))
    assert win_hours(HOUR + WINDOW + timedelta(hours=1)) == []
    assert wallet(ada) == (Decimal(DUST), Decimal(0))


def test_dust_is_converted_as_long_as_something_can_still_come_to_it() -> None:
    ada = a_player()
    win(ada, DUST)
    convert_hour(hour=HOUR, now=OVER)
    late = timedelta(hours=71)
    win(ada, "1", late=late)
    convert_due_hours(now=OVER + late)
    assert wallet(ada) == (Decimal(0), Decimal("0.15"))  # 1.00000003 at 0.15, half-even


def test_the_latest_of_wins_is_within_the_window_of_the_run_that_takes_it() -> None:
    """Catches a window that is shorter than the lateness that is taken: the win would be left behind."""
    ada, bob = players(2)
    win(bob)
    convert_due_hours(now=OVER)
    late = configured.WIN_LATE_LIMIT
    convert_due_hours(now=HOUR + late)
    win(ada, late=late)
    for later in range(1, 4):
        convert_due_hours(now=HOUR + late + timedelta(hours=later))
    assert wallet(ada) == (Decimal(0), Decimal("0.15"))


def test_an_hour_that_waited_longer_than_the_window_takes_its_own_wins() -> None:
    """Catches a window that is counted from now: after a long outage nothing old would ever be converted."""
    ada = a_player()
    win(ada)
    reports = convert_due_hours(now=OVER + WINDOW * 2)
    assert reports.runs[0].conversions == 1
    assert wallet(ada) == (Decimal(0), Decimal("0.15"))


@pytest.mark.breaks_books
def test_a_win_that_was_left_behind_is_found_and_dust_is_not() -> None:
    ada = a_player()
    win(ada, DUST), win(a_player(), "1", at=OVER)
    while convert_due_hours(now=OVER + WINDOW + timedelta(hours=2)).runs:
        pass
    assert wrong() == set()
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE rewards_win SET amount = 1 WHERE converted_by_id IS NULL")
        cursor.execute("SET session_replication_role = origin")
    assert "old-pending-wins-are-dust" in wrong()
    assert run("SELECT count(*) FROM conversion_conversion") == [(1,)]
