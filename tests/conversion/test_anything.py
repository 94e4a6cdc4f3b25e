"""Whatever comes in whatever order: every token is converted once, at the rate of the hour it was won in."""

import random
from collections import defaultdict
from datetime import timedelta
from decimal import Decimal

import pytest
from werkzeug import Response

from conversion.services import convert_due_hours
from tests.conversion.helpers import HOUR, RateApi, hours_from, lines, wallet, win
from tests.factories import players

pytestmark = pytest.mark.django_db
HOURS = 8


@pytest.mark.parametrize("seed", range(4))
def test_late_wins_outages_and_ticks_in_any_order_convert_every_token_once_at_its_own_rate(
    rate_api: RateApi, seed: int
) -> None:
    """Catches a rule of the runs that loses a win, takes it twice or at another hour's rate in some order of events."""
    chance = random.Random(seed)
    everybody = players(4)
    prices = {hour: f"0.{chance.randint(150, 200)}" for hour in hours_from(HOUR, HOURS + 3)}
    won: dict[tuple[object, object], Decimal] = defaultdict(Decimal)
    now = HOUR
    for _ in range(60):
        event = chance.choice(["win", "win", "win", "tick", "later", "up", "down"])
        hour = HOUR + timedelta(hours=chance.randrange(HOURS))
        if event == "win" and hour <= now:
            player, amount = chance.choice(everybody), chance.choice(["0.000000123", "0.04", "0.1"])
            win(player, amount, at=hour, late=now - hour)
            won[player, hour] += Decimal(amount)
        elif event == "tick":
            convert_due_hours(now=now)
        elif event == "later":
            now += timedelta(minutes=chance.choice([10, 60, 90]))
        elif event == "up":
            rate_api.says(hour, prices[hour])
        elif event == "down":
            rate_api.says(hour, lambda _: Response(status=404))
    rate_api.answers.update(prices)
    now = max(now, HOUR + timedelta(hours=HOURS))
    for later in (0, 1, 2):  # what was late for every run of now is taken by the next ones
        reports = convert_due_hours(now=now + timedelta(hours=later))
        assert not reports.waiting

    converted: dict[tuple[object, object], Decimal] = defaultdict(Decimal)
    usd: dict[object, Decimal] = defaultdict(Decimal)
    for player, hour, _, tokens, dollars, _ in lines():
        converted[player, hour] += tokens
        usd[player] += dollars
        assert dollars == (tokens * Decimal(prices[hour])).quantize(Decimal("1e-8"))
    assert converted == won
    assert {player: wallet(player) for player in everybody} == {
        player: (Decimal(0), usd[player]) for player in everybody
    }
