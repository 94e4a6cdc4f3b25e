"""Wins at a time, hours, a rate API under our control, and the state of the books in one look."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from conversion import chunks
from conversion.lots import Lot
from ledger import book
from rewards.models import Game
from rewards.services import Recorded, record_wins
from tests.factories import a_claim, a_game
from tests.sql import run

HOUR = datetime(2026, 11, 10, 10, tzinfo=UTC)  # the hour that most tests convert
OVER = HOUR + timedelta(hours=1)
Answer = Callable[[str], Response] | str


def win(
    player: UUID, amount: str = "1", *, at: datetime = HOUR, late: timedelta = timedelta(0), game: Game | None = None
) -> UUID:
    """Records one win as a game would, `late` after it happened; returns its entry's id."""
    [outcome] = record_wins(game_id=(game or a_game()).id, claims=[a_claim(player, amount, won_at=at)], now=at + late)
    assert isinstance(outcome, Recorded), outcome
    return outcome.win.id


def wallet(player: UUID) -> tuple[Decimal, Decimal]:
    """What the player holds: DREAM and USD."""
    shares = book.balances([player])[player]
    return shares["player:dream"], shares["player:usd"]


def after_claiming(monkeypatch: pytest.MonkeyPatch, then: Callable[[int], object]) -> list[list[Lot]]:
    """Has `then` done right behind each claim of a chunk, and tells it which claim that is. The claims, as they come."""
    claim, claims = chunks.claim, list[list[Lot]]()

    def claim_and_then(*arguments: Any) -> list[Lot]:
        claimed = claim(*arguments)
        claims.append(claimed)
        then(len(claims))
        return claimed

    monkeypatch.setattr(chunks, "claim", claim_and_then)
    return claims


def account(code: str) -> Decimal:
    return book.trial_balance().balance(code)


def lines() -> list[tuple[Any, ...]]:
    """(player, hour, day, tokens, usd, fee) of every conversion."""
    return run("SELECT player_id, hour, day, tokens, usd, fee FROM conversion_conversion ORDER BY 1, 2, 3, entry_id")


@dataclass
class RateApi:
    """The third party: answers each hour as it is told, and remembers what it was asked."""

    server: HTTPServer
    answers: dict[datetime, Answer]
    asked: list[datetime]

    def says(self, hour: datetime, answer: Answer) -> None:
        """A price, or whatever makes a response of the hour as it was asked for."""
        self.answers[hour] = answer

    def respond(self, request: Request) -> Response:
        asked = request.args["at"]
        hour = datetime.fromisoformat(asked)
        self.asked.append(hour)
        answer = self.answers.get(hour)
        if answer is None:
            return Response("no such hour", status=404)
        if isinstance(answer, str):
            return Response(quoted(answer, asked), content_type="application/json")
        return answer(asked)


def quoted(price: str, at: str, *, base: str = "DREAM", quote: str = "USD") -> str:
    return f'{{"base": "{base}", "quote": "{quote}", "price": "{price}", "at": "{at}"}}'


def hours_from(start: datetime, count: int) -> Iterator[datetime]:
    return (start + timedelta(hours=n) for n in range(count))
