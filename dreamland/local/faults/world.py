"""A whole Dreamland of its own, every part of which can be killed and is brought back."""

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from dreamland.local import files
from dreamland.local.attachment import CHECKOUT, local_defaults
from dreamland.local.errors import LocalServerError
from dreamland.local.faults.disk import SmallDisk
from dreamland.local.fresh import empty
from dreamland.local.postgres import DATABASE, Postgres
from dreamland.local.processes import LOOPBACK, free_port
from dreamland.local.services import Service
from dreamland.local.supervisor import APP_ROLE
from dreamland.local.valkey import Valkey

PREPARE_SECONDS = 120.0
READY_SECONDS = 60.0
PROBE_SECONDS = 2.0
WATCH_SECONDS = 0.1
WEB_THREADS = 8
EDGES_DATABASE = "edges"
LOG_SIZES = {"min_wal_size": "32MB", "max_wal_size": "64MB"}  # the write-ahead log, on a small disk


class World:
    """PostgreSQL, Valkey, web, two workers and beat. `keep_alive` restarts whatever has died, on its own port."""

    def __init__(self, root: Path, rate_url: str, report: Callable[[str], None]) -> None:
        self.root, self.report = root, report
        self.logs = root / "logs"
        files.make_directory(root, 0o755 if os.geteuid() == 0 else 0o700)
        files.make_directory(self.logs, 0o755)
        self.postgres = Postgres(root / "postgres", self.logs / "postgres.log", durable=True)
        self.disk = SmallDisk(self.postgres.home)
        self.valkey = Valkey(root / "valkey", self.logs / "valkey.log", durable=True)
        self.rate_url = rate_url
        self.web_port = free_port()
        self.services: dict[str, Service] = {}
        self.restarts = 0
        self._held: set[str] = set()
        self._ending = threading.Event()
        self._lock = threading.RLock()
        self._watcher = threading.Thread(target=self._keep_alive, name="keep-alive", daemon=True)

    @property
    def base_url(self) -> str:
        return f"http://{LOOPBACK}:{self.web_port}"

    def start_afresh(self) -> None:
        """Starts everything on an empty database and returns when the API answers."""
        self.disk.mount()
        if self.disk.missing:
            self.report(f"skipped: disk full; {self.disk.missing}")
        self.owner_url = self.postgres.start()
        self._keep_log_small()
        self.redis_url = self.valkey.start()
        empty(self.owner_url)
        (self.root / "anchor.jsonl").unlink(missing_ok=True)
        self.owner_env = {
            **os.environ,
            **local_defaults(self.root),
            "DATABASE_URL": self.owner_url,
            "REDIS_URL": self.redis_url,
            "RATE_PROVIDERS": "http",
            "RATE_HTTP_URL": self.rate_url,
            "RATE_HTTP_TOKEN": "of-no-value",
            "RATE_HTTP_READ_TIMEOUT_SECONDS": "1",
            "RATE_HTTP_TOTAL_TIMEOUT_SECONDS": "2",
            "RATE_HTTP_ATTEMPTS": "2",
            "CONVERSION_HOURS_PER_TICK": "1",
            "CONVERSION_PLAYERS_PER_CHUNK": "5",
            "LEDGER_ANCHOR_FILE": str(self.root / "anchor.jsonl"),
            "PYTHONUNBUFFERED": "1",
        }
        self._prepare()
        self._make_edges()
        parts = urlsplit(self.owner_url)
        place = f"{APP_ROLE}:{self.app_password}@{parts.hostname}:{parts.port}"
        self.env = {**self.owner_env, "DATABASE_URL": urlunsplit(parts._replace(netloc=place))}
        self._make_services()
        for service in self.services.values():
            service.start()
        self._watcher.start()
        self.wait_for_web()

    def _keep_log_small(self) -> None:
        with psycopg.connect(self.owner_url, autocommit=True) as server:
            for name, size in LOG_SIZES.items():
                server.execute(f"ALTER SYSTEM SET {name} = '{size}'".encode())
            server.execute("SELECT pg_reload_conf()")

    def _make_edges(self) -> None:
        """A second database, for lives at the edges of the calendar."""
        with psycopg.connect(self.owner_url, autocommit=True, dbname="postgres") as server:
            server.execute(f"DROP DATABASE IF EXISTS {EDGES_DATABASE} WITH (FORCE)".encode())
            server.execute(f"CREATE DATABASE {EDGES_DATABASE} TEMPLATE {DATABASE}".encode())
        self.edges = {"NAME": EDGES_DATABASE, "USER": APP_ROLE, "PASSWORD": self.app_password}

    def _prepare(self) -> None:
        self.app_password = files.secret(self.root / "app-role-password")
        environment = {**self.owner_env, "APP_PASSWORD": self.app_password}
        role = ["app_role", "--apply", "--login", APP_ROLE, "--password-env", "APP_PASSWORD"]
        for arguments in (["migrate", "--noinput"], role):
            done = subprocess.run(  # noqa: S603  our own program
                [sys.executable, str(CHECKOUT / "manage.py"), *arguments],
                env=environment,
                capture_output=True,
                text=True,
                timeout=PREPARE_SECONDS,
                check=False,
            )
            if done.returncode:
                raise LocalServerError(f"{arguments[0]} failed: {done.stderr[-2_000:]}")

    def _make_services(self) -> None:
        web = ["granian", "--interface", "wsgi", "dreamland.wsgi:application", "--host", LOOPBACK]
        web += ["--port", str(self.web_port), "--workers", "1", "--blocking-threads", str(WEB_THREADS)]
        worker = ["celery", "-A", "dreamland", "worker", "--loglevel", "INFO", "--concurrency", "1"]
        worker += ["--prefetch-multiplier", "1", "--without-gossip", "--without-mingle", "--hostname"]
        beat = ["celery", "-A", "dreamland", "beat", "--loglevel", "INFO", "--pidfile="]
        commands = {"web": web, "worker-1": [*worker, "one@faults"], "worker-2": [*worker, "two@faults"], "beat": beat}
        for name, arguments in commands.items():
            pool = {"DATABASE_POOL_MAX_SIZE": str(WEB_THREADS)} if name == "web" else {}
            self.services[name] = Service(
                name=name,
                arguments=[sys.executable, "-m", *arguments],
                environment={**self.env, **pool},
                log=self.logs / f"{name}.log",
                directory=CHECKOUT,
                death_signal=signal.SIGKILL,
            )

    def wait_for_web(self) -> None:
        """Returns when the API answers. Raises LocalServerError when it does not for READY_SECONDS."""
        if not files.wait_until(self._web_answers, READY_SECONDS):
            log = self.logs / "web.log"
            raise LocalServerError(f"web does not answer. The end of {log}:\n{files.tail(log)}")

    def _web_answers(self) -> bool:
        probe = http.client.HTTPConnection(LOOPBACK, self.web_port, timeout=PROBE_SECONDS)
        try:
            probe.request("GET", "/livez")
            return probe.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            probe.close()

    def kill(self, name: str) -> None:
        """SIGKILL to a service's whole process group, or to a server. The watcher brings it back."""
        process = {"postgres": self.postgres.process, "valkey": self.valkey.process}.get(name)
        if name in self.services:
            process = self.services[name].process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            if name in self.services:
                os.killpg(process.pid, signal.SIGKILL)
            elif name == "postgres":  # "immediate": no checkpoint, the next start recovers from the log
                process.send_signal(signal.SIGQUIT)
            else:
                process.kill()

    def freeze(self, name: str, seconds: float) -> None:
        """Stops a service's processes in their tracks for a while, and lets them go on."""
        process = self.services[name].process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGSTOP)
        time.sleep(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGCONT)

    def stop(self) -> None:
        """Ends everything."""
        self._ending.set()
        if self._watcher.is_alive():
            self._watcher.join()
        for service in self.services.values():
            service.ask_to_stop()
        deadline = time.monotonic() + 10
        for service in self.services.values():
            service.finish(deadline)
        self.valkey.stop()
        self.postgres.stop()
        self.disk.unmount()

    def _keep_alive(self) -> None:
        """Brings back what has died: the thread that starts processes is the one that they die with."""
        while not self._ending.wait(WATCH_SECONDS):
            with contextlib.suppress(LocalServerError):  # in the middle of a recovery: the next round tries again
                self._revive()

    def _revive(self) -> None:
        for server, url in ((self.postgres, self.owner_url), (self.valkey, self.redis_url)):
            if not server.alive():
                server.start(urlsplit(url).port)
                self.restarts += 1
        for service in self.services.values():
            if service.reap() is not None or service.process is None:
                service.start()
                self.restarts += 1
