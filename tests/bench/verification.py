"""`python -m tests.bench.verification [--keep] [POSTINGS ...]`: what `manage.py verify_books` takes on a long history.

Fills databases of their own with wins and their conversions by set-based SQL, every trigger and constraint on, seals
them, and runs the command as a process. Prints postings a second, full and incremental, the time of each check, the most
memory the process held and what PostgreSQL wrote to work files, beside a plain `SELECT sum(amount)` over the same rows.
Exits 1 unless every verification found the books clean. `--keep` leaves the filled databases below .local/bench, and uses
them if they are there.
"""

import json
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from tests.bench.exports import WEIGH
from tests.bench.harness import ROOT, attach, environment, query, say, setting

SIZES = (1_000_000,)
FIRST_DAY = date(2026, 1, 1)
PLAYERS = 10_000
HOURS = range(10, 14)
WINS_FOR_AN_HOUR = 2
POSTINGS_FOR_A_DAY = len(HOURS) * (WINS_FOR_AN_HOUR + 3)  # of one player: two wins and a conversion each hour
NEW_WINS = 1_000
ROUNDS_OF_SUM = 3

# Each runs in a transaction of its own, as an hour of many players would: about 20,000 postings.
PLAYERS_FOR_A_CHUNK = 1_000
DAYS = """
INSERT INTO rewards_allowance (player_id, day, starts_at, ends_at, cap)
SELECT id, %(day)s, %(starts)s, %(starts)s::timestamptz + interval '1 day', 5
FROM unnest(%(players)s::uuid[]) AS id ORDER BY id
"""
# Temporary tables and not one long WITH: the planner takes a CTE that writes for tiny, and joins it in a nested loop.
WINS = (
    """
    CREATE TEMP TABLE drawn ON COMMIT DROP AS
    SELECT uuidv7() AS entry, day.player_id, day.id AS allowance, number,
           round(random()::numeric * 0.59999999999 + 0.000000000000000123, 18) AS amount,
           day.starts_at + make_interval(hours => %(first)s + number / %(each)s, mins => 5 + number) AS won_at
    FROM unnest(%(players)s::uuid[]) AS player (id)
    JOIN rewards_allowance day ON day.player_id = player.id AND day.day = %(day)s
    CROSS JOIN generate_series(0, %(hours)s * %(each)s - 1) AS number
    """,
    "ANALYZE drawn",
    """
    INSERT INTO ledger_journalentry (id, holder, kind, memo, metadata)
    SELECT entry, player_id, 'win', '', '{}' FROM drawn ORDER BY player_id, entry
    """,
    """
    INSERT INTO ledger_posting (entry_id, holder, debit_id, credit_id, asset, amount)
    SELECT entry, player_id, 'dream:issued', 'player:dream', 'DREAM', amount FROM drawn ORDER BY player_id, entry
    """,
    """
    INSERT INTO rewards_win (entry_id, player_id, game_id, reference, amount, won_at, recorded_at, allowance_id)
    SELECT drawn.entry, player_id, %(game)s, %(day)s || '-' || number, amount, won_at, entry.posted_at, allowance
    FROM drawn JOIN ledger_journalentry entry ON entry.id = drawn.entry
    ORDER BY player_id, drawn.entry
    """,
)
CONVERSIONS = (
    """
    CREATE TEMP TABLE lines ON COMMIT DROP AS
    SELECT uuidv7() AS entry, lot.*, worth.usd, rule.id AS rule, rate.id AS rate, run.id AS run,
           conversion_fee(worth.usd, rule.percentage, rule.fixed, rule.minimum) AS fee
    FROM (
        SELECT player_id, date_trunc('hour', won_at, 'UTC') AS hour, sum(amount) AS tokens, array_agg(entry) AS wins
        FROM drawn GROUP BY 1, 2
    ) AS lot
    JOIN conversion_rate rate ON rate.hour = lot.hour JOIN conversion_conversionrun run ON run.hour = lot.hour
    CROSS JOIN LATERAL (SELECT round_half_even(lot.tokens * rate.price, 8) AS usd) AS worth
    CROSS JOIN LATERAL (
        SELECT * FROM conversion_feerule WHERE effective_from <= lot.hour ORDER BY effective_from DESC LIMIT 1
    ) AS rule
    """,
    "ANALYZE lines",
    """
    INSERT INTO ledger_journalentry (id, holder, kind, memo, metadata)
    SELECT entry, player_id, 'conversion', '', '{}' FROM lines ORDER BY player_id, entry
    """,
    """
    INSERT INTO ledger_posting (entry_id, holder, debit_id, credit_id, asset, amount)
    SELECT entry, player_id, leg.debit, leg.credit, leg.asset, leg.amount
    FROM lines CROSS JOIN LATERAL (VALUES
        ('player:dream', 'dream:redeemed', 'DREAM', tokens),
        ('usd:rewards-expense', 'player:usd', 'USD', usd),
        ('usd:conversion-fees', 'usd:fees-payable', 'USD', fee)) AS leg (debit, credit, asset, amount)
    ORDER BY player_id, entry
    """,
    """
    INSERT INTO conversion_conversion
        (entry_id, run_id, player_id, hour, day, rate_id, fee_rule_id, tokens, usd, fee, converted_at)
    SELECT entry, run, player_id, hour, %(day)s::date, rate, rule, tokens, usd, fee, posted.posted_at
    FROM lines JOIN ledger_journalentry posted ON posted.id = lines.entry
    """,
    """
    UPDATE rewards_win win SET converted_by_id = lines.entry
    FROM lines CROSS JOIN LATERAL unnest(lines.wins) AS claimed (id)
    WHERE win.entry_id = claimed.id
    """,
)
RUNS_DONE = """
UPDATE conversion_conversionrun run
SET state = 'done', finished_at = clock_timestamp(), conversions = lines.count, tokens = lines.tokens, usd = lines.usd,
    fees = lines.fees
FROM (SELECT run_id, count(*), sum(tokens) AS tokens, sum(usd) AS usd, sum(fee) AS fees
      FROM conversion_conversion GROUP BY run_id) AS lines
WHERE lines.run_id = run.id AND run.state = 'running'
"""


def main() -> int:
    """Runs everything for each size on the command line."""
    attach()
    keep = "--keep" in sys.argv
    sizes = [int(text.replace("_", "")) for text in sys.argv[1:] if text != "--keep"] or SIZES
    clean = [bench(size, keep=keep) for size in sizes]
    return 0 if all(clean) else 1


def bench(postings: int, *, keep: bool) -> bool:
    """One size: fills, verifies, writes a little more, verifies what is new. True if all of it was clean."""
    from django.core.management import call_command

    from tests import databases

    name = f"bench_verification_{postings}"
    with databases.maintenance() as server:
        exists = server.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is not None
    if not (keep and exists):
        databases.copy(databases.template(), name)
        databases.use(name)
        fill_and_seal(postings)
    databases.use(name)
    call_command("migrate", verbosity=0, interactive=False)  # one that was kept may be older
    ((rows, size),) = query("SELECT count(*), pg_size_pretty(pg_database_size(current_database())) FROM ledger_posting")
    say(f"== {rows:,} postings, {size}; shared_buffers {setting('shared_buffers')}, work_mem {setting('work_mem')}")
    sums = [plain_sum() for _ in range(ROUNDS_OF_SUM)]
    say(f"SELECT sum(amount): {min(sums):.2f} s, {rows / min(sums):,.0f} postings/s (best of {ROUNDS_OF_SUM})")
    full = verified("full", rows, min(sums))
    a_little_more()
    query("ANALYZE")
    recent = verified("incremental", NEW_WINS, min(sums), "--incremental")
    databases.use("postgres")
    if not keep:
        with databases.maintenance() as server:
            databases.drop(server, name)
    return full and recent


def fill_and_seal(postings: int) -> None:
    from ledger.seals import seal_journal

    began = time.perf_counter()
    fill(postings)
    filled_seconds = time.perf_counter() - began
    query("VACUUM ANALYZE")
    began = time.perf_counter()
    links = seal_journal()
    say(f"filled in {filled_seconds:.0f} s, sealed by {len(links)} links in {time.perf_counter() - began:.1f} s")


def plain_sum() -> float:
    began = time.perf_counter()
    query("SELECT sum(amount) FROM ledger_posting")
    return time.perf_counter() - began


def fill(postings: int, players: int = PLAYERS) -> None:
    """Players, days, wins, rates, runs and conversions, a day of all players at a time."""
    from django.db import transaction

    from rewards.services import create_game

    game = create_game(slug="bench", name="Bench")
    count = min(players, max(1, postings // POSTINGS_FOR_A_DAY))
    ids = sorted(uuid4() for _ in range(count))
    query(
        "INSERT INTO rewards_player (id, timezone, status) SELECT id, 'UTC', 'active' FROM unnest(%s::uuid[]) AS id",
        [ids],
    )
    for number in range(postings // (count * POSTINGS_FOR_A_DAY)):
        day = FIRST_DAY + timedelta(days=number)
        starts = datetime(day.year, day.month, day.day, tzinfo=UTC)
        begin_runs(starts)
        for first in range(0, count, PLAYERS_FOR_A_CHUNK):
            given = {"day": day, "starts": starts, "players": ids[first : first + PLAYERS_FOR_A_CHUNK]}
            shape = {"first": HOURS.start, "hours": len(HOURS), "each": WINS_FOR_AN_HOUR, "game": game.id}
            with transaction.atomic():
                for statement in (DAYS, *WINS, *CONVERSIONS):
                    query(statement, given | shape if "%(" in statement else None)
        query(RUNS_DONE)
        if number == 0:
            query("ANALYZE")


def begin_runs(starts: datetime) -> None:
    """The runs of a day's hours, at work, with their rates."""
    for hour in [starts + timedelta(hours=hour) for hour in HOURS]:
        query(
            "INSERT INTO conversion_rate (hour, base, quote, price, provider, quoted_at, raw, state, reason)"
            " VALUES (%s, 'DREAM', 'USD', %s, 'fixed', %s, '', 'accepted', '')",
            [hour, Decimal("0.15"), hour],
        )
        query("INSERT INTO conversion_conversionrun (hour) VALUES (%s)", [hour])
    query("UPDATE conversion_conversionrun SET state = 'running', started_at = now() WHERE state = 'due'")


def a_little_more() -> None:
    """What an hour may bring: new wins, by the service."""
    from rewards.services import Claim, Recorded, create_game, record_wins

    game, now = create_game(slug="bench", name="Bench"), datetime.now(UTC)
    players = [row[0] for row in query("SELECT id FROM rewards_player ORDER BY id LIMIT %s", [NEW_WINS])]
    claims = [Claim(player, str(uuid4()), Decimal("0.1"), now) for player in players]
    outcomes = record_wins(game_id=game.id, claims=claims, now=now)
    assert all(isinstance(outcome, Recorded) for outcome in outcomes)


def work_files() -> tuple[int, int]:
    query("SELECT pg_stat_clear_snapshot()")
    ((files, size),) = query("SELECT temp_files, temp_bytes FROM pg_stat_database WHERE datname = current_database()")
    return files, size


def verified(name: str, rows: int, sum_seconds: float, *options: str) -> bool:
    """Runs the command and tells what it took; true if it exits with 0."""
    files, size = work_files()
    began = time.perf_counter()
    with TemporaryDirectory() as directory:
        errors = Path(directory) / "errors"
        with errors.open("w") as stream:
            done = subprocess.run(
                [
                    sys.executable,
                    "-I",
                    "-S",
                    "-c",
                    WEIGH,
                    sys.executable,
                    "manage.py",
                    "verify_books",
                    "--json",
                    *options,
                ],
                cwd=ROOT,
                env=environment(),
                stdout=subprocess.PIPE,
                stderr=stream,
                text=True,
                check=False,
            )
        seconds = time.perf_counter() - began
        if done.returncode:
            say(f"{name}: exit code {done.returncode}\n{done.stdout}\n{errors.read_text()}")
            return False
    document, _, memory = done.stdout.rpartition("}")
    checks: list[dict[str, Any]] = json.loads(document + "}")["checks"]
    time.sleep(1)  # statistics arrive when the backend has ended
    more_files, more_size = work_files()
    say(
        f"{name}: clean in {seconds:.1f} s, {rows / seconds:,.0f} postings/s, {seconds / sum_seconds:.0f} times the plain "
        f"sum; process {int(memory) / 1024:.0f} MiB; work files {more_files - files}, {(more_size - size) / 2**20:,.0f} MiB"
    )
    for check in sorted(checks, key=lambda check: -check["seconds"]):
        say(f"    {check['seconds']:8.2f} s  {check['name']}")
    return True


if __name__ == "__main__":
    sys.exit(main())
