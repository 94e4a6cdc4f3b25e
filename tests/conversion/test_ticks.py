"""The beat: by the database's clock, twice as well as once, and nothing is lost with a message."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from celery.schedules import crontab
from pytest_django import Settings

from conversion.tasks import convert_due_hours_task
from tests.conversion.helpers import lines, win
from tests.factories import a_player
from tests.sql import in_parallel, run

pytestmark = pytest.mark.django_db


@pytest.fixture
def this_hour() -> datetime:
    """The hour that the database is in; a player won in the one before."""
    [(hour,)] = run("SELECT date_trunc('hour', clock_timestamp(), 'UTC')")
    assert isinstance(hour, datetime)
    win(a_player(), at=hour - timedelta(hours=1), late=timedelta(minutes=30))
    return hour


@pytest.mark.parametrize("year", [2020, 2035])
def test_what_is_due_is_told_by_the_database_and_not_by_the_clock_of_a_worker(this_hour: datetime, year: int) -> None:
    """Catches a worker whose clock is wrong: it would convert too early, or not at all."""
    win(a_player(), at=this_hour)
    with time_machine.travel(datetime(year, 6, 1, 12, tzinfo=UTC)):
        convert_due_hours_task()
    assert [line[1] for line in lines()] == [this_hour - timedelta(hours=1)]


def test_the_settle_delay_is_counted_by_the_databases_clock(this_hour: datetime, settings: Settings) -> None:
    [(elapsed,)] = run("SELECT clock_timestamp() - %s::timestamptz", [this_hour])
    assert isinstance(elapsed, timedelta)
    settings.CONVERSION_SETTLE_DELAY = elapsed + timedelta(minutes=1)
    with time_machine.travel(datetime(2035, 6, 1, tzinfo=UTC)):
        convert_due_hours_task()
    assert lines() == []
    settings.CONVERSION_SETTLE_DELAY = elapsed
    convert_due_hours_task()
    assert len(lines()) == 1


def test_two_beats_and_a_late_message_do_it_once(this_hour: datetime) -> None:
    assert not [result for result in in_parallel([convert_due_hours_task] * 3) if isinstance(result, Exception)]
    convert_due_hours_task()
    assert len(lines()) == 1
    assert run("SELECT count(*) FROM conversion_runtransition WHERE to_state = 'done'") == [(1,)]


def beats(settings: Settings) -> list[dict[str, Any]]:
    return [beat for beat in settings.CELERY_BEAT_SCHEDULE.values() if beat["task"] == convert_due_hours_task.name]


def minutes(beat: dict[str, Any]) -> list[int]:
    schedule = beat["schedule"]
    assert isinstance(schedule, crontab)
    return sorted(schedule.minute)  # type: ignore[attr-defined]  # the stubs have forgotten it


def test_a_lost_message_is_followed_by_another_one_within_ten_minutes(settings: Settings) -> None:
    """Catches a schedule that rings once an hour: a lost message would cost players an hour."""
    rung = sorted({minute for beat in beats(settings) for minute in minutes(beat)})
    gaps = [after - before for before, after in zip(rung, [*rung[1:], rung[0] + 60], strict=True)]
    assert max(gaps) <= 10
    assert rung[0] == 0


def test_a_message_expires_before_the_next_one_of_its_kind_is_sent(settings: Settings) -> None:
    """Catches a pile of ticks after an outage of the workers."""
    for beat in beats(settings):
        rung = minutes(beat)
        period_seconds = 60 * min(after - before for before, after in zip(rung, [*rung[1:], rung[0] + 60], strict=True))
        assert 0 < beat["options"]["expires"] < period_seconds
