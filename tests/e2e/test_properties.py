"""Any sequence of wins, replays, conversions, late wins, new zones, new rates and clock moves keeps the books right."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, connections
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from conversion.services import convert_due_hours
from ledger import book
from rewards.services import Claim, Recorded, record_wins, register_player
from tests import databases
from tests.factories import a_game
from tests.sql import run

pytestmark = pytest.mark.django_db

START = datetime(2026, 10, 24, 20, 0, tzinfo=UTC)  # the night in which Europe sets its clocks back
ZONES = ["UTC", "Asia/Kathmandu", "Europe/Berlin", "Pacific/Kiritimati", "Pacific/Midway", "America/Havana"]
PLAYERS = [UUID(int=n + 1) for n in range(3)]
WIDE = Context(prec=100)


@dataclass(frozen=True)
class Move:
    """One thing that happens. What it does not need is ignored, so that sequences shrink well."""

    kind: str
    player: int
    amount: Decimal
    minutes: int
    reference: int
    zone: str
    price: str


AMOUNTS = st.one_of(
    st.decimals(min_value="0.000000000000000001", max_value="5.000000000000000001", places=18),
    st.sampled_from([Decimal(5), Decimal("2.5"), Decimal(1), Decimal("0.00000003"), Decimal("1e-18")]),
)
MOVES = st.builds(
    Move,
    kind=st.sampled_from(["win", "win", "win", "late win", "replay", "convert", "clock", "zone", "rate"]),
    player=st.integers(0, len(PLAYERS) - 1),
    amount=AMOUNTS,
    minutes=st.integers(1, 600),
    reference=st.integers(0, 5),
    zone=st.sampled_from(ZONES),
    price=st.sampled_from(["0.15", "0.1", "0.2", "0.149999999999999999", "0.16666666"]),
)


@dataclass
class World:
    """A clock and what was recorded, kept apart from the books to be compared with them."""

    django_settings: Any
    game_id: UUID
    now: datetime = START
    recorded: dict[UUID, Claim] = field(default_factory=dict)
    sent: list[Claim] = field(default_factory=list)

    def play(self, move: Move) -> None:
        action: dict[str, Callable[[Move], None]] = {
            "win": lambda move: self.claim(move, self.now),
            "late win": lambda move: self.claim(move, self.now - timedelta(minutes=move.minutes * 7)),
            "replay": self.replay,
            "convert": lambda _: self.convert(),
            "clock": self.clock,
            "zone": self.zone,
            "rate": self.rate,
        }
        action[move.kind](move)

    def claim(self, move: Move, won_at: datetime) -> None:
        claim = Claim(PLAYERS[move.player], f"{move.reference}-{len(self.sent)}", move.amount, won_at)
        self.sent.append(claim)
        self.send(claim)

    def send(self, *claims: Claim) -> None:
        for outcome, claim in zip(record_wins(game_id=self.game_id, claims=claims, now=self.now), claims, strict=True):
            if isinstance(outcome, Recorded):
                known = self.recorded.setdefault(outcome.win.id, claim)
                assert known == claim
                assert outcome.win.amount == claim.amount

    def replay(self, move: Move) -> None:
        if self.sent:
            again = self.sent[move.reference % len(self.sent)]
            self.send(again, again)

    def convert(self) -> None:
        convert_due_hours(now=self.now)

    def clock(self, move: Move) -> None:
        self.now += timedelta(minutes=move.minutes)

    def zone(self, move: Move) -> None:
        register_player(player_id=PLAYERS[move.player], timezone=move.zone)

    def rate(self, move: Move) -> None:
        self.django_settings.RATE_FIXED_PRICE = move.price


@pytest.fixture
def fresh(template_name: str, django_db_setup: None) -> Callable[[], None]:
    """Empties the database between two examples of one test."""

    def make_anew() -> None:
        connections.close_all()
        databases.copy(template_name, connection.settings_dict["NAME"])

    return make_anew


def check(world: World) -> None:
    """What must hold of any history, worked out in Python from the rows themselves."""
    wrong = [finding for finding in book.verify().findings if finding.wrong_rows]
    assert not wrong, wrong
    issued = sum((claim.amount for claim in world.recorded.values()), Decimal(0))
    balance = book.trial_balance()
    assert -balance.balance("dream:issued") == issued
    assert issued == balance.balance("player:dream") + balance.balance("dream:redeemed")
    for won, cap in run("SELECT won, cap FROM rewards_allowance"):
        assert Decimal(0) <= won <= cap == 5
    fees = Decimal(0)
    lines = run(
        "SELECT line.tokens, line.usd, line.fee, rate.price, rule.percentage, rule.fixed FROM conversion_conversion line"
        " JOIN conversion_rate rate ON rate.id = line.rate_id JOIN conversion_feerule rule ON rule.id = line.fee_rule_id"
    )
    for tokens, usd, fee, price, percentage, fixed in lines:
        assert usd == WIDE.multiply(tokens, price).quantize(Decimal("1e-8"), ROUND_HALF_EVEN)
        exact_fee = WIDE.add(WIDE.multiply(usd, percentage), fixed)
        assert fee == exact_fee.quantize(Decimal("1e-8"), ROUND_HALF_EVEN)
        fees += fee
    assert balance.balance("usd:fees-payable") == fees == balance.balance("usd:conversion-fees")
    assert balance.balance("player:usd") == sum((usd for _, usd, *_ in lines), Decimal(0))
    touched = run("SELECT debit_id, credit_id FROM ledger_posting GROUP BY 1, 2")
    assert not [pair for pair in touched if "player:" in str(pair) and "fees" in str(pair)]


@examples(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(moves=st.lists(MOVES, min_size=5, max_size=30))
def test_any_history_keeps_the_books_right(moves: list[Move], fresh: Callable[[], None], settings: Any) -> None:
    fresh()
    settings.RATE_FIXED_PRICE = "0.15"
    world = World(settings, a_game().id)
    for player, name in zip(PLAYERS, ZONES, strict=False):
        register_player(player_id=player, timezone=name)
    for move in moves:
        world.play(move)
    check(world)
    world.now += timedelta(hours=2)
    world.convert()
    check(world)
    twice = run("SELECT count(*) FROM conversion_conversion")
    world.convert()
    assert run("SELECT count(*) FROM conversion_conversion") == twice
