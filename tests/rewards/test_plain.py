"""A single win in the plain case: one statement, and no other outcome than the long road's."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from ledger import book
from rewards import recording
from rewards.models import Game, OverCap, Player
from rewards.plain import record_plain
from rewards.services import Claim, Recorded, Refused, record_wins, register_player, set_game_policy
from tests.factories import NOON, a_claim, a_game, a_player, hours
from tests.sql import in_parallel, run

pytestmark = pytest.mark.django_db

ZONES = ["UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Kiritimati"]
AMOUNTS = [
    "0.1",
    "1",
    "2.5",
    "4.999999999999999999",
    "5",
    "5.000000000000000001",
    "1e-18",
    "0",
    "-1",
    "1e-19",
    "NaN",
    "1e20",
]
MINUTES = [0, 0, 0, 1, 3, -60, -60 * 11, -60 * 13, -60 * 24, -60 * 71, -60 * 72 - 1]


@pytest.mark.parametrize("seed", range(6))
def test_the_same_history_has_the_same_outcomes_by_both_roads(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sets of players live through the same; wins of the second never take the short road."""
    taken: list[bool] = []
    monkeypatch.setattr(recording, "record_plain", counting(taken))
    chance = random.Random(seed)
    games = [a_game("chess"), a_game("poker")]
    set_game_policy(slug="poker", over_cap=OverCap.CLIP)
    twins = [(a_player(zone), a_player(zone)) for zone in ZONES]
    strangers = (uuid4(), uuid4())
    now = NOON
    for step in range(150):
        now += timedelta(minutes=chance.choice([0, 0, 1, 30, 60 * 7]))
        pair = chance.choice([*twins, *twins, *twins, strangers])
        if chance.random() < 0.08 and pair is not strangers:
            change = chance.choice([status_change(chance), zone_change(chance)])
            for player in pair:
                change(player)
        game = chance.choice(games)
        amount, won_at = chance.choice(AMOUNTS), now + timedelta(minutes=chance.choice(MINUTES))
        reference = str(chance.choice([step, chance.randrange(step + 1)]))
        short, long = (a_claim(player, amount, reference=reference, won_at=won_at) for player in pair)
        by_short_road = told(record(game, short, now=now))
        with monkeypatch.context() as patch:
            patch.setattr(recording, "record_plain", lambda **_: None)
            assert told(record(game, long, now=now)) == by_short_road, (step, pair)
    assert {True, False} == set(taken)
    for one, other in twins:
        assert book.balances([one])[one] == book.balances([other])[other]
        assert days_of(one) == days_of(other)


def counting(taken: list[bool]) -> Callable[..., Any]:
    """The short road, and whether each win took it."""

    def counted(**given: Any) -> Any:
        win = record_plain(**given)
        taken.append(win is not None)
        return win

    return counted


def status_change(chance: random.Random) -> Callable[[UUID], object]:
    status = chance.choice(["suspended", "active", "active"])
    return lambda player: set_status(player, status)


def set_status(player: UUID, status: str) -> None:
    Player.objects.filter(pk=player).update(status=status)


def zone_change(chance: random.Random) -> Callable[[UUID], object]:
    zone = chance.choice(ZONES)
    return lambda player: register_player(player_id=player, timezone=zone)


def record(game: Game, claim: Claim, *, now: datetime = NOON) -> Recorded | Refused:
    (outcome,) = record_wins(game_id=game.id, claims=[claim], now=now)
    return outcome


def told(outcome: Recorded | Refused) -> object:
    """All that a caller can see, but for ids and the database's clock."""
    if isinstance(outcome, Refused):
        return outcome.error.code, outcome.error.detail, {**outcome.error.extra, "win_id": None}
    win = outcome.win
    return (
        outcome.replayed,
        win.reference,
        win.game,
        win.amount,
        win.forfeited,
        win.won_at,
        win.day,
        win.clips,
        win.state,
    )


def days_of(player: UUID) -> list[Any]:
    return run("SELECT day, starts_at, ends_at, won FROM rewards_allowance WHERE player_id = %s ORDER BY day", [player])


def test_a_plain_win_is_one_statement_and_no_transaction_around_it() -> None:
    game, player = a_game(), a_player()
    record(game, a_claim(player, "1"))
    with CaptureQueriesContext(connection) as queries:
        assert isinstance(record(game, a_claim(player, "1")), Recorded)
    assert len(queries) == 1
    assert queries[0]["sql"].startswith("WITH premise")


@pytest.mark.parametrize(
    "claim",
    [
        a_claim(UUID(int=1), "4.1"),
        a_claim(UUID(int=1), "1", reference="known"),
        a_claim(UUID(int=1), "1", won_at=NOON - hours(24)),
        a_claim(UUID(int=1), "1", won_at=NOON - hours(73)),
        a_claim(UUID(int=1), "0"),
        a_claim(UUID(int=2), "1"),
    ],
    ids=["over the cap", "known", "day not open", "too late", "malformed", "nobody"],
)
def test_what_is_not_plain_is_left_alone_and_holds_no_lock(claim: Claim) -> None:
    game = a_game()
    register_player(player_id=UUID(int=1), timezone="UTC")
    assert isinstance(record(game, a_claim(UUID(int=1), "1", reference="known")), Recorded)
    before = run("SELECT (SELECT count(*) FROM ledger_journalentry), (SELECT count(*) FROM ledger_posting)")
    assert record_plain(game_id=game.id, claim=claim, now=NOON, key_id=None) is None
    assert run("SELECT (SELECT count(*) FROM ledger_journalentry), (SELECT count(*) FROM ledger_posting)") == before
    in_parallel([lambda: run("SELECT 1 FROM rewards_allowance FOR UPDATE NOWAIT")])


@pytest.mark.parametrize("status", ["suspended", "closed"])
def test_who_is_not_active_has_no_plain_win(status: str) -> None:
    game, player = a_game(), a_player()
    record(game, a_claim(player, "1"))
    set_status(player, status)
    assert record_plain(game_id=game.id, claim=a_claim(player, "1"), now=NOON, key_id=None) is None


def test_a_win_inside_a_transaction_of_somebody_else_is_refused_as_ever() -> None:
    game, player = a_game(), a_player()
    record(game, a_claim(player, "1"))
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        record(game, a_claim(player, "1"))
    assert book.balances([player])[player]["player:dream"] == Decimal(1)


def test_a_win_that_waited_for_the_day_finds_what_the_other_left() -> None:
    """The statement began before the other committed; the day it looks at again under its lock, the reference it
    cannot see, and the key refuses that."""
    game, player = a_game(), a_player()
    record(game, a_claim(player, "1"))
    claims = [a_claim(player, "0.5", reference=f"r{number % 10}") for number in range(40)]
    outcomes = in_parallel([lambda claim=claim: record(game, claim) for claim in claims])  # type: ignore[misc]
    recorded = [outcome for outcome in outcomes if isinstance(outcome, Recorded)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
    assert len(recorded) + len(refused) == len(claims)
    assert len([outcome for outcome in recorded if not outcome.replayed]) == 8
    assert {outcome.error.code for outcome in refused} == {"daily-cap-exceeded"}
    assert book.balances([player])[player]["player:dream"] == Decimal(5)
