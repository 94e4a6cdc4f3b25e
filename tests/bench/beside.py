"""`python -m tests.bench.beside [--wins N] [--rounds N] [--minutes N]`: single wins while an hour is converted.

Prints how long single wins take (median, p99) with a run beside them and without, in the same databases, and the ratio
of the two p99. With `--minutes`, instead: wins, batches of wins and runs together for so long, and how many deadlocks
PostgreSQL counted. On a PostgreSQL of its own with fsync on.
"""

import argparse
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

from tests.bench import harness, hours
from tests.bench.harness import Figure, Report, percentile, query, say

WINS = 100_000
ROUNDS = 3
ALONE = 600
RECORDERS = 2
BATCH = 50
BATCH_SHARE = 10  # one call of so many is a batch


def main() -> None:
    """Reads the command line and runs one of the two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wins", type=int, default=WINS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--minutes", type=float, default=0)
    options = parser.parse_args()
    harness.attach()
    if options.minutes:
        together(hours.fill(options.wins), options.minutes * 60)
    else:
        Report().add(beside_a_run(options.wins, options.rounds))


def measure(report: Report) -> None:
    """How long a single win takes beside a run, and without one."""
    report.add(beside_a_run(WINS, ROUNDS))


def beside_a_run(wins: int, rounds: int) -> Figure:
    hour = hours.fill(wins)
    alone: list[float] = []
    beside: list[float] = []
    ratios = []
    for _ in range(rounds):
        hours.start_round()
        without = single_wins(lambda done: done < ALONE)
        worker = converting(hour)
        with_run = single_wins(lambda _, worker=worker: worker.poll() is None)  # type: ignore[misc]
        assert worker.wait() == 0
        ratios.append(percentile(with_run, 99) / percentile(without, 99))
        alone += without
        beside += with_run
    return Figure(
        name="p99 of a win while an hour is converted, against alone",
        size=wins,
        size_unit="pending wins",
        unit="ms",
        ours=percentile(beside, 99) * 1_000,
        floor=percentile(alone, 99) * 1_000,
        ratio=statistics.median(ratios),
        rounds=ratios,
        at_least=False,
        more={
            "ours p50 ms": statistics.median(beside) * 1_000,
            "floor p50 ms": statistics.median(alone) * 1_000,
            "longest ms": max(beside) * 1_000,
            "chunk ms aimed at": chunk_ms(),
        },
    )


def chunk_ms() -> int:
    from django.conf import settings

    return int(settings.CONVERSION_CHUNK_MS)


def converting(hour: datetime) -> subprocess.Popen[bytes]:
    """A run in a process of its own; returns when it has begun."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.converting", hour.isoformat()],
        cwd=harness.ROOT,
        env=harness.environment(),
        stdout=subprocess.DEVNULL,
    )
    while worker.poll() is None and not query("SELECT 1 FROM conversion_conversion LIMIT 1"):
        time.sleep(0.005)
    return worker


def single_wins(more: Callable[[int], bool]) -> list[float]:
    """Wins of players drawn by lot, one call each, one after the other; seconds of each."""
    from conversion.selectors import database_clock
    from rewards.services import Claim, create_game, record_wins

    game, now = create_game(slug="bench", name="Bench"), database_clock()
    players: list[UUID] = [row[0] for row in query("SELECT id FROM rewards_player ORDER BY random()")]
    seconds: list[float] = []
    while more(len(seconds)):
        player = players[len(seconds) % len(players)]
        began = time.perf_counter()
        record_wins(game_id=game.id, claims=[Claim(player, str(uuid4()), Decimal("0.0001"), now)], now=now)
        seconds.append(time.perf_counter() - began)
    return seconds


def together(hour: datetime, seconds: float) -> None:
    """Wins and runs for so long: two recorders, and two converters that run against each other without a pause."""
    from conversion.services import convert_hour
    from ledger import book

    hours.start_round()
    deadline, counts, lock = time.monotonic() + seconds, Counter[str](), threading.Lock()
    runs_at = iter(range(10**6))

    def count(name: str) -> None:
        with lock:
            counts[name] += 1

    def convert() -> None:
        """Runs of hours that come one after the other, two processes' worth of threads at the same ones."""
        while time.monotonic() < deadline:
            with lock:
                at = hour + timedelta(hours=next(runs_at) // 2)
            run = convert_hour(hour=at, now=at + timedelta(hours=1))
            count("runs")
            if run.state != "done":
                count("troubles")
            window(at + timedelta(hours=1))

    current = [hour]

    def window(at: datetime) -> None:
        with lock:
            current[0] = max(current[0], at)

    threads = [threading.Thread(target=on_own_connection, args=(convert,)) for _ in range(2)]
    threads += [
        threading.Thread(target=on_own_connection, args=(lambda: record(deadline, current, count),))
        for _ in range(RECORDERS)
    ]
    before = deadlocks()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    time.sleep(2)  # statistics of ended connections are flushed
    wrong = [finding.check.name for finding in book.verify().findings if finding.wrong_rows]
    say(
        f"{seconds / 60:.1f} minutes of wins and runs together: {counts['calls']:,} calls that record wins "
        f"(and {counts['sent again']} to be sent again), "
        f"{counts['runs']:,} attempts at runs ({counts['troubles']} that left a player for the next), "
        f"{query('SELECT count(*) FROM conversion_conversion')[0][0]:,} conversions; "
        f"deadlocks {deadlocks() - before}; verify_books: {wrong or 'clean'}"
    )


def record(deadline: float, current: list[datetime], count: Callable[[str], None]) -> None:
    """Single wins and batches of players drawn by lot, won in the hour that is converted next."""
    from dreamland.lib.races import Unavailable
    from rewards.services import Claim, create_game, record_wins

    game = create_game(slug="bench", name="Bench")
    players: list[UUID] = [row[0] for row in query("SELECT id FROM rewards_player ORDER BY random()")]
    place = 0
    while time.monotonic() < deadline:
        size = BATCH if place % BATCH_SHARE == 0 else 1
        now = current[0] + timedelta(minutes=30)
        claims = [
            Claim(players[(place * 7 + n) % len(players)], str(uuid4()), Decimal("0.00001"), now) for n in range(size)
        ]
        place += 1
        try:
            record_wins(game_id=game.id, claims=claims, now=now)
            count("calls")
        except Unavailable:  # the game would send it again
            count("sent again")


def deadlocks() -> int:
    return int(query("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")[0][0])


def on_own_connection(work: Callable[[], None]) -> None:
    from django.db import connection

    try:
        query("SET statement_timeout = '30s'")
        work()
    finally:
        connection.close()


if __name__ == "__main__":
    main()
