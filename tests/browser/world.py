"""A few days of Dreamland for people to look at: wins by the services, hours by the services, days that are over."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from uuid import UUID

from django.db import connection
from django.test import override_settings
from django.utils import timezone

from conversion.services import convert_due_hours, convert_hour
from ledger.days import close_days
from rewards.models import Game
from rewards.services import Claim, Recorded, record_wins
from tests.factories import a_game, players

GAMES = ("chess-duel", "poker-face", "starship-race")
HOUR = timedelta(hours=1)


def this_hour() -> datetime:
    return timezone.now().astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def days_of_play(days: int = 4, people: int = 6, seed: int = 7) -> list[UUID]:
    """Wins in most hours of the last days, each hour converted; the books dated as if it had happened then."""
    random = Random(seed)
    ids, games = players(people, "Europe/Lisbon"), [a_game(slug) for slug in GAMES]
    began, now = timezone.now(), this_hour()
    start = (now - timedelta(days=days - 1)).replace(hour=0)
    hour, number = start, 0
    while hour < now:
        if hour.hour % 3 != 2:
            claims = []
            for player in random.sample(ids, k=3):
                number += 1
                amount = Decimal(random.randrange(5, 160)) / 100
                claims.append(Claim(player, f"match-{number}", amount, hour + timedelta(minutes=random.randrange(60))))
            record_wins(game_id=random.choice(games).id, claims=claims, now=hour + HOUR)
            with override_settings(RATE_FIXED_PRICE=str(Decimal("0.15") + Decimal(random.randrange(-9, 10)) / 1000)):
                convert_hour(hour=hour, now=hour + 2 * HOUR)
            _date_back(hour + HOUR, began)
        hour += HOUR
    convert_due_hours(now=now)
    close_days()
    return ids


BACK = """
WITH moved AS (UPDATE ledger_journalentry SET posted_at = %(at)s WHERE posted_at >= %(began)s RETURNING id),
     won AS (UPDATE rewards_win SET recorded_at = %(at)s FROM moved WHERE entry_id = moved.id)
UPDATE conversion_conversion SET converted_at = %(at)s FROM moved WHERE entry_id = moved.id
"""


def _date_back(instant: datetime, began: datetime) -> None:
    """Whatever was posted since `began`, as if it had been posted at `instant`: only the database's owner can do this."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(BACK, {"at": instant, "began": began})
        cursor.execute("SET session_replication_role = DEFAULT")


def a_win_now(player: UUID, game: Game, amount: str) -> UUID:
    """A win of this minute, which waits for its hour."""
    now = timezone.now()
    [outcome] = record_wins(game_id=game.id, claims=[Claim(player, f"now-{amount}", Decimal(amount), now)], now=now)
    assert isinstance(outcome, Recorded), outcome
    return outcome.win.id
