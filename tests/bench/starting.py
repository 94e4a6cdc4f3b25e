"""How long programs take until they are ready, and what memory they hold then, beside an empty Django project.

Memory is the proportional share (PSS) of the whole process tree: pages that several processes share count once. The
empty project is what `django-admin startproject` makes, with the same servers: granian, Celery, PostgreSQL.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench import harness, serving
from tests.bench.harness import Report, Side

ROUNDS = 5
REST_SECONDS = 1.0
READY_SECONDS = 60.0
WORKER_READY = b"ready."
DREAMLAND, EMPTY = "dreamland.settings", "tests.bench.empty"


@dataclass(frozen=True)
class Program:
    """What is started twice: the command, when it is ready, and for whom."""

    name: str
    ours: Callable[[], Side]
    floor: Callable[[], Side]


def measure(report: Report) -> None:
    """A command, the web process and the worker: seconds to ready, then memory at rest."""
    harness.fresh()
    programs = (
        Program(
            "a command (manage.py check)",
            partial(command, ["manage.py", "check"], DREAMLAND),
            partial(command, ["-m", "django", "check"], EMPTY),
        ),
        Program("the web process", partial(web, serving.OURS), partial(web, "tests.bench.empty_programs:application")),
        Program("the worker", partial(worker, "dreamland"), partial(worker, "tests.bench.empty_programs")),
    )
    for program in programs:
        started = harness.in_turns(
            f"start of {program.name} against an empty project",
            program.ours,
            program.floor,
            size=1,
            size_unit="start",
            unit="s",
            rounds=ROUNDS,
            at_least=False,
            of=lambda side: side.seconds,
        )
        report.add(started)


def command(arguments: Sequence[str], settings: str) -> Side:
    """Runs a command to its end."""
    with harness.cpu(python=os.getpid()) as used:
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, *arguments],
            cwd=harness.ROOT,
            env=harness.environment(DJANGO_SETTINGS_MODULE=settings),
            capture_output=True,
            check=True,
        )
        took = time.perf_counter() - began
    return Side(1, took, used)


def web(application: str) -> Side:
    """Starts granian and waits for GET /livez."""
    began = time.perf_counter()
    with serving.served(application) as server:
        took = time.perf_counter() - began
        time.sleep(REST_SECONDS)
        return Side(1, took, {"python": harness.cpu_of_tree(server.pid)}, {"MiB at rest": memory_of_tree(server.pid)})


def worker(app: str) -> Side:
    """Starts a Celery worker of one process and waits until it says that it is ready."""
    settings = {"DJANGO_SETTINGS_MODULE": DREAMLAND if app == "dreamland" else EMPTY, "LOG_LEVEL": "INFO"}
    with TemporaryDirectory() as directory, Path(directory, "log").open("w+b") as log:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", app, "worker", "--hostname", f"bench-{app}@%h", "--loglevel",
             "INFO", "--concurrency", "1", "--without-gossip", "--without-mingle"],
            cwd=harness.ROOT,
            env=harness.environment(**settings),
            stdout=log,
            stderr=log,
        )  # fmt: skip
        try:
            while WORKER_READY not in Path(log.name).read_bytes():
                said = Path(log.name).read_text()[-2_000:]
                assert process.poll() is None, said
                assert time.perf_counter() - began < READY_SECONDS, said
                time.sleep(0.01)
            took = time.perf_counter() - began
            time.sleep(REST_SECONDS)
            used = {"python": harness.cpu_of_tree(process.pid)}
            return Side(1, took, used, {"MiB at rest": memory_of_tree(process.pid)})
        finally:
            process.terminate()
            process.wait(30)


def memory_of_tree(pid: int) -> float:  # MiB
    """The proportional share of a process and of those below it."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    share = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024
    below = Path(f"/proc/{pid}/task").glob("*/children")
    return share + sum(memory_of_tree(int(child)) for tasks in below for child in tasks.read_text().split())
