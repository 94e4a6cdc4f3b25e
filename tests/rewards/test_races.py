"""Games against each other for the same player: threads, real commits, and controls that go wrong without the lock."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from pytest_django import Settings

from ledger import book
from rewards import plain, recording
from rewards.services import Claim, Recorded, Refused, record_wins, register_player
from tests.factories import NOON, a_claim, a_game, a_player, players
from tests.sql import in_parallel, run

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("road")]


def recorder(game_id: UUID, *claims: Claim, now: datetime = NOON) -> Callable[[], tuple[Recorded | Refused, ...]]:
    return lambda: record_wins(game_id=game_id, claims=claims, now=now)


def count(outcomes: list[Any]) -> Counter[str]:
    """How often each thing happened to the single claim of each thread."""
    return Counter(
        type(outcome).__name__
        if isinstance(outcome, Exception)
        else outcome[0].error.code
        if isinstance(outcome[0], Refused)
        else "replayed"
        if outcome[0].replayed
        else "recorded"
        for outcome in outcomes
    )


def wallet(player: UUID) -> Decimal:
    return book.balances([player])[player]["player:dream"]


def test_fifty_threads_racing_for_the_last_token_leave_exactly_five() -> None:
    game, player = a_game(), a_player()
    record_wins(game_id=game.id, claims=[a_claim(player, "4")], now=NOON)
    outcomes = in_parallel([recorder(game.id, a_claim(player, "1")) for _ in range(50)])
    assert count(outcomes) == {"recorded": 1, "daily-cap-exceeded": 49}
    assert run("SELECT won::numeric(38,18)::text FROM rewards_allowance") == [("5.000000000000000000",)]
    assert wallet(player) == 5


def fifty_in_one_try(settings: Settings) -> Counter[str]:
    settings.SERVICE_ATTEMPTS = 1
    game, player = a_game(), a_player()
    record_wins(game_id=game.id, claims=[a_claim(player, "4")], now=NOON)
    return count(in_parallel([recorder(game.id, a_claim(player, "1")) for _ in range(50)]))


def test_whoever_waits_for_the_day_needs_no_second_try(settings: Settings) -> None:
    assert fifty_in_one_try(settings) == {"recorded": 1, "daily-cap-exceeded": 49}


def test_control_without_the_lock_one_try_is_not_enough(without_lock: None, settings: Settings) -> None:
    outcomes = fifty_in_one_try(settings)
    assert outcomes["recorded"] == 1
    assert outcomes["Unavailable"] > 0


def test_fifty_first_wins_of_a_day_at_once_leave_exactly_five() -> None:
    game, player = a_game(), a_player()
    outcomes = in_parallel([recorder(game.id, a_claim(player, "0.5")) for _ in range(50)])
    assert count(outcomes) == {"recorded": 10, "daily-cap-exceeded": 40}
    assert wallet(player) == 5


@pytest.fixture
def without_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Days are read without a lock, and everybody has read before anybody writes, on both roads."""
    monkeypatch.setattr(recording, "LOOK", recording.LOOK.replace("FOR NO KEY UPDATE OF day", ""))
    all_read_before_any_writes(monkeypatch, "_look")
    slow = plain.PLAIN.replace("FOR NO KEY UPDATE OF day", "AND pg_sleep(0.5) IS NOT NULL")
    assert slow != plain.PLAIN
    monkeypatch.setattr(plain, "PLAIN", slow)


def all_read_before_any_writes(monkeypatch: pytest.MonkeyPatch, reader: str) -> None:
    """Holds every thread up after `reader`, so that a race is lost every time and not only on a busy machine."""
    original = getattr(recording, reader)

    def slow(*arguments: Any, **named: Any) -> Any:
        result = original(*arguments, **named)
        time.sleep(0.5)
        return result

    monkeypatch.setattr(recording, reader, slow)


@pytest.mark.breaks_books
def test_control_without_lock_and_check_fifty_threads_win_more_than_five(without_lock: None) -> None:
    run("ALTER TABLE rewards_allowance DROP CONSTRAINT allowance_cap")
    game, player = a_game(), a_player()
    record_wins(game_id=game.id, claims=[a_claim(player, "4")], now=NOON)
    in_parallel([recorder(game.id, a_claim(player, "1")) for _ in range(50)])
    assert wallet(player) > 5


def test_without_the_lock_the_check_of_the_database_still_holds_the_cap(without_lock: None) -> None:
    game, player = a_game(), a_player()
    record_wins(game_id=game.id, claims=[a_claim(player, "4")], now=NOON)
    in_parallel([recorder(game.id, a_claim(player, "1")) for _ in range(50)])
    assert wallet(player) == 5


def test_the_same_reference_fifty_times_in_parallel_is_one_win() -> None:
    game, player = a_game(), a_player()
    claim = a_claim(player, "1", reference="once")
    outcomes = in_parallel([recorder(game.id, claim) for _ in range(50)])
    assert count(outcomes) == {"recorded": 1, "replayed": 49}
    assert len({outcome[0].win.id for outcome in outcomes if isinstance(outcome, tuple)}) == 1  # type: ignore[union-attr]
    assert wallet(player) == 1


@pytest.mark.breaks_books
def test_control_without_the_unique_key_the_same_reference_wins_more_than_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever waits for the day's lock has read before that the reference is new."""
    first = threading.Event()
    original = recording._look

    def slow(*arguments: Any, **named: Any) -> Any:
        result = original(*arguments, **named)
        if not first.is_set():  # who holds the lock lets the others come up to it
            first.set()
            time.sleep(0.5)
        return result

    run("ALTER TABLE rewards_win DROP CONSTRAINT win_reference_once")
    game, player = a_game(), a_player()
    record_wins(game_id=game.id, claims=[a_claim(player, "0.01")], now=NOON)
    monkeypatch.setattr(recording, "_look", slow)
    claim = a_claim(player, "0.01", reference="once")
    in_parallel([recorder(game.id, claim) for _ in range(50)])
    assert wallet(player) > Decimal("0.02")


def test_the_same_reference_with_different_days_in_parallel_is_one_win() -> None:
    """The two claims share no day, and so no lock: only the unique key stands between them."""
    game, player = a_game(), a_player()
    days = [datetime(2026, 11, day, 12, tzinfo=UTC) for day in (8, 9, 10)]
    claims = [a_claim(player, "1", reference="once", won_at=won_at) for won_at in days] * 10
    outcomes = in_parallel([recorder(game.id, claim) for claim in claims])
    assert count(outcomes) == {"recorded": 1, "replayed": 9, "reference-reused": 20}
    assert wallet(player) == 1


def test_bulk_calls_over_the_same_players_in_opposite_order_do_not_deadlock() -> None:
    game, everybody = a_game(), players(100)
    orders = [everybody, everybody[::-1]] * 4
    outcomes = in_parallel([recorder(game.id, *(a_claim(player, "0.1") for player in order)) for order in orders])
    assert all(not isinstance(outcome, Exception) for outcome in outcomes)
    assert {wallet(player) for player in everybody} == {Decimal("0.8")}


def test_zone_changes_in_the_middle_of_wins_open_no_second_day() -> None:
    game, player = a_game(), a_player("Pacific/Midway")
    now = datetime(2026, 11, 20, 10, 30, tzinfo=UTC)
    zones = ["Pacific/Kiritimati", "Europe/Berlin", "Pacific/Midway", "Asia/Tokyo"]
    work: list[Callable[[], Any]] = [recorder(game.id, a_claim(player, "1", won_at=now), now=now) for _ in range(20)]
    work += [partial(register_player, player_id=player, timezone=name) for name in zones * 3]
    outcomes = in_parallel(work)
    assert count(outcomes[:20]) == {"recorded": 5, "daily-cap-exceeded": 15}
    assert run("SELECT count(*) FROM rewards_allowance") == [(1,)]
