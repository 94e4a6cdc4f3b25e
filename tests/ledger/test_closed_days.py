"""Closed days: counted once nobody can add to them, right while writers cross midnight, and final."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import connections, transaction

from ledger import book, days
from tests.factories import an_entry, post
from tests.sql import APP, OWNER, in_parallel, refusal, run

pytestmark = pytest.mark.django_db
WIN = ("dream:issued", "player:dream")
TODAY = date(2026, 11, 10)


@pytest.fixture
def midnight() -> Callable[[float], None]:
    """Moves the midnight of UTC in front of us: entries are dated by a clock of the test, and so is the closing.

    The guards against forged dates are off, because here the date is forged; everything else is as it is.
    """
    run("ALTER TABLE ledger_journalentry DISABLE TRIGGER journal_entry_guard")
    run("ALTER TABLE ledger_posting DISABLE TRIGGER posting_guard")
    run("CREATE TABLE test_clock (shift interval NOT NULL)")
    run("INSERT INTO test_clock VALUES ('0')")
    run(
        "CREATE FUNCTION test_now() RETURNS timestamptz LANGUAGE sql VOLATILE AS"
        " 'SELECT pg_catalog.clock_timestamp() + (SELECT shift FROM test_clock)'"
    )
    run("ALTER TABLE ledger_journalentry ALTER COLUMN posted_at SET DEFAULT test_now()")
    ((definition,),) = run("SELECT pg_get_functiondef('fence_days'::regproc)")
    run(str(definition).replace("statement_timestamp()", "(statement_timestamp() + (SELECT shift FROM test_clock))"))

    def in_seconds(seconds: float) -> None:
        run(
            "UPDATE test_clock SET shift = (%s::timestamptz - make_interval(secs => %s)) - clock_timestamp()",
            [datetime(2026, 11, 11, tzinfo=UTC), seconds],
        )

    return in_seconds


def close_days(patience_seconds: float = 5.0) -> tuple[date, ...]:
    """Closes what can be closed. Other tests on the same server hold days back too, for as long as they write."""
    closed = days.close_days()
    deadline = time.monotonic() + patience_seconds
    while run("SELECT 1 FROM ledger_closedday WHERE closed_at IS NULL") and time.monotonic() < deadline:
        time.sleep(0.02)
        closed += days.close_days()
    return closed


def totals(day: date) -> dict[str, tuple[Decimal, Decimal]]:
    rows = run("SELECT account_id, debits, credits FROM ledger_daytotal WHERE day = %s", [day])
    return {str(code): (debits, credits) for code, debits, credits in rows}


def exactly(debits: int, credits: int) -> tuple[Decimal, Decimal]:
    return Decimal(debits), Decimal(credits)


def win(amount: str = "1") -> None:
    post(an_entry(uuid4(), (*WIN, amount)))


@pytest.mark.breaks_books
def test_a_day_is_closed_when_it_is_over_and_not_before(midnight: Callable[[float], None]) -> None:
    midnight(60)
    win("2")
    assert close_days() == ()
    midnight(-1)
    assert close_days() == ()  # a margin for a clock that is set back
    midnight(-3)
    assert close_days() == (TODAY,)
    assert totals(TODAY) == {"dream:issued": exactly(2, 0), "player:dream": exactly(0, 2)}
    assert close_days() == ()


@pytest.mark.breaks_books
def test_days_without_entries_are_closed_too_and_in_order(midnight: Callable[[float], None]) -> None:
    midnight(3 * 86_400)
    win()
    midnight(-3)
    assert close_days() == tuple(TODAY - timedelta(days=back) for back in (2, 1, 0))
    assert totals(TODAY) == {}


@pytest.mark.breaks_books
def test_a_day_waits_for_a_transaction_that_could_still_add_to_it(midnight: Callable[[float], None]) -> None:
    midnight(60)
    win("2")
    posted, may_commit = threading.Event(), threading.Event()

    def late_writer() -> None:
        with transaction.atomic():
            book.post([an_entry(uuid4(), (*WIN, "3"))])
            posted.set()
            may_commit.wait(timeout=20)
        connections.close_all()

    writer = threading.Thread(target=late_writer)
    writer.start()
    assert posted.wait(timeout=10)
    midnight(-3)
    assert close_days(patience_seconds=1) == ()
    may_commit.set()
    writer.join()
    assert close_days() == (TODAY,)
    assert totals(TODAY)["player:dream"] == exactly(0, 5)


@pytest.mark.breaks_books
def test_a_day_waits_for_a_transaction_that_is_newer_than_every_one_that_ended(
    midnight: Callable[[float], None],
) -> None:
    """Catches a fence at the end of a snapshot: that lies behind the newest transaction that has ended."""
    midnight(1.5)
    win("2")
    posted, may_commit = threading.Event(), threading.Event()
    ids: list[int] = []

    def late_writer() -> None:
        with transaction.atomic():
            book.post([an_entry(uuid4(), (*WIN, "3"))])
            ids.append(int(run("SELECT pg_current_xact_id()::text")[0][0]))
            posted.set()
            may_commit.wait(timeout=20)
        connections.close_all()

    writer = threading.Thread(target=late_writer)
    writer.start()
    assert posted.wait(timeout=10)
    time.sleep(3.7)  # the day is over for certain, and nothing of ours has written since
    assert days.close_days() == ()
    ((fence,),) = run("SELECT fence::text FROM ledger_closedday")
    may_commit.set()
    writer.join()
    assert ids[0] < int(fence)
    assert close_days() == (TODAY,)
    assert totals(TODAY)["player:dream"] == exactly(0, 5)


@pytest.mark.breaks_books
def test_twenty_writers_crossing_midnight_are_counted_on_the_right_side(midnight: Callable[[float], None]) -> None:
    midnight(1.5)
    ends = time.monotonic() + 6

    def writer() -> None:
        while time.monotonic() < ends:
            with transaction.atomic():
                book.post([an_entry(uuid4(), (*WIN, "1"))])
                time.sleep(0.02)

    def closer() -> tuple[date, ...]:
        closed: tuple[date, ...] = ()
        while time.monotonic() < ends:
            closed += days.close_days()
            time.sleep(0.05)
        return closed

    outcomes = in_parallel([closer, *([writer] * 20)])
    assert isinstance(outcomes[0], tuple)
    assert outcomes[0] + close_days() == (TODAY,)
    counted = run(
        "SELECT (posted_at AT TIME ZONE 'UTC')::date = %s, count(*) FROM ledger_journalentry GROUP BY 1", [TODAY]
    )
    entries = dict(counted)
    assert min(entries.values()) > 0
    assert totals(TODAY)["player:dream"] == exactly(0, entries[True])
    assert run("SELECT entries FROM ledger_closedday") == [(entries[True],)]
    wrong = [finding for finding in book.verify().findings if finding.wrong_rows]
    assert [finding.check.name for finding in wrong] == []


NAIVE = """
CREATE OR REPLACE FUNCTION close_next_day() RETURNS date LANGUAGE sql AS $$
    WITH ended AS (
        SELECT day FROM ledger_closedday WHERE closed_at IS NULL ORDER BY day LIMIT 1
    ), counted AS (
        INSERT INTO ledger_daytotal (day, account_id, debits, credits)
        SELECT ended.day, 'player:dream', 0.1, sum(posting.amount)
        FROM ended
        JOIN ledger_journalentry entry ON (entry.posted_at AT TIME ZONE 'UTC')::date = ended.day
        JOIN ledger_posting posting ON posting.entry_id = entry.id
        GROUP BY 1
    )
    UPDATE ledger_closedday SET closed_at = clock_timestamp(), entries = 0 FROM ended
    WHERE ledger_closedday.day = ended.day RETURNING ended.day
$$
"""


@pytest.mark.breaks_books
def test_control_a_day_that_is_counted_at_midnight_misses_those_who_commit_later(
    midnight: Callable[[float], None],
) -> None:
    """The same writers, counted by whoever trusts the clock alone: what the fence is for."""
    run(NAIVE)
    midnight(0.5)
    ends = time.monotonic() + 3.8  # other tests wait five seconds for the horizon

    def writer() -> None:
        while time.monotonic() < ends:
            with transaction.atomic():
                book.post([an_entry(uuid4(), (*WIN, "1"))])
                time.sleep(0.3)

    def closer() -> None:
        while not days.close_days() and time.monotonic() < ends:
            time.sleep(0.02)

    def held_past_midnight() -> None:
        with transaction.atomic():
            book.post([an_entry(uuid4(), (*WIN, "1"))])
            time.sleep(max(0.0, ends - time.monotonic()))

    outcomes = in_parallel([closer, held_past_midnight, *([writer] * 20)])
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    ((entries,),) = run(
        "SELECT count(*) FROM ledger_journalentry WHERE (posted_at AT TIME ZONE 'UTC')::date = %s", [TODAY]
    )
    counted = totals(TODAY)["player:dream"][1]
    assert 0 < counted < entries


@pytest.mark.breaks_books
def test_the_trial_balance_is_the_same_from_totals_and_from_postings(midnight: Callable[[float], None]) -> None:
    marks = []
    for back in (3 * 86_400, 2 * 86_400 + 5, 86_400, 60):
        midnight(back)
        win(str(back))
        marks.append(run("SELECT test_now()")[0][0])
    before = [book.trial_balance(until=mark).lines for mark in marks]
    now_before = book.trial_balance().lines
    house_before = book.statement(account="dream:issued", holder=None, since=marks[1])
    midnight(-3)
    assert len(close_days()) == 3
    assert [book.trial_balance(until=mark).lines for mark in marks] == before
    assert book.trial_balance().lines == now_before
    assert book.statement(account="dream:issued", holder=None, since=marks[1]) == house_before


@pytest.mark.breaks_books
def test_closing_from_many_processes_at_once_counts_each_day_once(midnight: Callable[[float], None]) -> None:
    midnight(2 * 86_400)
    win()
    midnight(-3)
    outcomes = in_parallel([days.close_days] * 8)
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    closed = close_days() + sum((outcome for outcome in outcomes if isinstance(outcome, tuple)), ())
    assert sorted(closed) == [TODAY - timedelta(days=back) for back in (1, 0)]


@pytest.mark.breaks_books
@pytest.mark.parametrize(
    ("statement", "guard"),
    [
        ("UPDATE ledger_daytotal SET debits = 0", "day_total_is_final"),
        ("DELETE FROM ledger_daytotal", "day_total_is_final"),
        ("TRUNCATE ledger_daytotal", "day_total_is_final"),
        ("UPDATE ledger_closedday SET entries = entries + 5", "closed_day_is_final"),
        ("UPDATE ledger_closedday SET closed_at = NULL, entries = NULL", "closed_day_is_final"),
        ("DELETE FROM ledger_closedday", "closed_day_is_final"),
        ("TRUNCATE ledger_closedday CASCADE", "closed_day_is_final"),
    ],
)
def test_what_was_counted_stays(midnight: Callable[[float], None], statement: str, guard: str) -> None:
    midnight(60)
    win()
    midnight(-3)
    close_days()
    assert refusal(statement, who=OWNER) == guard
    assert refusal(statement, who=APP) == "privilege"
