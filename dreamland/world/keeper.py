"""The process that keeps a world running until it is told to end: `keeper ROOT SECONDS`, in a session of its own.

It starts the clusters, says in `world.json` where they are, brings back what dies, and closes hours in every region,
short ones so that one can watch.
"""

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg

from dreamland.local import files
from dreamland.local.attachment import CHECKOUT
from dreamland.local.errors import LocalServerError
from dreamland.world.clusters import World

SPAN_SECONDS = 2.0  # an "hour" here
TICK_SECONDS = 0.5
START_SECONDS = 300.0
STOP_SECONDS = 60.0
STATE, LOCK, LOG = "world.json", "world.lock", "keeper.log"

log = logging.getLogger("keeper")


def main(arguments: list[str]) -> int:
    """Keeps the world below the directory named; 0 when it was asked to end. An "hour" lasts as long as is said."""
    root, span_seconds = Path(arguments[0]), float(arguments[1])
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(message)s", stream=sys.stderr)
    with files.closing_lock(root / LOCK) as lock:
        if not lock.take():
            return 0
        world = World(root, durable=True)
        try:
            world.start()
            state = {name: cell.url for name, cell in world.cells.items()}
            files.write_private(root / STATE, json.dumps({"keeper": os.getpid(), "cells": state}))
            while not ending.wait(TICK_SECONDS):
                _look_after(world, span_seconds)
        finally:
            (root / STATE).unlink(missing_ok=True)
            world.stop()
    return 0


def _look_after(world: World, span_seconds: float) -> None:
    """Restarts what has died; tells the centre what is over."""
    for cell in world.cells.values():
        if not cell.postgres.alive():
            log.info("%s has died and is started again", cell.name)
            with contextlib.suppress(LocalServerError):  # in the middle of its recovery: the next round tries again
                cell.start()
    for region in world.regions:
        with contextlib.suppress(psycopg.Error), world.cells[region].connect() as connection:
            connection.execute("SELECT world_fence_hours(make_interval(secs => %s), interval '0')", [span_seconds])
            while connection.execute("SELECT world_close_next_hour()").fetchone() != (None,):
                pass
            connection.execute("SELECT world_give_beat()")


def up(root: Path, *, span_seconds: float = SPAN_SECONDS) -> World:
    """The world below `root`, started where it does not run, with "hours" of `span_seconds`.

    Raises LocalServerError with the end of the log.
    """
    if (found := running(root)) is not None:
        return found
    files.make_directory(root, 0o755 if os.geteuid() == 0 else 0o700)
    with files.opened_log(root / LOG) as output:
        keeper = subprocess.Popen(  # noqa: S603  our own program
            [sys.executable, "-m", __name__, str(root), str(span_seconds)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=CHECKOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while (found := running(root)) is None:
        if keeper.poll() not in (None, 0) or time.monotonic() > deadline:
            raise LocalServerError(f"The world does not start. The end of {root / LOG}:\n{files.tail(root / LOG)}")
        time.sleep(TICK_SECONDS / 5)
    return found


def running(root: Path) -> World | None:
    """The world that runs below `root`, to be looked at; None where none does."""
    state = _state(root)
    if not state:
        return None
    world = World(root, durable=True)
    for name, url in state["cells"].items():
        world.cells[name].url = url
    return world


def down(root: Path) -> bool:
    """Ends the world below `root` and waits for its end; False where none ran."""
    state = _state(root)
    if not state:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(state["keeper"], signal.SIGTERM)
    with files.closing_lock(root / LOCK) as lock:
        if not lock.wait(STOP_SECONDS):
            raise LocalServerError(f"The world does not end. The end of {root / LOG}:\n{files.tail(root / LOG)}")
    return True


def _state(root: Path) -> Mapping[str, Any]:
    """What the keeper wrote, if one lives: who holds the lock is alive."""
    if not (root / LOCK).exists():
        return {}
    with files.closing_lock(root / LOCK) as lock:
        if lock.take(shared=True):
            return {}
    try:
        state: dict[str, Any] = json.loads((root / STATE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return state


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
