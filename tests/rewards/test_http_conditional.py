"""Reading again what one has already: ETags, 304s and HEAD."""

from datetime import timedelta
from typing import Any

import pytest

from conversion.services import convert_due_hours
from rewards.services import record_wins, register_player
from tests.factories import NOON, a_claim, a_game, a_player
from tests.http import Api, a_client

pytestmark = pytest.mark.django_db

READS = ["", "/wins", "/usd-history", "/stats"]


@pytest.fixture(autouse=True)
def noon(time_machine: Any) -> None:
    time_machine.move_to(NOON)


def get(client: Api, address: str, etag: str | None = None) -> Any:
    response = client.get(address, headers={} if etag is None else {"If-None-Match": etag})
    assert response.status_code in {200, 304}, response.content
    assert response["Cache-Control"] == "private, no-cache"
    return response


def a_win_address(client: Api, player: Any) -> str:
    return f"/v1/wins/{client.get(f'/v1/players/{player}/wins').json()['items'][0]['id']}"


@pytest.mark.parametrize("read", [*READS, "win"])
def test_while_nothing_changes_the_answer_is_not_sent_again(read: str, time_machine: Any) -> None:
    game, player = a_game(), a_player()
    record_wins(game_id=game.id, claims=[a_claim(player)], now=NOON)
    client = a_client(game)
    address = a_win_address(client, player) if read == "win" else f"/v1/players/{player}{read}"
    first = get(client, address)
    time_machine.move_to(NOON + timedelta(seconds=7))
    again = get(client, address, first["ETag"])
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert "Content-Type" not in again
    assert again["X-Request-ID"]
    assert again["RateLimit-Policy"]


@pytest.mark.parametrize("read", READS)
def test_what_changed_is_sent_with_another_tag(read: str, time_machine: Any) -> None:
    game, player = a_game(), a_player()
    client = a_client(game)
    record_wins(game_id=game.id, claims=[a_claim(player, won_at=NOON - timedelta(hours=24))], now=NOON)
    before = get(client, f"/v1/players/{player}{read}")
    register_player(player_id=player, timezone="Europe/Zurich")
    record_wins(game_id=game.id, claims=[a_claim(player)], now=NOON)
    convert_due_hours(now=NOON)
    after = get(client, f"/v1/players/{player}{read}", before["ETag"])
    assert after.status_code == 200
    assert after["ETag"] != before["ETag"]
    assert after.json() != before.json()


def test_a_strong_tag_means_the_same_bytes_and_where_as_of_moves_on_the_tag_is_weak(time_machine: Any) -> None:
    client, player = a_client(a_game()), a_player()
    for read in READS:
        time_machine.move_to(NOON, tick=False)
        first = get(client, f"/v1/players/{player}{read}")
        time_machine.move_to(NOON + timedelta(seconds=1), tick=False)
        second = get(client, f"/v1/players/{player}{read}")
        assert first["ETag"] == second["ETag"]
        assert first["ETag"].startswith("W/") == (first.content != second.content) == (read == "/stats")


def test_the_tag_of_a_page_with_a_next_one_is_strong_too(time_machine: Any) -> None:
    """Its cursor must not change from one second to the next."""
    game, player = a_game(), a_player()
    record_wins(game_id=game.id, claims=[a_claim(player, "0.1") for _ in range(3)], now=NOON)
    client, address = a_client(game), f"/v1/players/{player}/wins?limit=2"
    first = get(client, address)
    time_machine.move_to(NOON + timedelta(minutes=5))
    assert get(client, address, first["ETag"]).status_code == 304
    assert get(client, address)["Link"] == first["Link"]


def test_the_comparison_is_the_weak_one_of_rfc_9110() -> None:
    client, address = a_client(a_game()), f"/v1/players/{a_player()}"
    etag = get(client, address)["ETag"]
    for same in (etag, f"W/{etag}", f'"other", {etag}', f'"other",W/{etag}', "*"):
        assert get(client, address, same).status_code == 304, same
    for other in ('"other"', "", etag.strip('"'), "nonsense", etag[:-2] + 'x"', "W/*"):
        assert get(client, address, other).status_code == 200, other


def test_two_players_who_are_alike_have_two_tags() -> None:
    client = a_client(a_game())
    tags = {get(client, f"/v1/players/{a_player()}{read}")["ETag"] for read in ("", "") for _ in range(2)}
    assert len(tags) == 4


@pytest.mark.parametrize("read", READS)
def test_head_answers_like_get_without_a_body(read: str) -> None:
    client, address = a_client(a_game()), f"/v1/players/{a_player()}{read}"
    got, head = get(client, address), client.head(address)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("ETag", "Content-Type", "Cache-Control", "Content-Length"):
        assert (name, head[name]) == (name, got[name])
    head = client.head(address, headers={"If-None-Match": got["ETag"]})
    assert (head.status_code, head.content) == (304, b"")


def test_a_refusal_has_no_tag_whatever_one_has() -> None:
    from uuid import uuid4

    response = a_client(a_game()).get(f"/v1/players/{uuid4()}", headers={"If-None-Match": "*"})
    assert response.status_code == 404
    assert "ETag" not in response
    assert response["Cache-Control"] == "no-store"
