"""Acting in a cell, telling the centre, and comparing what both have."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
from django.test import override_settings

from conversion.services import convert_due_hours
from dreamland.world import acting
from dreamland.world.centre import DATABASE
from dreamland.world.clusters import World
from dreamland.world.contract import FACTS
from dreamland.world.hours import close_hours, give_beat
from rewards.models import Game
from rewards.services import Recorded, record_wins
from tests.factories import NOON, a_claim, hours
from tests.sql import run

SPAN = timedelta(seconds=0.5)  # an "hour" of these tests
FENCED_SECONDS = 0.6  # after which everything from before lies in an hour that is over


@contextmanager
def acting_in(world: World, name: str) -> Iterator[None]:
    """Inside, Django is this cell's: its database, its REGION."""
    addresses = {each: f"http://{each}.test" for each in world.regions}
    with acting.acting_in(world, name), override_settings(REGION=name, REGIONS=addresses):
        yield


def tell(world: World, *, everything: bool = False) -> None:
    """Closes what is over everywhere, and waits until the centre has it; `everything`: all that is written by now."""
    if everything:
        time.sleep(FENCED_SECONDS)
    for region in world.regions:
        with acting_in(world, region):
            close_hours(span=SPAN, margin=timedelta(0))
            give_beat()
    world.catch_up()


def win(player: UUID, game: Game, amount: str = "0.01") -> UUID:
    """Records a win; its id."""
    [outcome] = record_wins(game_id=game.id, claims=[a_claim(player, amount)], now=NOON)
    assert isinstance(outcome, Recorded), outcome
    return outcome.win.id


def rows(connected: psycopg.Connection[Any], statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    return connected.execute(statement.encode(), parameters or None).fetchall()


def figures(world: World, region: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Counts, sums and digests of everything that a region ever wrote: by its own word, and at the centre."""
    with world.cells[region].connect() as there, world.centre.connect(DATABASE) as here:
        told = rows(there, "SELECT hour_totals('-infinity', 'infinity')")[0][0]
        found = rows(here, "SELECT hour_totals(%s, '-infinity', 'infinity')", region)[0][0]
        for table in FACTS.tables:
            told[f"rows of {table.name}"] = rows(there, f"SELECT count(*) FROM {table.name}")[0][0]
            found[f"rows of {table.name}"] = rows(here, f"SELECT count(*) FROM {table.name} WHERE region = %s", region)[
                0
            ][0]
    return told, found


def finish_hours() -> None:
    """Converts what is pending, whatever the runs of other tests have done: late wins go to the next hour's run."""
    last = run("SELECT max(hour) FROM conversion_conversionrun WHERE state = 'done'")[0][0]
    convert_due_hours(now=max(NOON, last or NOON) + hours(2))
