"""Cases of docs/edge-cases.md that belong to no single app: what the network, the clock and other servers do."""

import json
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from django.conf import settings

from rewards.keys import create_game_key
from rewards.models import Scope
from rewards.services import record_wins
from tests.factories import NOON, a_claim, a_game, a_player
from tests.house.test_logs import a_body
from tests.house.test_logs import post as send
from tests.http import Api
from tests.rewards.test_races import count, recorder
from tests.sql import in_parallel, run

pytestmark = pytest.mark.django_db


@pytest.fixture
def key() -> str:
    return create_game_key(game_id=a_game().id, scopes=Scope.values).plaintext


def a_call(body: dict[str, str], key: str) -> bytes:
    """POST /v1/wins as it goes over the wire."""
    content = json.dumps(body).encode()
    head = (
        "POST /v1/wins HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {key}\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + content


def wins() -> int:
    return int(run("SELECT count(*) FROM rewards_win")[0][0])


def eventually(holds: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    return holds()


def sent(live_server: Any, data: bytes) -> None:
    """Sends the bytes and is gone."""
    place = urlsplit(live_server.url)
    with socket.create_connection((str(place.hostname), place.port or 0)) as connection:
        connection.sendall(data)


def test_a_connection_cut_in_the_middle_of_the_body_records_nothing(live_server: Any, key: str) -> None:
    body = a_body(a_player())
    whole = a_call(body, key)
    sent(live_server, whole[:-20])
    time.sleep(0.3)
    assert wins() == 0
    assert send("/v1/wins", body, key).status_code == 201


def test_an_answer_that_nobody_waited_for_is_replayed_to_the_next_call(live_server: Any, key: str) -> None:
    body = a_body(a_player())
    sent(live_server, a_call(body, key))
    assert eventually(lambda: wins() == 1)
    again = send("/v1/wins", body, key)
    assert (again.status_code, again["Idempotent-Replayed"]) == (200, "true")
    assert wins() == 1


def test_a_win_that_filled_its_day_is_replayed_to_whoever_waited_and_never_refused() -> None:
    """What is known is read before the day is locked: who waited for the lock must look again before refusing."""
    game, player = a_game(), a_player()
    record_wins(game_id=game.id, claims=[a_claim(player, "1")], now=NOON)
    claim = a_claim(player, "3")
    outcomes = in_parallel([recorder(game.id, claim) for _ in range(20)])
    assert count(outcomes) == {"recorded": 1, "replayed": 19}


@pytest.mark.parametrize(
    ("off", "outcome"),
    [
        (-settings.WIN_LATE_LIMIT, "recorded"),
        (-settings.WIN_LATE_LIMIT - timedelta(microseconds=1), "won-at-too-old"),
        (settings.WIN_FUTURE_LIMIT, "recorded"),
        (settings.WIN_FUTURE_LIMIT + timedelta(microseconds=1), "won-at-in-future"),
    ],
)
def test_the_limits_of_lateness_and_earliness_are_inclusive_to_the_microsecond(off: timedelta, outcome: str) -> None:
    claim = a_claim(a_player(), won_at=NOON + off)
    assert count([recorder(a_game().id, claim)()]) == {outcome: 1}


def test_a_player_who_never_won_has_a_whole_day_and_no_dollars(key: str) -> None:
    answer = Api().get(f"/v1/players/{a_player()}/stats", headers={"Authorization": f"Bearer {key}"})
    stats = answer.json()
    assert answer.status_code == 200
    told = {name: stats[name] for name in ("cap", "tokens_won_today", "tokens_remaining_today", "usd_balance")}
    assert told == {"cap": "5", "tokens_won_today": "0", "tokens_remaining_today": "5", "usd_balance": "0"}
    assert run("SELECT count(*) FROM rewards_allowance") == [(0,)]


def test_wins_are_taken_while_the_broker_is_away(key: str, settings: Any) -> None:
    settings.CELERY_BROKER_URL = settings.API_LIMITS_URL = "redis://127.0.0.1:1/0"
    player: UUID = a_player()
    assert send("/v1/wins", a_body(player), key).status_code == 201
    assert Api().get(f"/v1/players/{player}/stats", headers={"Authorization": f"Bearer {key}"}).status_code == 200
