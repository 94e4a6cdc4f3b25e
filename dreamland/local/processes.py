"""Starting and ending server processes so that none is left behind, whatever happens to the one who started it."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from dreamland.local.account import Account
from dreamland.local.errors import LocalServerError

LOOPBACK = "127.0.0.1"
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
# (signal, seconds to wait for it to work)
Ladder = Sequence[tuple[signal.Signals, float]]


def free_port() -> int:
    """A TCP port of the loopback interface that was free a moment ago. Somebody else may take it first."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def die_with_parent(death_signal: signal.Signals) -> Callable[[], None]:
    """For a fork before its exec: ask the kernel (Linux) for `death_signal` when the parent thread ends.

    It runs after the change of user, which would clear the request. Elsewhere than on Linux it does nothing.
    """
    parent = os.getpid()

    def ask() -> None:
        if LIBC is None:
            return
        if LIBC.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0) != 0:
            os._exit(126)
        if os.getppid() != parent:  # it died before we asked
            os._exit(125)

    return ask


def spawn(  # noqa: PLR0913  the choices of one Popen
    arguments: Sequence[str],
    *,
    log: int,
    account: Account,
    death_signal: signal.Signals,
    stdin: int = subprocess.DEVNULL,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> subprocess.Popen[bytes]:
    """Start a server in its own session, as `account`, with next to no environment and its output in the log.

    Call it from the main thread of a process without other threads: the server lives as long as that thread.
    """
    try:
        return subprocess.Popen(  # noqa: S603  our own programs
            arguments,
            stdin=stdin,
            stdout=log,
            stderr=log,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", **environment},
            start_new_session=True,
            preexec_fn=die_with_parent(death_signal),  # noqa: PLW1509  no threads here
            umask=0o077,
            **account.for_popen(),
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise LocalServerError(
            f"{arguments[0]} could not be started: {error}. Or set DATABASE_URL and REDIS_URL to servers of your own."
        ) from error


def stop(process: subprocess.Popen[bytes], ladder: Ladder) -> None:
    """Send the signals of the ladder one after the other until the process has ended, SIGKILL at last."""
    for number, seconds in [*ladder, (signal.SIGKILL, 10.0)]:
        if process.poll() is not None:
            return
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)


def command_line(pid: int) -> list[str]:
    """The arguments of a living process; [] when there is none, or it may not be seen."""
    if Path("/proc/self/cmdline").exists():
        try:
            raw = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return []
        return raw.decode("utf-8", "replace").split("\0")
    question = ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]
    shown = subprocess.run(question, capture_output=True, text=True, check=False)  # noqa: S603
    return shown.stdout.split()


def is_alive(pid: int) -> bool:
    """Whether a process has this id, anybody's."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
