"""Games, players, claims and money for tests. Money comes in by the services and `book.post`, never by rows."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

from django.db import transaction
from factory.base import Factory
from factory.declarations import LazyFunction, Sequence

from ledger import book
from rewards.models import Game
from rewards.services import Claim, create_game, register_player

NOON = datetime(2026, 11, 10, 12, 0, tzinfo=UTC)  # the clock of the tests: it is passed in everywhere


class ClaimFactory(Factory[Claim]):
    """A win of 1 DREAM at noon; the reference is new each time."""

    class Meta:
        model = Claim

    player_id = LazyFunction(uuid4)
    reference = Sequence("match-{}".format)
    amount = Decimal(1)
    won_at = NOON


def a_game(slug: str = "chess") -> Game:
    return create_game(slug=slug, name=slug.title())


def a_player(timezone: str = "UTC") -> UUID:
    return register_player(player_id=uuid4(), timezone=timezone).player.id


def players(count: int, timezone: str = "UTC") -> list[UUID]:
    return sorted(a_player(timezone) for _ in range(count))


def a_claim(player_id: UUID, amount: str = "1", *, reference: str | None = None, won_at: datetime = NOON) -> Claim:
    given = {} if reference is None else {"reference": reference}
    claim: Claim = ClaimFactory.build(player_id=player_id, amount=Decimal(amount), won_at=won_at, **given)
    return claim


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def post(*entries: book.Entry) -> tuple[book.Receipt, ...]:
    """Posts entries in a transaction of their own."""
    with transaction.atomic(durable=True):
        return book.post(entries)


def an_entry(holder: UUID, *moves: tuple[str, str, str], kind: str = "test") -> book.Entry:
    """An entry of (debit, credit, amount) triples."""
    return book.Entry(
        holder=holder,
        kind=kind,
        postings=tuple(book.Posting(debit, credit, Decimal(amount)) for debit, credit, amount in moves),
    )
