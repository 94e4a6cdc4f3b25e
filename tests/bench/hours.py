"""A database with one hour full of pending wins, and copies of it, for the benchmarks of the conversion."""

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from tests.bench.harness import query

FILLED, ROUND, OTHER = "bench_filled", "bench_round", "bench_other"
WINS_FOR_A_PLAYER = 5
PLAYERS_PER_CALL = 200


def fill(wins: int) -> datetime:
    """Makes FILLED: players with WINS_FOR_A_PLAYER pending wins each, all won in the hour before last."""
    from conversion.selectors import database_clock
    from rewards.services import Claim, create_game, record_wins
    from tests import databases

    databases.use("postgres")
    databases.copy(databases.template(), FILLED)
    databases.use(FILLED)
    now = database_clock()
    hour = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    game = create_game(slug="bench", name="Bench")
    players = sorted(uuid4() for _ in range(wins // WINS_FOR_A_PLAYER))
    query(
        "INSERT INTO rewards_player (id, timezone, status) SELECT id, 'UTC', 'active' FROM unnest(%s::uuid[]) AS id",
        [players],
    )
    amounts = [round(Decimal(number + 1) / 7, 18) for number in range(WINS_FOR_A_PLAYER)]
    for start in range(0, len(players), PLAYERS_PER_CALL):
        claims = [
            Claim(player, f"r{number}", amount, hour + timedelta(minutes=number))
            for player in players[start : start + PLAYERS_PER_CALL]
            for number, amount in enumerate(amounts)
        ]
        record_wins(game_id=game.id, claims=claims, now=now)
    query("VACUUM ANALYZE")
    return hour


def start_round(database: str = ROUND) -> None:
    """Makes ROUND, a copy of FILLED with nothing left to be written to disk, and points Django at it; and `database`,
    another copy, where that is another one."""
    from tests import databases

    databases.use("postgres")
    for name in {ROUND, database}:
        databases.copy(FILLED, name)
    query("CHECKPOINT")
    databases.use(ROUND)
