"""`manage.py up` as a user has it, in a checkout of its own."""

import http.client
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dreamland.local import files
from dreamland.local.attachment import CHECKOUT
from tests.local.conftest import CLEAN_ENVIRONMENT, all_gone, pid_of, processes_of

NOT_COPIED = shutil.ignore_patterns(".*", "tests", "__pycache__")
START_SECONDS = 90.0


@pytest.fixture
def checkout(place: Path) -> Path:
    """A copy of the sources, with nothing run in it yet."""
    return Path(shutil.copytree(CHECKOUT, place / "checkout", ignore=NOT_COPIED))


class Up:
    """`manage.py up` in a process of its own, its output in a file."""

    def __init__(self, checkout: Path) -> None:
        self.output = checkout / "up.out"
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(checkout / "manage.py"), "up", "--port", "0"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=checkout,
                env=CLEAN_ENVIRONMENT | {"PYTHONPATH": "", "COLUMNS": "200"},
            )

    def is_up(self) -> bool:
        assert self.process.poll() is None, self.output.read_text()
        return "Dreamland is up" in self.output.read_text()

    def get(self, path: str) -> int:
        """The status of the answer to GET."""
        [place] = re.findall(r"http://([\d.:]+)/admin/", self.output.read_text())
        connection = http.client.HTTPConnection(place, timeout=10)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()


@pytest.fixture
def up(checkout: Path) -> Iterator[list[Up]]:
    """Those that a test has started; killed when it is over."""
    started: list[Up] = []
    yield started
    for one in started:
        one.process.kill()
        one.process.wait()


def environment_of(pid: int) -> dict[str, str]:
    raw = Path(f"/proc/{pid}/environ").read_text()
    return dict(line.split("=", 1) for line in raw.split("\0") if "=" in line)


def test_up_serves_refuses_a_second_one_and_leaves_nothing_however_it_ends(checkout: Path, up: list[Up]) -> None:
    up.append(Up(checkout))
    assert files.wait_until(up[0].is_up, START_SECONDS, 0.1)
    assert [up[0].get(path) for path in ("/livez", "/admin/login/", "/static/admin/css/base.css")] == [200, 200, 200]
    assert re.search(r"Log in as admin with \S{16} ", up[0].output.read_text())
    for words in ("granian", "worker --hostname", "celery -A dreamland beat"):
        pids = [pid for pid, line in processes_of(checkout).items() if words in line]
        users = {urlsplit(environment_of(pid)["DATABASE_URL"]).username for pid in pids}
        assert users == {"dreamland_app"}, words

    second = subprocess.run(
        [sys.executable, str(checkout / "manage.py"), "up", "--port", "0"],
        capture_output=True,
        text=True,
        env=CLEAN_ENVIRONMENT | {"PYTHONPATH": ""},
        timeout=START_SECONDS,
        check=False,
    )
    assert second.returncode == 1
    assert f"(process {up[0].process.pid})" in second.stderr
    assert "Traceback" not in second.stderr

    up[0].process.send_signal(signal.SIGTERM)
    assert up[0].process.wait(30) == 0
    assert not (checkout / ".local" / "up.pid").exists()
    assert not [line for line in processes_of(checkout).values() if "celery" in line or "granian" in line]

    up.append(Up(checkout))
    assert files.wait_until(up[1].is_up, START_SECONDS, 0.1)
    assert "Log in as admin" not in up[1].output.read_text()
    assert pid_of(checkout, "celery -A dreamland beat")
    up[1].process.kill()
    assert all_gone(checkout)


def test_up_that_is_ended_while_it_starts_leaves_nothing(checkout: Path, up: list[Up]) -> None:
    up.append(Up(checkout))
    log = checkout / ".local" / "logs" / "prepare.log"
    assert files.wait_until(lambda: up[0].is_up() or "Applying" in files.tail(log), START_SECONDS, 0.05)
    up[0].process.send_signal(signal.SIGINT)
    assert up[0].process.wait(30) == 0
    assert all_gone(checkout)
