"""How one process comes to use one embedded server. The other side is `keeper`."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from dreamland.local import files, keeper
from dreamland.local.errors import BY_NAME, LocalServerError

START_SECONDS = 150.0
FORK_SECONDS = 30.0
POLL_SECONDS = 0.02
CHECKOUT = Path(__file__).resolve().parents[2]


class Client:
    """A claim of this process on the server `name` in `root`. It lasts until `leave`, or until the process ends."""

    def __init__(self, name: str, root: Path, *, durable: bool) -> None:
        self.name = name
        self.root = root
        self.directory = root / name
        self.durable = durable
        self.deadline = time.monotonic() + START_SECONDS
        mode = 0o755 if os.geteuid() == 0 else 0o700  # as root, `nobody` must come by
        files.make_directory(self.directory, mode)
        files.make_directory(root / "logs", mode)
        self.starting: subprocess.Popen[bytes] | None = None
        self.in_use = files.Lock(self.directory / keeper.IN_USE)
        self.kept = files.Lock(self.directory / keeper.KEEPER_LOCK)

    def begin(self) -> None:
        """Claim the server, and make sure that there is a keeper, though it may not be ready yet."""
        # Refused only while a keeper is ending: then it holds the lock exclusively.
        if not self.in_use.wait(self._seconds_left(), shared=True):
            raise self._error(f"The last keeper of {self.name} does not end.")
        if self._keeper_is_gone():
            self._start_keeper()

    def finish(self) -> str:
        """The server's URL, once the server is ready."""
        while True:
            self._await_fork()
            gone = self._keeper_is_gone()  # asked first: what a keeper that is gone has written is its last word
            state = self._read_state()
            if "error" in state:
                raise BY_NAME[state["error"]](state["message"])
            if "url" in state and not gone:
                break
            if self._seconds_left() == 0:
                raise self._error(f"{self.name} is not ready after {START_SECONDS:.0f} s.")
            if gone:
                self._start_keeper()
            time.sleep(POLL_SECONDS)
        if self.durable and not state["durable"]:
            raise LocalServerError(
                f"{self.name} in {self.root} runs without fsync at the moment, for somebody who asked for that. "
                "Wait until they are done, or use another directory."
            )
        self.kept.close()
        return str(state["url"])

    def leave(self) -> None:
        """Give the claim up."""
        self.in_use.close()

    def _start_keeper(self) -> None:
        """Start a keeper. When several clients do so at once, one keeper gets the lock and the others end."""
        if not self.kept.take(shared=True):
            return  # somebody's keeper is there already
        # While we hold this no keeper can be there, so what is written is old. Nobody ever reads an old state while a
        # keeper lives: every keeper was started by somebody who has been here.
        (self.directory / keeper.STATE).unlink(missing_ok=True)
        self.kept.give_back()
        arguments = [self.name, str(self.root), "durable" if self.durable else "fast"]
        search = [str(CHECKOUT), os.environ.get("PYTHONPATH", "")]
        with files.opened_log(self._log) as log:
            self.starting = subprocess.Popen(  # noqa: S603  our own program
                [sys.executable, "-m", keeper.__name__, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, search))},
                start_new_session=True,
            )

    def _await_fork(self) -> None:
        """Wait until the keeper that we have started, if any, has its lock and has detached itself from us."""
        if self.starting is None:
            return
        try:
            status = self.starting.wait(FORK_SECONDS)
        except subprocess.TimeoutExpired:
            self.starting.kill()
            status = self.starting.wait()
        self.starting = None
        if status not in (0, keeper.ALREADY_KEPT):
            raise self._error(f"The keeper of {self.name} does not start ({status}).")

    def _keeper_is_gone(self) -> bool:
        return _is_free(self.kept)

    def _read_state(self) -> dict[str, Any]:
        try:
            return dict(json.loads((self.directory / keeper.STATE).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {}

    def _seconds_left(self) -> float:
        return max(0.0, self.deadline - time.monotonic())

    @property
    def _log(self) -> Path:
        return self.root / "logs" / f"{self.name}-keeper.log"

    def _error(self, message: str) -> LocalServerError:
        return LocalServerError(f"{message} The end of {self._log}:\n{files.tail(self._log)}")


def keeper_is_gone(root: Path, name: str) -> bool:
    """Whether nobody keeps the server `name` in `root`, so that it does not run."""
    with files.closing_lock(root / name / keeper.KEEPER_LOCK) as lock:
        return _is_free(lock)


def _is_free(lock: files.Lock) -> bool:
    """Whether nobody holds the lock exclusively."""
    if not lock.take(shared=True):
        return False
    lock.give_back()
    return True
