"""The simulation's plan: who plays, what games will claim, and what goes wrong on the way. The same for every seed."""

import ipaddress
import random
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from dreamland.local.day import ZONES

LATE_LIMIT_HOURS = 72  # wins are taken so long; the plan keeps away from the limit itself
FUTURE_MINUTES = 30
BATCH_MAX_WINS = 40
ATOM = Decimal("1e-18")


class Fault(StrEnum):
    """What goes wrong with a call, on purpose."""

    NONE = "none"
    GIVES_UP = "gives up"  # sends all of it and does not wait for the answer
    CUT = "cut"  # the connection ends in the middle of the body
    AGAIN = "again"  # the same call once more, after its answer
    TOGETHER = "together"  # the same call twice at the same time


class Kind(StrEnum):
    """What a claim is like, and so which answers are right."""

    SOUND = "sound"
    LATE = "late"
    GREEDY = "greedy"  # more than any day allows
    TOO_LATE = "too late"
    TOO_EARLY = "too early"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Player:
    """Somebody who plays."""

    id: uuid.UUID
    timezone: str


@dataclass(frozen=True, slots=True)
class Claim:
    """One win as a game reports it. `amount` and `won_at` are what it means; `body` is what is sent."""

    game: str
    player: Player
    reference: str
    kind: Kind
    amount: Decimal
    won_at: datetime
    body: dict[str, Any]

    @property
    def key(self) -> tuple[str, uuid.UUID, str]:
        """What a win is known by: it is in the books once or not at all."""
        return self.game, self.player.id, self.reference


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that a game server does: reports a win, a batch of them, or reads about a player."""

    call: str
    game: str
    player: Player
    claims: tuple[Claim, ...] = ()
    fault: Fault = Fault.NONE


WRITES = ("POST /v1/wins", "POST /v1/wins/batch")
READS = ("GET stats", "GET wins of today", "GET usd-history")


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that will be done: `action(0)`, `action(1)`, ... None of them depends on another's answer."""

    seed: int
    games: tuple[str, ...]
    players: tuple[Player, ...]
    now: datetime

    def action(self, number: int) -> Action:
        """What is done as the `number`-th."""
        dice = random.Random(f"{self.seed} action {number}")  # noqa: S311  a plan, not a secret
        game, player = dice.choice(self.games), dice.choice(self.players)
        chance = dice.random()
        if chance < 0.15:
            return Action(dice.choice(READS), game, player)
        fault = dice.choices(list(Fault), weights=[76, 6, 6, 6, 6])[0]
        if chance < 0.25:
            claims = [self._claim(dice, game, f"{number}-{place}") for place in range(dice.randint(1, BATCH_MAX_WINS))]
            claims += dice.sample(claims, len(claims) // 10)  # a win repeated inside the batch is a replay
            return Action("POST /v1/wins/batch", game, player, tuple(claims), fault)
        return Action("POST /v1/wins", game, player, (self._claim(dice, game, str(number)),), fault)

    def _claim(self, dice: random.Random, game: str, name: str) -> Claim:
        player = dice.choice(self.players)
        kind = dice.choices(list(Kind), weights=[72, 12, 3, 3, 3, 7])[0]
        amount = Decimal(dice.randint(1, 60)) / 100 + dice.randrange(10**9) * ATOM
        ago = timedelta(seconds=dice.randint(0, 3_000))
        if kind is Kind.GREEDY:
            amount = 5 + ATOM * dice.randint(1, 10**6)
        elif kind is Kind.LATE:
            ago = timedelta(hours=dice.randint(1, LATE_LIMIT_HOURS - 2))
        elif kind is Kind.TOO_LATE:
            ago = timedelta(hours=LATE_LIMIT_HOURS + dice.randint(2, 500))
        elif kind is Kind.TOO_EARLY:
            ago = -timedelta(minutes=FUTURE_MINUTES)
        won_at = self.now - ago
        body = {
            "reference": f"simulated-{name}",
            "player_id": str(player.id),
            "amount": format(amount, "f"),
            "won_at": won_at.isoformat(),
        }
        if kind is Kind.MALFORMED:
            body = _spoilt(dice, body)
        return Claim(game, player, f"simulated-{name}", kind, amount, won_at, body)


def _spoilt(dice: random.Random, body: dict[str, Any]) -> dict[str, Any]:
    """The body with one thing wrong in it."""
    wrong: list[dict[str, Any]] = [
        {"amount": "1e0"},
        {"amount": "01.5"},
        {"amount": 1},
        {"amount": "-1"},
        {"amount": "0"},
        {"amount": "0.1234567890123456789"},
        {"amount": "NaN"},
        {"won_at": "2026-11-20T10:00:00"},
        {"won_at": "yesterday"},
        {"player_id": "me"},
        {"bonus": "1"},
        {"reference": ""},
    ]
    return body | dice.choice(wrong)


def a_plan(*, seed: int, players: int, games: int, now: datetime, salt: str = "") -> Plan:
    """The plan of a seed. `salt` gives it players and games of its own, for books that are not empty."""
    dice = random.Random(f"{seed}{salt}")  # noqa: S311  a plan, not a secret
    everybody = tuple(
        Player(uuid.UUID(int=dice.getrandbits(128), version=4), ZONES[number % len(ZONES)]) for number in range(players)
    )
    slugs = tuple(f"simulated{salt}-{number}" for number in range(games))
    return Plan(seed, slugs, everybody, now)


def loopback(url: str) -> str:
    """The address without its last slash. Raises ValueError unless it is plain HTTP on this machine.

    A load belongs on one's own machine: a name that looks like it, or one that somebody else resolves, is refused.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "http" or parts.username is not None or parts.path not in {"", "/"} or parts.query:
        raise ValueError(f"{url!r} is no address like http://127.0.0.1:8000")
    if host != "localhost" and not (_is_address(host) and ipaddress.ip_address(host).is_loopback):
        raise ValueError(f"{host!r} is not this machine: a simulation runs against 127.0.0.1, ::1 or localhost only")
    return f"http://{parts.netloc}"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
