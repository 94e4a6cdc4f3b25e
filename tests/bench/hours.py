"""A database with one hour full of pending wins, and copies of it, for the benchmarks of the conversion."""

import os
import sys
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

ROOT = Path(__file__).parent.parent.parent
FILLED, ROUND = "bench_filled", "bench_round"
WINS_FOR_A_PLAYER = 5
PLAYERS_PER_CALL = 200


def attach() -> None:
    """Durable servers of their own (fsync on), and Django on them."""
    from dreamland import local

    for variable in ("DATABASE_URL", "REDIS_URL"):
        os.environ.pop(variable, None)
    local.attach(ROOT / ".local" / "bench")
    os.environ.update(DJANGO_SETTINGS_MODULE="dreamland.settings", LOG_LEVEL="ERROR")
    import django
    import stamina

    django.setup()
    stamina.instrumentation.set_on_retry_hooks([])  # what is tried again is counted here, and not told line by line


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def query(sql: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    """Runs one statement on Django's connection."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall()) if cursor.description else []


def setting(name: str) -> str:
    return str(query(f"SHOW {name}")[0][0])


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
    query("SET statement_timeout = 0")
    query("VACUUM ANALYZE")
    return hour


def start_round() -> None:
    """Makes ROUND, a copy of FILLED with nothing left to be written to disk, and points Django at it."""
    from tests import databases

    databases.use("postgres")
    databases.copy(FILLED, ROUND)
    query("CHECKPOINT")
    databases.use(ROUND)


def environment() -> dict[str, str]:
    """For another process that works in the database of this one."""
    from django.db import connection

    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
    return {**os.environ, "DATABASE_URL": urlunsplit(url), "PYTHONPATH": str(ROOT)}
