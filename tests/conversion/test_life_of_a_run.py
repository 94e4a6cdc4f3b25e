"""The life of a run: every step is one that can be, and every step is on record, by whatever road it was taken."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import connection
from pytest_django import Settings

from conversion import chunks, runs
from conversion.errors import PostConditionFailed
from conversion.models import ConversionRun
from conversion.oversight import run_progress, run_transitions
from conversion.services import convert_due_hours, convert_hour
from tests.conversion.helpers import HOUR, OVER, RateApi, lines, win
from tests.factories import a_player, players
from tests.sql import APP, OWNER, in_parallel, refusal, run

pytestmark = pytest.mark.django_db
STATES = ["due", "awaiting_rate", "rate_quarantined", "running", "done"]
LEGAL = {
    ("due", "running"),
    ("awaiting_rate", "running"),
    ("rate_quarantined", "running"),
    ("running", "running"),
    ("running", "awaiting_rate"),
    ("running", "rate_quarantined"),
    ("running", "done"),
}
NEW = "INSERT INTO conversion_conversionrun (hour) VALUES (%s)"
MOVE = """
UPDATE conversion_conversionrun SET state = %(to)s, reason = '',
    finished_at = CASE WHEN %(to)s = 'done' THEN clock_timestamp() END
"""


def life() -> list[tuple[str, str, str]]:
    return [(step.from_state, step.to_state, step.cause) for step in run_transitions(HOUR)]


def test_a_run_that_waits_and_is_done_later_has_every_step_on_record(rate_api: RateApi) -> None:
    win(a_player())
    convert_due_hours(now=OVER)
    rate_api.says(HOUR, "0.15")
    convert_due_hours(now=OVER)
    assert life() == [
        ("", "due", "opened"),
        ("due", "running", "begun"),
        ("running", "awaiting_rate", "http-status"),
        ("awaiting_rate", "running", "begun"),
        ("running", "done", "converted"),
    ]
    at = [step.at for step in run_transitions(HOUR)]
    assert at == sorted(at)
    [(now,)] = run("SELECT clock_timestamp()")
    assert now - timedelta(minutes=1) < at[0] <= at[-1] < now


def lead_to(state: str) -> None:
    run(NEW, [HOUR])
    if state != "due":
        run(MOVE, {"to": "running"})
    if state not in {"due", "running"}:
        run(MOVE, {"to": state})


@pytest.mark.parametrize("to", STATES)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("who", [OWNER, APP])
def test_only_steps_that_can_be_are_taken_by_raw_sql(who: str, state: str, to: str) -> None:
    """Catches a guard that knows fewer or more steps than the documented life."""
    lead_to(state)
    if (state, to) in LEGAL:
        run(MOVE, {"to": to})
        assert life()[-1][:2] == (state, to)
    else:
        expected = "run_done_is_final" if state == "done" else "run_transition_legal"
        assert refusal(MOVE, {"to": to}, who=who) == expected
        assert life()[-1][1] == state


@pytest.mark.parametrize("state", STATES[1:])
def test_a_run_is_not_born_in_the_middle_of_its_life(state: str) -> None:
    born = "INSERT INTO conversion_conversionrun (hour, state, finished_at) VALUES (%s, %s, %s)"
    finished_at = HOUR if state == "done" else None
    assert refusal(born, [HOUR, state, finished_at]) == "run_transition_legal"


@pytest.mark.parametrize("who", [OWNER, APP])
@pytest.mark.parametrize(
    ("statement", "guard"),
    [
        ("UPDATE conversion_runtransition SET cause = 'forged'", "run_transition_is_final"),
        ("DELETE FROM conversion_runtransition", "run_transition_is_final"),
        ("TRUNCATE conversion_runtransition", "run_transition_is_final"),
        (
            "INSERT INTO conversion_runtransition (run_id, from_state, to_state, cause, by_role)"
            " SELECT id, 'due', 'running', 'forged', 'me' FROM conversion_conversionrun",
            "run_transition_follows_run",
        ),
    ],
)
def test_the_record_is_written_by_the_run_alone_and_stays(who: str, statement: str, guard: str) -> None:
    run(NEW, [HOUR])
    assert refusal(statement, who=who) == (guard if who == OWNER else "privilege")


def test_a_step_that_is_rolled_back_leaves_no_record() -> None:
    run(NEW, [HOUR])
    assert refusal("UPDATE conversion_conversionrun SET state = 'running', usd = -1") == "run_totals_bounds"
    assert life() == [("", "due", "opened")]


class Crash(Exception):
    pass


def crash_in_the_second_chunk(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.CONVERSION_PLAYERS_PER_CHUNK = 1
    convert_chunk = chunks.convert_chunk
    made: list[object] = []

    def crash(*args: object) -> None:
        if made:
            raise Crash
        made.append(args)
        convert_chunk(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(chunks, "convert_chunk", crash)


def test_progress_shows_while_a_run_is_at_work_and_a_killed_one_is_resumed_on_record(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for player in players(3):
        win(player)
    with monkeypatch.context() as patch:
        crash_in_the_second_chunk(settings, patch)
        with pytest.raises(Crash):
            convert_hour(hour=HOUR, now=OVER)
    progress = run_progress(HOUR)
    assert (progress.conversions, progress.tokens, progress.usd, progress.players_left) == (
        1,
        Decimal(1),
        Decimal("0.15"),
        2,
    )
    assert convert_hour(hour=HOUR, now=OVER).state == "done"
    assert run_progress(HOUR).players_left == 0
    assert [cause for _, _, cause in life()] == ["opened", "begun", "resumed", "converted"]


def test_two_attempts_that_end_together_end_the_run_once() -> None:
    """Catches a settlement that takes back another one: only a run that is running is settled."""
    win(a_player())
    rival = runs.begin(HOUR)
    assert convert_hour(hour=HOUR, now=OVER).state == "done"
    assert runs.settle(rival, missing=[], trouble="busy").state == "done"
    in_parallel([lambda: convert_hour(hour=HOUR, now=OVER)] * 3)
    assert [step[1] for step in life()].count("done") == 1


@pytest.mark.parametrize("column", ["tokens", "usd", "fee"])
def test_a_run_whose_journal_is_not_its_lines_is_broken_off_loudly_and_says_so(
    monkeypatch: pytest.MonkeyPatch, column: str
) -> None:
    """Catches a run that calls itself done because its own totals equal its own lines."""
    win(a_player()), win(a_player(), at=OVER)
    counted = runs.COUNT.replace(f"coalesce(sum({column}), 0)", f"coalesce(sum({column}), 0) + 1", 1)
    assert counted != runs.COUNT
    with monkeypatch.context() as patch:
        patch.setattr(runs, "COUNT", counted)
        with pytest.raises(PostConditionFailed):
            convert_hour(hour=HOUR, now=OVER)
    standing = ConversionRun.objects.get(hour=HOUR)
    assert (standing.state, standing.reason, standing.conversions) == ("running", "does-not-add-up", 0)
    assert life()[-1] == ("running", "running", "does-not-add-up")
    assert convert_hour(hour=HOUR, now=OVER).state == "done"
    assert len(lines()) == 1


def test_an_hour_that_does_not_add_up_holds_up_no_other_hour_and_is_raised_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Catches a tick that dies at the oldest hour, every time, while all later ones wait for ever."""
    win(a_player()), win(a_player(), at=OVER)
    settle = runs.settle

    def fail_for_the_first(its: runs.RunFacts, **outcome: object) -> runs.RunFacts:
        if its.hour == HOUR:
            raise PostConditionFailed("for the test")
        return settle(its, **outcome)  # type: ignore[arg-type]

    monkeypatch.setattr(runs, "settle", fail_for_the_first)
    with pytest.raises(PostConditionFailed):
        convert_due_hours(now=OVER + timedelta(hours=1))
    assert [(each.hour, each.state, each.reason) for each in ConversionRun.objects.order_by("hour")] == [
        (HOUR, "running", "does-not-add-up"),
        (OVER, "done", ""),
    ]


def test_runs_from_before_there_were_records_begin_their_lives_with_the_migration() -> None:
    """Catches an upgrade after which the proof calls every old run wrong."""
    call_command("migrate", "conversion", "0005", verbosity=0)
    run(NEW, [HOUR])
    call_command("migrate", "conversion", verbosity=0)
    assert life() == [("", "due", "before-records")]
    connection.close()
