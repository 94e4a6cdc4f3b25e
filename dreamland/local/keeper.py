"""The keeper: a detached process that owns one server and ends it, and itself, when nobody uses it any more.

Every client holds a shared lock on `in-use` (see `attachment`). When the keeper can take it exclusively for a grace
time, no client is left: the kernel gives locks back whatever ended their holders. The keeper holds `keeper.lock` for
as long as it lives; `server.json` tells the clients where the server is, or why there is none. If the keeper itself is
killed, the kernel ends the server (`processes.die_with_parent`), and the next client finds `keeper.lock` free.
"""

import json
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Protocol

from dreamland.local import files
from dreamland.local.errors import LocalServerError
from dreamland.local.postgres import Postgres
from dreamland.local.valkey import Valkey

GRACE_SECONDS = 1.0  # consecutive commands find the servers warm
POLL_SECONDS = 0.1
LOCK_SECONDS = 0.2  # clients hold the lock for an instant to see whether there is a keeper
IN_USE = "in-use"
KEEPER_LOCK = "keeper.lock"
STATE = "server.json"
ALREADY_KEPT = 3  # exit status: another keeper was faster

log = logging.getLogger("keeper")


class Server(Protocol):
    """What the keeper asks of a server."""

    def start(self) -> str: ...
    def stop(self) -> None: ...
    def alive(self) -> bool: ...


SERVERS: dict[str, type[Postgres] | type[Valkey]] = {server.name: server for server in (Postgres, Valkey)}


class Stopped(Exception):
    """SIGTERM or SIGINT asked the keeper to end."""


def main(arguments: list[str]) -> int:
    """Keep one server: `keeper <name> <root> <durable|fast>`, in a session of its own, its output going to a log.

    The process forks: the parent ends as soon as the lock is held, the child belongs to nobody from then on.
    """
    name, root, durability = arguments
    lock = files.Lock(Path(root) / name / KEEPER_LOCK)
    if not lock.wait(LOCK_SECONDS):
        return ALREADY_KEPT
    if os.fork():
        return 0
    os.umask(0o077)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(message)s", stream=sys.stderr)
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    keep(name, Path(root), durable=durability == "durable")
    lock.close()
    return 0


def keep(name: str, root: Path, *, durable: bool) -> None:
    """Start the server, publish its URL, and end it when no client is left or the server has died."""
    directory = root / name
    state = directory / STATE
    in_use = files.Lock(directory / IN_USE)
    server: Server | None = None
    try:
        server = SERVERS[name](directory, root / "logs" / f"{name}.log", durable=durable)
        started = time.monotonic()
        url = server.start()
        log.info("%s is ready after %.2f s", name, time.monotonic() - started)
        _publish(state, {"url": url, "durable": durable, "keeper": os.getpid()})
        _wait_until_unused(server, in_use)
        log.info("%s: %s", name, "nobody is left" if server.alive() else "it has died")
    except Stopped:
        log.info("%s: asked to stop", name)
    except (LocalServerError, OSError) as error:
        log.exception("%s did not start", name)
        kind = type(error).__name__ if isinstance(error, LocalServerError) else LocalServerError.__name__
        _publish(state, {"error": kind, "message": str(error)})
        return
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if server is not None:
            server.stop()
    state.unlink(missing_ok=True)


def _wait_until_unused(server: Server, in_use: files.Lock) -> None:
    """Return when the server has died, or holding `in-use` exclusively after nobody has held it for the grace time."""
    unused_since: float | None = None
    while server.alive():
        if not in_use.take():
            unused_since = None
        elif unused_since is None:
            unused_since = time.monotonic()
            in_use.give_back()
        elif time.monotonic() - unused_since >= GRACE_SECONDS:
            return  # still held: whoever comes now waits until we are gone
        else:
            in_use.give_back()
        time.sleep(POLL_SECONDS)


def _publish(path: Path, state: dict[str, object]) -> None:
    files.write_private(path, json.dumps(state))


def _stop(*_: object) -> None:
    raise Stopped


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
