"""All of Dreamland on this machine: servers, a prepared database, then web, worker and beat, until told to end."""

import contextlib
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self
from urllib.parse import urlsplit, urlunsplit

from celery import Celery

from dreamland.local import client, files
from dreamland.local.attachment import CHECKOUT, attach, local_defaults
from dreamland.local.errors import LocalServerError
from dreamland.local.processes import LOOPBACK, free_port
from dreamland.local.services import Service, Supervisor, leashed

APP_ROLE = "dreamland_app"
APP_PASSWORD_VARIABLE = "APP_ROLE_PASSWORD"  # noqa: S105  a name
ADMIN_PASSWORD_VARIABLE = "FIRST_ADMIN_PASSWORD"  # noqa: S105  a name
WORKER_NAME = "worker@dreamland"
WEB_THREADS = 8
WORKER_PROCESSES = 2
PREPARE_SECONDS = 300.0
READY_SECONDS = 90.0
PROBE_SECONDS = 2.0
PING_SECONDS = 0.5  # a ping to a worker that does not listen yet is lost, so ask often
POLL_SECONDS = 0.1
WATCH_SECONDS = 1.0


class AlreadyUpError(LocalServerError):
    """Another supervisor runs in this checkout; the message says where."""


class Stack:
    """Everything that runs, as a context manager: `with Stack() as stack:` returns when the API answers.

    `base_url`            where it answers
    `env`                 the environment of web, worker and beat: the database role that may not change the books
    `owner_env`           the environment for `manage.py`: the owner of the database
    `admin_password`      of the superuser `admin` when this start has created it, else None

    `root` as for `attach`; `port` 0 takes a free one. What happens to services is told to `report`.
    """

    def __init__(
        self,
        root: Path | None = None,
        *,
        host: str = LOOPBACK,
        port: int = 0,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._requested_root = root
        self.host = host
        self.port = port
        self.report = report
        self.admin_password: str | None = None
        self.env: dict[str, str] = {}
        self.owner_env: dict[str, str] = {}
        self._exit = contextlib.ExitStack()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything and return when it is ready.

        Raises AlreadyUpError when it runs already, and LocalServerError with the tail of a log when something does not
        start. Call `stop` then too.
        """
        self.servers = attach(self._requested_root)
        self.root = self.servers.root
        self.logs = self.root / "logs"
        files.make_directory(self.logs, 0o755 if os.geteuid() == 0 else 0o700)
        self._claim()
        self._prepare()
        self._supervisor = Supervisor(self._services(), self.report)
        self._exit.callback(self._supervisor.stop)
        self._supervisor.start()
        self._probes = {"web": self._web_answers, "worker": self._worker_answers}
        for name in self._probes:
            self._wait_for(name)

    def stop(self) -> None:
        """End web, worker and beat in order, within a bounded time. The servers end when nobody else uses them."""
        self._exit.close()

    def watch(self) -> NoReturn:
        """Wait for ever.

        Raises LocalServerError when a service cannot be kept running or an embedded server has gone.
        """
        while True:
            time.sleep(WATCH_SECONDS)
            if self._supervisor.failure is not None:
                raise LocalServerError(self._supervisor.failure)
            for name in self.servers.embedded:
                if client.keeper_is_gone(self.root, name):
                    log = self.logs / f"{name}.log"
                    raise LocalServerError(f"{name} has gone. The end of {log}:\n{files.tail(log)}")

    @property
    def base_url(self) -> str:
        """Where the web server answers."""
        return f"http://{self._local_host}:{self.port}"

    def pids(self) -> dict[str, int]:
        """The process ids of what runs: "web", "worker", "beat"."""
        return self._supervisor.pids()

    def restart(self, name: str) -> None:
        """End one of "web", "worker" and "beat" in order, start it again and return when it is ready."""
        self._supervisor.restart(name)
        self._wait_for(name)

    @property
    def _local_host(self) -> str:
        return LOOPBACK if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104

    def _claim(self) -> None:
        """Be the only supervisor of this root and find our port free.

        Raises AlreadyUpError or, when another program has the port, LocalServerError.
        """
        lock = self._exit.enter_context(files.closing_lock(self.root / "up.lock"))
        pid_file = self.root / "up.pid"
        if not lock.take():
            pid, _, url = files.tail(pid_file).partition("\n")
            raise AlreadyUpError(f"Dreamland already runs in this checkout, at {url} (process {pid}).")
        self.port = self.port or free_port()
        try:
            socket.create_server((self.host, self.port)).close()
        except OSError as error:
            raise LocalServerError(
                f"Port {self.port} of {self.host} is taken ({error}). Choose another one."
            ) from error
        files.write_private(pid_file, f"{os.getpid()}\n{self.base_url}\n")
        self._exit.callback(pid_file.unlink, missing_ok=True)

    def _prepare(self) -> None:
        """Migrate, apply the grants, collect static files and make the first superuser, in one process.

        It runs as the owner of the database. Sets `owner_env`, `env` and `admin_password`; raises LocalServerError.
        """
        self.owner_env = {
            **os.environ,
            **local_defaults(self.root),
            "DATABASE_URL": self.servers.database_url,
            "REDIS_URL": self.servers.redis_url,
            "STATIC_ROOT": str(self.root / "static"),
            "PYTHONUNBUFFERED": "1",
        }
        files.make_directory(self.root / "static", 0o755)
        passwords = {ADMIN_PASSWORD_VARIABLE: secrets.token_urlsafe(12)}
        if "postgres" in self.servers.embedded:  # roles of somebody else's database are somebody else's business
            passwords[APP_PASSWORD_VARIABLE] = files.secret(self.root / "app-role-password")
        result, log = self.root / "prepared.json", self.logs / "prepare.log"
        with files.opened_log(log) as output:
            arguments = [sys.executable, str(CHECKOUT / "manage.py"), "prepare_stack", "--result", str(result)]
            done = subprocess.run(  # noqa: S603  our own program
                leashed(arguments, signal.SIGTERM),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**self.owner_env, **passwords},
                timeout=PREPARE_SECONDS,
                check=False,
            )
        if done.returncode != 0:
            raise LocalServerError(f"The database could not be prepared. The end of {log}:\n{files.tail(log)}")
        prepared = json.loads(result.read_text(encoding="utf-8"))
        self.admin_password = passwords[ADMIN_PASSWORD_VARIABLE] if prepared["admin_created"] else None
        self.env = dict(self.owner_env)
        if prepared["app_role"]:
            parts = urlsplit(self.servers.database_url)
            place = f"{APP_ROLE}:{passwords[APP_PASSWORD_VARIABLE]}@{parts.hostname}:{parts.port}"
            self.env["DATABASE_URL"] = urlunsplit(parts._replace(netloc=place))

    def _services(self) -> list[Service]:
        web = ["granian", "--interface", "wsgi", "dreamland.wsgi:application"]
        web += ["--host", self.host, "--port", str(self.port), "--workers", "1"]
        web += ["--blocking-threads", str(WEB_THREADS), "--workers-kill-timeout", "5", "--respawn-failed-workers"]
        web += ["--static-path-route", "/static", "--static-path-mount", str(self.root / "static")]
        worker = ["celery", "-A", "dreamland", "worker", "--hostname", WORKER_NAME, "--loglevel", "INFO"]
        worker += ["--concurrency", str(WORKER_PROCESSES), "--prefetch-multiplier", "1"]
        worker += ["--without-gossip", "--without-mingle"]
        beat = ["celery", "-A", "dreamland", "beat", "--loglevel", "INFO", "--pidfile="]
        return [
            self._service("web", web, {"DATABASE_POOL_MAX_SIZE": str(WEB_THREADS)}),
            # Asked to stop, a worker finishes its tasks. Without a supervisor it drops them: they are run again.
            self._service("worker", worker, death_signal=signal.SIGQUIT),
            self._service("beat", beat),
        ]

    def _service(
        self,
        name: str,
        arguments: list[str],
        environment: dict[str, str] | None = None,
        death_signal: signal.Signals = signal.SIGTERM,
    ) -> Service:
        return Service(
            name=name,
            arguments=[sys.executable, "-m", *arguments],
            environment={**self.env, **(environment or {})},
            log=self.logs / f"{name}.log",
            directory=CHECKOUT,
            death_signal=death_signal,
        )

    def _wait_for(self, name: str) -> None:
        """Return when the service answers. Raises LocalServerError when it dies before, or takes too long."""
        service = self._supervisor.services[name]
        deadline = time.monotonic() + READY_SECONDS
        while not self._probes.get(name, lambda: True)():
            if service.restarts or time.monotonic() > deadline:
                raise LocalServerError(f"{name} does not start. The end of {service.log}:\n{files.tail(service.log)}")
            time.sleep(POLL_SECONDS)

    def _web_answers(self) -> bool:
        connection = http.client.HTTPConnection(self._local_host, self.port, timeout=PROBE_SECONDS)
        try:
            connection.request("GET", "/livez")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _worker_answers(self) -> bool:
        app = Celery(broker=self.servers.redis_url, set_as_current=False)
        try:
            return bool(app.control.ping(destination=[WORKER_NAME], timeout=PING_SECONDS, limit=1))
        finally:
            app.close()
