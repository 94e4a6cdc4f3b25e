"""Who may call: game keys over HTTP."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from rewards.keys import create_game_key, revoke_game_key
from rewards.models import Scope
from tests.factories import a_game, a_player
from tests.http import Api, a_client, problem_of

pytestmark = pytest.mark.django_db


def get(authorization: str | None, player_id: object) -> Any:
    headers = {} if authorization is None else {"Authorization": authorization}
    return Api().get(f"/v1/players/{player_id}", headers=headers)


def test_a_valid_key_opens_and_bearer_is_written_in_any_case() -> None:
    key, player = create_game_key(game_id=a_game().id, scopes=Scope.values).plaintext, a_player()
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert get(f"{scheme} {key}", player).status_code == 200


def test_whoever_brings_no_valid_key_gets_a_401_with_a_challenge() -> None:
    key, player = create_game_key(game_id=a_game().id, scopes=Scope.values).plaintext, a_player()
    wrong = [
        None,
        "",
        "Bearer",
        key,
        f"Basic {key}",
        f"Token {key}",
        f"Bearer {key} {key}",
        f"Bearer {key}0",
        f"Bearer {key.replace('dl_test_', 'dl_live_')}",
        f"Bearer {key.rsplit('_', 1)[0]}_{'0' * 64}",
        f"Bearer dl_test_{'0' * 16}_{'0' * 64}",
        "Bearer dl_",
        "Bearer dl_é",
        "Bearer eyJhbGciOiJub25lIn0.e30.",
    ]
    for authorization in wrong:
        response = get(authorization, player)
        problem_of(response, 401, "not-authenticated")
        assert response["WWW-Authenticate"] == 'Bearer realm="dreamland"'


def test_a_revoked_and_an_expired_key_say_so() -> None:
    game, player = a_game(), a_player()
    revoked = create_game_key(game_id=game.id, scopes=Scope.values)
    expired = create_game_key(game_id=game.id, scopes=Scope.values, expires_at=datetime(2020, 1, 1, tzinfo=UTC))
    assert get(f"Bearer {revoked.plaintext}", player).status_code == 200
    revoke_game_key(key_id=revoked.key_id)
    for key in (revoked, expired):
        response = get(f"Bearer {key.plaintext}", player)
        problem_of(response, 401, "credential-expired")
        assert "WWW-Authenticate" in response


def test_without_a_key_one_does_not_learn_which_players_exist() -> None:
    known, unknown = get(None, a_player()).json(), get(None, uuid4()).json()
    assert {**known, "request_id": ""} == {**unknown, "request_id": ""}


def test_each_call_needs_its_own_scope() -> None:
    """With every scope but its own a call is refused; with its own alone it is not."""
    player, win = a_player(), uuid4()
    calls = [
        ("PUT", f"/v1/players/{player}", "players:write"),
        ("GET", f"/v1/players/{player}", "players:read"),
        ("GET", f"/v1/players/{player}/stats", "players:read"),
        ("GET", f"/v1/players/{player}/usd-history", "players:read"),
        ("GET", f"/v1/players/{player}/wins", "wins:read"),
        ("GET", f"/v1/wins/{win}", "wins:read"),
        ("POST", "/v1/wins", "wins:write"),
        ("POST", "/v1/wins/batch", "wins:write"),
    ]
    for number, scope in enumerate(Scope.values):
        game = a_game(f"game-{number}")
        only, others = a_client(game, scope), a_client(game, *(set(Scope.values) - {scope}))
        for method, address, needed in calls:
            if needed != scope:
                continue
            problem = problem_of(others.generic(method, address), 403, "scope-missing")
            assert problem["scope"] == scope
            assert only.generic(method, address).status_code not in {401, 403}


def test_a_caller_is_known_before_the_body_is_read() -> None:
    response = Api().post("/v1/wins", b"{" * 10_000, content_type="application/json")
    problem_of(response, 401, "not-authenticated")


def test_authentication_is_one_query() -> None:
    client, player = a_client(a_game()), a_player()
    client.get(f"/v1/players/{player}")  # the first use within a minute is written down
    with CaptureQueriesContext(connection) as queries:
        assert client.get(f"/v1/players/{player}").status_code == 200
    assert [query["sql"].count("rewards_gamekey") for query in queries] == [1, 0]


def test_liveness_and_readiness_need_no_key() -> None:
    assert Api().get("/livez").status_code == 200
    assert Api().get("/readyz").status_code == 200
