"""`python -m tests.bench.beside [--wins N] [--rounds N] [--minutes N]`: single wins while an hour is converted.

Prints how long single wins take (median, p99), by HTTP and by the service: without a run, for as long as a run takes;
and while an hour of the same players is converted. Twice more, to tell what a run does to wins and what cores do that
both want: while the same hour is converted in another database of the same server (the same cores, no row in common),
and with the cores dealt out, one half for all that wins need and the other for all that the run needs (the same rows
and the same log, no core in common). With `--minutes`, instead: wins, batches of wins and runs together for so long,
and how many deadlocks PostgreSQL counted. On a PostgreSQL of its own with fsync on.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain
from uuid import UUID, uuid4

import psycopg

from tests.bench import harness, hours
from tests.bench.harness import Figure, Report, percentile, query, say
from tests.bench.serving import ANSWER_SECONDS, OURS, Line, request, served

WINS = 100_000
ROUNDS = 5
WARM = 100  # a connection learns its plans
ALONE_SECONDS = 4.0  # as long as a run takes: both meet the same pauses of the server
AMOUNT = Decimal("0.0001")
PROMISE = 3.0
RECORDERS = 2
BATCH = 50
BATCH_SHARE = 10  # one call of so many is a batch

Win = Callable[[UUID], None]
Door = Callable[[], AbstractContextManager[Win]]


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
        beside_runs(Report(), options.wins, options.rounds)


def measure(report: Report) -> None:
    """How long a single win takes beside a run, and without one."""
    beside_runs(report, WINS, ROUNDS)


def beside_runs(report: Report, wins: int, rounds: int) -> None:
    hour = hours.fill(wins)
    cores = os.sched_getaffinity(0)
    shared, own = Cores(cores, cores), dealt_out(cores)
    for name, door in (("a win over HTTP", over_http), ("a win", by_service)):
        free, elsewhere, apart = [], [], []
        for _ in range(rounds):
            free.append(measured(door, hour, hours.ROUND, shared))
            elsewhere.append(measured(door, hour, hours.OTHER, shared))
            apart.append(measured(door, hour, hours.ROUND, own))
        alone, beside = zip(*free, strict=True)
        report.add(figure(f"p99 of {name} while an hour is converted, against alone", wins, beside, alone, PROMISE))
        _, other = zip(*elsewhere, strict=True)
        report.add(figure(f"p99 of {name} beside a run, against a run in another database", wins, beside, other))
        alone, beside = zip(*apart, strict=True)
        report.add(
            figure(f"p99 of {name} while an hour is converted on cores of its own, against alone", wins, beside, alone,
                   PROMISE)
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cores:
    """Where wins are recorded, and where the run is: the programs, and the processes of PostgreSQL that serve them."""

    wins: set[int]
    run: set[int]


def dealt_out(cores: Iterable[int]) -> Cores:
    """One half for each side. There are two cores at least."""
    each = sorted(cores)
    assert len(each) > 1, "with one core there is nothing to deal out"
    return Cores(set(each[: len(each) // 2]), set(each[len(each) // 2 :]))


def measured(door: Door, hour: datetime, database: str, cores: Cores) -> tuple[list[float], list[float]]:
    """Seconds of each win in ROUND: without a run, and while the hour is converted in that database."""
    hours.start_round(database)
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores.wins)
    try:
        with door() as win:
            confine(backends(hours.ROUND), cores.wins)
            alone = seconds_of(win, for_so_long(ALONE_SECONDS))
            with converting(hour, database, cores.run) as is_running:
                return alone, seconds_of(win, is_running)
    finally:
        os.sched_setaffinity(0, everywhere)


def backends(database: str) -> set[int]:
    """The processes of PostgreSQL that serve that database's connections."""
    rows = query(
        "SELECT pid FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'",
        [database],
    )
    return {pid for (pid,) in rows}


def confine(pids: Iterable[int], cores: set[int]) -> None:
    for pid in pids:
        os.sched_setaffinity(pid, cores)


def figure(
    name: str, wins: int, ours: Sequence[list[float]], floor: Sequence[list[float]], promise: float | None = None
) -> Figure:
    ratios = [percentile(mine, 99) / percentile(its, 99) for mine, its in zip(ours, floor, strict=True)]
    mine, its = list(chain.from_iterable(ours)), list(chain.from_iterable(floor))
    return Figure(
        name=name,
        size=wins,
        size_unit="pending wins",
        unit="ms",
        ours=percentile(mine, 99) * 1_000,
        floor=percentile(its, 99) * 1_000,
        ratio=statistics.median(ratios),
        rounds=ratios,
        at_least=False,
        promise=promise,
        more={
            "ours p50 ms": statistics.median(mine) * 1_000,
            "floor p50 ms": statistics.median(its) * 1_000,
            "longest ms": max(mine) * 1_000,
            "chunk ms aimed at": chunk_ms(),
        },
    )


def chunk_ms() -> int:
    from django.conf import settings

    return int(settings.CONVERSION_CHUNK_MS)


def for_so_long(seconds: float) -> Callable[[], bool]:
    until = time.monotonic() + seconds
    return lambda: time.monotonic() < until


@contextmanager
def converting(hour: datetime, database: str, cores: set[int]) -> Iterator[Callable[[], bool]]:
    """A run in a process of its own and in that database; what is given tells whether it goes on. It has begun."""
    url = harness.database_url().replace(hours.ROUND, database)
    with psycopg.connect(url, autocommit=True) as its:
        ours = backends(database)
        worker = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.converting", hour.isoformat()],
            cwd=harness.ROOT,
            env=harness.environment(DATABASE_URL=url),
            stdout=subprocess.DEVNULL,
        )
        try:
            confine([worker.pid], cores)
            while worker.poll() is None and not its.execute("SELECT 1 FROM conversion_conversion LIMIT 1").fetchone():
                time.sleep(0.005)
            confine(backends(database) - ours, cores)
            yield lambda: worker.poll() is None
            assert worker.wait() == 0
        finally:
            worker.kill()  # a no-op where it has ended
            worker.wait()


def seconds_of(win: Win, more: Callable[[], bool]) -> list[float]:
    """Wins of players drawn by lot, one call each, one after the other; seconds of each."""
    players: list[UUID] = [row[0] for row in query("SELECT id FROM rewards_player ORDER BY random()")]
    seconds: list[float] = []
    while more():
        player = players[len(seconds) % len(players)]
        began = time.perf_counter()
        win(player)
        seconds.append(time.perf_counter() - began)
    return seconds


@contextmanager
def by_service() -> Iterator[Win]:
    """Wins by the service in this process, its connection warm."""
    from conversion.selectors import database_clock
    from rewards.services import Claim, Recorded, create_game, record_wins

    game, now = create_game(slug="bench", name="Bench"), database_clock()

    def win(player: UUID) -> None:
        claim = Claim(player, str(uuid4()), AMOUNT, now)
        (outcome,) = record_wins(game_id=game.id, claims=[claim], now=now)
        assert isinstance(outcome, Recorded), outcome

    warm(win)
    yield win


@contextmanager
def over_http() -> Iterator[Win]:
    """Wins over one connection to a web process, its threads warm."""
    from rewards.keys import create_game_key
    from rewards.models import Scope
    from rewards.services import create_game

    key = create_game_key(game_id=create_game(slug="bench", name="Bench").id, scopes=[Scope.WINS_WRITE]).plaintext
    with served(OURS) as web, socket.create_connection(("127.0.0.1", web.port), ANSWER_SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line = Line(connection)

        def win(player: UUID) -> None:
            won_at = datetime.now(UTC).isoformat()
            claim = {"reference": str(uuid4()), "player_id": str(player), "amount": str(AMOUNT), "won_at": won_at}
            line.ask(request("POST", "/v1/wins", json.dumps(claim), key=key))
            while not line.answered():
                pass
            assert line.received.startswith(b"HTTP/1.1 201"), bytes(line.received[:2_000])

        warm(win)
        yield win


def warm(win: Win) -> None:
    for (player,) in query("SELECT id FROM rewards_player LIMIT %s", [WARM]):
        win(player)


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
