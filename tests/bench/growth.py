"""Every write in books of 1 and 10 million postings beside the same write in books of 100,000, in turns.

The books are those of the same players over 1, 10 and 100 days, wins and conversions, filled with the guards off (and
the smallest verified, so that what was filled is what the guards would have let through). They stay below .local/bench
and are used again. Everything runs on one connection in this process.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID, uuid4

from tests.bench import harness, wins
from tests.bench.harness import Figure, Report, Side, query

SIZES = (100_000, 1_000_000, 10_000_000)  # postings
PLAYERS = 5_000
ROUNDS = 3
PROMISE = 0.8
SECONDS = 2.0
BATCH = 1_000
CONVERTED_PLAYERS = 1_000
VOIDS = 200
WARM = 30  # calls before the clock starts: a connection learns its plans anew
AMOUNT = Decimal("0.0001")
WRITTEN = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"  # with the pages that are new after a checkpoint
BACK = timedelta(hours=60)  # within WIN_LATE_LIMIT

BALANCES = """
INSERT INTO ledger_balance (holder, account_id, amount, movement)
SELECT holder, account, sum(amount), sum(amount) FROM (
    SELECT holder, credit_id, amount FROM ledger_posting WHERE credit_id LIKE 'player:%%'
    UNION ALL
    SELECT holder, debit_id, -amount FROM ledger_posting WHERE debit_id LIKE 'player:%%'
) AS side (holder, account, amount)
GROUP BY holder, account
"""
COUNTED = """
UPDATE rewards_allowance day SET won = counted.won
FROM (SELECT allowance_id, sum(amount) AS won FROM rewards_win GROUP BY allowance_id) AS counted
WHERE counted.allowance_id = day.id
"""
LIVES = """
INSERT INTO conversion_runtransition (run_id, from_state, to_state, cause, by_role)
SELECT id, '', state, 'before-records', session_user FROM conversion_conversionrun
"""
OPEN_TODAY = """
INSERT INTO rewards_allowance (player_id, day, starts_at, ends_at, cap)
SELECT id, %(day)s, %(starts)s, %(starts)s::timestamptz + interval '1 day', 5 FROM rewards_player ORDER BY id
ON CONFLICT (player_id, day) DO NOTHING
"""
FREE_HOUR = """
SELECT hour FROM generate_series(%s::timestamptz, %s::timestamptz, interval '1 hour') AS wanted (hour)
WHERE NOT EXISTS (SELECT FROM conversion_conversionrun run WHERE run.hour = wanted.hour) ORDER BY hour LIMIT 1
"""


def measure(report: Report) -> None:
    """Fills what is missing; then each write at each size against the smallest."""
    smallest, *larger = SIZES
    for size in (smallest, *report.sizes(larger)):
        made_ready(size)
    for size in report.sizes(larger):
        for name, unit, write in (
            ("a win", "wins/s", single_wins),
            ("a batch of wins", "wins/s", batches),
            ("an hour's conversion", "conversions/s", conversion),
            ("a void", "voids/s", voids),
        ):
            figure = harness.in_turns(
                f"{name}, against books of {smallest:,} postings",
                partial(at, size, write),
                partial(at, smallest, write),
                size=size,
                size_unit="postings",
                unit=unit,
                rounds=ROUNDS,
                promise=PROMISE,
            )
            report.add(figure)
    if report.sizes([RECORDED]):
        report.add(on_disk())


# --- Books of so many postings ----------------------------------------------------------------------------------------


def name_of(size: int) -> str:
    return f"bench_growth_{size}"


def made_ready(size: int) -> None:
    """Books of so many postings, with today open for everybody."""
    from rewards.services import create_game

    harness.kept(name_of(size), partial(fill, size))
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    query(OPEN_TODAY, {"day": today.date(), "starts": today})
    create_game(slug="bench", name="Bench")


def fill(size: int) -> None:
    """Wins and conversions of past days with the guards off, then the balances and the days' counters."""
    from tests.bench import verification

    query("SET session_replication_role = replica")
    verification.fill(size, players=PLAYERS)
    for statement in (BALANCES, COUNTED, LIVES):
        query(statement)
    query("SET session_replication_role = DEFAULT")
    query("VACUUM ANALYZE")
    if size == SIZES[0]:
        from ledger import book

        wrong = [finding for finding in book.verify().findings if finding.wrong_rows]
        assert not wrong, wrong


# --- Writes ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Books:
    """Where a write goes."""

    game: UUID
    players: list[UUID]


def at(size: int, write: Callable[[Books], Side]) -> Side:
    """The write in books of this size."""
    from tests import databases

    databases.use(name_of(size))
    [(game,)] = query("SELECT id FROM rewards_game WHERE slug = 'bench'")
    players = [player for (player,) in query("SELECT id FROM rewards_player ORDER BY id")]
    return write(Books(game, players))


def record(books: Books, count: int, won_at: datetime) -> list[UUID]:
    """So many wins in one call, of players by chance; their ids."""
    from rewards.services import Claim, Recorded, record_wins

    claims = [Claim(player, str(uuid4()), AMOUNT, won_at) for player in random.choices(books.players, k=count)]
    outcomes = record_wins(game_id=books.game, claims=claims, now=datetime.now(UTC))
    ids = [outcome.win.id for outcome in outcomes if isinstance(outcome, Recorded)]
    assert len(ids) == count, outcomes
    return ids


def timed(work: Callable[[], int]) -> Side:
    [(written,)] = query(WRITTEN)
    with harness.cpu(postgres=harness.postgres_pid()) as used:
        before, began = time.process_time(), time.perf_counter()
        operations = work()
        took, python = time.perf_counter() - began, time.process_time() - before
    used["python"] = python
    [(log,)] = query(WRITTEN)
    return Side(operations, took, used, {"bytes of log each": float(log - written) / operations})


def again(once: Callable[[], int]) -> int:
    """What a call does, again and again for SECONDS; how much that was."""
    until, operations = time.perf_counter() + SECONDS, 0
    while time.perf_counter() < until:
        operations += once()
    return operations


def single_wins(books: Books) -> Side:
    def once() -> int:
        return len(record(books, 1, datetime.now(UTC)))

    for _ in range(WARM):
        once()
    return timed(lambda: again(once))


def batches(books: Books) -> Side:
    def once() -> int:
        return len(record(books, BATCH, datetime.now(UTC)))

    for _ in range(WARM // 3):
        once()
    return timed(lambda: again(once))


def conversion(books: Books) -> Side:
    """An hour in which so many players won twice; the run whole, as Celery makes it."""
    from conversion.services import convert_hour

    now = datetime.now(UTC)
    first = (now - BACK).replace(minute=0, second=0, microsecond=0)
    [(hour,)] = query(FREE_HOUR, [first, now - timedelta(hours=2)])
    some = Books(books.game, random.sample(books.players, CONVERTED_PLAYERS))
    for _ in range(2):
        record(some, CONVERTED_PLAYERS, hour + timedelta(minutes=30))

    def work() -> int:
        run = convert_hour(hour=hour, now=now)
        assert run.state == "done", run
        return int(run.conversions)

    return timed(work)


def voids(books: Books) -> Side:
    from conversion.voiding import Author, void_win

    ids = record(books, VOIDS + WARM, datetime.now(UTC))

    def void(wins: list[UUID]) -> int:
        return sum(not void_win(win_id=win, reason="bench", author=Author()).replayed for win in wins)

    void(ids[:WARM])
    return timed(lambda: void(ids[WARM:]))


# --- On disk ---------------------------------------------------------------------------------------------------------

TABLES = ("ledger_journalentry", "ledger_posting", "rewards_win")
WHOLE = " + ".join(f"pg_total_relation_size('{table}')" for table in TABLES)
ROWS_ALONE = " + ".join(f"pg_relation_size('{table}')" for table in TABLES)
RECORDED = 50_000


def on_disk() -> Figure:
    """What a win takes in its three tables with their indexes, recorded in batches; the floor is the rows alone."""
    wins.prepare()
    work = wins.batch(BATCH, random.Random(1))
    for _ in range((RECORDED - wins.FIRST_WINS) // BATCH):
        work()
    [(ours, floor)] = query(f"SELECT ({WHOLE}) / {RECORDED}.0, ({ROWS_ALONE}) / {RECORDED}.0")
    return Figure(
        name="a win on disk, with its indexes against its rows alone",
        size=RECORDED,
        size_unit="wins",
        unit="bytes",
        ours=float(ours),
        floor=float(floor),
        ratio=float(ours / floor),
        rounds=[float(ours / floor)],
        at_least=False,
    )
