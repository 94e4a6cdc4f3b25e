"""Limits on how often one may call: counted exactly, told in RateLimit fields, and never in the way when Valkey is."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis
from django.test.utils import CaptureQueriesContext

from dreamland.lib.api.limits import Policy, Quota, count_call, policy_field, quota_field, unavailable
from tests.factories import NOON, a_game, a_player
from tests.http import a_client, problem_of, with_bearer

BURST, SUSTAINED = ("burst", 3, 5), ("sustained", 5, 60)


@pytest.fixture(autouse=True)
def small_limits(settings: Any, time_machine: Any) -> Iterator[None]:
    time_machine.move_to(NOON, tick=False)
    settings.API_LIMITS = {
        "game": [BURST, SUSTAINED],
        "player": [("burst", 1, 5)],
        "staff": [("burst", 1, 5)],
        "stranger": [BURST],
    }
    unavailable.open()
    yield
    unavailable.open()


def somebody() -> str:
    return str(uuid4())


def test_each_call_takes_one_from_every_limit_until_the_window_ends(time_machine: Any) -> None:
    name = somebody()
    for left in (2, 1, 0, 0):
        burst, sustained = count_call("game", name)
        assert (burst.remaining, burst.resets_in_seconds, sustained.resets_in_seconds) == (left, 5, 60)
    assert burst.exceeded
    assert not sustained.exceeded
    time_machine.move_to(NOON + timedelta(seconds=4), tick=False)
    assert count_call("game", name)[0].resets_in_seconds == 1
    time_machine.move_to(NOON + timedelta(seconds=5), tick=False)
    burst, sustained = count_call("game", name)
    assert (burst.exceeded, burst.remaining) == (False, 2)
    assert sustained.exceeded


def test_one_caller_does_not_use_up_anothers_calls() -> None:
    name = somebody()
    for _ in range(4):
        count_call("game", name)
    assert count_call("game", somebody())[0].remaining == 2
    assert count_call("player", name)[0].remaining == 0
    assert not count_call("staff", name)[0].exceeded


def test_calls_at_the_same_time_are_each_counted_once() -> None:
    name, start = somebody(), threading.Barrier(8)
    seen: list[int] = []

    def call() -> None:
        start.wait(10)
        seen.extend(count_call("game", name)[1].used for _ in range(25))

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(seen) == list(range(1, 201))


def test_a_counter_ends_by_itself(settings: Any) -> None:
    name = somebody()
    count_call("game", name)
    with redis.Redis.from_url(settings.API_LIMITS_URL) as valkey:
        kept = {key: valkey.ttl(key) for key in valkey.scan_iter(f"limit:game:{name}:*")}
    assert sorted(kept.values()) == [10, 120]


def test_the_fields_are_structured_fields_of_the_draft() -> None:
    policies = Policy("burst", 1_000, 5), Policy("sustained", 30_000, 300)
    assert policy_field(policies) == '"burst";q=1000;w=5, "sustained";q=30000;w=300'
    quotas = [Quota(policies[0], 1, 4), Quota(policies[1], 30_001, 299)]
    assert quota_field(quotas) == '"burst";r=999;t=4, "sustained";r=0;t=299'


@pytest.mark.django_db
def test_every_answer_to_a_known_caller_tells_the_limits_also_a_refusal() -> None:
    client, player = a_client(a_game()), a_player()
    for address, status in [(f"/v1/players/{player}", 200), (f"/v1/players/{uuid4()}", 404), ("/v1/wins", 405)]:
        response = client.get(address)
        assert response.status_code == status
        assert response["RateLimit-Policy"] == '"burst";q=3;w=5, "sustained";q=5;w=60'
        assert response["RateLimit"].startswith('"burst";r=')
    assert response["RateLimit"] == '"burst";r=0;t=5, "sustained";r=2;t=60'


@pytest.mark.django_db
def test_one_call_too_many_is_a_429_that_says_when_to_come_back_and_does_nothing(time_machine: Any) -> None:
    client, player = a_client(a_game()), a_player()
    for _ in range(3):
        assert client.get(f"/v1/players/{player}").status_code == 200
    response = client.put(f"/v1/players/{player}", {"timezone": "Europe/Zurich"}, format="json")
    problem_of(response, 429, "rate-limited")
    assert response["Retry-After"] == "5"
    assert response["RateLimit"] == '"burst";r=0;t=5, "sustained";r=1;t=60'
    time_machine.move_to(NOON + timedelta(seconds=int(response["Retry-After"])), tick=False)
    assert client.get(f"/v1/players/{player}").status_code == 200
    response = client.get(f"/v1/players/{player}")
    problem_of(response, 429, "rate-limited")
    assert response["Retry-After"] == "55"  # the longest of the waits


@pytest.mark.django_db
def test_refused_calls_count_too() -> None:
    """Else a client gone wild that asks for what it may not would never be slowed down."""
    client = a_client(a_game(), "players:read")
    for _ in range(3):
        problem_of(client.post("/v1/wins"), 403, "scope-missing")
    problem_of(client.post("/v1/wins"), 429, "rate-limited")


def from_somewhere(address: str, bearer: str = "dl_test_0_0") -> Any:
    client = with_bearer(bearer)
    client.defaults["REMOTE_ADDR"] = address
    return client


@pytest.mark.django_db
def test_whoever_guesses_keys_is_slowed_down_by_his_address_and_nobody_else_is() -> None:
    address = f"192.0.2.{uuid4().int % 200}-{uuid4()}"
    guesser = from_somewhere(address)
    for left in (2, 1, 0):
        response = guesser.get("/v1/wins")
        problem_of(response, 401, "not-authenticated")
        assert response["RateLimit-Policy"] == '"burst";q=3;w=5'
        assert response["RateLimit"] == f'"burst";r={left};t=5'
    problem_of(guesser.get("/v1/wins"), 429, "rate-limited")
    client = a_client(a_game())
    client.defaults["REMOTE_ADDR"] = address
    assert client.get(f"/v1/players/{a_player()}").status_code == 200
    problem_of(from_somewhere(str(uuid4())).get("/v1/wins"), 401, "not-authenticated")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("/v1/nowhere", {}, 404),
        ("/v1/wins", {"HTTP_ACCEPT": "text/html"}, 406),
        ("/v1/wins", {"HTTP_AUTHORIZATION": ""}, 401),
    ],
)
def test_an_answer_before_anybody_asked_who_it_is_tells_the_limits_too(
    address: str, headers: dict[str, str], status: int
) -> None:
    response = from_somewhere(str(uuid4())).get(address, **headers)
    assert response.status_code == status
    assert response["RateLimit-Policy"] == '"burst";q=3;w=5'
    assert response["RateLimit"] == '"burst";r=2;t=5'


@pytest.mark.django_db
def test_behind_a_proxy_a_stranger_is_known_by_the_address_that_the_proxy_saw(settings: Any) -> None:
    settings.BEHIND_TLS_PROXY = True
    mine, proxy = str(uuid4()), str(uuid4())
    for forged in ("198.51.100.1", "198.51.100.2", "198.51.100.3"):
        from_somewhere(proxy).get("/v1/wins", HTTP_X_FORWARDED_FOR=f"{forged}, {mine}", HTTP_X_FORWARDED_PROTO="https")
    response = from_somewhere(proxy).get("/v1/wins", HTTP_X_FORWARDED_FOR=mine, HTTP_X_FORWARDED_PROTO="https")
    problem_of(response, 429, "rate-limited")


@pytest.fixture
def no_valkey(settings: Any) -> None:
    settings.API_LIMITS_URL = "redis://127.0.0.1:1/0"


@pytest.fixture
def mute_valkey(settings: Any) -> Iterator[None]:
    """A server that takes connections and says nothing: the worst way of being away."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        settings.API_LIMITS_URL = f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        yield


@pytest.mark.django_db
@pytest.mark.parametrize("away", ["no_valkey", "mute_valkey"])
def test_without_valkey_calls_pass_and_money_moves(away: str, request: pytest.FixtureRequest) -> None:
    client, player = a_client(a_game()), a_player()
    request.getfixturevalue(away)
    before = unavailable.total
    win = {"player_id": str(player), "amount": "0.1", "won_at": "2026-11-10T12:00:00Z"}
    for number in range(6):
        response = client.post("/v1/wins", {**win, "reference": str(number)}, format="json")
        assert response.status_code == 201
        assert "RateLimit" not in response
        assert response["RateLimit-Policy"]  # the limits still hold; only nobody counts
    assert unavailable.total == before + 6


@pytest.mark.parametrize("url", ["redis://no-such-host.invalid/0", "nonsense"])
def test_an_address_that_is_none_is_as_good_as_away(url: str, settings: Any) -> None:
    settings.API_LIMITS_URL = url
    assert count_call("game", somebody()) == ()


def test_only_the_first_call_waits_for_a_valkey_that_is_away(mute_valkey: None, settings: Any) -> None:
    def seconds() -> float:
        started = time.monotonic()
        assert count_call("game", somebody()) == ()
        return time.monotonic() - started

    assert seconds() >= settings.API_LIMITS_TIMEOUT_SECONDS
    assert max(seconds() for _ in range(100)) < settings.API_LIMITS_TIMEOUT_SECONDS / 2


def test_after_a_pause_valkey_is_asked_again(no_valkey: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert count_call("game", somebody()) == ()
    settings.API_LIMITS_URL = settings.CELERY_BROKER_URL
    assert count_call("game", somebody()) == ()  # still in the pause
    later = time.monotonic() + settings.API_LIMITS_PAUSE_SECONDS
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert count_call("game", somebody())[0].remaining == 2


@pytest.mark.django_db
def test_counting_asks_the_database_nothing() -> None:
    from django.db import connection

    with CaptureQueriesContext(connection) as queries:
        count_call("game", str(UUID(int=1)))
    assert len(queries) == 0
