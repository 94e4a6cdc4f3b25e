"""`manage.py world`, as an engineer uses it: started, shown, checked, mended, ended."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dreamland.local.attachment import FAST_ROOT
from dreamland.world import keeper
from dreamland.world.centre import DATABASE

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def place(alone: None) -> Iterator[Path]:
    root = FAST_ROOT / "world-command"
    shutil.rmtree(root, ignore_errors=True)
    yield root
    keeper.down(root)


def world(place: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
    return subprocess.run(
        [sys.executable, "manage.py", "world", "--root", str(place), *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def test_the_world_starts_keeps_its_promises_tells_how_it_is_and_ends(place: Path) -> None:
    assert world(place, "verify").returncode == 2  # nothing runs: it cannot be checked
    started = world(place, "up")
    assert started.returncode == 0, started.stderr
    walked = world(place, "tour")
    assert walked.returncode == 0, walked.stderr
    assert len(walked.stdout.splitlines()) == 8
    told = json.loads(world(place, "status", "--json").stdout)
    assert {each["region"] for each in told["regions"]} == {"eu", "us"}
    assert all(each["postings"] > 0 for each in told["regions"])
    assert "settlement:us" in world(place, "status").stdout

    running = keeper.running(place)
    assert running is not None
    checked = world(place, "verify")
    assert (checked.returncode, checked.stdout.strip()) == (0, "the centre is right")
    with running.centre.connect(DATABASE) as analytics:
        analytics.execute("DELETE FROM ledger_posting_us WHERE id = (SELECT id FROM ledger_posting_us LIMIT 1)")
    found = world(place, "verify", "--json")
    assert found.returncode == 1
    assert {(each["region"], each["kind"]) for each in json.loads(found.stdout)} == {("us", "hour-differs")}
    assert "1 added" in world(place, "repair", "us").stdout
    assert world(place, "verify", "--centre", running.centre.place(DATABASE)).returncode == 0
    assert world(place, "reseed", "eu").returncode == 0
    assert world(place, "verify").returncode == 0
    assert world(place, "repair", "mars").returncode == 2

    assert world(place, "down").stdout.strip() == "ended"
    assert world(place, "up").returncode == 0  # on other ports, and with what it held
    again = json.loads(world(place, "status", "--json").stdout)
    assert [each["postings"] for each in again["regions"]] == [each["postings"] for each in told["regions"]]
    assert world(place, "verify").returncode == 0
    assert world(place, "down").stdout.strip() == "ended"
    assert keeper.running(place) is None
