"""`manage.py world`, as an engineer uses it: started, shown, checked, mended, ended; and databases made a world."""

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from dreamland.local.attachment import FAST_ROOT
from dreamland.world import keeper
from dreamland.world.centre import DATABASE
from dreamland.world.clusters import Cell, World
from rewards.models import Game
from tests.factories import a_game, a_player
from tests.world.helpers import acting_in, figures, tell, win

ROOT = Path(__file__).parent.parent.parent
HOUR = "0.5"


@pytest.fixture
def place(alone: None, django_db_blocker: Any) -> Iterator[Path]:
    root = FAST_ROOT / "world-command"
    shutil.rmtree(root, ignore_errors=True)
    level = logging.getLogger("conversion").level
    with django_db_blocker.unblock():
        yield root
        keeper.down(root)
    logging.getLogger("conversion").setLevel(level)


def world(place: Path, *arguments: str) -> tuple[int, str]:
    """The exit code and what was written."""
    out = StringIO()
    try:
        call_command("world", "--root", str(place), *arguments, stdout=out)
    except CommandError as refused:
        return refused.returncode, str(refused)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue()
    return 0, out.getvalue()


def test_the_world_starts_keeps_its_promises_tells_how_it_is_and_ends(place: Path) -> None:
    assert world(place, "verify")[0] == 2  # nothing runs: it cannot be checked
    assert at_the_shell(place, "up", "--hour", HOUR) == 0
    code, told = world(place, "tour")
    assert code == 0, told
    assert len(told.splitlines()) == 8
    before = json.loads(world(place, "status", "--json")[1])
    assert {each["region"] for each in before["regions"]} == {"eu", "us"}
    assert all(each["postings"] > 0 for each in before["regions"])
    assert "settlement:us" in world(place, "status")[1]

    running = keeper.running(place)
    assert running is not None
    assert world(place, "verify") == (0, "the centre is right\n")
    with running.centre.connect(DATABASE) as analytics:
        analytics.execute("DELETE FROM ledger_posting_us WHERE id = (SELECT id FROM ledger_posting_us LIMIT 1)")
    code, told = world(place, "verify", "--json")
    assert code == 1
    assert {(each["region"], each["kind"]) for each in json.loads(told)} == {("us", "hour-differs")}
    assert "1 added" in world(place, "repair", "us")[1]
    assert world(place, "verify", "--centre", running.centre.place(DATABASE))[0] == 0
    assert world(place, "reseed", "eu")[0] == 0
    assert world(place, "verify")[0] == 0
    assert world(place, "repair", "mars")[0] == 2

    assert world(place, "down") == (0, "ended\n")
    assert at_the_shell(place, "up", "--hour", HOUR) == 0  # on other ports, and with what it held
    again = json.loads(world(place, "status", "--json")[1])
    assert [each["postings"] for each in again["regions"]] == [each["postings"] for each in before["regions"]]
    assert world(place, "verify")[0] == 0
    assert world(place, "down") == (0, "ended\n")
    assert keeper.running(place) is None


def at_the_shell(place: Path, *arguments: str) -> int:
    environment = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
    return subprocess.run(
        [sys.executable, "manage.py", "world", "--root", str(place), *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        check=False,
        timeout=240,
    ).returncode


# --- Databases anywhere ------------------------------------------------------------------------------------------


@pytest.fixture
def strangers(alone: None, django_db_blocker: Any) -> Iterator[World]:
    """Three clusters with Dreamland's tables that know nothing of each other."""
    root = FAST_ROOT / f"world-strangers-{os.getpid()}"
    shutil.rmtree(root, ignore_errors=True)
    found = World(root, durable=False)
    with django_db_blocker.unblock():
        try:
            found.start_clusters()
            found.make_analytics_database()
            yield found
        finally:
            found.stop()
            shutil.rmtree(root, ignore_errors=True)


def connected(found: World, *arguments: str) -> tuple[int, str]:
    regions = [f"--region={name}={found.cells[name].url}" for name in found.regions]
    ends = ["--centre", found.centre.url, "--analytics", found.centre.place(DATABASE), "--sslmode", "disable"]
    return world(found.root, "connect", *ends, *regions, *arguments)


@contextmanager
def passwords(found: World) -> Iterator[None]:
    names = {name.upper() + "_PASSWORD": found.password(name) for name in ("analytics_reader", "reference_reader")}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in names.items():
            patch.setenv(name, value)
        yield


def test_databases_that_know_nothing_of_each_other_are_made_a_world(strangers: World) -> None:
    refused_before_anything_is_changed(strangers)
    with passwords(strangers):
        code, told = connected(strangers)
        assert code == 0, told
        assert told.splitlines()[-1] == "the centre takes the facts of us"
        game = shared(strangers)
        for region in strangers.regions:
            with acting_in(strangers, region):
                win(a_player(), game)
        tell(strangers)
        assert strangers.verify() == ()
        assert connected(strangers) == (0, told)  # again: nothing is copied twice, nothing is broken off
    with acting_in(strangers, "eu"):
        win(a_player(), game)
    tell(strangers)
    for region in strangers.regions:
        said, found = figures(strangers, region)
        assert found == said


def refused_before_anything_is_changed(strangers: World) -> None:
    assert connected(strangers) == (2, "ANALYTICS_READER_PASSWORD is not set: the password of that role")
    eu = strangers.cells["eu"]
    with passwords(strangers):
        for arguments, why in [
            (["--region", "eu"], "NAME=VALUE"),
            (["--region", f"eu={eu.url}"], "once for each"),
            (["--region", f"e u={eu.url}"], "2 to 8 letters"),
            (["--seen-as", "mars=host:1"], "mars"),
            (["--seen-as", "eu=host"], "has a host, a port"),
            (["--seen-as", "eu=host:port"], "has a host, a port"),
        ]:
            code, told = connected(strangers, *arguments)
            assert (code, why in told) == (2, True), told
        with_level(eu, "replica")
        code, told = connected(strangers)
        assert (code, "eu: wal_level is replica" in told) == (2, True), told
        with_level(eu, "logical")
    with strangers.centre.connect() as centre:
        assert centre.execute("SELECT count(*) FROM pg_publication").fetchone() == (0,)


def with_level(cell: Cell, level: str) -> None:
    cell.postgres.stop()
    cell.postgres.settings = {**cell.postgres.settings, "wal_level": level}
    cell.start()


def shared(found: World) -> Game:
    with acting_in(found, "centre"):
        game = a_game()
    found.catch_up()
    return game
