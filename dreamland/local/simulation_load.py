"""Carrying the plan out: threads that call, fail as planned, try again until they know, and remember every answer."""

import contextlib
import http.client
import itertools
import json
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from dreamland.local.simulation import WRITES, Action, Claim, Fault, Kind, Plan

ANSWER_SECONDS = 20.0
ATTEMPTS = 12
FIRST_WAIT_SECONDS = 0.05
LONGEST_WAIT_SECONDS = 5.0
CALL_AGAIN = {429, 503}
OK, CREATED, BAD_REQUEST, SERVER_ERROR = 200, 201, 400, 500

# A refusal that is right for each kind of claim. Whatever else is told is a surprise.
RIGHT_REFUSALS = {
    Kind.SOUND: {"daily-cap-exceeded"},
    Kind.LATE: {"daily-cap-exceeded"},
    Kind.GREEDY: {"daily-cap-exceeded"},
    Kind.TOO_LATE: {"won-at-too-old"},
    Kind.TOO_EARLY: {"won-at-in-future"},
    Kind.MALFORMED: {"invalid", "invalid-amount", "invalid-time"},
}


@dataclass(slots=True)
class Told:
    """All that was answered to one claim: ids of 201s, ids of 200s, codes of refusals; how often nothing was heard."""

    claim: Claim
    created: list[str] = field(default_factory=list)
    replayed: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    unheard: int = 0


@dataclass(slots=True)
class Log:
    """What happened, from every thread."""

    told: dict[tuple[str, Any, str], Told] = field(default_factory=dict)
    milliseconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    statuses: Counter[int] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def calls(self) -> int:
        """How many calls got an answer."""
        return sum(self.statuses.values())

    def of(self, claim: Claim) -> Told:
        return self.told.setdefault(claim.key, Told(claim))

    def answer(self, call: str, status: int, milliseconds: float) -> None:
        """Counts one answer."""
        with self.lock:
            self.milliseconds[call].append(milliseconds)
            self.statuses[status] += 1

    def result(self, claim: Claim, status: int, content: Mapping[str, Any]) -> None:
        """Notes what was told of one claim."""
        with self.lock:
            told = self.of(claim)
            if status == CREATED:
                told.created.append(content["id"])
            elif status == OK:
                told.replayed.append(content["id"])
            else:
                told.refused.append(str(content.get("code")))
                if content.get("code") not in RIGHT_REFUSALS[claim.kind]:
                    self.surprises.append(f"{claim.reference} ({claim.kind}): refused as {content.get('code')}")
            if status in {OK, CREATED} and claim.kind not in {Kind.SOUND, Kind.LATE}:
                self.surprises.append(f"{claim.reference} ({claim.kind}): answered {status}")

    def unheard(self, claims: tuple[Claim, ...], fault: Fault) -> None:
        """Notes that a call got no answer: it may have been carried out, or not."""
        with self.lock:
            self.faults[fault] += 1
            for claim in claims:
                self.of(claim).unheard += 1


class Server:
    """One game's door to the API for one thread, over a connection that is kept."""

    def __init__(self, base_url: str, key: str) -> None:
        self.place = urlsplit(base_url).netloc
        self.headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self.connection = self._connection()

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.place, timeout=ANSWER_SECONDS)

    def send(self, method: str, path: str, body: bytes | None) -> tuple[int, dict[str, Any], str]:
        """Status, content and Retry-After of one call. Raises OSError or HTTPException where there is no answer."""
        self.connection.request(method, path, body, self.headers)
        return self._read(self.connection)

    def give_up(self, method: str, path: str, body: bytes | None) -> None:
        """Sends a whole call and goes away."""
        connection = self._connection()
        connection.request(method, path, body, self.headers)
        connection.close()

    def cut(self, method: str, path: str, body: bytes) -> None:
        """Sends a call up to the middle of its body."""
        connection = self._connection()
        connection.putrequest(method, path)
        for name, value in {**self.headers, "Content-Length": str(len(body))}.items():
            connection.putheader(name, value)
        connection.endheaders(body[: len(body) // 2])
        connection.close()

    def send_together(self, method: str, path: str, body: bytes) -> list[tuple[int, dict[str, Any], str]]:
        """Both answers to the same call, sent twice before either is read."""
        pair = [self._connection(), self._connection()]
        try:
            for connection in pair:
                connection.request(method, path, body, self.headers)
            return [self._read(connection) for connection in pair]
        finally:
            for connection in pair:
                connection.close()

    def anew(self) -> None:
        """Forgets a connection that failed."""
        self.connection.close()
        self.connection = self._connection()

    @staticmethod
    def _read(connection: http.client.HTTPConnection) -> tuple[int, dict[str, Any], str]:
        answer = connection.getresponse()
        content = answer.read()
        return answer.status, dict(json.loads(content)) if content else {}, answer.headers.get("Retry-After", "")


class Load:
    """The plan, carried out by so many threads until the time is over; every claim is then known to be in or out."""

    def __init__(self, plan: Plan, base_url: str, keys: Mapping[str, str]) -> None:
        self.plan, self.base_url, self.keys = plan, base_url, keys
        self.log = Log()
        self._numbers = itertools.count()
        self._stop = threading.Event()

    def run(self, *, seconds: float, concurrency: int, watch: Callable[[float, int], None]) -> float:
        """Calls for that long; returns how long it really took. `watch` is told the time and calls so far."""
        started = time.monotonic()
        threads = [
            threading.Thread(target=self._work, args=(started + seconds,), daemon=True) for _ in range(concurrency)
        ]
        for thread in threads:
            thread.start()
        try:
            while any(thread.is_alive() for thread in threads):
                watch(time.monotonic() - started, self.log.calls)
                threads[0].join(0.1)
                time.sleep(0.1)
        finally:
            self._stop.set()
        return time.monotonic() - started

    def _work(self, until: float) -> None:
        servers = {game: Server(self.base_url, key) for game, key in self.keys.items()}
        try:
            while time.monotonic() < until and not self._stop.is_set():
                action = self.plan.action(next(self._numbers))
                self._carry_out(action, servers[action.game])
        except Exception as error:  # noqa: BLE001  told at the end, like any other difference
            with self.log.lock:
                self.log.surprises.append(f"the simulation itself failed: {type(error).__name__}: {error}")
        finally:
            for server in servers.values():
                server.connection.close()

    def _carry_out(self, action: Action, server: Server) -> None:
        method, path, body = _request(action)
        again = 1
        if body is not None and action.fault is not Fault.NONE:
            again = self._fail(action, server, method, path, body)
        for _ in range(again):
            self._until_known(action, server, method, path, body)

    def _fail(self, action: Action, server: Server, method: str, path: str, body: bytes) -> int:
        """Lets the fault of the action happen; returns how often to call properly afterwards."""
        if action.fault is Fault.AGAIN:
            self.log.faults[Fault.AGAIN] += 1
            return 2
        try:
            if action.fault is Fault.GIVES_UP:
                server.give_up(method, path, body)
            elif action.fault is Fault.CUT:
                server.cut(method, path, body)
            else:
                self.log.faults[Fault.TOGETHER] += 1
                for status, content, _ in server.send_together(method, path, body):
                    if status not in CALL_AGAIN:
                        self._note(action, status, content)
                return 1
        except (OSError, http.client.HTTPException):
            pass  # as good as the fault itself
        self.log.unheard(action.claims, action.fault)
        return 1

    def _until_known(self, action: Action, server: Server, method: str, path: str, body: bytes | None) -> None:
        """Calls until there is a definitive answer, as docs/integrate.md asks of a game server."""
        for attempt in range(ATTEMPTS):
            started = time.perf_counter()
            wait = ""
            try:
                status, content, wait = server.send(method, path, body)
            except (OSError, http.client.HTTPException):
                server.anew()
                self.log.unheard(action.claims, Fault.CUT)
            else:
                self.log.answer(action.call, status, (time.perf_counter() - started) * 1000)
                if status not in CALL_AGAIN:
                    self._note(action, status, content)
                    return
            _pause(attempt, wait)
        with self.log.lock:
            self.log.surprises.append(f"{action.call}: no definitive answer after {ATTEMPTS} calls")

    def _note(self, action: Action, status: int, content: dict[str, Any]) -> None:
        if action.call == "POST /v1/wins":
            if status >= SERVER_ERROR or status in {401, 403, 404}:
                self._surprise(action, status, content)
            else:
                self.log.result(action.claims[0], status, content)
        elif status != OK:
            self._surprise(action, status, content)
        elif action.call == "POST /v1/wins/batch":
            for claim, result in zip(action.claims, content["results"], strict=True):
                self.log.result(claim, result["status"], result.get("win") or result["problem"])

    def _surprise(self, action: Action, status: int, content: Mapping[str, Any]) -> None:
        with self.log.lock:
            self.log.surprises.append(f"{action.call}: answered {status} {content.get('code', '')}")


def _request(action: Action) -> tuple[str, str, bytes | None]:
    player = f"/v1/players/{action.player.id}"
    if action.call == "POST /v1/wins":
        return "POST", "/v1/wins", json.dumps(action.claims[0].body).encode()
    if action.call == "POST /v1/wins/batch":
        return "POST", "/v1/wins/batch", json.dumps({"wins": [claim.body for claim in action.claims]}).encode()
    reads = {"GET stats": "/stats", "GET wins of today": "/wins?day=today", "GET usd-history": "/usd-history"}
    return "GET", player + reads[action.call], None


def _pause(attempt: int, retry_after: str) -> None:
    """Full jitter: anything up to twice as long as the time before, and never less than what the server asked for."""
    longest = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**attempt)
    asked = 0.0
    with contextlib.suppress(ValueError):
        asked = min(float(retry_after or 0), LONGEST_WAIT_SECONDS)
    time.sleep(asked + random.uniform(0, longest))  # noqa: S311


def percentiles(milliseconds: list[float]) -> dict[str, float]:
    """p50, p90, p99 and the longest, by rank."""
    ranked = sorted(milliseconds)
    share = {"p50": 0.50, "p90": 0.90, "p99": 0.99, "max": 1.0}
    return {name: round(ranked[max(0, int(part * len(ranked) + 0.999999) - 1)], 1) for name, part in share.items()}


__all__ = ["WRITES", "Load", "Log", "Told", "percentiles"]
