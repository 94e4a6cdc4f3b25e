"""Two at once, with real threads and real commits; beside each the control that goes wrong without the lock."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from django.db import IntegrityError, connection, transaction
from pytest_django import Settings
from werkzeug import Response

from conversion import chunks, runs
from conversion.rates import ensure_terms
from conversion.services import RunFacts, convert_due_hours, convert_hour
from tests.conversion.helpers import HOUR, OVER, RateApi, after_claiming, lines, quoted, wallet, win
from tests.factories import a_player, players
from tests.sql import in_parallel, run

pytestmark = pytest.mark.django_db
T = TypeVar("T")


def on_own_connection(task: Callable[[], T]) -> T:
    try:
        return task()
    finally:
        connection.close()


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never came to that")


def convert() -> RunFacts:
    return convert_hour(hour=HOUR, now=OVER)


def meet_after_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    """Holds everybody who has claimed wins until the other one has too, or for a second where he cannot."""
    meeting = threading.Barrier(2)

    def meet(_: int) -> None:
        with suppress(threading.BrokenBarrierError):
            meeting.wait(timeout=1)

    after_claiming(monkeypatch, meet)


def test_two_conversions_of_one_hour_and_a_third_make_one_result(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SERVICE_ATTEMPTS = 1  # the lock alone must do, without a second try
    everybody = players(6)
    for player in everybody:
        win(player)
    meet_after_claim(monkeypatch)
    first, second = in_parallel([convert, convert])
    assert isinstance(first, RunFacts)
    assert first == second
    assert first.state == "done"
    assert convert().conversions == len(lines()) == 6
    assert all(wallet(player) == (Decimal(0), Decimal("0.15")) for player in everybody)


def troubles_of_two(settings: Settings, monkeypatch: pytest.MonkeyPatch, claim: str) -> list[str]:
    """Converts one win twice at once with another CLAIM; what trouble each of the two had."""
    settings.SERVICE_ATTEMPTS = 1
    win(a_player())
    assert claim != chunks.CLAIM
    monkeypatch.setattr(chunks, "CLAIM", claim)
    meet_after_claim(monkeypatch)
    settle, troubles = runs.settle, []

    def listen(run: RunFacts, **outcome: Any) -> RunFacts:
        troubles.append(outcome["trouble"])
        return settle(run, **outcome)

    monkeypatch.setattr(runs, "settle", listen)
    in_parallel([convert, convert])
    return sorted(troubles)


@pytest.fixture(params=["busy", "books-refuse"])
def refusal(request: pytest.FixtureRequest) -> str:
    """What stands behind the lock: one line for a lot, and where that key is gone, the balances' own guard."""
    if request.param == "books-refuse":
        run("ALTER TABLE conversion_conversion DROP CONSTRAINT conversion_line_once")
    return str(request.param)


def test_control_without_the_lock_two_conversions_of_one_hour_collide(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, refusal: str
) -> None:
    """One of the two is refused."""
    unlocked = chunks.CLAIM.replace("FOR NO KEY UPDATE OF win", "")
    assert troubles_of_two(settings, monkeypatch, unlocked) == ["", refusal]


def test_control_without_looking_again_a_converted_win_is_claimed_once_more(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, refusal: str
) -> None:
    """The lock alone is not enough: what it waited for must still be pending."""
    unchecked = chunks.CLAIM.replace("AND win.converted_by_id IS NULL AND win.voided_by_id IS NULL", "")
    assert troubles_of_two(settings, monkeypatch, unchecked) == ["", refusal]


def test_many_conversions_of_several_hours_at_once_make_one_result(settings: Settings) -> None:
    settings.CONVERSION_PLAYERS_PER_CHUNK = 2
    everybody = players(7)
    for player in everybody:
        for n in range(4):
            win(player, at=HOUR + timedelta(hours=n))
    now = HOUR + timedelta(hours=4)
    in_parallel([lambda: convert_due_hours(now=now)] * 4)
    assert convert_due_hours(now=now).runs == ()
    assert len(lines()) == 28
    assert all(wallet(player) == (Decimal(0), Decimal("0.6")) for player in everybody)


def test_a_win_that_commits_while_its_hour_is_converted_is_converted_by_the_next_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Catches a run that takes a window of time: the window is over, and the win was not in it."""
    ada, bob = players(2)
    win(ada)
    late = timedelta(hours=1)
    with monkeypatch.context() as patch:
        after_claiming(patch, lambda _: in_parallel([lambda: win(ada, "2", late=late), lambda: win(bob, late=late)]))
        first = convert()
    assert (first.state, first.tokens) == ("done", Decimal(1))
    assert wallet(ada) == (Decimal(2), Decimal("0.15"))
    second = convert_hour(hour=OVER, now=OVER + timedelta(hours=1))
    assert (second.state, second.tokens) == ("done", Decimal(3))
    assert [line[1] for line in lines()] == [HOUR] * 3


def somebody_waits_for_me() -> bool:
    return bool(run("SELECT pid FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"))


def test_a_line_that_another_process_wrote_first_is_looked_at_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Catches a crash on UNIQUE(run, player, hour, day): each of two processes sees another win of one lot as free."""
    ada = a_player()
    win(ada)
    others: list[Future[object]] = []

    def let_another_in(claims: int) -> None:
        if claims == 1:
            pool.submit(on_own_connection, lambda: win(ada, "2", late=timedelta(hours=1))).result()
            others.append(pool.submit(on_own_connection, convert))  # sees both wins, and waits for the first one
            wait_until(somebody_waits_for_me)

    claimed = after_claiming(monkeypatch, let_another_in)
    with ThreadPoolExecutor(1) as pool:
        convert()
        others[0].result()
    tokens = [[lot.tokens for lot in each] for each in claimed]
    # The first took its win; the other took the second win, lost to the line that stood there by then, and looked
    # again: at nothing, or at a run that was done.
    assert tokens in ([[Decimal(1)], [Decimal(2)]], [[Decimal(1)], [Decimal(2)], []])
    assert "the books refuse" not in caplog.text
    assert wallet(ada) == (Decimal(2), Decimal("0.15"))


def test_no_line_joins_a_run_that_was_finished_meanwhile() -> None:
    """Catches totals that miss a line: the slow one of two processes comes back after the run is done."""
    ada, bob = players(2)
    slow = runs.begin(HOUR)
    win(ada)
    convert()
    win(bob, late=timedelta(hours=1))
    terms, _ = ensure_terms([HOUR], now=OVER)
    chunks.convert_chunk(slow, terms, [ada, bob])
    assert len(lines()) == 1
    assert wallet(bob)[0] == Decimal(1)


def finished_behind_a_claim(monkeypatch: pytest.MonkeyPatch) -> tuple[object, object]:
    """What becomes of a chunk and of its run where another process finishes the run right after the chunk's claim."""
    ada, unfinished = a_player(), runs.begin(HOUR)
    win(ada)
    terms, _ = ensure_terms([HOUR], now=OVER)
    claimed = threading.Event()

    def dawdle(_: int) -> None:
        claimed.set()
        time.sleep(0.5)

    def finish() -> RunFacts:
        assert claimed.wait(timeout=20)
        return runs.settle(unfinished, missing=[], trouble="")

    after_claiming(monkeypatch, dawdle)
    chunk, finished = in_parallel([lambda: chunks.convert_chunk(unfinished, terms, [ada]), finish])
    return chunk, finished


def test_who_finishes_a_run_waits_for_the_chunk_at_work_and_counts_its_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    chunk, finished = finished_behind_a_claim(monkeypatch)
    assert chunk is None
    assert isinstance(finished, RunFacts)
    assert (finished.state, finished.conversions) == ("done", len(lines())) == ("done", 1)


def test_control_without_holding_the_run_the_chunk_at_work_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    free = chunks.CLAIM.replace("FOR SHARE", "")
    assert free != chunks.CLAIM
    monkeypatch.setattr(chunks, "CLAIM", free)
    chunk, finished = finished_behind_a_claim(monkeypatch)
    assert isinstance(chunk, IntegrityError)
    assert "joins a run that is finished" in str(chunk)
    assert isinstance(finished, RunFacts)
    assert (finished.state, finished.conversions, lines()) == ("done", 0, [])


def test_two_processes_that_ask_for_one_rate_use_the_same(rate_api: RateApi) -> None:
    """Catches two prices for one hour."""
    everybody = players(4)
    for player in everybody:
        win(player)
    prices, both = iter(["0.15", "0.16"]), threading.Barrier(2)

    def answer(at: str) -> Response:
        both.wait(timeout=5)
        return Response(quoted(next(prices), at))

    rate_api.says(HOUR, answer)
    first, second = in_parallel([convert, convert])
    assert isinstance(first, RunFacts)
    assert first == second
    assert len(rate_api.asked) == 2
    [(price,)] = run("SELECT price FROM conversion_rate WHERE state = 'accepted'")
    assert {wallet(player)[1] for player in everybody} == {price}


def test_a_player_whose_rows_are_held_is_left_for_later(settings: Settings) -> None:
    """Catches a wait without a limit, and a run that calls itself done though somebody was left out."""
    ada, bob = players(2)
    settings.CONVERSION_PLAYERS_PER_CHUNK = 1
    win(ada), win(bob)
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            run("SELECT entry_id FROM rewards_win WHERE player_id = %s FOR UPDATE", [ada])
            held.set()
            release.wait(timeout=20)

    def try_to_convert() -> RunFacts:
        held.wait(timeout=10)
        run("SELECT set_config('lock_timeout', '200ms', false)")
        try:
            return convert()
        finally:
            release.set()

    _, left = in_parallel([hold, try_to_convert])
    assert isinstance(left, RunFacts)
    assert (left.state, left.reason, left.conversions) == ("running", "busy", 1)
    assert convert().conversions == 2
