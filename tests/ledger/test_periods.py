"""Closed periods: nothing is dated into one, and closing waits for the writers that still are."""

import threading
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connections, transaction

from ledger import book
from tests.factories import an_entry, post
from tests.sql import APP, OWNER, refusal, run

pytestmark = pytest.mark.django_db
WIN = ("dream:issued", "player:dream", "1")


def database_now() -> datetime:
    ((now,),) = run("SELECT clock_timestamp()")
    assert isinstance(now, datetime)
    return now


def test_entries_after_the_close_go_on() -> None:
    post(an_entry(uuid4(), WIN))
    book.close_period(ends_at=database_now())
    post(an_entry(uuid4(), WIN))


def test_a_period_that_is_not_over_or_not_later_is_not_closed() -> None:
    with pytest.raises(book.PeriodClosed):
        book.close_period(ends_at=database_now() + timedelta(minutes=1))
    now = database_now()
    book.close_period(ends_at=now)
    for earlier in (now, now - timedelta(days=1)):
        with pytest.raises(book.PeriodClosed):
            book.close_period(ends_at=earlier)


@pytest.mark.breaks_books
def test_an_entry_dated_into_a_closed_period_is_refused_even_with_a_forged_date() -> None:
    """The clock guard would refuse the date first, so the guard of the period is asked with a tolerance's worth of it."""
    run("INSERT INTO ledger_periodclose (ends_at) VALUES (clock_timestamp())")
    forged = (
        "INSERT INTO ledger_journalentry (holder, kind, memo, metadata, posted_at)"
        " VALUES (%s, 'test', '', '{}', clock_timestamp() - interval '0.5 seconds')"
    )
    assert refusal(forged, [uuid4()]) == "journal_entry_period_is_open"


def close_beside_a_writer() -> tuple[bool, int]:
    """Closes while an entry is not committed: whether the close overtook the writer, and entries dated into it then."""
    posted, closed = threading.Event(), threading.Event()
    overtook: list[bool] = []

    def slow_writer() -> None:
        with transaction.atomic():
            book.post([an_entry(uuid4(), WIN)])
            posted.set()
            overtook.append(closed.wait(timeout=0.7))
        connections.close_all()

    writer = threading.Thread(target=slow_writer)
    writer.start()
    assert posted.wait(timeout=10)
    ends_at = database_now()
    before = "SELECT count(*) FROM ledger_journalentry WHERE posted_at < %s"
    book.close_period(ends_at=ends_at)
    ((told,),) = run(before, [ends_at])
    closed.set()
    writer.join()
    ((final,),) = run(before, [ends_at])
    return overtook == [True], final - told


def test_closing_waits_for_an_entry_that_is_dated_into_the_period_and_not_committed_yet() -> None:
    assert close_beside_a_writer() == (False, 0)


def test_control_without_the_lock_an_entry_slips_into_a_period_that_is_closed() -> None:
    ((definition,),) = run("SELECT pg_get_functiondef('period_close_guard'::regproc)")
    assert "LOCK TABLE ledger_journalentry IN SHARE ROW EXCLUSIVE MODE;" in str(definition)
    run(str(definition).replace("LOCK TABLE ledger_journalentry IN SHARE ROW EXCLUSIVE MODE;", ""))
    assert close_beside_a_writer() == (True, 1)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_periodclose SET ends_at = '2020-01-01Z'",
        "DELETE FROM ledger_periodclose",
        "TRUNCATE ledger_periodclose",
    ],
)
def test_a_closed_period_stays_closed(statement: str) -> None:
    book.close_period(ends_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert refusal(statement, who=OWNER) == "period_close_is_final"
    assert refusal(statement, who=APP) == "privilege"
