"""Voids against conversions, recordings and each other: threads, real commits, and controls without the lock."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from pytest_django import Settings

from conversion import chunks, voiding
from conversion.lots import recovering
from conversion.services import RunFacts, convert_due_hours, convert_hour
from conversion.voiding import Author, Voided, void_win, void_wins
from dreamland.lib.errors import DomainError
from ledger import book
from rewards.services import record_wins
from tests.conversion import helpers
from tests.conversion.helpers import HOUR, OVER, after_claiming, win
from tests.factories import NOON, a_claim, a_game, a_player, an_entry, players, post
from tests.sql import in_parallel, run

pytestmark = pytest.mark.django_db


def wallet(player: UUID) -> Any:
    """What the player holds, DREAM and USD, to be compared with plain numbers."""
    return helpers.wallet(player)


def account(code: str) -> Any:
    return helpers.account(code)


def voider(win_id: UUID, reason: str = "r") -> Callable[[], Voided]:
    return lambda: void_win(win_id=win_id, reason=reason, author=Author())


def owed(player: UUID) -> Any:
    return book.balances([player])[player]["player:usd-owed"]


def spend(player: UUID, usd: str) -> None:
    post(an_entry(player, ("player:usd", "usd:cash", usd), kind="payout"))


def errors(outcomes: list[Any]) -> list[Exception]:
    return [outcome for outcome in outcomes if isinstance(outcome, Exception)]


@pytest.fixture(autouse=True)
def one_attempt(settings: Settings) -> None:
    """The locks alone must do, without a second try."""
    settings.SERVICE_ATTEMPTS = 1


def test_the_same_void_thirty_times_at_once_is_one_void() -> None:
    player = a_player()
    won, _ = win(player, "1"), win(player, "2")
    convert_hour(hour=HOUR, now=OVER)
    outcomes = in_parallel([voider(won)] * 30)
    assert not errors(outcomes)
    assert Counter(each.replayed for each in outcomes if isinstance(each, Voided)) == {False: 1, True: 29}
    assert wallet(player) == (0, Decimal("0.3"))


def test_two_reasons_at_once_are_one_void_and_one_refusal() -> None:
    won = win(a_player())
    outcomes = in_parallel([voider(won, "cheating"), voider(won, "mistake")])
    assert [error.code for error in errors(outcomes) if isinstance(error, DomainError)] == ["already-voided"]
    assert len(errors(outcomes)) == 1


def test_wins_of_one_line_voided_all_at_once_give_back_exactly_its_dollars(settings: Settings) -> None:
    settings.RATE_FIXED_PRICE = "0.123456785"
    player = a_player()
    wins = [win(player, "0.11111111") for _ in range(20)]
    convert_hour(hour=HOUR, now=OVER)
    assert not errors(in_parallel([voider(won) for won in wins]))
    assert (wallet(player), owed(player), account("usd:rewards-expense")) == ((0, 0), 0, 0)


def everybody_has_read(monkeypatch: pytest.MonkeyPatch, module: Any, reader: str, count: int = 2) -> None:
    """Holds every thread up after `reader`, until all have read or for a second where they cannot."""
    original, meeting = getattr(module, reader), threading.Barrier(count)

    def slow(*arguments: Any, **named: Any) -> Any:
        found = original(*arguments, **named)
        with suppress(threading.BrokenBarrierError):
            meeting.wait(timeout=1)
        return found

    monkeypatch.setattr(module, reader, slow)


def two_shares_at_once(settings: Settings) -> list[Any]:
    """Two wins that are worth half of the last digit each: together one, and apart nothing and one, or both nothing."""
    settings.RATE_FIXED_PRICE = "0.5"
    player = a_player()
    first, second = win(player, "0.00000003"), win(player, "0.00000003")
    win(player, "1", at=OVER)  # so that the wallet holds enough for a share that is too much
    convert_due_hours(now=OVER + timedelta(hours=1))
    return in_parallel([voider(first), voider(second)])


def test_two_shares_of_one_line_are_added_up_one_after_the_other(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    everybody_has_read(monkeypatch, voiding, "_conversions_of")
    assert not errors(two_shares_at_once(settings))
    assert run("SELECT sum(usd) FROM conversion_voidedconversion") == [(Decimal("0.00000003"),)]


def test_control_without_the_locks_two_shares_of_one_line_collide(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard of the database stands behind the lock of the day: it refuses the share that was reckoned too early."""
    monkeypatch.setattr("rewards.voiding.lock_wins", lambda *_: None)
    monkeypatch.setattr(book, "lock_balances", book.balances)
    everybody_has_read(monkeypatch, voiding, "_conversions_of")
    [error] = errors(two_shares_at_once(settings))
    assert "are not what their tokens are worth at its rate" in str(error)


def one_who_spent() -> tuple[UUID, UUID]:
    """A player who spent what his first win became, and has won again; and that first win."""
    player = a_player()
    spent = win(player, "1")
    convert_hour(hour=HOUR, now=OVER)
    spend(player, "0.15")
    win(player, "1", at=OVER)
    return player, spent


def a_debt_and_a_conversion(monkeypatch: pytest.MonkeyPatch) -> UUID:
    """A void that finds the wallet empty while a conversion of the same player is on its way, reading what he owes."""
    player, spent = one_who_spent()
    everybody_has_read(monkeypatch, book, "balances")
    in_parallel([voider(spent), lambda: convert_hour(hour=OVER, now=OVER + timedelta(hours=1))])
    return player


def test_a_debt_is_never_left_beside_dollars_by_a_conversion_in_the_same_moment(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.SERVICE_ATTEMPTS = 3  # a conversion that did not know of the debt begins again
    player = a_debt_and_a_conversion(monkeypatch)
    monkeypatch.undo()
    assert (wallet(player), owed(player)) == ((0, 0), 0)


def test_control_without_locked_balances_a_player_has_dollars_and_debts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "lock_balances", lambda holders: book.balances(set(holders)))
    player = a_debt_and_a_conversion(monkeypatch)
    monkeypatch.undo()
    assert (wallet(player), owed(player)) == ((0, Decimal("0.15")), Decimal("0.15"))


def a_debt_behind_a_claim(monkeypatch: pytest.MonkeyPatch) -> UUID:
    """A void that finds the wallet empty, and commits while a conversion has read that the player owes nothing."""
    player, spent = one_who_spent()

    def void(claims: int) -> None:
        if claims == 1:
            assert not errors(in_parallel([voider(spent)]))

    after_claiming(monkeypatch, void)
    convert_hour(hour=OVER, now=OVER + timedelta(hours=1))
    return player


def test_a_debt_that_arises_behind_a_claim_is_paid_by_that_very_conversion(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.SERVICE_ATTEMPTS = 2
    player = a_debt_behind_a_claim(monkeypatch)
    assert (wallet(player), owed(player)) == ((0, 0), 0)


def test_control_without_looking_again_a_debt_that_arises_behind_a_claim_is_left_beside_dollars(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    blind = chunks.OUTCOME.replace("> 0\n)", "> 1e9\n)")
    assert blind != chunks.OUTCOME
    monkeypatch.setattr(chunks, "OUTCOME", blind)
    player = a_debt_behind_a_claim(monkeypatch)
    assert (wallet(player), owed(player)) == ((0, Decimal("0.15")), Decimal("0.15"))


def a_debt_that_grows(monkeypatch: pytest.MonkeyPatch) -> UUID:
    """A void that makes a player owe more while a conversion recovers what he owed until then."""
    player = a_player()
    first, second = win(player, "1"), win(player, "1")
    convert_hour(hour=HOUR, now=OVER)
    spend(player, "0.3")
    voider(first)()
    win(player, "3", at=OVER)
    known = threading.Event()

    def dawdle(*arguments: Any) -> Any:
        lines = recovering(*arguments)
        known.set()
        time.sleep(0.5)
        return lines

    def void() -> Voided:
        assert known.wait(timeout=20)
        return voider(second)()

    monkeypatch.setattr(chunks, "recovering", dawdle)
    assert not errors(in_parallel([lambda: convert_hour(hour=OVER, now=OVER + timedelta(hours=1)), void]))
    return player


def test_a_debt_does_not_grow_while_a_conversion_recovers_it(monkeypatch: pytest.MonkeyPatch) -> None:
    player = a_debt_that_grows(monkeypatch)
    assert (wallet(player), owed(player)) == ((0, Decimal("0.15")), 0)


def test_control_without_locked_balances_a_debt_grows_while_a_conversion_recovers_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(book, "lock_balances", lambda holders: book.balances(set(holders)))
    player = a_debt_that_grows(monkeypatch)
    assert (wallet(player), owed(player)) == ((0, Decimal("0.3")), Decimal("0.15"))


def test_a_win_is_voided_before_or_after_its_conversion_and_never_in_the_middle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The conversion has claimed the win; the void waits, and takes back what it became."""
    player = a_player()
    won, _ = win(player, "1"), win(player, "2")
    after_claiming(monkeypatch, lambda _: time.sleep(0.5))

    def void_a_little_later() -> Voided:
        time.sleep(0.2)
        return void_win(win_id=won, reason="r", author=Author())

    converted, voided = in_parallel([lambda: convert_hour(hour=HOUR, now=OVER), void_a_little_later])
    assert isinstance(converted, RunFacts)
    assert (converted.state, converted.tokens) == ("done", Decimal(3))
    assert isinstance(voided, Voided)
    assert voided.win.converted_by is not None
    assert wallet(player) == (0, Decimal("0.3"))


def test_voids_conversions_and_recordings_of_the_same_players_do_not_deadlock(settings: Settings) -> None:
    """Catches a lock order that another use case takes the other way round."""
    settings.SERVICE_ATTEMPTS = 1
    settings.CONVERSION_PLAYERS_PER_CHUNK = 3
    game, everybody = a_game(), players(8)
    rounds = 4
    won = {
        (player, n): [win(player, "0.1", at=HOUR + timedelta(hours=n), game=game) for _ in range(2)]
        for player in everybody
        for n in range(rounds)
    }
    convert_hour(hour=HOUR, now=OVER)
    now = HOUR + timedelta(hours=rounds)
    some = [ids[0] for ids in won.values()]

    def record(order: list[UUID]) -> Callable[[], object]:
        return lambda: record_wins(game_id=game.id, claims=[a_claim(each, "0.1") for each in order], now=NOON)

    work: list[Callable[[], object]] = []
    for part in range(rounds):
        mine = some[part::rounds]
        work.append(lambda mine=mine: void_wins(win_ids=mine, reason="r", author=Author()))  # type: ignore[misc]
        work.append(lambda mine=mine: void_wins(win_ids=mine[::-1], reason="r", author=Author()))  # type: ignore[misc]
        work.append(record(everybody if part % 2 else everybody[::-1]))
    work += [lambda: convert_due_hours(now=now)] * 2
    assert errors(in_parallel(work)) == []
    settings.SERVICE_ATTEMPTS = 3
    convert_due_hours(now=now + timedelta(hours=3))
    left = {player: wallet(player) for player in everybody}
    assert set(left.values()) == {(Decimal(0), Decimal("0.015") * rounds * 2)}
    assert run("SELECT count(*) FROM rewards_void") == [(len(some),)]
