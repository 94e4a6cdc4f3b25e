"""A world of three real clusters for the tests of a worker, and the cells that a test acts in."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from dreamland.local.attachment import FAST_ROOT
from dreamland.local.processes import is_alive
from dreamland.world import clusters
from dreamland.world.centre import DATABASE
from dreamland.world.clusters import CENTRE, World
from ledger import book
from rewards.models import Game
from tests.factories import a_game
from tests.world.helpers import acting_in, tell


@pytest.fixture(scope="session")
def started() -> Iterator[World]:
    """Clusters of this process alone: another run of the tests in this checkout has its own."""
    for left_over in FAST_ROOT.glob("world-[0-9]*"):
        if not is_alive(int(left_over.name.removeprefix("world-"))):
            shutil.rmtree(left_over, ignore_errors=True)
    root = FAST_ROOT / f"world-{os.getpid()}"
    with clusters.running(root, durable=False) as world:
        yield world
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def world(started: World, alone: None, django_db_blocker: Any) -> Iterator[World]:
    with django_db_blocker.unblock():
        yield started


@pytest.fixture(scope="module")
def proven(started: World, django_db_blocker: Any) -> Iterator[None]:
    """After the last test of a module every region's books are right, and the centre has them and finds nothing wrong.

    Once is enough: facts only arrive, so what one test did wrong is wrong still.
    """
    yield
    with django_db_blocker.unblock():
        for region in started.regions:
            with acting_in(started, region):
                wrong = [finding for finding in book.verify().findings if finding.wrong_rows]
            assert not wrong, f"{region}: {wrong[0].check.name}: {wrong[0].subject}: {wrong[0].problem}"
        tell(started)
        assert started.verify() == ()


@pytest.fixture
def analytics(world: World) -> Iterator[psycopg.Connection[Any]]:
    with world.centre.connect(DATABASE) as connected:
        yield connected


@pytest.fixture
def game(world: World) -> Game:
    """A game, made at the centre and known in the regions."""
    with acting_in(world, CENTRE):
        made = a_game()
    world.catch_up()
    return made
