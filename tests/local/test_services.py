"""The supervisor, with small programs in the place of web, worker and beat."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dreamland.local import files, processes, services
from dreamland.local.services import Service, Supervisor
from tests.local.conftest import CLEAN_ENVIRONMENT, all_gone, processes_of

SLEEP = "import time; print('service is here', flush=True); time.sleep(600)"
STUBBORN = (
    "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.fork();"
    " print('ready', flush=True); time.sleep(600)"
)
# A supervisor in a process of its own, for a test that kills it.
SUPERVISOR = """
import sys
from pathlib import Path
from dreamland.local import services as module
from dreamland.local.services import Service, Supervisor
module.ORPHAN_SECONDS = 1
place = Path(sys.argv[1])
program = [sys.executable, "-c", sys.argv[2]]
services = [Service(name, program, {}, place / f"{name}.log", place) for name in ("one", "two")]
supervisor = Supervisor(services, print)
supervisor.start()
print(supervisor._undertaker.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def supervised(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Supervisor]]:
    """Makes a supervisor of one Python program named "service"; stops it when the test is over."""
    monkeypatch.setattr(services, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(services, "FIRST_BACK_OFF_SECONDS", 0.01)
    made: list[Supervisor] = []

    def make(program: str, report: Callable[[str], None] = lambda _: None) -> Supervisor:
        arguments = [sys.executable, "-c", program]
        made.append(Supervisor([Service("service", arguments, {}, place / "service.log", place)], report))
        return made[-1]

    yield make
    for supervisor in made:
        supervisor.stop()


def test_a_service_that_dies_is_reported_with_its_log_and_started_again(
    place: Path, supervised: Callable[..., Supervisor]
) -> None:
    reports: list[str] = []
    supervisor = supervised(SLEEP, reports.append)
    supervisor.start()
    assert files.wait_until(lambda: "service is here" in files.tail(place / "service.log"), 10)
    first = supervisor.pids()["service"]
    os.kill(first, signal.SIGKILL)
    assert files.wait_until(lambda: supervisor.pids().get("service", first) != first, 10)
    assert len(reports) == 1
    assert "service has died (exit status -9)" in reports[0]
    assert "service is here" in reports[0]
    assert supervisor.failure is None


def test_a_service_that_dies_again_and_again_is_given_up(supervised: Callable[..., Supervisor]) -> None:
    reports: list[str] = []
    supervisor = supervised("import sys; sys.exit('no such thing')", reports.append)
    supervisor.start()
    assert files.wait_until(lambda: supervisor.failure is not None, 20)
    assert "no such thing" in str(supervisor.failure)
    assert len(reports) == services.MAX_RESTARTS + 1
    assert supervisor.pids() == {}


def test_a_service_and_its_child_that_ignore_the_stop_signal_are_killed(
    place: Path, supervised: Callable[..., Supervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "STOP_SECONDS", 0.5)
    supervisor = supervised(STUBBORN)
    supervisor.start()
    assert files.wait_until(lambda: files.tail(place / "service.log").count("ready") == 2, 10)
    started = time.monotonic()
    supervisor.stop()
    assert 0.5 <= time.monotonic() - started < 5
    assert all_gone(place, 2)


def test_what_a_dead_service_leaves_in_its_group_is_killed(place: Path, supervised: Callable[..., Supervisor]) -> None:
    supervisor = supervised(STUBBORN)
    supervisor.start()
    assert files.wait_until(lambda: files.tail(place / "service.log").count("ready") == 2, 10)
    before = set(processes_of(place))
    os.kill(supervisor.pids()["service"], signal.SIGKILL)
    assert files.wait_until(lambda: not before & set(processes_of(place)), 10)


def test_a_restart_gives_a_new_process_and_reports_no_death(supervised: Callable[..., Supervisor]) -> None:
    reports: list[str] = []
    supervisor = supervised(SLEEP, reports.append)
    supervisor.start()
    first = supervisor.pids()
    supervisor.restart("service")
    assert supervisor.pids().keys() == first.keys()
    assert supervisor.pids() != first
    assert reports == []


def test_services_outlive_the_thread_that_asked_for_them(supervised: Callable[..., Supervisor]) -> None:
    supervisor = supervised(SLEEP)
    thread = threading.Thread(target=supervisor.start)
    thread.start()
    thread.join()
    before = supervisor.pids()
    time.sleep(0.5)
    assert supervisor.pids() == before != {}


@pytest.mark.parametrize("who_helps", ["kernel", "undertaker"])
def test_no_service_outlives_a_killed_supervisor(place: Path, who_helps: str) -> None:
    """The kernel asks, even when the undertaker is killed too; the undertaker kills what does not obey."""
    program = SLEEP if who_helps == "kernel" else STUBBORN
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(place), program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=CLEAN_ENVIRONMENT,
    ) as supervisor:
        assert supervisor.stdout is not None
        undertaker = int(supervisor.stdout.readline())
        logs = [place / "one.log", place / "two.log"]
        assert files.wait_until(lambda: all(files.tail(log) for log in logs), 10)
        if who_helps == "kernel":
            os.kill(undertaker, signal.SIGKILL)
        supervisor.kill()
        assert all_gone(place, 10)
        assert files.wait_until(lambda: not processes.is_alive(undertaker), 10)
