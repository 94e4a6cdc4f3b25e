"""What can go wrong: each kind of fault, done for real."""

import contextlib
import multiprocessing
import os
import random
import signal
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg
import redis

from dreamland.local.faults.edges import EDGES, Life, live
from dreamland.local.faults.rates import LIES, LyingRates
from dreamland.local.faults.world import World

PATIENCE_SECONDS = 3
SPARE_SEGMENTS = 40  # of the write-ahead log, more than PostgreSQL keeps
LIFE_SECONDS = (0.1, 0.8)  # until it is cut short
# Children of a small process that has loaded Django: they start in no time, and inherit no thread and no connection.
CONTEXT = multiprocessing.get_context("forkserver")
HELD_SECONDS = 1.5


@dataclass(slots=True)
class Saboteur:
    """Does faults to a world. A fault that finds its victim down already is a fault all the same."""

    world: World
    rates: LyingRates
    dice: random.Random
    ring: Callable[[], None]
    lives: list[Life] = field(default_factory=list)

    def plan(self, count: int) -> list[str]:
        """`count` kinds, each at least once as long as there is room, in an order that the seed decides.

        Those that this machine does not allow are left out (`skipped`).
        """
        kinds = [kind for kind in KINDS if kind not in self.skipped()]
        chosen = (kinds * (count // len(kinds) + 1))[:count]
        self.dice.shuffle(chosen)
        return chosen

    def skipped(self) -> dict[str, str]:
        """The kinds that cannot be done here, and why."""
        return dict.fromkeys(DISK_KINDS, self.world.disk.missing) if self.world.disk.missing else {}

    def do(self, kind: str) -> None:
        """Does one fault. What it meets on its way (a server that is down) is no concern of it."""
        with contextlib.suppress(psycopg.Error, redis.RedisError, OSError):
            KINDS[kind](self)

    def sql(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(self.world.owner_url, autocommit=True, connect_timeout=PATIENCE_SECONDS)


def kill_backend(saboteur: Saboteur) -> None:
    """SIGKILL to a server process of PostgreSQL: all of it goes down and recovers."""
    with saboteur.sql() as server:
        rows = server.execute(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        ).fetchall()
    if rows:
        os.kill(int(str(saboteur.dice.choice(rows)[0])), signal.SIGKILL)


def terminate_connections(saboteur: Saboteur) -> None:
    """Cuts every connection to the database, as a failing network or a failover does."""
    with saboteur.sql() as server:
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")


def exhaust_connections(saboteur: Saboteur) -> None:
    """Takes every connection that the server has, and holds them."""
    with contextlib.ExitStack() as held:
        with contextlib.suppress(psycopg.Error):
            while True:
                held.enter_context(contextlib.closing(saboteur.sql()))
        time.sleep(HELD_SECONDS)


def hold_locks(saboteur: Saboteur) -> None:
    """Sits on the rows that everybody needs."""
    table = saboteur.dice.choice(["rewards_allowance", "ledger_balance", "rewards_player", "rewards_win"])
    with saboteur.sql() as server, server.transaction():
        server.execute("SET LOCAL lock_timeout = '2s'")
        server.execute(f"SELECT count(*) FROM (SELECT FROM {table} FOR UPDATE) AS held".encode())
        time.sleep(HELD_SECONDS)


def flush_broker(saboteur: Saboteur) -> None:
    """Empties Valkey: every message is lost."""
    broker = redis.Redis.from_url(saboteur.world.redis_url, socket_timeout=PATIENCE_SECONDS)
    with contextlib.closing(broker):
        broker.flushall()


def ring_wildly(saboteur: Saboteur) -> None:
    """The same message many times at once, as two beats and a redelivery would."""
    for _ in range(8):
        saboteur.ring()


def fill_disk(saboteur: Saboteur) -> None:
    """No room for a row more: whoever writes is refused until there is."""
    disk = saboteur.world.disk
    try:
        disk.fill()
        time.sleep(HELD_SECONDS)
    finally:
        disk.free()


def fill_disk_of_log(saboteur: Saboteur) -> None:
    """No room for the write-ahead log either, whose spare segments are used up first: PostgreSQL goes down."""
    disk = saboteur.world.disk
    try:
        disk.fill()
        with saboteur.sql() as server:
            for _ in range(SPARE_SEGMENTS):
                server.execute("SELECT pg_logical_emit_message(false, 'faults', 'x'), pg_switch_wal()")
        time.sleep(HELD_SECONDS)
    finally:
        disk.free()


def kill_at_edge(edge: str) -> Callable[[Saboteur], None]:
    """A life at an edge of the calendar is cut short somewhere, and led again up to somewhere else."""

    def living(saboteur: Saboteur) -> None:
        life = Life(edge, uuid.UUID(int=saboteur.dice.getrandbits(128), version=4))
        saboteur.lives.append(life)
        for _ in range(2):
            process = CONTEXT.Process(target=live, args=(life, saboteur.world.edges), daemon=True)
            process.start()
            process.join(saboteur.dice.uniform(*LIFE_SECONDS))
            process.kill()
            process.join()

    return living


def lie(how: str) -> Callable[[Saboteur], None]:
    """The rate API does this for a while, and is honest again."""

    def lying(saboteur: Saboteur) -> None:
        saboteur.rates.lie(how, seconds=HELD_SECONDS)

    return lying


def killing(name: str) -> Callable[[Saboteur], None]:
    return lambda saboteur: saboteur.world.kill(name)


def freezing(name: str) -> Callable[[Saboteur], None]:
    return lambda saboteur: saboteur.world.freeze(name, HELD_SECONDS)


KINDS: dict[str, Callable[[Saboteur], None]] = {
    "worker killed": killing("worker-1"),
    "other worker killed": killing("worker-2"),
    "web killed": killing("web"),
    "beat killed": killing("beat"),
    "postgresql shut down at once": killing("postgres"),
    "postgresql backend killed": kill_backend,
    "connections cut": terminate_connections,
    "connections exhausted": exhaust_connections,
    "locks held": hold_locks,
    "valkey killed": killing("valkey"),
    "valkey emptied": flush_broker,
    "worker frozen": freezing("worker-1"),
    "web frozen": freezing("web"),
    "message multiplied": ring_wildly,
    "disk full": fill_disk,
    "disk full, and the log's": fill_disk_of_log,
    **{edge: kill_at_edge(edge) for edge in EDGES},
    **{f"rate API: {how}": lie(how) for how in LIES},
}
DISK_KINDS = [kind for kind, does in KINDS.items() if does in {fill_disk, fill_disk_of_log}]
