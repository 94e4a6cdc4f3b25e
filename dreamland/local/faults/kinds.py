"""What can go wrong: each kind of fault, done for real."""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
import redis

from dreamland.local.faults.rates import LIES, LyingRates
from dreamland.local.faults.world import World

PATIENCE_SECONDS = 3
HELD_SECONDS = 1.5


@dataclass(slots=True)
class Saboteur:
    """Does faults to a world. A fault that finds its victim down already is a fault all the same."""

    world: World
    rates: LyingRates
    dice: random.Random
    ring: Callable[[], None]

    def plan(self, count: int) -> list[str]:
        """`count` kinds, each at least once as long as there is room, in an order that the seed decides."""
        kinds = list(KINDS)
        chosen = (kinds * (count // len(kinds) + 1))[:count]
        self.dice.shuffle(chosen)
        return chosen

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
    **{f"rate API: {how}": lie(how) for how in LIES},
}
