"""`python -m tests.bench.workers [PLAYERS] [WORKERS]`: one process against several at one large hour.

Prints the seconds of each and their ratio. On a database of its own on the embedded server, without fsync: what is
measured is the work of the conversion and of PostgreSQL, not of the disk.
"""

import os
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

if TYPE_CHECKING:
    from conversion.services import Helpers

HOUR = datetime(2026, 11, 10, 10, tzinfo=UTC)
OVER = HOUR + timedelta(hours=1)
BATCH = 1_000
ATTEMPTS = 3


def main() -> None:
    """Several attempts of each, in turns; the best of each counts."""
    count, workers = (int(argument) for argument in [*sys.argv[1:], *("20000", "2")[len(sys.argv) - 1 :]])
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    from tests import databases

    template, name = databases.template(), databases.name_for("bench")
    won = f"{name}_won"
    databases.copy(template, won)
    databases.use(won)
    _win(count)
    databases.use(name)
    seconds: dict[int, list[float]] = {1: [], workers: []}
    try:
        for _ in range(ATTEMPTS):
            for crew, took in seconds.items():
                databases.copy(won, name)
                took.append(_convert(count, crew))
    finally:
        databases.use("postgres")
        with databases.maintenance() as server:
            for made in (won, name):
                databases.drop(server, made)
    alone, together = min(seconds[1]), min(seconds[workers])
    sys.stdout.write(
        f"{count} players: 1 process {alone:.2f} s, {workers} processes {together:.2f} s, ratio {alone / together:.2f}"
        f" (best of {ATTEMPTS}; start-up of the processes not counted; load {os.getloadavg()[0]:.1f} on {os.cpu_count()}"
        " cores)\n"
    )


def _win(count: int) -> None:
    """One win of each of so many players, through the services."""
    from django.db import connection

    from rewards.services import Claim, create_game, record_wins, register_player

    game = create_game(slug="bench", name="Bench").id
    ids = [UUID(int=n * (2**128 // count)) for n in range(count)]
    for start in range(0, count, BATCH):
        part = ids[start : start + BATCH]
        for player in part:
            register_player(player_id=player, timezone="UTC")
        claims = [Claim(player_id=player, reference="1", amount=Decimal("1.25"), won_at=HOUR) for player in part]
        record_wins(game_id=game, claims=claims, now=HOUR)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    connection.close()


def _convert(count: int, crew: int) -> float:  # seconds
    from django.db import connection

    from conversion.passes import unheard
    from conversion.services import convert_hour
    from conversion.workers import helping

    try:
        if crew == 1:
            began = time.monotonic()
            run = convert_hour(hour=HOUR, now=OVER)
        else:
            with helping(crew, unheard) as helpers:
                warm_up(helpers, crew)
                began = time.monotonic()
                run = convert_hour(hour=HOUR, now=OVER, helpers=helpers)
        took = time.monotonic() - began
    finally:
        connection.close()
    if (run.state, run.conversions) != ("done", count):
        raise AssertionError(run)
    return took


def warm_up(helpers: "Helpers", crew: int) -> None:
    """Starts the processes: a run that does not exist converts nothing."""
    from conversion.runs import EVERYBODY, begin

    stranger = replace(begin(HOUR - timedelta(days=1)), id=uuid4())
    helpers(stranger, [EVERYBODY] * crew * 4)


if __name__ == "__main__":
    main()
