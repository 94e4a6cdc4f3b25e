"""The simulation: its plan is one for each seed, it calls this machine only, and it finds what was doctored."""

import dataclasses
import json
import subprocess
import sys
from decimal import Decimal
from itertools import islice
from typing import Any
from uuid import UUID

import pytest

from dreamland.local.simulation import Claim, Fault, Kind, Player, a_plan, loopback
from dreamland.local.simulation_audit import (
    BookedPlayer,
    BookedWin,
    booked_players,
    booked_wins,
    differences,
)
from dreamland.local.simulation_load import Load, Told, percentiles
from rewards.services import record_wins
from tests.e2e.test_demo import ROOT, stranger
from tests.factories import NOON, a_claim, a_game, a_player
from tests.sql import run, without_triggers

DEMO = pytest.mark.usefixtures("alone")


def simulate(*arguments: str, program: str = "") -> subprocess.CompletedProcess[str]:
    """`manage.py simulate` as a stranger runs it; `program` is Python that runs before."""
    words = ["manage.py", "simulate", "--json", *arguments]
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.argv = {words!r}\n{program}\nimport manage; manage.main()"],
        cwd=ROOT,
        env=stranger(),
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


@DEMO
def test_a_load_with_every_fault_ends_with_books_that_agree_with_every_answer() -> None:
    # So many players that no day fills up under two calls for one win at once: test_edge_cases.py has that case alone.
    simulated = simulate("--seconds", "5", "--players", "30", "--seed", "7")
    assert simulated.returncode == 0, simulated.stdout + simulated.stderr
    told = json.loads(simulated.stdout)
    assert (told["right"], told["differences"]) == (True, [])
    assert set(told["faults"]) == {fault.value for fault in Fault} - {"none"}
    assert told["claims"]["recorded"] > 50
    assert told["claims"]["settled_after_silence"] > 5
    assert {"daily-cap-exceeded", "won-at-too-old", "won-at-in-future", "invalid-amount"} <= set(
        told["claims"]["refused"]
    )
    assert {"200", "201", "422"} <= set(told["statuses"])
    assert not {"500", "401"} & set(told["statuses"])
    for found in told["latency_ms"].values():
        assert 0 < found["p50"] <= found["p90"] <= found["p99"] <= found["max"]


@DEMO
def test_control_an_answer_that_was_doctored_is_found_and_named() -> None:
    """One 201 is remembered as a refusal, another as a win of another id."""
    simulated = simulate("--seconds", "3", "--players", "30", program=DOCTORED)
    assert simulated.returncode == 1, simulated.stderr
    told = json.loads(simulated.stdout)
    assert not told["right"]
    assert "in the books as" in told["differences"][0]
    assert told["differences_found"] >= 2


DOCTORED = """
import os; os.environ["DJANGO_SETTINGS_MODULE"] = "dreamland.settings"
from dreamland.local import simulation_load
right, left = simulation_load.Log.result, [2]
def wrong(self, claim, status, content):
    if status == 201 and left[0] == 2:
        left[0] = 1
        return right(self, claim, 422, {"code": "daily-cap-exceeded"})
    if status == 201 and left[0] == 1:
        left[0] = 0
        content = {"id": "another"}
    right(self, claim, status, content)
simulation_load.Log.result = wrong
"""


@pytest.mark.parametrize(
    "url",
    [
        "http://dreamland.example",
        "http://10.0.0.1:8000",
        "http://0.0.0.0:8000",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://127.0.0.1@evil.example",
        "http://me@127.0.0.1:8000",
        "https://127.0.0.1",
        "127.0.0.1:8000",
        "http://2130706433",
        "http://127.0.0.1/v1",
        "http://127.0.0.1?to=evil",
        "",
    ],
)
def test_a_target_that_is_not_this_machine_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"127\.0\.0\.1"):
        loopback(url)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        ("http://localhost:1", "http://localhost:1"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("http://127.9.9.9", "http://127.9.9.9"),
    ],
)
def test_this_machine_is_a_target(url: str, target: str) -> None:
    assert loopback(url) == target


def test_the_command_refuses_another_machine_before_it_does_anything() -> None:
    refused = simulate("--base-url", "http://203.0.113.7:8000")
    assert refused.returncode == 2
    assert "is not this machine" in refused.stderr


def test_nobody_at_the_address_is_an_error_and_no_result() -> None:
    refused = simulate("--base-url", "http://127.0.0.1:9", "--players", "1", "--games", "1")
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert "nobody of ours answers at http://127.0.0.1:9" in refused.stderr


def test_the_same_seed_makes_the_same_plan_and_another_one_another() -> None:
    def plan(seed: int) -> list[Any]:
        made = a_plan(seed=seed, players=9, games=2, now=NOON)
        return [made.action(number) for number in range(300)]

    assert plan(1) == plan(1) != plan(2)


def test_a_plan_has_every_kind_of_claim_and_every_fault() -> None:
    plan = a_plan(seed=1, players=9, games=2, now=NOON)
    actions = [plan.action(number) for number in range(500)]
    assert {action.fault for action in actions} == set(Fault)
    assert {claim.kind for action in actions for claim in action.claims} == set(Kind)
    keys = [key for action in actions for key in {claim.key for claim in action.claims}]
    assert len(keys) == len(set(keys))
    assert any(len({claim.key for claim in action.claims}) < len(action.claims) for action in actions)


def test_percentiles_are_by_rank() -> None:
    numbers = [float(number) for number in range(1, 101)]
    assert percentiles(numbers[::-1]) == {"p50": 50.0, "p90": 90.0, "p99": 99.0, "max": 100.0}
    assert percentiles([7.0]) == {"p50": 7.0, "p90": 7.0, "p99": 7.0, "max": 7.0}


PLAYER = Player(UUID(int=7), "UTC")
CLAIM = Claim("chess", PLAYER, "m-1", Kind.SOUND, Decimal("1.5"), NOON, {})
ROW = BookedWin("id-1", CLAIM.key, Decimal("1.50"), NOON, Decimal("1.5"), 1)
BOOKED = BookedPlayer(Decimal("1.5"), Decimal(1), Decimal("0.5"))


def found(told: list[Told], rows: list[BookedWin], player: BookedPlayer = BOOKED) -> list[str]:
    return list(differences(told, rows, {PLAYER.id: player}))


def recorded(**changed: Any) -> Told:
    return dataclasses.replace(Told(CLAIM, created=["id-1"], replayed=["id-1"]), **changed)


NOTHING = BookedPlayer(Decimal(0), Decimal(0), Decimal(0))


def test_answers_that_are_true_make_no_difference() -> None:
    assert found([recorded()], [ROW]) == []
    assert found([Told(CLAIM, replayed=["id-1"], unheard=1)], [ROW]) == []
    assert found([Told(CLAIM, refused=["daily-cap-exceeded", "daily-cap-exceeded"])], [], NOTHING) == []


@pytest.mark.parametrize(
    ("told", "rows", "player", "says"),
    [
        ([recorded()], [], NOTHING, "not in the books"),
        ([recorded()], [ROW, ROW], BOOKED, "in the books 2 times"),
        ([recorded()], [dataclasses.replace(ROW, amount=Decimal("1.6"))], BOOKED, "the books have 1.6"),
        ([recorded()], [dataclasses.replace(ROW, issued=Decimal(3), postings=2)], BOOKED, "2 postings issued 3"),
        ([recorded()], [dataclasses.replace(ROW, issued=Decimal(0), postings=0)], BOOKED, "0 postings issued 0"),
        ([recorded()], [dataclasses.replace(ROW, won_at=NOON.replace(hour=11))], BOOKED, "won at"),
        ([recorded()], [dataclasses.replace(ROW, id="id-2")], BOOKED, "in the books as id-2"),
        ([recorded(created=["id-1", "id-1"])], [ROW], BOOKED, "told 201 2 times"),
        ([recorded(replayed=["id-2"])], [ROW], BOOKED, "several wins"),
        ([recorded(refused=["invalid"])], [ROW], BOOKED, "also refused as invalid"),
        ([Told(CLAIM, replayed=["id-1"])], [ROW], BOOKED, "never told 201"),
        ([Told(CLAIM, refused=["daily-cap-exceeded"])], [ROW], BOOKED, "told as daily-cap-exceeded, and in the books"),
        ([Told(CLAIM, unheard=3)], [], NOTHING, "never told whether"),
        ([], [ROW], BOOKED, "nobody was told so"),
        ([recorded()], [ROW], dataclasses.replace(BOOKED, issued=Decimal(2)), "the books issued 2"),
        ([recorded()], [ROW], dataclasses.replace(BOOKED, wallet=Decimal(1)), "wallet 1"),
    ],
)
def test_control_each_way_to_lie_is_found_first_and_named(
    told: list[Told], rows: list[BookedWin], player: BookedPlayer, says: str
) -> None:
    assert says in found(told, rows, player)[0]


def told_truly() -> list[Told]:
    """Two wins recorded by the services, as a simulation would have been told."""
    game, player = a_game(), a_player()
    claims = [a_claim(player, amount) for amount in ("1.5", "2")]
    outcomes: Any = record_wins(game_id=game.id, claims=claims, now=NOON)
    return [
        Told(
            Claim(game.slug, Player(player, "UTC"), claim.reference, Kind.SOUND, claim.amount, claim.won_at, {}),
            created=[str(outcome.win.id)],
        )
        for claim, outcome in zip(claims, outcomes, strict=True)
    ]


def audited(told: list[Told]) -> list[str]:
    players = [each.claim.player.id for each in told]
    return list(islice(differences(told, booked_wins(["chess"]), booked_players(players)), 20))


@pytest.mark.django_db
def test_what_the_services_recorded_agrees_with_what_they_answered() -> None:
    assert audited(told_truly()) == []


@pytest.mark.django_db
@pytest.mark.breaks_books
@pytest.mark.parametrize(
    ("table", "statement", "says"),
    [
        ("rewards_win", "UPDATE rewards_win SET amount = 1.6 WHERE amount = 1.5", "the books have 1.6"),
        ("rewards_win", "DELETE FROM rewards_win WHERE amount = 1.5", "not in the books"),
        ("rewards_win", "UPDATE rewards_win SET reference = 'x' WHERE amount = 2", "not in the books"),
        ("ledger_posting", "UPDATE ledger_posting SET amount = 3 WHERE amount = 2", "1 postings issued 3"),
        ("ledger_posting", "DELETE FROM ledger_posting WHERE amount = 2", "0 postings issued 0"),
        ("ledger_balance", "UPDATE ledger_balance SET amount = 9", "wallet 9"),
    ],
)
def test_control_a_row_that_was_doctored_in_the_books_is_found(table: str, statement: str, says: str) -> None:
    told = told_truly()
    with without_triggers(table):
        run(statement)
    assert says in audited(told)[0]


def test_the_load_itself_is_told_where_it_fails() -> None:
    """A thread that dies must not look like a load without differences."""
    load = Load(a_plan(seed=1, players=1, games=1, now=NOON), "http://127.0.0.1:9", {})
    load.run(seconds=0.5, concurrency=1, watch=lambda _elapsed, _calls: None)
    assert load.log.surprises
    assert "the simulation itself failed" in load.log.surprises[0]
