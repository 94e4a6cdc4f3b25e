"""The demo's day: made-up players, games and wins, the same for every start, and what must come of them.

What must come of them is worked out here from the answers alone, by arithmetic of its own, so that it can disagree with
what the books say.
"""

import random
import uuid
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from zoneinfo import ZoneInfo

SEED = 20
GAMES = {"chess-duel": "Chess Duel", "dune-racer": "Dune Racer", "riddle-oracle": "Riddle Oracle"}
ZONES = [
    *("UTC", "Europe/Berlin", "America/New_York", "America/Los_Angeles", "America/Sao_Paulo", "Asia/Kathmandu"),
    *("Asia/Tokyo", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Kiritimati", "Pacific/Midway", "Africa/Lagos"),
]
WINS_PER_PLAYER = 24
HOURS = 30  # how far back the wins reach: over a midnight in every zone
AGAIN_SHARE = 0.15  # of the calls, which a game sends again as if the answer had been lost
CENT_OF_A_MILLIONTH = Decimal("0.00000001")
CAP = Decimal(5)


@dataclass(frozen=True, slots=True)
class Player:
    """Somebody who plays."""

    id: uuid.UUID
    timezone: str


@dataclass(frozen=True, slots=True)
class Win:
    """What a game will report, and how often."""

    game: str
    player: Player
    reference: str
    amount: Decimal
    won_at: datetime
    calls: int

    @property
    def body(self) -> dict[str, str]:
        """The body of POST /v1/wins."""
        return {
            "reference": self.reference,
            "player_id": str(self.player.id),
            "amount": format(self.amount, "f"),
            "won_at": self.won_at.isoformat(),
        }

    @property
    def day(self) -> date:
        return self.won_at.astimezone(ZoneInfo(self.player.timezone)).date()


def a_day(now: datetime) -> tuple[list[Player], list[Win]]:
    """Twelve players around the world and their wins of the last hours, oldest first."""
    dice = random.Random(SEED)  # noqa: S311  a story, not a secret
    players = [Player(uuid.UUID(int=dice.getrandbits(128), version=4), zone) for zone in ZONES]
    wins = [_a_win(dice, player, number, now) for player in players for number in range(WINS_PER_PLAYER)]
    return players, sorted(wins, key=lambda win: win.won_at)


def _a_win(dice: random.Random, player: Player, number: int, now: datetime) -> Win:
    decimals = dice.choice([0, 1, 2, 4, 8, 18])
    amount = Decimal(dice.randint(1, 90)) / 100 + Decimal(dice.randrange(10**decimals)) / 10**decimals / 10
    return Win(
        game=dice.choice(list(GAMES)),
        player=player,
        reference=f"match-{number}",
        amount=amount.quantize(Decimal(1).scaleb(-18)).normalize(),
        won_at=now - timedelta(seconds=dice.randint(60, HOURS * 3_600)),
        calls=2 if dice.random() < AGAIN_SHARE else 1,
    )


@dataclass(slots=True)
class Expected:
    """What must have come of the answers, kept while they arrive."""

    now: datetime
    won: dict[tuple[uuid.UUID, date], Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    lots: dict[tuple[uuid.UUID, datetime, date], Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    answers: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    recorded: set[tuple[str, uuid.UUID, str]] = field(default_factory=set)
    surprises: list[str] = field(default_factory=list)

    def answer(self, win: Win, call: int, status: int) -> None:
        """Counts one answer, and notes it where it is not the right one."""
        self.answers[status] += 1
        key, reference = (win.player.id, win.day), (win.game, win.player.id, win.reference)
        right = 200 if reference in self.recorded else 201 if self.won[key] + win.amount <= CAP else 422
        if status != right:
            self.surprises.append(f"{win.reference} of {win.player.id}: answered {status} to call {call}, not {right}")
        if status == 201:
            self.recorded.add(reference)
            self.won[key] += win.amount
            hour = win.won_at.replace(minute=0, second=0, microsecond=0)
            self.lots[win.player.id, hour, win.day] += win.amount

    def converted(self) -> Iterator[tuple[uuid.UUID, Decimal]]:
        """The tokens of each lot whose hour is over."""
        this_hour = self.now.replace(minute=0, second=0, microsecond=0)
        for (player_id, hour, _), tokens in self.lots.items():
            if hour < this_hour:
                yield player_id, tokens

    def usd(self, player_id: uuid.UUID, price: Decimal) -> Decimal:
        """What the player's converted lots are worth, each rounded once, half to even, at 8 decimals."""
        return sum(
            (
                (tokens * price).quantize(CENT_OF_A_MILLIONTH, ROUND_HALF_EVEN)
                for owner, tokens in self.converted()
                if owner == player_id
            ),
            Decimal(0),
        )

    def tokens(self, player_id: uuid.UUID) -> Decimal:
        """All the player won."""
        return sum((won for (owner, _), won in self.won.items() if owner == player_id), Decimal(0))

    def tokens_on(self, player_id: uuid.UUID, day: date) -> Decimal:
        return self.won[player_id, day]
