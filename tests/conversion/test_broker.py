"""Key ranges of a run as real messages: through Valkey, to a real worker, that is killed and comes back."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import pytest
import redis
from django.conf import settings as configured
from django.db import connection
from kombu import Queue
from pytest_django import Settings

from conversion.runs import KeyRange, RunFacts, begin, key_ranges
from conversion.tasks import convert_due_hours_task, ring_for_help
from dreamland.celery import app
from dreamland.local.files import wait_until
from rewards.services import register_player
from tests.conversion.helpers import lines, wallet, win
from tests.factories import players
from tests.sql import run

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).parent.parent.parent
WORKER_SECONDS = 40.0


@pytest.fixture
def queue(settings: Settings) -> Iterator[str]:
    """A queue of this test's own on the embedded Valkey, which other tests use at the same time."""
    settings.CONVERSION_PLAYERS_PER_RANGE = 2
    name = f"test-{os.getpid()}"
    before = app.conf.task_default_queue
    app.conf.task_default_queue = name
    app.amqp.queues.clear()
    app.amqp.queues.add(Queue(name))
    yield name
    with app.connection_for_write() as broker:
        Queue(name).bind(broker.channel()).delete()
    app.conf.task_default_queue = before


def waiting(queue: str) -> int:
    """How many messages nobody has taken yet."""
    with closing(redis.Redis.from_url(configured.CELERY_BROKER_URL)) as broker:
        return len(broker.lrange(queue, 0, -1))


@contextmanager
def a_worker(queue: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A real worker in the database of this test."""
    parameters = connection.settings_dict
    place = f"{parameters['USER']}:{parameters['PASSWORD']}@{parameters['HOST']}:{parameters['PORT']}"
    url = urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(netloc=place, path=f"/{parameters['NAME']}"))
    environment = {**os.environ, "DATABASE_URL": url, "REDIS_URL": configured.CELERY_BROKER_URL}
    environment |= {"DJANGO_SETTINGS_MODULE": "dreamland.settings", "CONVERSION_PLAYERS_PER_CHUNK": "1"}
    arguments = ["worker", "--pool", "solo", "--queues", queue, "--without-gossip", "--without-mingle"]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "dreamland", *arguments, "--hostname", f"{queue}@test"],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(WORKER_SECONDS)


def seven_winners_of_an_hour_that_is_over() -> tuple[datetime, list[UUID]]:
    [(now,)] = run("SELECT date_trunc('hour', clock_timestamp(), 'UTC')")
    assert isinstance(now, datetime)
    hour = now - timedelta(hours=1)
    everybody = players(7)
    for player in everybody:
        win(player, at=hour, late=timedelta(minutes=30))
    return hour, everybody


def help_arrives(wanted: Callable[[], bool]) -> None:
    assert wait_until(wanted, WORKER_SECONDS, 0.05)


def test_ranges_travel_through_the_broker_and_a_worker_converts_them(queue: str, tmp_path: Path) -> None:
    """Catches arguments that do not survive JSON, a task that no worker knows, a message that has expired at birth."""
    hour, everybody = seven_winners_of_an_hour_that_is_over()
    from conversion.services import fetch_rate

    fetch_rate(hour=hour, now=hour + timedelta(hours=1))
    its = begin(hour)
    ranges = key_ranges([hour])
    assert len(ranges) == 4
    ring_for_help(its, ranges)
    assert waiting(queue) == 3  # the leader begins with the last one, and here it does nothing
    with a_worker(queue, tmp_path / "worker.log"):
        help_arrives(lambda: len(lines()) == 6)
    first, last = ranges[-1]
    left = [player for player in everybody if first <= player <= last]
    assert [player for player in everybody if wallet(player)[1] == 0] == left
    assert run("SELECT state FROM conversion_conversionrun") == [("running",)]  # only the tick settles


def test_a_worker_that_is_killed_at_a_range_costs_nothing(
    queue: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a tick that counts on its helpers: this one is killed in the middle, and its message is lost with it."""
    hour, _ = seven_winners_of_an_hour_that_is_over()
    first = register_player(player_id=UUID(int=1), timezone="UTC").player.id
    win(first, at=hour, late=timedelta(minutes=30))
    held: list[subprocess.Popen[bytes]] = []

    def help_and_die(its: RunFacts, ranges: list[KeyRange]) -> None:
        ring_for_help(its, ranges)
        with a_worker(queue, tmp_path / "worker.log") as worker:
            held.append(worker)
            help_arrives(lambda: len(lines()) >= 1)
            os.killpg(worker.pid, signal.SIGKILL)

    monkeypatch.setattr("conversion.tasks.ring_for_help", help_and_die)
    convert_due_hours_task()
    assert held[0].returncode == -signal.SIGKILL
    assert len(lines()) == 8
    assert run("SELECT state FROM conversion_conversionrun WHERE hour = %s", [hour]) == [("done",)]
    with a_worker(queue, tmp_path / "worker.log"):  # whatever is still in the queue comes too late
        help_arrives(lambda: waiting(queue) == 0)
        time.sleep(1)
    assert len(lines()) == 8
