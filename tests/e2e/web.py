"""A web process of our own, on a socket, that tests may kill."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamland.local.processes import LOOPBACK, free_port

ROOT = Path(__file__).parent.parent.parent
START_SECONDS = 30.0
ANSWER_SECONDS = 20.0  # longer than any wait that has a limit
NO_VALKEY = "redis://127.0.0.1:1/0"


@dataclass(frozen=True)
class Answer:
    """What came back, and how long it took."""

    status: int
    headers: http.client.HTTPMessage
    body: Any
    seconds: float


class Web:
    """Granian with one worker. `key` is what it is called with."""

    def __init__(self, database_url: str, key: str, **environment: str) -> None:
        self.key = key
        self.port = free_port()
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "dreamland.settings",
            "DATABASE_URL": database_url,
            "REDIS_URL": NO_VALKEY,
            "ENVIRONMENT": "test",
            "SECRET_KEY": "only-for-tests-" * 4,
            "INSECURE_HTTP": "1",
            "ALLOWED_HOSTS": LOOPBACK,
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it and returns when it answers."""
        command = ["granian", "--interface", "wsgi", "dreamland.wsgi:application", "--host", LOOPBACK]
        command += ["--port", str(self.port), "--workers", "1", "--blocking-threads", "4"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                if self.call("GET", "/livez").status == http.HTTPStatus.OK:
                    return
            except OSError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL, to all of its processes at once."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def call(self, method: str, address: str, body: Any = None) -> Answer:
        """One call on a connection of its own. Raises OSError where nothing answers."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=ANSWER_SECONDS)
        began = time.monotonic()
        try:
            connection.request(method, address, None if body is None else json.dumps(body), self.headers)
            response = connection.getresponse()
            text = response.read()
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()
        seconds = time.monotonic() - began
        return Answer(response.status, response.headers, json.loads(text), seconds)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}

    def send(self, address: str, body: Any, *, share: float = 1.0) -> socket.socket:
        """Sends a POST, or the first `share` of its body, and reads nothing. The caller closes the socket."""
        raw = json.dumps(body).encode()
        lines = [f"POST {address} HTTP/1.1", f"Host: {LOOPBACK}", f"Content-Length: {len(raw)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        line = socket.create_connection((LOOPBACK, self.port), timeout=ANSWER_SECONDS)
        line.sendall("\r\n".join([*lines, "", ""]).encode() + raw[: int(len(raw) * share)])
        return line


@contextmanager
def running(web: Web) -> Iterator[Web]:
    """The web process, started, and gone afterwards."""
    try:
        web.start()
        yield web
    finally:
        web.kill()
