"""A small rate API for this machine: the documented contract (docs/operations.md, "The rate API") and how it is broken.

`manage.py rate_server` runs it by hand, the tests run it in a thread. No request is ever answered twice the same way by
chance alone: which answers are faulty follows from the seed.
"""

import json
import random
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

Respond = Callable[["_Handler", str], None]
HUGE_BYTES = 1_000_000
SLOW_SECONDS = 30


@dataclass
class RateServer:
    """Answers on 127.0.0.1 while it is open. `faults` take turns, for `share` (0 to 1) of the requests.

    `asked` holds the hours as they were asked for.
    """

    price: str = "0.15"
    faults: Sequence[str] = ()
    share: Decimal = Decimal(1)
    seed: int = 0
    port: int = 0
    slow_seconds: int = SLOW_SECONDS
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.faults) - FAULTS.keys()):
            raise ValueError(f"no such fault: {', '.join(unknown)}; there are {', '.join(FAULTS)}")
        self._chance, self._lock, self._turn = random.Random(self.seed), Lock(), 0  # noqa: S311  # no secret
        self._server = _Server(("127.0.0.1", self.port), self)
        self.url = f"http://127.0.0.1:{self._server.server_port}/rate"

    def fault(self) -> str:
        """What is wrong with the next answer; empty where nothing is."""
        with self._lock:
            if not self.faults or Decimal(self._chance.randrange(1_000)) >= self.share * 1_000:
                return ""
            self._turn += 1
            return self.faults[(self._turn - 1) % len(self.faults)]

    def serve_forever(self) -> None:
        """Answers until it is closed."""
        self._server.serve_forever(poll_interval=0.05)  # seconds until it hears that it is closed

    def __enter__(self) -> "RateServer":
        Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], rates: RateServer) -> None:
        super().__init__(address, _Handler)
        self.rates = rates

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that gave up is nothing to write home about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        wanted = parse_qs(urlsplit(self.path).query)
        at = wanted.get("at", [""])[0]
        if urlsplit(self.path).path != "/rate" or wanted.get("base") != ["DREAM"] or wanted.get("quote") != ["USD"]:
            self.send(404, "no such pair")
        elif not self.headers.get("Authorization", "").startswith("Bearer "):
            self.send(401, "who asks?")
        else:
            self.server.rates.asked.append(at)
            fault = self.server.rates.fault()
            FAULTS[fault](self, at) if fault else self.quote(at)

    def quote(
        self, at: str, *, price: str | None = None, base: str = "DREAM", quote: str = "USD", more: str = ""
    ) -> None:
        """An answer of the contract's form."""
        document = {"base": base, "quote": quote, "price": price or self.server.rates.price, "at": at}
        self.send(200, json.dumps(document) + more)

    def send(self, status: int, body: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class calls it so
        """Silent: what was asked stands in `asked`."""


def _moved(at: str, by: timedelta) -> str:
    return (datetime.fromisoformat(at) + by).strftime("%Y-%m-%dT%H:%M:%SZ")


def _slow(handler: _Handler, at: str) -> None:
    time.sleep(handler.server.rates.slow_seconds)
    handler.quote(at)


def _down(handler: _Handler, at: str) -> None:
    """Nobody answers: the connection is cut before the first byte."""
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def _early_close(handler: _Handler, at: str) -> None:
    """A body that ends before it is over."""
    handler.send_response(200)
    handler.send_header("Content-Length", "500")
    handler.end_headers()
    handler.wfile.write(b'{"base": "DREAM", "quote": "USD", "pri')
    handler.wfile.flush()
    _down(handler, at)


def _says(status: int, body: str, **headers: str) -> Respond:
    def respond(handler: _Handler, at: str) -> None:
        handler.send(status, body, **headers)

    return respond


def _quotes(price: str, *, base: str = "DREAM", quote: str = "USD") -> Respond:
    return lambda handler, at: handler.quote(at, price=price, base=base, quote=quote)


FAULTS: dict[str, Respond] = {
    "slow": _slow,
    "garbage": _says(200, "<html>maintenance</html>"),
    "zero": _quotes("0"),
    "negative": _quotes("-0.15"),
    "nan": _quotes("NaN"),
    "inverted": _quotes("6.67", base="USD", quote="DREAM"),
    "down": _down,
    "500": _says(500, "out of order"),
    "huge": lambda handler, at: handler.quote(at, more=" " * HUGE_BYTES),
    "early-close": _early_close,
    "redirect": _says(302, "", Location="/elsewhere"),
    "stale": lambda handler, at: handler.quote(_moved(at, timedelta(days=-1))),
    "future": lambda handler, at: handler.quote(_moved(at, timedelta(days=36_500))),
}
