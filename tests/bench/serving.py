"""Servers as in production, and a caller that keeps so many connections busy at next to no cost of its own."""

import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench import harness
from tests.bench.harness import Side

OURS, FLOOR = "dreamland.wsgi:application", "tests.bench.bare:application"
THREADS = 8  # as in the Dockerfile
READY_SECONDS = 60.0
ANSWER_SECONDS = 60.0
HEAD_END = b"\r\n\r\n"
UNLIMITED = "1000000000"

Request = Callable[[], bytes]


@dataclass(frozen=True)
class Web:
    """A server that answers on `port` of this machine."""

    port: int
    pid: int


@contextmanager
def served(application: str, **variables: str) -> Iterator[Web]:
    """A web process of granian with the database of this process. Rate limits are counted and never reached."""
    from dreamland.local.processes import free_port

    port = free_port()
    limits = {f"API_{who}_{span}_LIMIT": UNLIMITED for who in ("GAME", "PLAYER") for span in ("BURST", "SUSTAINED")}
    environment = harness.environment(DATABASE_POOL_MAX_SIZE=str(THREADS), LOG_LEVEL="INFO", **limits, **variables)
    with TemporaryDirectory() as directory, Path(directory, "log").open("w+b") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "granian", "--interface", "wsgi", application, "--host", "127.0.0.1",
             "--port", str(port), "--workers", "1", "--blocking-threads", str(THREADS), "--workers-kill-timeout", "5"],
            cwd=harness.ROOT,
            env=environment,
            stdout=log,
            stderr=log,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + READY_SECONDS
            while not answers(port):
                assert process.poll() is None, f"{application} has ended"
                assert time.monotonic() < deadline, f"{application} is not ready"
                time.sleep(0.02)
            yield Web(port, process.pid)
        except AssertionError as error:
            log.seek(0)
            error.add_note(f"the end of the log of {application}: {log.read().decode()[-2_000:]}")
            raise
        finally:
            process.terminate()
            process.wait(30)


def answers(port: int) -> bool:
    """Whether GET /livez is answered with 200."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(request("GET", "/livez"))
            return connection.recv(4_096).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def request(method: str, path: str, body: str = "", *, key: str = "") -> bytes:
    """The bytes of a request; with a key it carries the key, with a body it carries JSON."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    if key:
        head += f"Authorization: Bearer {key}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body.encode())}\r\n"
    return f"{head}\r\n{body}".encode()


@dataclass
class Line:
    """One connection that has a question out."""

    socket: socket.socket
    asked_at: float = 0.0
    received: bytearray = field(default_factory=bytearray)

    def ask(self, question: bytes) -> None:
        self.received.clear()
        self.asked_at = time.perf_counter()
        self.socket.sendall(question)

    def answered(self) -> bool:
        """Takes what has come; true once the answer is whole."""
        arrived = self.socket.recv(262_144)
        assert arrived, "the server hung up"
        self.received += arrived
        head, found, body = bytes(self.received).partition(HEAD_END)
        if not found:
            return False
        said = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:])
        if b"content-length" in said:
            return len(body) >= int(said[b"content-length"])
        return body.endswith(b"0\r\n\r\n")  # the last of its chunks


def call(
    web: Web,
    ask: Request,
    *,
    connections: int,
    seconds: float,
    expect: int,
    each: int = 1,
    flaw: bytes = b"\0",
) -> Side:
    """Keeps `connections` busy for so long. A call counts as `each` operations; latencies are in milliseconds.

    An answer with another status than `expect`, or with `flaw` in it, is an AssertionError: figures of refusals are
    not what is wanted.
    """
    lines = [Line(socket.create_connection(("127.0.0.1", web.port), ANSWER_SECONDS)) for _ in range(connections)]
    wanted = f"HTTP/1.1 {expect}".encode()
    latencies: list[float] = []
    with selectors.DefaultSelector() as selector:
        for line in lines:
            line.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(line.socket, selectors.EVENT_READ, line)
        with harness.cpu(web=web.pid, postgres=harness.postgres_pid()) as used:
            began = time.perf_counter()
            for line in lines:
                line.ask(ask())
            busy = len(lines)
            while busy:
                for key, _ in selector.select(ANSWER_SECONDS):
                    line = key.data
                    if not line.answered():
                        continue
                    now = time.perf_counter()
                    assert line.received.startswith(wanted), bytes(line.received[:2_000])
                    assert flaw not in line.received, bytes(line.received[:2_000])
                    latencies.append((now - line.asked_at) * 1_000)
                    if now - began < seconds:
                        line.ask(ask())
                    else:
                        busy -= 1
            took = time.perf_counter() - began
    for line in lines:
        line.socket.close()
    more = {"p50 ms": harness.percentile(latencies, 50), "p99 ms": harness.percentile(latencies, 99)}
    return Side(len(latencies) * each, took, used, more)
