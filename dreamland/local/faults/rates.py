"""A rate API that can be told to lie."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from dreamland.local.processes import LOOPBACK

PRICE = "0.15"
LIES = ("down", "slow", "garbage", "zero", "negative", "NaN", "inverted", "early close", "500")
SLOW_SECONDS = 3.0


class LyingRates:
    """Answers by the documented contract (docs/operations.md, "The rate API"), unless it is lying."""

    def __init__(self) -> None:
        self.how = ""
        self.served = 0
        self._until = 0.0
        rates = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                rates.answer(self)

            def log_message(self, *_: Any) -> None:
                """Says nothing: there are thousands."""

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._server.server_address[1]}/rate"

    def lie(self, how: str, seconds: float) -> None:
        """Lies like that from now on for `seconds`."""
        self.how, self._until = how, time.monotonic() + seconds

    def be_honest(self) -> None:
        self.how = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """One answer, honest or not."""
        how = self.how if time.monotonic() < self._until else ""
        self.served += 1
        if how == "down":
            request.close_connection = True
            return
        if how == "slow":
            time.sleep(SLOW_SECONDS)
        if how == "500":
            request.send_error(500)
            return
        asked = {name: values[0] for name, values in parse_qs(urlsplit(request.path).query).items()}
        price = {"zero": "0", "negative": "-0.15", "NaN": "NaN"}.get(how, PRICE)
        pair = {"base": "USD", "quote": "DREAM"} if how == "inverted" else {"base": "DREAM", "quote": "USD"}
        body = json.dumps({**pair, "price": price, "at": asked.get("at", "")}).encode()
        if how == "garbage":
            body = b"<html>" + body[::-1]
        request.send_response(200)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: len(body) // 2] if how == "early close" else body)
        request.close_connection = True
