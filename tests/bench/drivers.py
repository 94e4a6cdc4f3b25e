"""Processes that call a service as fast as they can: `python -m tests.bench.drivers WORK SIZE THREADS SEED`.

Each says "ready", and for each line with a number of seconds works for so long and prints what it did; with THREADS, as
a web process does, each of which has a connection. A crew stays for the next round of the same work, so that rounds in
turns do not pay for starting it each time.
"""

import atexit
import gc
import importlib
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from types import MappingProxyType

from tests.bench import harness
from tests.bench.harness import Side

Work = Callable[[], int]  # one call; how many operations it did
Crew = list[subprocess.Popen[str]]

CREWS_KEPT = 2  # ours and the floor's
_crews: dict[tuple[object, ...], Crew] = {}


def drive(
    work: str,
    *,
    processes: int,
    seconds: float,
    threads: int = 1,
    size: int = 1,
    python: str = sys.executable,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Side:
    """Runs `work` ("module:function") in so many processes of `python` at once. `size` is passed to each thread."""
    [database] = harness.query("SELECT oid, datname FROM pg_database WHERE datname = current_database()")
    key = (work, processes, threads, size, python, database, *sorted(variables.items()))
    crew = _crews.pop(key) if key in _crews else _hired(work, processes, threads, size, python, variables)
    _crews[key] = crew  # the newest is the last
    for old in list(_crews)[:-CREWS_KEPT]:
        _dismiss(_crews.pop(old))
    began = time.perf_counter()
    with harness.cpu(postgres=harness.postgres_pid()) as used:
        for worker in crew:
            assert worker.stdin
            worker.stdin.write(f"{seconds}\n")
            worker.stdin.flush()
        done = [json.loads(_line(worker)) for worker in crew]
    took = time.perf_counter() - began
    used["python"] = sum(one["cpu_seconds"] for one in done)
    return Side(sum(one["operations"] for one in done), took, used)


def _hired(work: str, processes: int, threads: int, size: int, python: str, variables: Mapping[str, str]) -> Crew:
    """A crew that is ready."""
    crew = [
        subprocess.Popen(
            [python, "-m", "tests.bench.drivers", work, str(size), str(threads), str(seed)],
            cwd=harness.ROOT,
            env=harness.environment(**variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in range(processes)
    ]
    for worker in crew:
        assert _line(worker) == "ready\n"
    return crew


def _line(worker: subprocess.Popen[str]) -> str:
    assert worker.stdout
    said = worker.stdout.readline()
    assert said, f"a driver ended: {worker.args!r}"
    return said


@atexit.register
def dismiss_all() -> None:
    """Ends every crew."""
    while _crews:
        _dismiss(_crews.popitem()[1])


def _dismiss(crew: Crew) -> None:
    for worker in crew:
        worker.communicate()  # the end of its input is the end of its work


def in_one_transaction(once: Work, size: int) -> Work:
    """The same so many times, committed together."""
    from django.db import transaction

    def together() -> int:
        with transaction.atomic():
            return sum(once() for _ in range(size))

    return together


def main(arguments: Sequence[str]) -> None:
    """The process itself."""
    import django

    work, size, threads, seed = arguments
    django.setup()
    module, function = work.split(":")
    make: Callable[[int, random.Random], Work] = getattr(importlib.import_module(module), function)
    chances = [random.Random(f"{seed} {number}") for number in range(int(threads))]
    with ThreadPoolExecutor(int(threads)) as pool:
        at_work = Barrier(int(threads))  # so that each thread takes one of the works, and its connection stays its own
        works = list(pool.map(lambda chance: _connected(make(int(size), chance), at_work), chances))
        gc.collect()
        gc.freeze()  # as the web process does
        _say("ready")
        for line in sys.stdin:
            before = _cpu_seconds()
            until = time.perf_counter() + float(line)
            operations = sum(pool.map(lambda once, until=until: _until(until, once), works))
            _say(json.dumps({"operations": operations, "cpu_seconds": _cpu_seconds() - before}))


def _connected(once: Work, at_work: Barrier) -> Work:
    once()  # connected, prepared, imported
    at_work.wait()
    return once


def _until(until: float, once: Work) -> int:
    """How many operations were done."""
    operations = 0
    while time.perf_counter() < until:
        operations += once()
    return operations


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main(sys.argv[1:])
