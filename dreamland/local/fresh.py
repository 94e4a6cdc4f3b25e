"""Empty embedded servers, for programs that want a world of their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
import redis
from psycopg import sql

from dreamland.local import files
from dreamland.local.attachment import Servers
from dreamland.local.errors import LocalServerError

TURN_SECONDS = 120.0


@contextmanager
def emptied(servers: Servers) -> Iterator[None]:
    """Waits for its turn, empties the database and the broker, and keeps them for the caller until the block ends.

    Raises LocalServerError where another process does not give them up within TURN_SECONDS.
    """
    with files.closing_lock(servers.root / "emptied.lock") as lock:
        if not lock.wait(TURN_SECONDS):
            raise LocalServerError(f"Another process works with the servers in {servers.root}. Wait for its end.")
        empty(servers.database_url)
        broker = redis.Redis.from_url(servers.redis_url)
        try:
            broker.flushall()
        finally:
            broker.close()
        yield


def empty(database_url: str) -> None:
    """Drops the database with all that is in it and makes it anew, empty."""
    parts = urlsplit(database_url)
    name = sql.Identifier(parts.path.removeprefix("/"))
    with psycopg.connect(urlunsplit(parts._replace(path="/postgres")), autocommit=True) as server:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
        server.execute(sql.SQL("CREATE DATABASE {}").format(name))
