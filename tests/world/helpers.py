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

FIRST_SPAN = timedelta(seconds=0.2)  # an "hour" of these tests, where there was none before
SINCE_LAST = "SELECT clock_timestamp() - max(ends_at), max(ends_at) >= %s FROM world_hourfence"


@contextmanager
def acting_in(world: World, name: str) -> Iterator[None]:
    """Inside, Django is this cell's: its database, its REGION."""
    addresses = {each: f"http://{each}.test" for each in world.regions}
    with acting.acting_in(world, name), override_settings(REGION=name, REGIONS=addresses):
        yield


def tell(world: World) -> None:
    """Closes everything that is written by now, everywhere, and waits until the centre has it."""
    for region in world.regions:
        with acting_in(world, region):
            close_until_now()
            give_beat()
    world.catch_up()


def close_until_now() -> None:
    """One more "hour", from the end of the last one to now; so nobody has to wait for a full one."""
    if not run("SELECT EXISTS (SELECT 1 FROM ledger_journalentry)")[0][0]:
        return
    [(now,)] = run("SELECT clock_timestamp()")
    while True:
        [(since, done)] = run(SINCE_LAST, [now])
        if done:
            return
        close_hours(span=since or FIRST_SPAN, margin=timedelta(0))
        if since is None:
            time.sleep(FIRST_SPAN.total_seconds())


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
