"""`python -m tests.bench.world [POSTINGS]`: regions and centre on one machine, with fsync, in one run.

Prints how long a commit takes to be seen at the centre; how long the centre needs after an outage in which a region
wrote so many postings; how fast a region is taken anew; how long an hour takes to close; and what publishing costs a
win, against a cluster that publishes nothing, in turns.
"""

import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    import psycopg

    from dreamland.world.clusters import Cell, World

BATCH, LOOKS, ROUNDS, WINS = 2_000, 300, 7, 150
SEEN_SECONDS = 300.0


def main() -> None:
    """All figures, one line each."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    from dreamland.local.attachment import FAST_ROOT
    from dreamland.local.postgres import Postgres
    from dreamland.world.clusters import Cell, grow, running

    root = FAST_ROOT / "world-bench"
    shutil.rmtree(root, ignore_errors=True)
    began = time.monotonic()
    with running(root, durable=True) as world:
        _say(f"three clusters up and connected: {time.monotonic() - began:.1f} s")
        plain = Postgres(root / "plain", root / "logs" / "plain.log", durable=True)
        grow(plain, root.parent / "world-templates")
        world.cells["plain"] = lone = Cell("plain", plain)
        lone.start()
        try:
            _visible(world)
            _wins(world)
            _outage(world, count)
            _reseed(world)
            _close(world)
        finally:
            world.cells.pop("plain")
            plain.stop()
    _say(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _post(count: int) -> None:
    from django.db import transaction

    from ledger import book

    posting = (book.Posting("usd:adjustments", "player:usd", Decimal("0.01")),)
    with transaction.atomic(durable=True):
        book.post([book.Entry(holder=uuid4(), kind="bench", postings=posting) for _ in range(count)])


def _post_all(count: int) -> None:
    for _ in range(count // BATCH):
        _post(BATCH)


def _seconds(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


ENTRY = "INSERT INTO ledger_journalentry (holder, kind, memo, metadata) VALUES (gen_random_uuid(), 'bench', '', '{}')"
POSTING = (
    "INSERT INTO ledger_posting (entry_id, holder, debit_id, credit_id, asset, amount)"
    " SELECT id, holder, 'usd:adjustments', 'player:usd', 'USD', 1 FROM ledger_journalentry WHERE id = %s"
)


def _visible(world: "World") -> None:
    """From sending COMMIT in the region to the row's being seen by somebody at the centre who asks all the time."""
    took = []
    with world.cells["eu"].connect() as cell, world.centre.connect("analytics") as here:
        there = "SELECT count(*) FROM ledger_posting_eu"
        for _ in range(LOOKS):
            before = _one(here.execute(there))
            cell.execute("BEGIN")
            entry = cell.execute(f"{ENTRY} RETURNING id".encode()).fetchone()
            cell.execute(POSTING, entry)
            began = time.monotonic()
            cell.execute("COMMIT")
            while _one(here.execute(there)) == before:
                pass
            took.append((time.monotonic() - began) * 1_000)
    quantiles = statistics.quantiles(took, n=100)
    _say(
        f"commit to visible at the centre: p50 {statistics.median(took):.1f} ms, p99 {quantiles[98]:.1f} ms of {LOOKS}"
    )


def _one(cursor: "psycopg.Cursor[Any]") -> int:
    row = cursor.fetchone()
    assert row
    return int(row[0])


def _wins(world: "World") -> None:
    """Single wins, in turns: on a cluster that publishes and is read, and on one that does neither."""
    from dreamland.world.acting import acting_in
    from rewards.services import Claim, create_game, record_wins, register_player

    for name in ("centre", "plain"):
        with acting_in(world, name):
            create_game(slug="bench", name="Bench")
    world.catch_up()
    now = datetime.now(UTC)

    def wins(name: str) -> float:
        with acting_in(world, name):
            game = create_game(slug="bench", name="Bench").pk
            player = register_player(player_id=uuid4(), timezone="UTC").player.id

            def record() -> None:
                for number in range(WINS):
                    record_wins(game_id=game, claims=[Claim(player, str(number), Decimal("0.001"), now)], now=now)

            record_wins(game_id=game, claims=[Claim(player, "first", Decimal("0.001"), now)], now=now)
            return _seconds(record) * 1_000 / WINS

    took: dict[str, list[float]] = {"eu": [], "plain": []}
    for _ in range(ROUNDS):
        for name, each in took.items():
            each.append(wins(name))
    published, alone = (statistics.median(each) for each in took.values())
    _say(f"a win: {published:.2f} ms published, {alone:.2f} ms not, ratio {published / alone:.2f} (median of {ROUNDS})")


def _outage(world: "World", count: int) -> None:
    """The centre is away while a region writes; then it comes back."""
    from dreamland.world.acting import acting_in

    centre: Cell = world.centre
    centre.postgres.stop()
    with acting_in(world, "eu"):
        wrote = _seconds(lambda: _post_all(count))
        with world.cells["eu"].connect() as cell:
            kept = _one(
                cell.execute(
                    "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint FROM pg_replication_slots"
                )
            )
    began = time.monotonic()
    centre.start()
    started = time.monotonic() - began
    world.catch_up(SEEN_SECONDS)
    _say(
        f"outage of {count} postings: written in {wrote:.1f} s, {kept / 1e6:.0f} MB of log kept,"
        f" centre started in {started:.1f} s, caught up {time.monotonic() - began:.1f} s after its start began"
    )


def _reseed(world: "World") -> None:
    with world.cells["eu"].connect() as cell:
        rows = _one(cell.execute("SELECT count(*) FROM ledger_posting"))
    took = _seconds(lambda: world.reseed("eu"))
    _say(f"a region of {rows} postings (and entries) taken anew: {took:.1f} s, {rows / took:,.0f} postings/s")


def _close(world: "World") -> None:
    """In hours of a second, so that all of it is over; what is counted is the same."""
    from dreamland.world.acting import acting_in
    from dreamland.world.hours import close_hours

    with acting_in(world, "eu"):
        with world.cells["eu"].connect() as cell:
            rows = _one(cell.execute("SELECT count(*) FROM ledger_posting"))
        time.sleep(3)
        took = _seconds(lambda: close_hours(span=timedelta(seconds=1)))
    world.catch_up(SEEN_SECONDS)
    checked = _seconds(world.verify)
    _say(f"control totals of {rows} postings: {took:.1f} s in the region, {checked:.1f} s to verify at the centre")


if __name__ == "__main__":
    main()
