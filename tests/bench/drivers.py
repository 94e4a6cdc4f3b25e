"""Processes that call a service as fast as they can: `python -m tests.bench.drivers WORK SECONDS SIZE SEED`.

Each says "ready", waits for a line, works for so long and prints what it did. One process for each connection, as web
workers are: threads of one process would share one interpreter.
"""

import importlib
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from tests.bench import harness
from tests.bench.harness import Side

Work = Callable[[], int]  # one call; how many operations it did


def drive(
    work: str, *, processes: int, seconds: float, size: int = 1, python: str = sys.executable, **variables: str
) -> Side:
    """Runs `work` ("module:function") in so many processes of `python` at once. `size` is passed to each."""
    crew = [
        subprocess.Popen(
            [python, "-m", "tests.bench.drivers", work, str(seconds), str(size), str(seed)],
            cwd=harness.ROOT,
            env=harness.environment(**variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in range(processes)
    ]
    for worker in crew:
        assert worker.stdout
        assert worker.stdout.readline() == "ready\n"
    began = time.perf_counter()
    with harness.cpu(postgres=harness.postgres_pid()) as used:
        for worker in crew:
            assert worker.stdin
            worker.stdin.write("go\n")
            worker.stdin.flush()
        done = [json.loads(worker.communicate()[0]) for worker in crew]
    took = time.perf_counter() - began
    used["python"] = sum(one["cpu_seconds"] for one in done)
    return Side(sum(one["operations"] for one in done), took, used)


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

    work, seconds, size, seed = arguments
    django.setup()
    module, function = work.split(":")
    make: Callable[[int, random.Random], Work] = getattr(importlib.import_module(module), function)
    once = make(int(size), random.Random(int(seed)))
    once()  # connected, prepared, imported
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    before = _cpu_seconds()
    until = time.perf_counter() + float(seconds)
    operations = 0
    while time.perf_counter() < until:
        operations += once()
    sys.stdout.write(json.dumps({"operations": operations, "cpu_seconds": _cpu_seconds() - before}))


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main(sys.argv[1:])
