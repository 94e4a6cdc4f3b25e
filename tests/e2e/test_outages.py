"""What goes wrong around us: every call gets an answer within a limit, and sent again it counts once."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from conversion.services import convert_due_hours
from dreamland.lib.api.fields import render_instant
from dreamland.local.errors import LocalServerError
from dreamland.local.postgres import Postgres
from ledger import book
from rewards.keys import create_game_key
from rewards.models import Scope
from tests.e2e.web import ROOT, Answer, Web, running
from tests.factories import a_game, a_player
from tests.http import a_client, problem_of
from tests.sql import run

pytestmark = pytest.mark.django_db

QUICK_SECONDS = 3.0  # on a busy machine; what has a limit of its own says so


def a_body(player: UUID, reference: str = "match-1", amount: str = "1") -> dict[str, str]:
    return {
        "reference": reference,
        "player_id": str(player),
        "amount": amount,
        "won_at": render_instant(timezone.now()),
    }


def database_url() -> str:
    place = connection.get_connection_params()
    return f"postgres://{place['user']}:{place['password']}@{place['host']}:{place['port']}/{place['dbname']}"


def a_web(**environment: str) -> Web:
    """A web process on the database of this test, called by a game."""
    return Web(database_url(), create_game_key(game_id=a_game().id, scopes=Scope.values).plaintext, **environment)


def wait_until(condition: Callable[[], object], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


def counts() -> tuple[int, int]:
    """How many wins there are, and how many entries."""
    [found] = run("SELECT (SELECT count(*) FROM rewards_win), (SELECT count(*) FROM ledger_journalentry)")
    return found


def assert_unavailable(answer: Answer, within: float) -> None:
    assert (answer.status, answer.body["code"]) == (503, "unavailable"), answer.body
    assert answer.headers["Retry-After"] == str(settings.API_RETRY_AFTER_SECONDS)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.seconds < within


# --- The database says: not now


def fails(sqlstate: str, times: int) -> None:
    """Makes the next inserts of wins fail with this error; a sequence counts, which no rollback undoes."""
    run("CREATE SEQUENCE failures")
    run(
        f"""
        CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN
            IF nextval('failures') <= {times} THEN RAISE EXCEPTION 'not now' USING ERRCODE = '{sqlstate}'; END IF;
            RETURN NULL;
        END $$
        """
    )
    run("CREATE TRIGGER fail BEFORE INSERT ON rewards_win FOR EACH STATEMENT EXECUTE FUNCTION fail()")


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"], ids=["serialization_failure", "deadlock_detected"])
def test_a_lost_transaction_is_tried_again_and_the_game_hears_nothing_of_it(sqlstate: str) -> None:
    client, player = a_client(a_game()), a_player()
    fails(sqlstate, settings.SERVICE_ATTEMPTS - 1)
    assert client.post("/v1/wins", a_body(player), format="json").status_code == 201
    assert counts() == (1, 1)


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"], ids=["serialization_failure", "deadlock_detected"])
def test_after_the_last_attempt_the_game_hears_503_and_nothing_was_written(sqlstate: str) -> None:
    client, player = a_client(a_game()), a_player()
    fails(sqlstate, settings.SERVICE_ATTEMPTS)
    body = a_body(player)
    response = client.post("/v1/wins", body, format="json")
    problem_of(response, 503, "unavailable")
    assert response["Retry-After"] == str(settings.API_RETRY_AFTER_SECONDS)
    assert counts() == (0, 0)
    assert run("SELECT last_value FROM failures") == [(settings.SERVICE_ATTEMPTS,)]
    assert client.post("/v1/wins", body, format="json").status_code == 201


@contextmanager
def held(player: UUID) -> Iterator[None]:
    """Somebody else sits on the player's days, wins and balances."""
    place = connection.get_connection_params()
    address = {name: place[name] for name in ("host", "port", "user", "password", "dbname")}
    with psycopg.connect(**address) as other:
        for table, column in (
            ("rewards_allowance", "player_id"),
            ("rewards_win", "player_id"),
            ("ledger_balance", "holder"),
        ):
            other.execute(f"SELECT FROM {table} WHERE {column} = %s FOR UPDATE", [player])
        yield
        other.rollback()


@pytest.mark.parametrize("limit", ["lock_timeout", "statement_timeout"])
def test_rows_that_somebody_holds_are_not_waited_for_longer_than_the_limit(limit: str) -> None:
    client, player = a_client(a_game()), a_player()
    body = a_body(player)
    first = client.post("/v1/wins", body, format="json").json()
    calls = [
        ("/v1/wins", a_body(player, "another")),
        ("/v1/wins/batch", {"wins": [a_body(player, "another")]}),
        (f"/v1/wins/{first['id']}/void", {"reason": "r"}),
    ]
    run(f"SET {limit} = '200ms'")
    with held(player):
        for address, sent in calls:
            began = time.monotonic()
            response = client.post(address, sent, format="json")
            problem_of(response, 503, "unavailable")
            assert response["Retry-After"]
            assert time.monotonic() - began < QUICK_SECONDS
        assert client.post("/v1/wins", body, format="json").status_code == 200  # a replay waits for nobody
        assert client.get(f"/v1/players/{player}/stats").status_code == 200
    assert [client.post(address, sent, format="json").status_code for address, sent in calls] == [201, 200, 200]


def test_where_one_can_only_read_reads_are_answered_and_writes_are_503() -> None:
    client, player = a_client(a_game()), a_player()
    first = client.post("/v1/wins", a_body(player), format="json").json()
    run("SET default_transaction_read_only = on")
    try:
        for address, body in [
            ("/v1/wins", a_body(player, "another")),
            ("/v1/wins/batch", {"wins": [a_body(player, "another")]}),
            (f"/v1/wins/{first['id']}/void", {"reason": "r"}),
        ]:
            response = client.post(address, body, format="json")
            problem_of(response, 503, "unavailable")
            assert response["Retry-After"]
        for address in (f"/v1/wins/{first['id']}", f"/v1/players/{player}/wins", f"/v1/players/{player}/stats"):
            assert client.get(address).status_code == 200
    finally:
        run("SET default_transaction_read_only = off")


# --- Processes that die


def test_without_valkey_every_call_about_money_is_answered_at_once() -> None:
    player = uuid4()
    with running(a_web()) as web:
        assert web.call("PUT", f"/v1/players/{player}", {"timezone": "UTC"}).status == 201
        won = web.call("POST", "/v1/wins", a_body(player))
        batch = web.call("POST", "/v1/wins/batch", {"wins": [a_body(player, "b")]})
        convert_due_hours(now=timezone.now())
        void = web.call("POST", f"/v1/wins/{won.body['id']}/void", {"reason": "r"})
        stats = web.call("GET", f"/v1/players/{player}/stats")
        answers = [won, batch, void, stats, web.call("GET", f"/v1/players/{player}/usd-history")]
    assert [answer.status for answer in answers] == [201, 200, 200, 200, 200]
    assert max(answer.seconds for answer in answers) < QUICK_SECONDS
    assert stats.body["tokens_won_today"] == "1"


def test_a_call_that_finds_no_free_connection_is_answered_503_when_its_wait_is_over() -> None:
    player = a_player()
    environment = {"DATABASE_POOL_MAX_SIZE": "1", "DATABASE_POOL_WAIT_SECONDS": "1", "LOCK_TIMEOUT_MS": "4000"}
    with running(a_web(**environment)) as web, ThreadPoolExecutor(1) as pool:
        assert web.call("POST", "/v1/wins", a_body(player)).status == 201
        with held(player):
            waiting = pool.submit(web.call, "POST", "/v1/wins", a_body(player, "waits"))
            wait_until(lambda: run("SELECT pid FROM pg_locks WHERE NOT granted"))
            assert_unavailable(web.call("GET", f"/v1/players/{player}/stats"), within=1 + QUICK_SECONDS)
            assert_unavailable(waiting.result(), within=4 + QUICK_SECONDS)
        assert web.call("POST", "/v1/wins", a_body(player, "waits")).status == 201


def sleeps(when: str) -> None:
    """Makes whoever writes wins sleep: in the `statement`, or at COMMIT, when everything is written."""
    run(
        "CREATE FUNCTION rest() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1.5); RETURN NULL; END $$"
    )
    if when == "statement":
        run("CREATE TRIGGER rest AFTER INSERT ON rewards_win FOR EACH STATEMENT EXECUTE FUNCTION rest()")
    else:
        # Once for each row; a batch has one player with one row here that sleeps, so that COMMIT takes 1.5 seconds.
        run(
            "CREATE CONSTRAINT TRIGGER rest AFTER INSERT ON rewards_allowance DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION rest()"
        )


ASLEEP = (
    "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
    " AND query {like} 'COMMIT%'"
)


@pytest.mark.parametrize("many", [False, True], ids=["one win", "a batch"])
@pytest.mark.parametrize(("when", "like", "again"), [("commit", "ILIKE", 200), ("statement", "NOT ILIKE", 201)])
def test_a_worker_killed_before_it_could_answer_leaves_all_or_nothing_and_the_retry_makes_it_once(
    when: str, like: str, again: int, many: bool
) -> None:
    """Killed after it sent COMMIT, the win stands and the retry is a replay; killed before, the retry records it."""
    player = a_player()
    wins = [a_body(player, f"match-{n}", "0.1") for n in range(20 if many else 1)]
    address, body = ("/v1/wins/batch", {"wins": wins}) if many else ("/v1/wins", wins[0])
    web = a_web()
    with running(web):
        sleeps(when)
        with web.send(address, body):
            wait_until(lambda: run(ASLEEP.format(like=like)))
            web.kill()
            wait_until(lambda: not run("SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))
            wait_until(
                lambda: run("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()") == [(1,)]
            )
    assert counts() == ((len(wins), len(wins)) if when == "commit" else (0, 0))
    run("DROP FUNCTION rest() CASCADE")
    with running(web):
        answer = web.call("POST", address, body)
    statuses = {result["status"] for result in answer.body["results"]} if many else {answer.status}
    assert statuses == {again}
    assert counts() == (len(wins), len(wins))
    assert book.balances([player])[player]["player:dream"] == Decimal("0.1") * len(wins)


def test_a_batch_cut_off_on_its_way_writes_nothing_and_sent_again_counts_once() -> None:
    player = a_player()
    batch = {"wins": [a_body(player, f"match-{n}", "0.01") for n in range(300)]}
    with running(a_web()) as web:
        for share in (0.01, 0.5, 0.99):
            web.send("/v1/wins/batch", batch, share=share).close()
        assert web.call("GET", f"/v1/players/{player}/stats").status == 200
        assert counts() == (0, 0)
        web.send("/v1/wins/batch", batch).close()  # it all arrives, and nobody waits for the answer
        wait_until(lambda: counts() == (300, 300), seconds=5)
        answer = web.call("POST", "/v1/wins/batch", batch)
    assert {result["status"] for result in answer.body["results"]} == {200}
    assert counts() == (300, 300)


# --- PostgreSQL itself dies


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A server that a test may kill."""
    with tempfile.TemporaryDirectory(prefix="dreamland-outage-", dir="/var/tmp") as place:
        Path(place).chmod(0o755)
        server = Postgres(Path(place) / "postgres", Path(place) / "postgres.log", durable=True)
        yield server
        server.stop()


def manage(database: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "dreamland.settings",
            "DATABASE_URL": database,
            "SECRET_KEY": "only-for-tests-" * 4,
            "ENVIRONMENT": "test",
        },
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def start_again(server: Postgres, port: int) -> None:
    """Starts a killed server where it was; its last processes may need a moment to notice."""
    for _ in range(20):
        if server._start_on(port):
            return
        time.sleep(0.2)
    raise LocalServerError("PostgreSQL does not come back")


def test_while_postgres_is_dead_calls_are_503_and_when_it_is_back_each_win_stands_once(
    own_postgres: Postgres,
) -> None:
    url = own_postgres.start()
    port = int(url.rsplit(":", 1)[1].split("/")[0])
    manage(url, "migrate", "--verbosity", "0")
    key = json.loads(manage(url, "create_game_key", "chess", "--json"))["key"]
    player, answers, stop = uuid4(), [], threading.Event()

    def keep_winning(web: Web) -> None:
        number = 0
        while not stop.is_set():
            body = a_body(player, f"match-{number}", "0.001")
            answer = web.call("POST", "/v1/wins", body)
            answers.append(answer)
            if answer.status in {200, 201}:
                number += 1
            time.sleep(0.01)

    with running(Web(url, key, DATABASE_POOL_MAX_SIZE="4")) as web, ThreadPoolExecutor(1) as pool:
        web.call("PUT", f"/v1/players/{player}", {"timezone": "UTC"})
        winning = pool.submit(keep_winning, web)
        try:
            wait_until(lambda: len(answers) > 20)
            assert own_postgres.process is not None
            os.kill(own_postgres.process.pid, signal.SIGKILL)
            own_postgres.process.wait()
            wait_until(lambda: answers[-1].status == 503)
            assert web.call("GET", "/livez").status == 200
            assert_unavailable(web.call("GET", f"/v1/players/{player}/stats"), within=5 + QUICK_SECONDS)
            start_again(own_postgres, port)
            wait_until(lambda: answers[-1].status == 201, seconds=20)
            time.sleep(0.2)
        finally:
            stop.set()
        winning.result()
        stats = web.call("GET", f"/v1/players/{player}/stats")
    recorded = sum(answer.status == 201 for answer in answers)
    replayed = sum(answer.status == 200 for answer in answers)
    assert {answer.status for answer in answers} <= {200, 201, 503}
    for answer in answers:
        if answer.status == 503:
            assert_unavailable(answer, within=settings.DATABASE_POOL_WAIT_SECONDS + QUICK_SECONDS)
    with psycopg.connect(url) as own:
        assert own.execute("SELECT count(*), count(DISTINCT reference) FROM rewards_win").fetchone() == (
            recorded + replayed,
            recorded + replayed,
        )
        assert own.execute("SELECT count(*) FROM ledger_journalentry").fetchone() == (recorded + replayed,)
    assert Decimal(stats.body["tokens_won_today"]) == Decimal("0.001") * (recorded + replayed)
    manage(url, "verify_books")
