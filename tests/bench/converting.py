"""`python -m tests.bench.converting HOUR [WORKERS]`: converts an hour as Celery does, and tells how that went as JSON.

A process of its own, so that its memory is its own, and so that it runs beside whatever is measured.
"""

import json
import sys
import time
from collections import Counter
from contextlib import nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any


def main() -> None:
    """Prints seconds, conversions, seconds of each chunk, memory before and at its highest, seconds by statement."""
    import django

    django.setup()
    from django.db import connection

    from conversion import chunks as chunking
    from conversion.passes import unheard
    from conversion.services import convert_hour
    from conversion.workers import helping
    from tests.bench import harness
    from tests.bench.workers import warm_up

    hour, crew = datetime.fromisoformat(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    chunks: list[tuple[int, float]] = []
    statements = Counter[str]()
    original = chunking.convert_chunk

    def timed(run: Any, terms: Any, players: Any) -> Any:
        began = time.perf_counter()
        try:
            return original(run, terms, players)
        finally:
            chunks.append((len(players), time.perf_counter() - began))

    def clocked(execute: Any, sql: str, *rest: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(sql, *rest)
        finally:
            statements[" ".join(sql.split())[:70]] += time.perf_counter() - began  # type: ignore[assignment]

    postgres = harness.postgres_pid()
    chunking.convert_chunk = timed
    before = memory("VmRSS")
    with helping(crew, unheard) if crew > 1 else nullcontext() as helpers:
        if helpers:
            warm_up(helpers, crew)
        cpu_before, began = time.process_time(), time.perf_counter()
        with harness.cpu(postgres=postgres) as used, connection.execute_wrapper(clocked):
            run = convert_hour(hour=hour, now=hour + timedelta(hours=3), helpers=helpers)
        took = time.perf_counter() - began
    told = {
        "seconds": took,
        "cpu_seconds": {**used, "python": time.process_time() - cpu_before},  # without helpers
        "state": run.state,
        "conversions": run.conversions,
        "chunks": chunks,
        "memory": [before, memory("VmHWM")],
        "statements": statements,
    }
    sys.stdout.write(json.dumps(told))


def memory(field: str) -> float:  # MiB
    """What Linux says of this process."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
