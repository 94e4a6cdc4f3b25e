"""The demo as a stranger runs it: a process of its own, on servers of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
OURS = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ENVIRONMENT", "DJANGO_SETTINGS_MODULE", "ALLOWED_HOSTS")

pytestmark = pytest.mark.usefixtures("alone")


def stranger(**changed: str) -> dict[str, str]:
    """The environment of somebody who has set nothing."""
    return {name: value for name, value in os.environ.items() if name not in OURS} | changed


def test_the_demo_ends_with_zero_only_if_all_of_it_is_right() -> None:
    demo = subprocess.run(
        [sys.executable, "manage.py", "demo", "--json"],
        cwd=ROOT,
        env=stranger(),
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert demo.returncode == 0, demo.stderr
    told = json.loads(demo.stdout)
    assert told["right"]
    assert told["books_are_clean"]
    assert told["surprises"] == []
    assert {"200", "201", "422"} == set(told["answers"])
    assert len(told["players"]) == 12
    won = sum(Decimal(player["tokens_won"]) for player in told["players"])
    held = sum(Decimal(player["tokens_in_wallet"]) for player in told["players"])
    assert won - held == Decimal(told["converted"]["tokens"]) > 0
    usd = sum(Decimal(player["usd"]) for player in told["players"])
    assert usd == Decimal(told["converted"]["usd"]) > 0
    assert Decimal(told["fees_borne_by_dreamland"]) > 0


def test_a_wrong_price_in_the_books_is_not_called_right() -> None:
    """The control: the worker converts at another price than the one the demo reckons with."""
    demo = subprocess.run(
        [sys.executable, "-c", WRONG],
        cwd=ROOT,
        env=stranger(),
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert demo.returncode == 1, demo.stderr
    told = json.loads(demo.stdout)
    assert not told["right"]
    assert not any(player["right"] for player in told["players"])


WRONG = """
import sys
sys.argv = ["manage.py", "demo", "--json"]
from dreamland.local import day
reckoned = day.Expected.usd
day.Expected.usd = lambda self, player, price: reckoned(self, player, price * 2)
import manage
manage.main()
"""


def test_a_demo_that_is_interrupted_leaves_no_process_behind() -> None:
    demo = subprocess.Popen(
        [sys.executable, "manage.py", "demo"],
        cwd=ROOT,
        env=stranger(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert demo.stdout
    for line in demo.stdout:
        if "run at http" in line:
            break
    demo.send_signal(signal.SIGTERM)
    demo.communicate(timeout=30)
    assert demo.returncode != 0
    deadline = time.monotonic() + 20
    while processes() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert processes() == []


def processes() -> list[str]:
    """Command lines of everything that runs on the demo's servers or belongs to its stack."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            environment = (path / "environ").read_bytes()
        except OSError:
            continue
        if str(ROOT / ".local" / "demo") in arguments or str(ROOT / ".local" / "demo").encode() in environment:
            found.append(arguments)
    return found
