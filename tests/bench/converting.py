"""`python -m tests.bench.converting HOUR`: converts an hour as Celery does, and tells how that went as JSON.

A process of its own, so that its memory is its own, and so that it runs beside whatever is measured.
"""

import json
import sys
import time
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any


def main() -> None:
    """Prints seconds, conversions, seconds of each chunk, memory before and at its highest, seconds by statement."""
    import django

    django.setup()
    from django.db import connection

    from conversion import chunks as chunking
    from conversion.services import convert_hour

    hour = datetime.fromisoformat(sys.argv[1])
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

    connection.ensure_connection()
    chunking.convert_chunk = timed
    before, began = memory("VmRSS"), time.perf_counter()
    with connection.execute_wrapper(clocked):
        run = convert_hour(hour=hour, now=hour + timedelta(hours=3))
    told = {
        "seconds": time.perf_counter() - began,
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
