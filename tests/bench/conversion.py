"""`python -m tests.bench.conversion [WINS ...]`: the hourly run against one hand-written statement for the same rows.

Both convert copies of the same database, in turns, on a PostgreSQL of their own with fsync on. The floor is one SQL
statement that writes the same rows under the same constraints and triggers: what PostgreSQL itself takes for them.
Prints conversions a second of both, the ratio (median of the rounds), time for each chunk at the beginning and the end,
and the memory of the process; then how long single wins take with a run beside them and without.
"""

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

ROOT = Path(__file__).parent.parent.parent
SIZES = (10_000, 100_000)
ROUNDS = 3
WINS_FOR_A_PLAYER = 5
SINGLE_WINS = 400
PRICE = Decimal("0.15")

RUN = """
import datetime, django, sys
django.setup()
from conversion.services import convert_hour
hour = datetime.datetime.fromisoformat(sys.argv[1])
convert_hour(hour=hour, now=hour + datetime.timedelta(hours=3))
"""
FLOOR = """
WITH lots AS MATERIALIZED (
    SELECT uuidv7() AS entry, win.player_id, date_trunc('hour', win.won_at, 'UTC') AS hour, day.day,
           sum(win.amount) AS tokens, array_agg(win.entry_id) AS wins
    FROM rewards_win win JOIN rewards_allowance day ON day.id = win.allowance_id AND day.player_id = win.player_id
    WHERE win.converted_by_id IS NULL AND win.voided_by_id IS NULL AND win.won_at < %(hour)s + interval '1 hour'
    GROUP BY win.player_id, 3, day.day
), lines AS MATERIALIZED (
    SELECT lots.*, usd, round_half_even(usd * rule.percentage + rule.fixed, 8) AS fee, rule.id AS rule
    FROM lots
    CROSS JOIN LATERAL (SELECT round_half_even(tokens * %(price)s, 8) AS usd) AS worth
    CROSS JOIN (SELECT * FROM conversion_feerule ORDER BY effective_from DESC LIMIT 1) AS rule
), entries AS (
    INSERT INTO ledger_journalentry (id, holder, kind, memo, metadata)
    SELECT entry, player_id, 'conversion', '', '{}' FROM lines ORDER BY player_id
    RETURNING id, posted_at
), postings AS (
    INSERT INTO ledger_posting (entry_id, holder, debit_id, credit_id, asset, amount)
    SELECT entry, player_id, leg.debit, leg.credit, leg.asset, leg.amount
    FROM lines CROSS JOIN LATERAL (VALUES
        ('player:dream', 'dream:redeemed', 'DREAM', tokens),
        ('usd:rewards-expense', 'player:usd', 'USD', usd),
        ('usd:conversion-fees', 'usd:fees-payable', 'USD', fee)) AS leg (debit, credit, asset, amount)
    ORDER BY player_id
), written AS (
    INSERT INTO conversion_conversion
        (entry_id, run_id, player_id, hour, day, rate_id, fee_rule_id, tokens, usd, fee, converted_at)
    SELECT entry, %(run)s, player_id, hour, day, %(rate)s, rule, tokens, usd, fee, entries.posted_at
    FROM lines JOIN entries ON entries.id = lines.entry
)
UPDATE rewards_win win SET converted_by_id = lines.entry
FROM lines CROSS JOIN LATERAL unnest(lines.wins) AS claimed (id)
WHERE win.entry_id = claimed.id
"""


def main() -> int:
    """Runs everything for each size on the command line."""
    from dreamland import local

    for variable in ("DATABASE_URL", "REDIS_URL"):
        os.environ.pop(variable, None)
    local.attach(ROOT / ".local" / "bench")
    os.environ.update(DJANGO_SETTINGS_MODULE="dreamland.settings", LOG_LEVEL="ERROR", STATEMENT_TIMEOUT_MS="0")
    import django

    django.setup()
    for wins in [int(text) for text in sys.argv[1:]] or SIZES:
        bench(wins)
    return 0


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def bench(wins: int) -> None:
    """One size: fills a database once, then converts copies of it, service and floor in turns."""
    from tests import databases

    say(
        f"== {wins:,} pending wins of {wins // WINS_FOR_A_PLAYER:,} players; fsync {setting('fsync')}, "
        f"synchronous_commit {setting('synchronous_commit')}"
    )
    template = databases.template()
    databases.copy(template, "bench_filled")
    databases.use("bench_filled")
    hour = fill(wins)
    service: list[float] = []
    floor: list[float] = []
    chunks: list[list[float]] = []
    for _ in range(ROUNDS):
        for times, convert in ((service, by_service), (floor, by_hand)):
            databases.use("postgres")
            databases.copy("bench_filled", "bench_round")
            databases.use("bench_round")
            query("VACUUM ANALYZE")
            seconds, steps = convert(hour)
            times.append(seconds)
            chunks += [steps] if steps else []
            assert query("SELECT count(*) FROM rewards_win WHERE converted_by_id IS NULL") == [(0,)]
    conversions = wins // WINS_FOR_A_PLAYER
    ratio = statistics.median(by_hand / ours for ours, by_hand in zip(service, floor, strict=True))
    say(
        f"service {conversions / statistics.median(service):,.0f} conversions/s, floor "
        f"{conversions / statistics.median(floor):,.0f}; ratio {ratio:.2f} (rounds: "
        f"{', '.join(f'{by_hand / ours:.2f}' for ours, by_hand in zip(service, floor, strict=True))})"
    )
    first, last = ([steps[i] for steps in chunks if steps] for i in (0, -1))
    say(
        f"time for a chunk: first {statistics.median(first) * 1_000:.0f} ms, last {statistics.median(last) * 1_000:.0f} ms; "
        f"highest memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB"
    )
    beside(hour)


def query(sql: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall()) if cursor.description else []


def setting(name: str) -> str:
    return str(query(f"SHOW {name}")[0][0])


def fill(wins: int) -> datetime:
    """Players and their pending wins in the hour before last, through the services."""
    from conversion.selectors import database_clock
    from rewards.services import Claim, create_game, record_wins

    now = database_clock()
    hour = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    game = create_game(slug="bench", name="Bench")
    players = sorted(uuid4() for _ in range(wins // WINS_FOR_A_PLAYER))
    query(
        "INSERT INTO rewards_player (id, timezone, status) SELECT id, 'UTC', 'active' FROM unnest(%s::uuid[]) AS id",
        [players],
    )
    for start in range(0, len(players), 200):
        claims = [
            Claim(player, f"r{number}", Decimal(number + 1) / 7, hour + timedelta(minutes=number))
            for player in players[start : start + 200]
            for number in range(WINS_FOR_A_PLAYER)
        ]
        claims = [Claim(c.player_id, c.reference, round(c.amount, 18), c.won_at) for c in claims]
        record_wins(game_id=game.id, claims=claims, now=now)
    return hour


def by_service(hour: datetime) -> tuple[float, list[float]]:
    """The hourly run as Celery runs it, with the time of each chunk."""
    from conversion import lots
    from conversion.services import convert_hour

    steps: list[float] = []
    original = lots.convert_chunk

    def timed(*arguments: Any) -> Any:
        began = time.perf_counter()
        try:
            return original(*arguments)
        finally:
            steps.append(time.perf_counter() - began)

    lots.convert_chunk = timed  # type: ignore[assignment]
    began = time.perf_counter()
    try:
        run = convert_hour(hour=hour, now=hour + timedelta(hours=3))
    finally:
        lots.convert_chunk = original
    assert run.state == "done", run
    return time.perf_counter() - began, steps


def by_hand(hour: datetime) -> tuple[float, list[float]]:
    """One statement for the same rows. The rate and the run it refers to are made before the clock starts."""
    run, rate = uuid4(), uuid4()
    query(
        "INSERT INTO conversion_conversionrun (id, hour, state, started_at) VALUES (%s, %s, 'running', now())",
        [run, hour],
    )
    columns = "id, hour, base, quote, price, provider, quoted_at, raw, state, reason"
    query(
        f"INSERT INTO conversion_rate ({columns}) VALUES (%s, %s, 'DREAM', 'USD', %s, 'fixed', %s, '', 'accepted', '')",
        [rate, hour, PRICE, hour],
    )
    began = time.perf_counter()
    query(FLOOR, {"hour": hour, "price": PRICE, "run": run, "rate": rate})
    return time.perf_counter() - began, []


def beside(hour: datetime) -> None:
    """Single wins with a run beside them and without, in the same database."""
    from tests import databases

    databases.use("postgres")
    databases.copy("bench_filled", "bench_round")
    databases.use("bench_round")
    latencies: list[float] = []
    alone = single_wins(lambda: len(latencies) < SINGLE_WINS, latencies)
    worker = subprocess.Popen([sys.executable, "-c", RUN, hour.isoformat()], cwd=ROOT, env=environment())
    while not query("SELECT 1 FROM conversion_conversionrun WHERE state = 'running'"):
        time.sleep(0.01)
    busy = single_wins(lambda: worker.poll() is None, [])
    assert worker.wait() == 0
    ratio = percentile(busy, 99) / percentile(alone, 99)
    say(
        f"a single win, p99: {percentile(alone, 99) * 1_000:.1f} ms alone, {percentile(busy, 99) * 1_000:.1f} ms beside a run "
        f"in another process ({len(busy)} wins); ratio {ratio:.1f}"
    )


def environment() -> dict[str, str]:
    """For another process that works in the database of this one."""
    from django.db import connection

    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
    return {**os.environ, "DATABASE_URL": urlunsplit(url)}


def single_wins(more: Callable[[], bool], latencies: list[float]) -> list[float]:
    from conversion.selectors import database_clock
    from rewards.services import Claim, create_game, record_wins

    game, now = create_game(slug="bench", name="Bench"), database_clock()
    players: list[UUID] = [row[0] for row in query("SELECT id FROM rewards_player ORDER BY random() LIMIT 2000")]
    while more():
        player = players[len(latencies) % len(players)]
        began = time.perf_counter()
        record_wins(game_id=game.id, claims=[Claim(player, str(uuid4()), Decimal("0.0001"), now)], now=now)
        latencies.append(time.perf_counter() - began)
    return latencies


def percentile(values: list[float], wanted: int) -> float:
    return statistics.quantiles(values, n=100)[wanted - 1]


if __name__ == "__main__":
    sys.exit(main())
