"""Small promises about files: private, whole or not there, locked by whoever lives."""

import contextlib
import fcntl
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

LOCK_POLL_SECONDS = 0.01
TAIL_BYTES = 4_096
LOG_MAX_BYTES = 5_000_000


def make_directory(path: Path, mode: int) -> None:
    """Create `path` and its missing parents with `mode`, whatever the umask. What exists keeps its mode."""
    if not path.parent.exists():
        make_directory(path.parent, mode)
    with contextlib.suppress(FileExistsError):
        path.mkdir()
        path.chmod(mode)


def write_private(path: Path, text: str) -> None:
    """Replace `path` by `text` in one step, readable by its owner only."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp gives 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def secret(path: Path, bytes_of_entropy: int = 32) -> str:
    """The secret kept in `path`: URL-safe text, made up on the first call and the same ever after.

    Two processes that call at once are given the same one: a link, unlike a rename, does not replace.
    """
    with contextlib.suppress(FileNotFoundError):
        return path.read_text(encoding="utf-8")
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    write_private(draft, secrets.token_urlsafe(bytes_of_entropy))
    try:
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    return path.read_text(encoding="utf-8")


def tail(path: Path, size_bytes: int = TAIL_BYTES) -> str:
    """The last lines of a log, or "" where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - size_bytes))
            return file.read().decode("utf-8", "replace").strip()
    except OSError:
        return ""


@contextlib.contextmanager
def opened_log(path: Path) -> Iterator[int]:
    """A descriptor that appends to the log, readable by its owner only. A log over 5 MB becomes `.old` first."""
    if path.exists() and path.stat().st_size > LOG_MAX_BYTES:
        path.replace(path.with_name(path.name + ".old"))
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class Lock:
    """An flock on a file. The kernel releases it when this process ends, whatever ended it.

    The descriptor is close-on-exec, so a program that this process starts does not hold the lock.
    """

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self, *, shared: bool = False) -> bool:
        """Take the lock if it is to be had now; say whether."""
        try:
            fcntl.flock(self.descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def wait(self, seconds: float, *, shared: bool = False) -> bool:
        """Take the lock within so many seconds; say whether."""
        return wait_until(lambda: self.take(shared=shared), seconds)

    def give_back(self) -> None:
        """Release the lock, keep the file open."""
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Release the lock for good."""
        os.close(self.descriptor)


@contextlib.contextmanager
def closing_lock(path: Path) -> Iterator[Lock]:
    """A lock that is released for good when the block ends. It is not yet taken."""
    lock = Lock(path)
    try:
        yield lock
    finally:
        lock.close()


def wait_until(condition: Callable[[], bool], seconds: float, poll_seconds: float = LOCK_POLL_SECONDS) -> bool:
    """Ask until the condition holds or the seconds have passed; say whether it held."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(poll_seconds)
    return True
