"""`manage.py convert`: ranges, several workers, and a dry run that shows what would be and leaves no trace."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from pytest_django import Settings

from conversion import preview as previews
from conversion import runs
from conversion.preview import preview
from conversion.services import RunFacts, convert_hour
from tests.conversion.helpers import HOUR, OVER, RateApi, hours_from, lines, win
from tests.factories import a_player, players
from tests.sql import run

pytestmark = pytest.mark.django_db


def command(*arguments: str) -> tuple[int, str]:
    out, status = StringIO(), 0
    try:
        call_command("convert", *arguments, stdout=out, stderr=out)
    except SystemExit as stop:
        status = int(stop.code or 0)
    return status, out.getvalue()


def dump() -> list[Any]:
    """Every row of every table."""
    tables = [name for (name,) in run("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")]
    return [(name, run(f"SELECT t::text FROM {name} t ORDER BY 1")) for name in tables]


def some_of_everything() -> None:
    """Two hours with wins, late ones, dust, and a local midnight."""
    ada, bob = players(2, "Asia/Kathmandu")
    win(ada, "1.5"), win(bob, "0.1234567890123456789"[:20]), win(a_player(), "0.00000003")
    win(ada, "0.7", at=OVER), win(bob, "2", at=OVER + timedelta(minutes=59))


def test_a_dry_run_promises_to_the_last_digit_what_the_conversion_then_does(rate_api: RateApi) -> None:
    """Catches a dry run that reckons by itself, and otherwise."""
    some_of_everything()
    rate_api.says(HOUR, "0.1537")
    rate_api.says(OVER, "0.1491")
    promised = preview([HOUR, OVER], now=OVER + timedelta(hours=1))
    for each in promised:
        done = convert_hour(hour=each.hour, now=OVER + timedelta(hours=1))
        assert (each.state, each.conversions, each.tokens, each.usd, each.fees) == (
            done.state,
            done.conversions,
            done.tokens,
            done.usd,
            done.fees,
        )
    assert [each.dust for each in promised] == [1, 0]


def test_a_dry_run_leaves_no_trace_not_even_of_a_rate(rate_api: RateApi) -> None:
    some_of_everything()
    rate_api.says(HOUR, "0.15")
    rate_api.says(OVER, "0")
    before = dump()
    hours = f"{HOUR.isoformat()}..{OVER.isoformat()}"
    status, out = command("--range", hours, "--dry-run", "--json")
    assert (status, rate_api.asked) == (1, [HOUR, OVER])  # as the run would: one of the two waits
    first, second = json.loads(out)["runs"]
    assert (first["state"], first["conversions"]) == ("done", 2)
    assert (second["state"], second["reason"], second["conversions"]) == ("awaiting_rate", "zero", 0)
    assert command("--range", hours, "--dry-run")[1].count("nothing was written") == 1
    assert dump() == before


def test_the_database_itself_refuses_to_write_during_a_dry_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a dry run that is dry only as long as nobody adds a write to what it calls."""
    win(a_player())

    def careless(*args: object, **options: object) -> None:
        run("INSERT INTO conversion_conversionrun (hour) VALUES (%s)", [HOUR])

    with monkeypatch.context() as patch:
        patch.setattr(previews, "ask", careless)
        with pytest.raises(DatabaseError, match="read-only"):
            preview([HOUR], now=OVER)
    assert convert_hour(hour=HOUR, now=OVER).state == "done"  # and afterwards it writes again


def test_a_dry_run_counts_a_late_win_in_one_hour_only() -> None:
    convert_hour(hour=HOUR - timedelta(hours=1), now=HOUR)
    win(a_player(), at=HOUR - timedelta(hours=1), late=timedelta(hours=2))
    assert [each.conversions for each in preview([HOUR, OVER], now=OVER + timedelta(hours=1))] == [1, 0]


def test_a_dry_run_exits_with_0_where_every_hour_would_be_done() -> None:
    """Catches a cron job that asks first, and cannot tell "all is well" from "hours wait"."""
    win(a_player())
    assert command("--hour", HOUR.isoformat(), "--dry-run")[0] == 0
    assert command("--hour", HOUR.isoformat())[0] == 0
    assert command("--hour", HOUR.isoformat(), "--dry-run")[0] == 0  # done: nothing would be left


def test_a_quarantined_hour_is_told_by_the_dry_run(rate_api: RateApi) -> None:
    win(a_player()), win(a_player(), at=OVER)
    rate_api.says(HOUR, "0.15")
    rate_api.says(OVER, "15")
    convert_hour(hour=HOUR, now=OVER)
    [held] = preview([OVER], now=OVER + timedelta(hours=1))
    assert (held.state, held.reason, held.waits_for) == ("rate_quarantined", "jump", OVER)


def test_a_range_converts_its_hours_and_no_others() -> None:
    for hour in hours_from(HOUR, 4):
        win(a_player(), at=hour)
    last = HOUR + timedelta(hours=2)
    status, out = command("--range", f"{OVER.isoformat()}..{last.isoformat()}")
    assert (status, out.count("done")) == (0, 2)
    assert run("SELECT hour FROM conversion_conversionrun ORDER BY hour") == [(OVER,), (last,)]
    assert {line[1] for line in lines()} == {OVER, last}


@pytest.mark.parametrize(
    "hours",
    ["2026-11-10T10:00Z", "2026-11-10T11:00Z..2026-11-10T10:00Z", "2016-11-10T11:00Z..2026-11-10T10:00Z", "a..b"],
)
def test_a_range_that_cannot_be_is_a_wrong_call(hours: str) -> None:
    with pytest.raises(CommandError):
        command("--range", hours)


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
@pytest.mark.parametrize("hours", ["2026-11-10T10:30Z..2026-11-10T12:30Z", "2026-11-10T10:00Z..2026-12-10T10:00Z"])
def test_hours_that_cannot_be_converted_stop_the_call_before_anything_is_done(dry: list[str], hours: str) -> None:
    win(a_player())
    assert command("--range", hours, *dry)[0] == 2
    assert run("SELECT id FROM conversion_conversionrun") == []


@pytest.mark.parametrize("count", ["0", "65", "two"])
def test_workers_are_counted_in_a_sensible_number(count: str) -> None:
    with pytest.raises(CommandError):
        command("--workers", count)


def test_two_workers_convert_what_one_does(settings: Settings) -> None:
    settings.CONVERSION_PLAYERS_PER_RANGE = 2
    [(now,)] = run("SELECT date_trunc('hour', clock_timestamp(), 'UTC')")
    assert isinstance(now, datetime)
    for player in players(5):
        win(player, at=now - timedelta(hours=1), late=timedelta(minutes=30))
    status, out = command("--workers", "2", "--json")
    assert (status, json.loads(out)["totals"]["conversions"]) == (0, 5)
    assert sum(line[3] for line in lines()) == Decimal(5)


class Screen(StringIO):
    """Where somebody looks."""

    def isatty(self) -> bool:
        return True


def test_a_bar_on_the_screen_counts_the_players_and_leaves_the_document_alone() -> None:
    [(now,)] = run("SELECT date_trunc('hour', clock_timestamp(), 'UTC')")
    assert isinstance(now, datetime)
    for player in players(3):
        win(player, at=now - timedelta(hours=1), late=timedelta(minutes=30))
    screen, out = Screen(), StringIO()
    call_command("convert", stdout=out, stderr=screen)
    assert "3/3" in screen.getvalue()
    assert "3/3" not in out.getvalue()
    quiet = Screen()
    call_command("convert", "--json", stdout=StringIO(), stderr=quiet)
    assert quiet.getvalue().strip("\x1b[?25hl\n") == ""


def test_a_run_that_another_process_finishes_meanwhile_is_told_as_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches exit code 1 and a run that is "due", where another process was just about to begin it and has done it."""
    win(a_player())

    def overtaken(*, progress: object, **named: Any) -> RunFacts:
        convert_hour(**named)
        return replace(read_run(), state="due")

    monkeypatch.setattr("conversion.management.commands.convert.convert_hour", overtaken)
    status, out = command("--hour", HOUR.isoformat(), "--json")
    assert (status, [run["state"] for run in json.loads(out)["runs"]]) == (0, ["done"])


def read_run() -> RunFacts:
    [(run_id,)] = run("SELECT id FROM conversion_conversionrun")
    found = runs.read(run_id)
    assert found is not None
    return found
