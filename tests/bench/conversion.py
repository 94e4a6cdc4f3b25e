"""The hourly run against one hand-written statement for the same rows.

Both convert copies of the same database, in turns. The floor is one SQL statement that writes the same rows under the
same constraints and triggers, and checks nothing afterwards: what PostgreSQL itself takes for them. Each player has won
five times. Beside the figures: the time for each player in the first and in the last chunks, the memory of the process,
and, printed, where the time of the run went and what the guards took of the floor's.
"""

import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tests.bench import harness, hours
from tests.bench.harness import Report, Side, query

SIZES = (10_000, 100_000, 1_000_000)
LARGE = 500_000  # wins; from here on one round is enough
ROUNDS = 3
CREWS = (1, 2)
PROMISE = 0.8
SHOWN = 8

FLOOR = """
WITH lots AS MATERIALIZED (
    SELECT uuidv7() AS entry, win.player_id, date_trunc('hour', win.won_at, 'UTC') AS hour, day.day,
           sum(win.amount) AS tokens, array_agg(win.entry_id) AS wins
    FROM rewards_win win JOIN rewards_allowance day ON day.id = win.allowance_id AND day.player_id = win.player_id
    WHERE win.converted_by_id IS NULL AND win.voided_by_id IS NULL AND win.won_at < %(hour)s + interval '1 hour'
    GROUP BY win.player_id, 3, day.day
), lines AS MATERIALIZED (
    SELECT lots.*, usd, conversion_fee(usd, rule.percentage, rule.fixed, rule.minimum) AS fee, rule.id AS rule
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
    WHERE leg.amount > 0
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


def measure(report: Report) -> None:
    """For each number of pending wins: one process, then two, against the floor."""
    for wins in report.sizes(SIZES):
        hour = hours.fill(wins)
        for crew in CREWS:
            bench(report, wins, hour, crew)


def bench(report: Report, wins: int, hour: datetime, crew: int) -> None:
    """Converts copies of one database, service and floor in turns."""
    conversions = wins // hours.WINS_FOR_A_PLAYER
    told: list[dict[str, Any]] = []

    def service() -> Side:
        hours.start_round()
        told.append(by_service(hour, crew))
        assert_same(conversions)
        seconds, used = told[-1]["seconds"], told[-1]["cpu_seconds"]
        return Side(conversions, seconds, used, of_a_run(told[-1]) if crew == 1 else {})

    def floor() -> Side:
        hours.start_round()
        with harness.cpu(postgres=harness.postgres_pid()) as used:
            took = by_hand(hour)
        assert_same(conversions)
        return Side(conversions, took, used)

    report.add(
        harness.in_turns(
            "an hour's conversion" if crew == 1 else f"an hour's conversion by {crew} processes",
            service,
            floor,
            size=wins,
            size_unit="pending wins",
            unit="conversions/s",
            rounds=1 if wins >= LARGE else ROUNDS,
            promise=PROMISE,
        )
    )
    if crew == 1:
        report.note("where the time of the run went:")
        statements = sorted(told[-1]["statements"].items(), key=lambda item: -item[1])
        for sql, seconds in statements[:SHOWN]:
            report.note(f"  {seconds / told[-1]['seconds']:5.1%}  {sql}")
        rest = 1 - sum(seconds for _, seconds in statements) / told[-1]["seconds"]
        report.note(f"  {rest:5.1%}  Python, COMMIT and the rest")
        hours.start_round()
        for line in of_the_floor(hour):
            report.note(line)


def assert_same(conversions: int) -> None:
    """Both ways came to the same rows."""
    counts = query(
        "SELECT (SELECT count(*) FROM rewards_win WHERE converted_by_id IS NULL),"
        " (SELECT count(*) FROM conversion_conversion), (SELECT count(*) FROM ledger_posting WHERE asset = 'USD')"
    )
    fees = query("SELECT count(*) FROM conversion_conversion WHERE fee > 0")[0][0]
    if counts != [(0, conversions, conversions + fees)]:
        raise AssertionError(counts)


def by_service(hour: datetime, crew: int) -> dict[str, Any]:
    """The hourly run as Celery runs it, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.converting", hour.isoformat(), str(crew)],
        cwd=harness.ROOT,
        env=harness.environment(),
        stdout=subprocess.PIPE,
        check=True,
    )
    told: dict[str, Any] = json.loads(done.stdout)
    if told["state"] != "done":
        raise AssertionError(told)
    return told


def facts(hour: datetime) -> dict[str, Any]:
    """What the floor needs to be there: its run and its rate, made before the clock starts."""
    from conversion import runs
    from conversion.models import Rate
    from conversion.quotes import HOUR
    from conversion.services import fetch_rate

    fetch_rate(hour=hour, now=hour + 3 * HOUR)
    rate = Rate.objects.get(hour=hour, state=Rate.State.ACCEPTED)
    return {"hour": hour, "price": rate.price, "run": runs.begin(hour).id, "rate": rate.id}


def by_hand(hour: datetime) -> float:  # seconds
    """One statement for the same rows."""
    given = facts(hour)
    began = time.perf_counter()
    query(FLOOR, given)
    return time.perf_counter() - began


def of_a_run(told: dict[str, Any]) -> dict[str, float]:
    """Chunks and memory: what must stay flat."""
    chunks = [(players, seconds) for players, seconds in told["chunks"] if players]
    tenth = max(1, len(chunks) // 10)
    first, last = (sum(t for _, t in part) / sum(n for n, _ in part) for part in (chunks[:tenth], chunks[-tenth:]))
    times = sorted(seconds for _, seconds in chunks)
    before, highest = told["memory"]
    return {
        "chunks": len(chunks),
        "chunk ms": statistics.median(times) * 1_000,
        "longest chunk ms": times[-1] * 1_000,
        "us a player, first tenth": first * 1e6,
        "us a player, last tenth": last * 1e6,
        "MiB before": before,
        "MiB at most": highest,
    }


def of_the_floor(hour: datetime) -> Iterator[str]:
    """What each guard took of the floor, as PostgreSQL itself counts it."""
    plan = [line for (line,) in query(f"EXPLAIN (ANALYZE, COSTS OFF) {FLOOR}", facts(hour))]
    whole = float(next(line for line in plan if line.startswith("Execution Time")).split()[2])
    guards = [re.fullmatch(r"Trigger (?:for constraint )?(\S+).*: time=([\d.]+) calls=(\d+)", line) for line in plan]
    for guard in sorted((guard for guard in guards if guard), key=lambda guard: -float(guard[2]))[:SHOWN]:
        yield f"  {float(guard[2]) / whole:5.1%}  of the floor: {guard[1]} ({int(guard[3]):,} calls)"
