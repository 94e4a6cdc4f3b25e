"""Wins over HTTP: one and many, new and repeated, refused for each reason; nothing written where refused."""

import gzip
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dreamland.lib.api.fields import render_instant
from rewards.models import Player, Win
from tests.factories import NOON, a_game, a_player, players
from tests.http import a_client, problem_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def noon(time_machine: Any) -> None:
    time_machine.move_to(NOON)


def a_win(
    player_id: UUID, amount: Any = "1", *, reference: Any = "match-1", won_at: Any = "2026-11-10T12:00:00Z"
) -> Any:
    return {"reference": reference, "player_id": str(player_id), "amount": amount, "won_at": won_at}


def post(client: Any, body: Any, address: str = "/v1/wins") -> Any:
    return client.post(address, body, format="json")


def batch(client: Any, *wins: Any) -> list[Mapping[str, Any]]:
    response = post(client, {"wins": list(wins)}, "/v1/wins/batch")
    assert response.status_code == 200, response.content
    assert response.json().keys() == {"results"}
    results: list[Mapping[str, Any]] = response.json()["results"]
    return results


def test_a_win_is_recorded_and_found_at_its_location() -> None:
    game, player = a_game(), a_player("Asia/Kathmandu")
    client = a_client(game)
    response = post(client, a_win(player, "1.50", won_at="2026-11-10T17:45:00+05:45"))
    assert response.status_code == 201
    body = response.json()
    assert body == {
        "id": str(Win.objects.get().entry_id),
        "reference": "match-1",
        "player_id": str(player),
        "game": "chess",
        "amount": "1.5",
        "won_at": "2026-11-10T12:00:00Z",
        "recorded_at": render_instant(Win.objects.get().recorded_at),
        "day": "2026-11-10",
        "state": "pending",
        "conversion": None,
        "void": None,
    }
    assert response["Location"] == f"/v1/wins/{body['id']}"
    assert "Idempotent-Replayed" not in response
    found = client.get(response["Location"])
    assert (found.status_code, found.json()) == (200, body)
    assert found["Cache-Control"] == "private, no-cache"


def test_the_same_win_again_is_a_replay_whatever_its_spelling() -> None:
    client, player = a_client(a_game()), a_player()
    first = post(client, a_win(player, "1.5"))
    spellings = [
        ("1.5", "2026-11-10T12:00:00Z"),
        ("1.50", "2026-11-10T17:45:00+05:45"),
        ("1.500", "2026-11-10T12:00:00.0Z"),
    ]
    for amount, won_at in spellings:
        again = post(client, a_win(player, amount, won_at=won_at))
        assert again.status_code == 200
        assert again["Idempotent-Replayed"] == "true"
        assert "Location" not in again
        assert again.json() == first.json()
    assert Win.objects.count() == 1


def test_the_same_reference_for_another_content_is_refused() -> None:
    client, player = a_client(a_game()), a_player()
    first = post(client, a_win(player, "1.5")).json()
    for other in (a_win(player, "1.6"), a_win(player, "1.5", won_at="2026-11-10T12:00:00.000001Z")):
        problem = problem_of(post(client, other), 409, "reference-reused")
        assert problem["win_id"] == first["id"]
    assert Win.objects.count() == 1


def test_a_reference_belongs_to_one_game_and_one_player() -> None:
    one, two = players(2)
    chess, go = a_client(a_game("chess")), a_client(a_game("go"))
    assert [post(client, a_win(player)).status_code for client in (chess, go) for player in (one, two)] == [201] * 4


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"amount": 1}, "invalid-amount", "/amount"),
        ({"amount": 1.5}, "invalid-amount", "/amount"),
        ({"amount": "0"}, "invalid-amount", "/amount"),
        ({"amount": "-1"}, "invalid-amount", "/amount"),
        ({"amount": "1e0"}, "invalid-amount", "/amount"),
        ({"amount": "１"}, "invalid-amount", "/amount"),
        ({"amount": "0.1234567890123456789"}, "invalid-amount", "/amount"),
        ({"amount": None}, "invalid", "/amount"),
        ({"won_at": "2026-11-10T12:00:00"}, "invalid-time", "/won_at"),
        ({"won_at": "2026-11-10"}, "invalid-time", "/won_at"),
        ({"won_at": 1_794_312_000}, "invalid-time", "/won_at"),
        ({"player_id": "me"}, "invalid", "/player_id"),
        ({"reference": ""}, "invalid", "/reference"),
        ({"reference": 7}, "invalid", "/reference"),
        ({"reference": "a" * 201}, "invalid", "/reference"),
        ({"reference": "a\x00"}, "invalid", "/reference"),
        ({"reference": "\ud800"}, "invalid", "/reference"),
        ({"game": "chess"}, "invalid", "/game"),
        ({"a/b": 1}, "invalid", "/a~1b"),
    ],
)
def test_a_win_with_a_wrong_value_is_refused_and_pointed_at(change: Any, code: str, pointer: str) -> None:
    client = a_client(a_game())
    body = json.dumps({**a_win(a_player()), **change})  # as ASCII: a lone surrogate travels as an escape
    problem = problem_of(client.post("/v1/wins", body, content_type="application/json"), 422, code)
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert not Win.objects.exists()


@pytest.mark.parametrize("address", ["/v1/wins", "/v1/wins/batch"])
def test_a_call_without_a_body_is_told_so(address: str) -> None:
    client = a_client(a_game())
    problem_of(client.post(address, b"", content_type="application/json"), 400, "malformed-json")
    problem_of(client.post(address), 400, "malformed-json")


@pytest.mark.parametrize("coding", ["gzip", "br", "identity, gzip", "x"])
def test_a_body_in_a_content_encoding_is_refused_and_not_read_as_if_it_had_none(coding: str) -> None:
    client, player = a_client(a_game()), a_player()
    for body in (json.dumps(a_win(player)).encode(), gzip.compress(json.dumps(a_win(player)).encode())):
        headers = {"Content-Encoding": coding}
        response = client.post("/v1/wins", body, content_type="application/json", headers=headers)
        problem_of(response, 415, "unsupported-media-type")
    response = client.post("/v1/wins", a_win(player), format="json", headers={"Content-Encoding": "Identity"})
    assert response.status_code == 201


@pytest.mark.parametrize(
    ("address", "body", "told"),
    [
        ("/v1/wins", [], "this is a JSON object"),
        ("/v1/wins/batch", {"wins": {}}, "this is a JSON array"),
        ("/v1/wins/batch", {"wins": None}, "This field may not be null."),
    ],
)
def test_what_has_the_wrong_shape_is_told_in_the_words_of_json(address: str, body: Any, told: str) -> None:
    assert problem_of(post(a_client(a_game()), body, address), 422, "invalid")["detail"] == told


def test_everything_that_is_wrong_is_told_at_once() -> None:
    problem = problem_of(post(a_client(a_game()), {"amount": 1, "extra": 1}), 422, "invalid")
    assert {error["pointer"]: error["code"] for error in problem["errors"]} == {
        "/reference": "required",
        "/player_id": "required",
        "/amount": "invalid-amount",
        "/won_at": "required",
        "/extra": "unknown-field",
    }


def test_a_reference_of_200_characters_in_any_script_is_kept() -> None:
    reference = "漢🎲é " * 50
    response = post(a_client(a_game()), a_win(a_player(), reference=reference))
    assert (response.status_code, response.json()["reference"]) == (201, reference)


def test_what_one_may_win_on_a_day_is_won_exactly_and_then_refused_with_the_facts() -> None:
    client, player = a_client(a_game()), a_player()
    assert post(client, a_win(player, "4.75", reference="a")).status_code == 201
    response = post(client, a_win(player, "0.250000000000000001", reference="b"))
    problem = problem_of(response, 422, "daily-cap-exceeded")
    assert (problem["remaining"], problem["resets_at"]) == ("0.25", "2026-11-11T00:00:00Z")
    assert "Retry-After" not in response  # retrying is exactly what would not help
    assert post(client, a_win(player, "0.25", reference="b")).status_code == 201
    problem = problem_of(post(client, a_win(player, "0.000000000000000001", reference="c")), 422, "daily-cap-exceeded")
    assert problem["remaining"] == "0"


def test_the_largest_amount_is_over_the_cap_and_no_accident() -> None:
    largest = "99999999999999999999.999999999999999999"
    problem_of(post(a_client(a_game()), a_win(a_player(), largest)), 422, "daily-cap-exceeded")


def test_a_win_too_late_or_too_early_is_refused() -> None:
    client, player = a_client(a_game()), a_player()
    early = render_instant(NOON + settings.WIN_FUTURE_LIMIT + timedelta(minutes=1))
    late = render_instant(NOON - settings.WIN_LATE_LIMIT - timedelta(minutes=1))
    problem_of(post(client, a_win(player, won_at=early)), 422, "won-at-in-future")
    problem_of(post(client, a_win(player, won_at=late)), 422, "won-at-too-old")
    problem_of(post(client, a_win(player, won_at="0001-01-01T00:00:00Z")), 422, "won-at-too-old")
    problem_of(post(client, a_win(player, won_at="9999-12-31T23:59:59Z")), 422, "won-at-in-future")
    assert not Win.objects.exists()


def test_an_unknown_a_suspended_and_a_closed_player_win_nothing() -> None:
    client, player = a_client(a_game()), a_player()
    problem_of(post(client, a_win(uuid4())), 404, "player-not-found")
    Player.objects.update(status=Player.Status.SUSPENDED)
    problem_of(post(client, a_win(player)), 422, "player-suspended")
    Player.objects.update(status=Player.Status.CLOSED)
    problem_of(post(client, a_win(player)), 409, "player-closed")
    assert not Win.objects.exists()


def test_another_games_win_is_as_unknown_as_one_that_does_not_exist() -> None:
    chess, go = a_client(a_game("chess")), a_client(a_game("go"))
    win = post(chess, a_win(a_player())).json()["id"]
    assert chess.get(f"/v1/wins/{win}").status_code == 200
    foreign = problem_of(go.get(f"/v1/wins/{win}"), 404, "win-not-found")
    unknown = problem_of(go.get(f"/v1/wins/{uuid4()}"), 404, "win-not-found")
    assert {**foreign, "request_id": ""} == {**unknown, "request_id": ""}


def test_a_batch_gives_each_win_its_own_result_in_order() -> None:
    client, (one, two) = a_client(a_game()), players(2)
    results = batch(
        client,
        a_win(one, "4", reference="a"),
        a_win(one, 4, reference="b"),
        a_win(one, "1.000000000000000001", reference="c"),
        a_win(two, "5", reference="a"),
        "not a win",
        a_win(uuid4(), reference="d"),
        a_win(one, "4.0", reference="a"),
        a_win(one, "3", reference="a"),
        {**a_win(two), "note": "x", "won_at": "now"},
        a_win(one, "1", reference="e"),
    )
    assert [result["status"] for result in results] == [201, 422, 422, 201, 422, 404, 200, 409, 422, 201]
    codes = [result.get("problem", {}).get("code") for result in results]
    assert codes == [
        None,
        "invalid-amount",
        "daily-cap-exceeded",
        None,
        "invalid",
        "player-not-found",
        None,
        "reference-reused",
        "invalid",
        None,
    ]
    for result in results:
        assert result.keys() == ({"status", "win"} if result["status"] < 300 else {"status", "problem"})
        if "problem" in result:
            assert result["problem"]["status"] == result["status"]
    assert results[6]["win"] == results[0]["win"]
    assert results[2]["problem"]["remaining"] == "1"
    assert [error["pointer"] for error in results[1]["problem"]["errors"]] == ["/wins/1/amount"]
    assert [error["pointer"] for error in results[4]["problem"]["errors"]] == ["/wins/4"]
    assert [error["pointer"] for error in results[8]["problem"]["errors"]] == ["/wins/8/won_at", "/wins/8/note"]
    assert Win.objects.count() == 3


def test_a_batch_sent_again_is_replayed_and_changes_nothing() -> None:
    client, wins = a_client(a_game()), [a_win(player, reference="a") for player in players(3)]
    first, again = batch(client, *wins), batch(client, *wins)
    assert [result["status"] for result in again] == [200] * 3
    assert [result["win"] for result in again] == [result["win"] for result in first]


def test_an_empty_batch_is_harmless() -> None:
    assert batch(a_client(a_game())) == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [({}, "/wins"), ({"wins": None}, "/wins"), ({"wins": {}}, "/wins"), ({"wins": [], "all": True}, "/all"), ([], "")],
)
def test_what_is_no_batch_is_refused_as_a_whole(body: Any, pointer: str) -> None:
    problem = problem_of(post(a_client(a_game()), body, "/v1/wins/batch"), 422, "invalid")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]


def test_a_batch_has_at_most_a_thousand_wins() -> None:
    client, player = a_client(a_game()), a_player()
    wins = [a_win(player, "0.001", reference=str(n)) for n in range(settings.WINS_PER_BATCH + 1)]
    problem = problem_of(post(client, {"wins": wins}, "/v1/wins/batch"), 422, "invalid")
    assert [error["pointer"] for error in problem["errors"]] == ["/wins"]
    assert not Win.objects.exists()
    assert {result["status"] for result in batch(client, *wins[:-1])} == {201}


def test_a_batch_may_be_as_large_as_its_limit_and_a_single_win_only_as_its_own() -> None:
    client, player = a_client(a_game()), a_player()
    padding = " " * settings.API_MAX_BODY_BYTES
    body = json.dumps({"wins": [a_win(player)]}) + padding
    assert client.post("/v1/wins/batch", body, content_type="application/json").status_code == 200
    body = json.dumps(a_win(player)) + padding
    problem_of(client.post("/v1/wins", body, content_type="application/json"), 413, "body-too-large")
    body = " " * (settings.API_MAX_BATCH_BODY_BYTES + 1)
    problem_of(client.post("/v1/wins/batch", body, content_type="application/json"), 413, "body-too-large")


def test_a_thousand_wins_cost_as_many_queries_as_two() -> None:
    game, everyone = a_game(), players(settings.WINS_PER_BATCH + 2)
    client = a_client(game)

    def cost(wins: list[Any]) -> int:
        batch(client)  # once a minute the use of the key is written down: not in what is counted
        with CaptureQueriesContext(connection) as queries:
            assert len(batch(client, *wins)) == len(wins)
        return len(queries)

    two = cost([a_win(player) for player in everyone[:2]])
    thousand = cost([a_win(player) for player in everyone[2:]])
    assert thousand == two <= 12
    assert cost([a_win(player) for player in everyone[2:]]) <= two  # replayed
    assert cost([a_win(everyone[0], reference="match-2")]) == 2  # the key, and the win


def test_what_one_may_not_do_to_wins_is_a_405() -> None:
    client = a_client(a_game())
    for address, allowed in (
        ("/v1/wins", {"POST"}),
        ("/v1/wins/batch", {"POST"}),
        (f"/v1/wins/{uuid4()}", {"GET", "HEAD"}),
    ):
        response = client.patch(address)
        problem_of(response, 405, "method-not-allowed")
        assert set(response["Allow"].split(", ")) == allowed


def test_a_win_takes_no_parameters() -> None:
    problem_of(post(a_client(a_game()), a_win(a_player()), "/v1/wins?dry_run=1"), 400, "unknown-parameter")
    assert not Win.objects.exists()
