"""Several at one run: key ranges that share no player, messages that may come twice, late or never, processes."""

import time
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from functools import partial
from itertools import pairwise
from uuid import UUID, uuid4

import pytest
from celery import Task
from kombu.exceptions import OperationalError
from pytest_django import Settings

from conversion import tasks
from conversion.runs import EVERYBODY, KeyRange, RunFacts, begin, key_ranges
from conversion.services import convert_due_hours, convert_hour, convert_range
from conversion.workers import helping
from rewards.services import register_player
from tests.conversion.helpers import HOUR, OVER, RateApi, lines, wallet, win
from tests.factories import a_player, players
from tests.sql import in_parallel, run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def small_ranges(settings: Settings) -> None:
    settings.CONVERSION_PLAYERS_PER_RANGE = 2
    settings.CONVERSION_PLAYERS_PER_CHUNK = 1


def seven_winners() -> list[UUID]:
    everybody = players(7)
    for player in everybody:
        win(player)
    return everybody


def test_ranges_hold_every_player_once_and_meet_without_a_gap() -> None:
    """Catches a player between two ranges, or in both."""
    everybody = seven_winners()
    ranges = key_ranges([HOUR])
    assert len(ranges) == 4
    assert (ranges[0][0], ranges[-1][1]) == EVERYBODY
    assert all(after[0].int == before[1].int + 1 for before, after in pairwise(ranges))
    inside = [[player for player in everybody if first <= player <= last] for first, last in ranges]
    assert [len(each) for each in inside] == [2, 2, 2, 1]


def test_neighbouring_keys_are_cut_and_the_greatest_key_is_converted() -> None:
    """Catches "first <= key < last" at the end of the key space, and ids that are not spread evenly (UUIDv7)."""
    start = uuid4().int & ~15
    for key in (*range(start, start + 5), 2**128 - 1):
        win(register_player(player_id=UUID(int=key), timezone="UTC").player.id)
    assert len(key_ranges([HOUR])) == 3
    assert convert_hour(hour=HOUR, now=OVER).conversions == 6


def test_an_hour_without_wins_is_one_range_and_needs_no_help() -> None:
    def nobody(run: RunFacts, ranges: Sequence[KeyRange]) -> None:
        raise AssertionError("nothing to help with")

    assert key_ranges([HOUR]) == [EVERYBODY]
    assert convert_hour(hour=HOUR, now=OVER, helpers=nobody).state == "done"


def test_ranges_at_once_convert_everybody_once_and_the_leader_settles() -> None:
    everybody = seven_winners()

    def all_at_once(its: RunFacts, ranges: Sequence[KeyRange]) -> None:
        results = in_parallel([partial(convert_range, run_id=its.id, first=first, last=last) for first, last in ranges])
        assert results == [""] * 4
        assert len(lines()) == 7  # before the leader has done anything

    settled = convert_hour(hour=HOUR, now=OVER, helpers=all_at_once)
    assert (settled.state, settled.conversions) == ("done", 7)
    assert all(wallet(player) == (Decimal(0), Decimal("0.15")) for player in everybody)


def test_helpers_that_work_against_the_leader_at_the_same_time_make_one_result() -> None:
    everybody = seven_winners()
    started = begin(HOUR)
    first, last = EVERYBODY
    results = in_parallel(
        [lambda: convert_hour(hour=HOUR, now=OVER)]
        + [lambda: convert_range(run_id=started.id, first=first, last=last)] * 3
    )
    assert not [result for result in results if isinstance(result, Exception)]
    assert convert_hour(hour=HOUR, now=OVER).conversions == len(lines()) == 7
    assert all(wallet(player) == (Decimal(0), Decimal("0.15")) for player in everybody)


def test_a_range_twice_late_or_of_no_run_changes_nothing(rate_api: RateApi) -> None:
    """Catches a message that comes when the run is done, and one whose run was never there."""
    seven_winners()
    started = begin(HOUR)
    first, last = EVERYBODY
    assert convert_range(run_id=started.id, first=first, last=last) == ""
    assert lines() == []  # the hour has no rate yet, and a helper asks nobody
    assert rate_api.asked == []
    rate_api.says(HOUR, "0.15")
    done = convert_hour(hour=HOUR, now=OVER)
    win(a_player(), late=OVER - HOUR)
    for _ in range(2):
        tasks.convert_range_task(str(done.id), str(first), str(last))
    tasks.convert_range_task(str(uuid4()), str(first), str(last))
    assert len(lines()) == 7


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The messages that the tick sends; none of them arrives."""
    sent: list[tuple[str, ...]] = []

    def send(task: Task, args: tuple[str, ...], **options: object) -> None:  # type: ignore[type-arg]
        assert options["expires"]
        sent.append(args)

    monkeypatch.setattr(Task, "apply_async", send)
    return sent


def an_hour_that_is_over() -> list[UUID]:
    [(now,)] = run("SELECT date_trunc('hour', clock_timestamp(), 'UTC')")
    everybody = players(7)
    for player in everybody:
        win(player, at=now - timedelta(hours=1), late=timedelta(minutes=30))
    return everybody


def test_the_tick_calls_for_help_and_is_complete_though_no_message_arrives(rung: list[tuple[str, ...]]) -> None:
    everybody = an_hour_that_is_over()
    tasks.convert_due_hours_task()
    assert len(rung) == 3  # the tick begins with the last of four ranges
    assert all(wallet(player) == (Decimal(0), Decimal("0.15")) for player in everybody)
    for args in rung:  # and late all the same
        tasks.convert_range_task(*args)
    assert len(lines()) == 7


def test_without_a_broker_the_tick_converts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches money that waits because a queue is down."""
    an_hour_that_is_over()

    def broken(*args: object, **options: object) -> None:
        raise OperationalError("no broker")

    monkeypatch.setattr(Task, "apply_async", broken)
    tasks.convert_due_hours_task()
    assert len(lines()) == 7


def test_a_helper_that_fails_leaves_its_players_to_the_leader() -> None:
    seven_winners()

    def half(its: RunFacts, ranges: Sequence[KeyRange]) -> None:
        convert_range(run_id=its.id, first=ranges[0][0], last=ranges[0][1])

    assert convert_hour(hour=HOUR, now=OVER, helpers=half).conversions == 7


def test_processes_share_a_run(settings: Settings) -> None:
    """Catches workers that cannot start, or that work in another database."""
    seven_winners()
    passed: list[int] = []
    with helping(2, passed.append) as helpers:
        began = time.monotonic()
        done = convert_hour(hour=HOUR, now=OVER, helpers=helpers, progress=passed.append)
        assert time.monotonic() - began < 60
    assert (done.state, done.conversions) == ("done", 7)
    assert sum(passed) == 7  # all of them by the workers: the leader found nobody left


def test_help_makes_no_difference_to_hours_that_wait(rate_api: RateApi, rung: list[tuple[str, ...]]) -> None:
    seven_winners()
    [waiting] = convert_due_hours(now=OVER, helpers=tasks.ring_for_help).runs
    assert (waiting.state, rung) == ("awaiting_rate", [])
