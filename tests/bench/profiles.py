"""`python -m tests.bench profiles [win|stats|batch] [CALLS]`: where the web process spends a request.

The WSGI application in this process, pooled connections and log lines as in production, under cProfile. Prints the CPU
of a call without the profiler, the functions that took most with what they called, and those that took most by
themselves, as shares of the whole. The profiler makes Python look slower than it is beside C.
"""

import cProfile
import io
import json
import logging
import os
import pstats
import random
import sys
import time
from collections.abc import Callable
from typing import Any

from tests.bench import harness, http, wins
from tests.bench.serving import THREADS, UNLIMITED

CALLS = 400
WARM = 40
SHOWN = 40
BATCH = 1_000


def main() -> None:
    """Profiles the calls that are named, or all."""
    os.environ.update(
        DATABASE_POOL_MAX_SIZE=str(THREADS), API_GAME_BURST_LIMIT=UNLIMITED, API_GAME_SUSTAINED_LIMIT=UNLIMITED
    )
    harness.attach()
    numbers = [int(text) for text in sys.argv[1:] if text.isdigit()]
    wanted = [text for text in sys.argv[1:] if not text.isdigit()] or ["win", "stats", "batch"]
    call = caller()
    chance = random.Random(1)
    calls: dict[str, Callable[[], None]] = {
        "win": lambda: call("POST", "/v1/wins", http.claim(chance, wins.instant().isoformat())),
        "stats": lambda: call("GET", f"/v1/players/{wins.player(5)}/stats"),
        "batch": lambda: call(
            "POST",
            "/v1/wins/batch",
            {"wins": [http.claim(chance, wins.instant().isoformat()) for _ in range(BATCH)]},
        ),
    }
    for name in wanted:
        count = numbers[0] if numbers else CALLS if name != "batch" else CALLS // 20
        profile(name, calls[name], count)


def caller() -> Callable[..., None]:
    """What sends a request of a game with every scope into the application."""
    wins.prepare()
    from dreamland.wsgi import application
    from rewards.keys import create_game_key
    from rewards.models import Scope

    logging.getLogger().setLevel("INFO")
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(io.StringIO())
    key = create_game_key(game_id=wins.game(), scopes=Scope.values).plaintext

    def call(method: str, path: str, body: Any = None) -> None:
        content = json.dumps(body).encode() if body else b""
        environ = {
            "REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": "", "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "127.0.0.1", "REMOTE_ADDR": "127.0.0.1",
            "HTTP_AUTHORIZATION": f"Bearer {key}", "CONTENT_TYPE": "application/json" if body else "",
            "CONTENT_LENGTH": str(len(content)), "wsgi.input": io.BytesIO(content), "wsgi.errors": sys.stderr,
            "wsgi.url_scheme": "http", "wsgi.version": (1, 0), "wsgi.multithread": True, "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }  # fmt: skip
        said: list[str] = []

        def start(status: str, _headers: Any, _failure: Any = None) -> Callable[[bytes], object]:
            said.append(status)
            return said.append  # type: ignore[return-value]

        answer = application(environ, start)
        text = b"".join(answer)
        answer.close()
        assert said[0].startswith("2"), (said, text)

    return call


def profile(name: str, call: Callable[[], None], count: int) -> None:
    """CPU of a call, then what took it."""
    for _ in range(WARM if count >= WARM else 2):
        call()
    before, began = time.process_time(), time.perf_counter()
    for _ in range(count):
        call()
    cpu, wall = time.process_time() - before, time.perf_counter() - began
    harness.say(f"\n== {name}: {cpu / count * 1_000:.2f} ms CPU of Python a call, {wall / count * 1_000:.2f} ms in all")
    profiler = cProfile.Profile(time.process_time)
    profiler.enable()
    for _ in range(count):
        call()
    profiler.disable()
    told: dict[tuple[str, int, str], tuple[int, int, float, float, Any]] = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
    whole = sum(own for _, _, own, _, _ in told.values())
    for title, place in (("with what it calls", 3), ("by itself", 2)):
        harness.say(f"{'share':>6}  {'times':>7}  {title}")
        for (path, line, function), figures in sorted(told.items(), key=lambda item: -item[1][place])[:SHOWN]:
            where = "/".join(path.split("/")[-2:])
            harness.say(f"{figures[place] / whole:6.1%}  {figures[1] / count:7.1f}  {where}:{line} {function}")


if __name__ == "__main__":
    main()
