"""Wins over HTTP, served by granian as in production, beside a bare DRF view that parses the same body.

Ours checks the key, counts the call against its limits, parses strictly, records, renders and logs. The floor parses
with a plain serializer and makes one INSERT into a table without guards (tests/bench/bare.py). What counts for single
wins is the CPU of the web process for each request; both sides are served by the same server with the same settings.
"""

import json
import random
from functools import partial
from uuid import uuid4

from tests.bench import harness, wins
from tests.bench.harness import Report, Side
from tests.bench.serving import FLOOR, OURS, THREADS, Web, call, request, served

CONNECTIONS = (1, 4, 16, 64)
SECONDS = 3.0
WARM_SECONDS = 6.0  # each of the web process's connections learns its plans anew
ROUNDS = 5
BATCHES = (10, 100, 1_000)
BATCH_CONNECTIONS = 2
CPU_PROMISE = 2.5

# Of the floor: a win and its primary key, and nothing else.
BARE_TABLE = """
CREATE TABLE bare_win (
    id uuid DEFAULT uuidv7() PRIMARY KEY, player_id uuid NOT NULL, reference text NOT NULL, amount numeric NOT NULL,
    won_at timestamptz NOT NULL
)
"""


def measure(report: Report) -> None:
    """Single wins on 1 to 64 connections, then batches."""
    from rewards.keys import create_game_key
    from rewards.models import Scope

    wins.prepare()
    harness.query(BARE_TABLE)
    key = create_game_key(game_id=wins.game(), scopes=[Scope.WINS_WRITE]).plaintext
    with served(OURS) as ours, served(FLOOR) as floor:
        for web in (ours, floor):
            single(web, key, 2 * THREADS, WARM_SECONDS)
        for connections in report.sizes(CONNECTIONS):
            report.add(
                harness.in_turns(
                    "one win over HTTP, CPU of the web process",
                    partial(single, ours, key, connections),
                    partial(single, floor, "", connections),
                    size=connections,
                    size_unit="connections",
                    unit="ms a win",
                    rounds=ROUNDS,
                    promise=CPU_PROMISE,
                    at_least=False,
                    of=web_milliseconds,
                )
            )
        for size in report.sizes(BATCHES):
            report.add(
                harness.in_turns(
                    "wins in batches over HTTP",
                    partial(batches, ours, key, size),
                    partial(batches, floor, "", size),
                    size=size,
                    size_unit="wins a batch",
                    unit="wins/s",
                    rounds=3,
                )
            )


def web_milliseconds(side: Side) -> float:
    return side.cpu_milliseconds()["web"]


def single(web: Web, key: str, connections: int, seconds: float = SECONDS) -> Side:
    """One win a call, each of a player by chance."""
    chance = random.Random()
    side = call(
        web,
        lambda: request("POST", "/v1/wins", json.dumps(claim(chance, wins.instant().isoformat())), key=key),
        connections=connections,
        seconds=seconds,
        expect=201,
    )
    return Side(side.operations, side.seconds, side.cpu_seconds, {"wins/s": side.per_second, **side.more})


def batches(web: Web, key: str, size: int) -> Side:
    """So many wins a call."""
    chance = random.Random()

    def ask() -> bytes:
        won_at = wins.instant().isoformat()
        body = json.dumps({"wins": [claim(chance, won_at) for _ in range(size)]})
        return request("POST", "/v1/wins/batch", body, key=key)

    return call(web, ask, connections=BATCH_CONNECTIONS, seconds=SECONDS, expect=200, each=size, flaw=b'"problem"')


def claim(chance: random.Random, won_at: str) -> dict[str, str]:
    return {
        "reference": str(uuid4()),
        "player_id": str(wins.player(chance.randint(1, wins.PLAYERS))),
        "amount": str(wins.AMOUNT),
        "won_at": won_at,
    }
