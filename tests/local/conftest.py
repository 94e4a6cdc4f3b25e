"""Roots of their own for the tests of the embedded servers, clients to kill, and eyes for what is left behind."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dreamland.local import files
from dreamland.local.attachment import CHECKOUT, LOCAL_DEFAULTS

SCRIPT = Path(__file__).with_name("attached.py")
OURS = {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DJANGO_SETTINGS_MODULE", *LOCAL_DEFAULTS}
SECONDS = 20.0

# What a clean machine would have: nothing of what the test run itself was given.
CLEAN_ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in OURS} | {
    "PYTHONPATH": str(CHECKOUT)
}


def processes_of(root: Path) -> dict[int, str]:
    """The living processes that name `root` in their command line or work below it: id and first argument."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            line = (entry / "cmdline").read_bytes().decode(errors="replace")
            where = line + str((entry / "cwd").readlink())
            if line and str(root) in where:
                found[int(entry.name)] = line.replace("\0", " ")
    return found


def pid_of(root: Path, words: str) -> int:
    """The one process of `root` whose command line contains the words."""
    [pid] = [pid for pid, line in processes_of(root).items() if words in line]
    return pid


def all_gone(root: Path, seconds: float = SECONDS) -> bool:
    """Whether no process of `root` is left within so many seconds."""
    return files.wait_until(lambda: not processes_of(root), seconds, 0.05)


class Client:
    """A process that has attached to the servers of `root` and stays until `end` or `kill`."""

    def __init__(self, root: Path, *, durable: bool = False, environment: dict[str, str] | None = None) -> None:
        self.root = root
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), str(root), "durable" if durable else "fast"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=CLEAN_ENVIRONMENT | (environment or {}),
        )
        self._answer: dict[str, Any] | None = None

    @property
    def answer(self) -> dict[str, Any]:
        """What the client has printed, once it has."""
        if self._answer is None:
            assert self.process.stdout is not None
            self._answer = json.loads(self.process.stdout.readline())
        return self._answer

    @property
    def database_url(self) -> str:
        assert "database_url" in self.answer, self.answer
        return str(self.answer["database_url"])

    @property
    def redis_url(self) -> str:
        return str(self.answer["redis_url"])

    def end(self) -> None:
        """Let the client end as a program does."""
        self.process.communicate(timeout=SECONDS)

    def kill(self) -> None:
        """SIGKILL the client."""
        self.process.kill()
        self.process.communicate(timeout=SECONDS)


@contextlib.contextmanager
def temporary_place() -> Iterator[Path]:
    """An empty directory that every user may pass. Afterwards nothing runs below it and it is gone."""
    directory = Path(tempfile.mkdtemp(prefix="dreamland-tests-", dir="/var/tmp"))
    directory.chmod(0o755)
    yield directory
    for pid in processes_of(directory):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert all_gone(directory)
    shutil.rmtree(directory)


@pytest.fixture
def place() -> Iterator[Path]:
    """A temporary place for one test."""
    with temporary_place() as directory:
        yield directory


@pytest.fixture(scope="module")
def shared() -> Iterator[Client]:
    """A client of durable servers for the tests that only look."""
    with temporary_place() as directory:
        client = Client(directory / ".local", durable=True)
        yield client
        client.kill()


@pytest.fixture
def root(place: Path) -> Path:
    """A root for embedded servers, not yet made."""
    return place / ".local"


@pytest.fixture
def attached(root: Path) -> Iterator[Callable[..., Client]]:
    """Makes clients; ends those that are left when the test is over."""
    clients: list[Client] = []

    def make(where: Path = root, **options: Any) -> Client:
        clients.append(Client(where, **options))
        return clients[-1]

    yield make
    for client in clients:
        client.kill()
