"""The USD history, what a win became, what waits, what fees cost; and `manage.py convert`."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from conversion.selectors import conversions_of, database_clock, fees_borne, run_totals, unfinished_runs, usd_history
from conversion.services import convert_due_hours, convert_hour
from tests.conversion.helpers import HOUR, OVER, RateApi, win
from tests.factories import a_player, players

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 10)
TOMORROW = date(2026, 11, 11)


def test_the_history_ends_before_the_day_and_the_last_hour_of_yesterday_is_yesterdays() -> None:
    """Catches a history by the time of conversion: the last hour of a day is converted after midnight."""
    ada = a_player()
    last = datetime(2026, 11, 10, 23, 30, tzinfo=UTC)
    win(ada, "1", at=HOUR), win(ada, "2", at=last), win(ada, "3", at=last + timedelta(hours=1))
    convert_due_hours(now=last + timedelta(hours=3))
    assert usd_history(ada, before_day=TODAY, limit=10) == ()
    history = usd_history(ada, before_day=TOMORROW, limit=10)
    assert [(line.day, line.hour, line.tokens, line.rate, line.usd) for line in history] == [
        (TODAY, last.replace(minute=0), Decimal(2), Decimal("0.15"), Decimal("0.30")),
        (TODAY, HOUR, Decimal(1), Decimal("0.15"), Decimal("0.15")),
    ]
    assert usd_history(a_player(), before_day=TOMORROW, limit=10) == ()


def test_pages_of_the_history_repeat_and_miss_nothing_while_lines_arrive() -> None:
    """Two lines of one hour (the second win came late) stand on different pages and are told apart by their entry."""
    ada = a_player()
    for n in range(3):
        win(ada, "1", at=HOUR + timedelta(hours=n))
    convert_due_hours(now=HOUR + timedelta(hours=3))
    win(ada, "0.5", at=OVER, late=timedelta(hours=2))
    convert_due_hours(now=HOUR + timedelta(hours=4))
    whole = usd_history(ada, before_day=TOMORROW, limit=10)
    assert [line.hour for line in whole] == [HOUR + timedelta(hours=2), OVER, OVER, HOUR]
    pages = [usd_history(ada, before_day=TOMORROW, limit=2)]
    win(ada, "0.5", at=HOUR + timedelta(hours=4))
    convert_due_hours(now=HOUR + timedelta(hours=5))
    pages.append(usd_history(ada, before_day=TOMORROW, after=pages[0][-1].cursor, limit=2))
    assert (*pages[0], *pages[1]) == whole
    assert usd_history(ada, before_day=TOMORROW, after=whole[-1].cursor, limit=2) == ()


def test_what_wins_became_is_read_in_one_statement() -> None:
    ada, bob = players(2)
    first, second, pending = win(ada, "1"), win(ada, "0.5"), win(bob, "1", at=OVER)
    convert_hour(hour=HOUR, now=OVER)
    with CaptureQueriesContext(connection) as queries:
        found = conversions_of([first, second, pending])
    assert len(queries) == 1
    assert {win_id: (each.hour, each.rate, each.usd) for win_id, each in found.items()} == {
        first: (HOUR, Decimal("0.15"), Decimal("0.15")),
        second: (HOUR, Decimal("0.15"), Decimal("0.075")),
    }
    assert found[first].line == found[second].line


def test_totals_and_fees_are_of_the_hours_asked_for() -> None:
    ada = a_player()
    win(ada, "1"), win(ada, "2", at=OVER)
    convert_due_hours(now=OVER + timedelta(hours=1))
    assert (run_totals().conversions, run_totals().tokens, run_totals().usd) == (2, Decimal(3), Decimal("0.45"))
    assert run_totals(since=OVER).tokens == Decimal(2)
    assert fees_borne(until=OVER) == Decimal("0.0025")
    assert fees_borne(until=HOUR) == 0


def test_what_waits_is_told_with_its_reason(rate_api: RateApi) -> None:
    win(a_player())
    convert_due_hours(now=OVER)
    [run] = unfinished_runs(limit=10)
    assert (run.hour, run.state, run.reason) == (HOUR, "awaiting_rate", "http-status")


def command(*arguments: str) -> tuple[int, str]:
    out, status = StringIO(), 0
    try:
        call_command("convert", *arguments, stdout=out, stderr=out)
    except SystemExit as stop:
        status = int(stop.code or 0)
    return status, out.getvalue()


@pytest.fixture
def last_hour() -> datetime:
    """The hour before the one that the database is in, with one win in it."""
    hour = database_clock().replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    win(a_player(), "2", at=hour, late=timedelta(minutes=30))
    return hour


def test_the_command_converts_what_is_due_and_says_what_came_of_it(last_hour: datetime) -> None:
    status, out = command("--json")
    document = json.loads(out)
    assert status == 0
    [run] = document["runs"]
    assert (run["hour"], run["state"]) == (last_hour.isoformat().replace("+00:00", "Z"), "done")
    assert Decimal(run["usd"]) == Decimal("0.3")
    status, out = command()
    assert (status, "No hour is due." in out) == (0, True)
    assert "2.00 DREAM, 0.30 USD" in out


def test_the_command_goes_on_until_nothing_is_left(settings: Settings, last_hour: datetime) -> None:
    settings.CONVERSION_HOURS_PER_TICK = 1
    win(a_player(), at=last_hour - timedelta(hours=2), late=timedelta(hours=2))
    status, out = command()
    assert (status, out.count("done")) == (0, 3)


def test_the_command_ends_with_one_while_an_hour_waits(rate_api: RateApi, last_hour: datetime) -> None:
    status, out = command()
    assert status == 1
    assert "awaiting_rate" in out
    assert "http-status" in out


def test_the_command_converts_one_hour_or_up_to_an_instant(last_hour: datetime) -> None:
    assert command("--until", last_hour.isoformat())[1].startswith("No hour is due.")
    status, out = command("--hour", last_hour.isoformat())
    assert (status, "done" in out) == (0, True)


@pytest.mark.parametrize("hour", ["2026-11-10T10:30:00Z", "2999-01-01T00:00:00Z"])
def test_an_hour_that_cannot_be_converted_is_a_wrong_call(hour: str) -> None:
    assert command("--hour", hour)[0] == 2


@pytest.mark.parametrize("hour", ["2026-11-10T10:00:00", "today", "0001-01-01T00:00:00+14:00"])
def test_an_instant_without_an_offset_is_a_wrong_call(hour: str) -> None:
    with pytest.raises(CommandError, match="RFC 3339"):
        command("--hour", hour)
