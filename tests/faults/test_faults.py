"""Nothing is lost and nothing happens twice, whatever is killed; and the comparison that says so does see a loss."""

import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random
from types import SimpleNamespace
from unittest.mock import patch
from uuid import uuid4

import pytest

from dreamland.local.faults.disk import SmallDisk
from dreamland.local.faults.edges import EDGES, Life, compare, lead, lead_on
from dreamland.local.faults.kinds import Saboteur
from dreamland.local.faults.load import Answers, Sent
from dreamland.local.faults.run import Result, _compare
from rewards.services import Recorded, record_wins
from tests.factories import NOON, a_claim, a_game, a_player
from tests.sql import run, without_triggers

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.usefixtures("alone")
def test_a_short_run_of_faults_loses_nothing_and_does_nothing_twice() -> None:
    environment = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
    done = subprocess.run(
        [sys.executable, "manage.py", "faults", "--minutes", "0.4", "--seed", "11", "--json"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    told = json.loads(done.stdout)
    assert sum(told["faults"].values()) >= 30
    assert len(told["faults"]) >= 15
    assert told["acknowledged"] > 50
    assert told["conversions"] > 10
    assert (told["losses"], told["duplicates"], told["differences"]) == (0, 0, [])
    assert told["claims_verified"] >= 30
    assert told["seals"] >= 1


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.django_db
def test_a_life_at_an_edge_of_the_calendar_comes_to_what_the_zone_says(name: str) -> None:
    """Also when it is led twice, as one that was killed is."""
    life = Life(name, uuid4())
    lead(life)
    assert compare(life) == []
    lead(life)
    assert compare(life) == []


@pytest.mark.django_db
def test_a_life_that_misses_something_is_seen() -> None:
    life = Life("clock: an hour back", uuid4())
    assert len(compare(life)) == 2  # neither days nor conversions
    lead(life)
    longer = {**EDGES, life.edge: replace(EDGES[life.edge], hours=24)}
    with patch.dict(EDGES, longer):
        assert ["expected 24 hours" in wrong for wrong in compare(life)] == [True]
    other_zone = {**EDGES, life.edge: replace(EDGES[life.edge], zone="America/Los_Angeles")}
    with patch.dict(EDGES, other_zone):
        assert compare(life) != []


def test_two_who_live_at_one_edge_are_both_converted_though_its_hours_are_done(db: None) -> None:
    lives = [Life("clock: no midnight", uuid4()) for _ in range(2)]
    for life in lives:
        lead(life)
    assert compare(lives[1]) != []
    lead_on(lives[0])
    assert [compare(life) for life in lives] == [[], []]


def test_a_disk_that_cannot_be_mounted_is_said_and_its_faults_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a run that fails, or that counts a disk as filled, where nobody may mount one."""
    disk = SmallDisk(tmp_path)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    disk.mount()
    assert disk.missing
    saboteur = Saboteur(SimpleNamespace(disk=disk), SimpleNamespace(), Random(1), lambda: None)  # type: ignore[arg-type]
    assert set(saboteur.skipped()) == {"disk full", "disk full, and the log's"}
    assert len(saboteur.plan(500)) == 500
    assert not set(saboteur.plan(500)) & set(saboteur.skipped())


def test_a_small_disk_is_filled_to_the_last_byte_and_given_back(tmp_path: Path) -> None:
    disk = SmallDisk(tmp_path)
    disk.mount()
    if disk.missing:
        pytest.skip(disk.missing)
    try:
        disk.fill()
        with pytest.raises(OSError, match="No space left"):
            (tmp_path / "one-more").write_bytes(b"x")
        disk.free()
        (tmp_path / "one-more").write_bytes(b"x")
        SmallDisk(tmp_path).mount()  # left by a run that was killed
        assert (tmp_path / "one-more").exists()
    finally:
        disk.unmount()
    assert not (tmp_path / "one-more").exists()


@pytest.fixture
def told() -> Answers:
    """Three acknowledged wins that are all in the books."""
    game, player = a_game(), a_player()
    answers = Answers()
    for number in range(3):
        claim = a_claim(player, "0.5", reference=f"0-{number}")
        (outcome,) = record_wins(game_id=game.id, claims=[claim], now=NOON)
        assert isinstance(outcome, Recorded)
        sent = Sent(player, claim.reference, claim.amount, claim.won_at)
        answers.note(sent, 201, str(outcome.win.id))
    return answers


def compared(answers: Answers) -> Result:
    result = Result(seed=0, seconds=0)
    _compare(answers, result)
    return result


@pytest.mark.django_db
def test_a_sound_history_compares_without_a_difference(told: Answers) -> None:
    assert compared(told).right


@pytest.mark.django_db
def test_a_win_that_was_acknowledged_and_is_not_there_is_a_loss(told: Answers) -> None:
    told.note(Sent(uuid4(), "0-lost", Decimal(1), NOON), 201, str(uuid4()))
    result = compared(told)
    assert result.losses == 1
    assert not result.right


@pytest.mark.django_db
@pytest.mark.breaks_books
def test_a_win_that_stands_there_twice_is_a_duplicate(told: Answers) -> None:
    with without_triggers("rewards_win"):
        run("ALTER TABLE rewards_win DROP CONSTRAINT win_reference_once")
        run(
            "INSERT INTO rewards_win (entry_id, player_id, game_id, reference, amount, won_at, recorded_at, allowance_id)"
            " SELECT gen_random_uuid(), player_id, game_id, reference, amount, won_at, recorded_at, allowance_id"
            " FROM rewards_win LIMIT 1"
        )
    result = compared(told)
    assert result.duplicates == 1
    assert not result.right


@pytest.mark.django_db
def test_a_win_that_nobody_was_told_of_is_a_difference(told: Answers) -> None:
    del told.acknowledged["0-1"]
    assert any("never acknowledged" in difference for difference in compared(told).differences)


def test_a_second_answer_that_contradicts_the_first_is_noted() -> None:
    answers, sent = Answers(lock=threading.Lock()), Sent(uuid4(), "0-0", Decimal(1), NOON)
    assert answers.note(sent, 201, "a")
    assert not answers.note(sent, 503, "")
    assert answers.note(sent, 200, "a")
    assert answers.contradictions == []
    answers.note(sent, 200, "b")
    answers.note(sent, 422, "")
    assert len(answers.contradictions) == 2
