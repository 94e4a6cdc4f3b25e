"""Games that go on reporting wins whatever happens, and remember every answer they were given."""

import random
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import httpx2

CALL_SECONDS = 8.0
PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 1.0
OVER_CAP_SHARE = 0.03
AGAIN_SHARE = 0.1
LATE_SHARE = 0.15
REFUSED = 422


@dataclass(frozen=True, slots=True)
class Sent:
    """A win as a game reports it, whenever and however often."""

    player_id: uuid.UUID
    reference: str
    amount: Decimal
    won_at: datetime

    def body(self) -> dict[str, str]:
        return {
            "player_id": str(self.player_id),
            "reference": self.reference,
            "amount": format(self.amount, "f"),
            "won_at": self.won_at.isoformat(),
        }


@dataclass(slots=True)
class Answers:
    """What the games were told. Guarded by `lock`."""

    acknowledged: dict[str, tuple[Sent, str]] = field(default_factory=dict)
    refused: dict[str, tuple[Sent, int]] = field(default_factory=dict)
    open: dict[str, Sent] = field(default_factory=dict)
    contradictions: list[str] = field(default_factory=list)
    calls: int = 0
    unanswered: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, sent: Sent, status: int, win_id: str) -> bool:
        """Keeps a definitive answer and says whether it is one; a second answer must agree with the first."""
        if status in {200, 201}:
            known = self.acknowledged.setdefault(sent.reference, (sent, win_id))
            if known[1] != win_id or sent.reference in self.refused:
                self.contradictions.append(f"{sent.reference}: {win_id} after {known[1]}")
        elif status == REFUSED:
            self.refused[sent.reference] = (sent, status)
            if sent.reference in self.acknowledged:
                self.contradictions.append(f"{sent.reference}: refused after it was acknowledged")
        else:
            return False
        self.open.pop(sent.reference, None)
        return True


class Game(threading.Thread):
    """One game server: reports wins of the hour that `hour` says until it knows what became of each."""

    def __init__(  # noqa: PLR0913  what a game server is made of
        self,
        number: int,
        seed: int,
        base_url: str,
        key: str,
        players: list[uuid.UUID],
        answers: Answers,
        hour: Callable[[], datetime],
        ending: threading.Event,
    ) -> None:
        super().__init__(name=f"game-{number}", daemon=True)
        self.number, self.players, self.answers, self.hour, self.ending = number, players, answers, hour, ending
        self.dice = random.Random(f"{seed}/{number}")  # noqa: S311  a plan, not a secret
        self.client = httpx2.Client(
            base_url=base_url, headers={"Authorization": f"Bearer {key}"}, timeout=CALL_SECONDS, trust_env=False
        )

    def run(self) -> None:
        count = 0
        while not self.ending.is_set():
            count += 1
            sent = self.a_win(count)
            with self.answers.lock:
                self.answers.open[sent.reference] = sent
            self.report(sent, until=self.ending)
            if self.dice.random() < AGAIN_SHARE:
                self.report(sent, until=self.ending)

    def a_win(self, count: int) -> Sent:
        """A small win in the hour of now, sometimes late, sometimes more than a day allows."""
        dice = self.dice
        won_at = self.hour() + timedelta(seconds=dice.uniform(0, 3_599))
        if dice.random() < LATE_SHARE:
            won_at -= timedelta(hours=dice.uniform(1, 3))
        amount = Decimal(dice.randint(1, 30_000_000)) / 10**9
        if dice.random() < OVER_CAP_SHARE:
            amount += 5
        return Sent(dice.choice(self.players), f"{self.number}-{count}", amount, won_at)

    def report(self, sent: Sent, until: threading.Event | None = None) -> None:
        """Sends until the answer is definitive, as a game server should; gives up only when the run ends."""
        pause = PAUSE_SECONDS
        while until is None or not until.is_set():
            try:
                answer = self.client.post("/v1/wins", json=sent.body())
                status = answer.status_code
                win_id = answer.json().get("id", "") if status in {200, 201} else ""
            except (httpx2.HTTPError, ValueError):
                status, win_id = 0, ""
            with self.answers.lock:
                self.answers.calls += 1
                self.answers.unanswered += status == 0
                if self.answers.note(sent, status, win_id):
                    return
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
