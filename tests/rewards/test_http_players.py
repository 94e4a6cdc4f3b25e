"""Players over HTTP: registering, reading, the day's wins, stats."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ledger.book import HOUSE
from rewards.models import Player
from rewards.services import Recorded, record_wins
from tests.factories import NOON, a_claim, a_game, a_player
from tests.http import a_client, problem_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def noon(time_machine: Any) -> None:
    time_machine.move_to(NOON)


def win(game: Any, *claims: Any, now: datetime = NOON) -> list[UUID]:
    """Records wins through the service; the ids, in order."""
    outcomes = record_wins(game_id=game.id, claims=claims, now=now)
    return [outcome.win.id for outcome in outcomes if isinstance(outcome, Recorded)]


def test_a_player_is_registered_once_and_found_at_the_location() -> None:
    client, player = a_client(a_game()), uuid4()
    response = client.put(f"/v1/players/{player}", {"timezone": "Asia/Kathmandu"}, format="json")
    assert response.status_code == 201
    assert response["Location"] == f"/v1/players/{player}"
    body = response.json()
    assert body.keys() == {"id", "timezone", "status", "created_at"}
    assert (body["id"], body["timezone"], body["status"]) == (str(player), "Asia/Kathmandu", "active")
    assert body["created_at"].endswith("Z")

    found = client.get(response["Location"])
    assert (found.status_code, found.json()) == (200, body)
    assert found["Cache-Control"] == "private, no-cache"

    again = client.put(f"/v1/players/{player}", {"timezone": "Asia/Kathmandu"}, format="json")
    assert (again.status_code, again.json()) == (200, body)
    assert "Location" not in again


def test_a_known_player_gets_another_time_zone() -> None:
    client, player = a_client(a_game()), a_player("UTC")
    response = client.put(f"/v1/players/{player}", {"timezone": "Europe/Zurich"}, format="json")
    assert (response.status_code, response.json()["timezone"]) == (200, "Europe/Zurich")
    assert Player.objects.get().timezone == "Europe/Zurich"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/timezone"),
        ({"timezone": ""}, "/timezone"),
        ({"timezone": None}, "/timezone"),
        ({"timezone": 5}, "/timezone"),
        ({"timezone": "Mars/Olympus"}, "/timezone"),
        ({"timezone": "../../etc/passwd"}, "/timezone"),
        ({"timezone": "europe/zurich"}, "/timezone"),
        ({"timezone": "a" * 65}, "/timezone"),
        ({"timezone": "UTC\x00"}, "/timezone"),
        ({"timezone": "UTC", "status": "active"}, "/status"),
        ([], ""),
        ("UTC", ""),
    ],
)
def test_a_player_with_wrong_values_is_refused_and_not_registered(body: Any, pointer: str) -> None:
    response = a_client(a_game()).put(f"/v1/players/{uuid4()}", body, format="json")
    problem = problem_of(response, 422, "invalid")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert not Player.objects.exists()


def test_the_house_can_be_nobody() -> None:
    response = a_client(a_game()).put(f"/v1/players/{HOUSE}", {"timezone": "UTC"}, format="json")
    assert problem_of(response, 422, "invalid")["detail"] == "the id cannot be a player's"  # and no word of a table


def test_a_closed_player_stays_as_he_is() -> None:
    client, player = a_client(a_game()), a_player("UTC")
    Player.objects.update(status=Player.Status.CLOSED)
    response = client.put(f"/v1/players/{player}", {"timezone": "Europe/Zurich"}, format="json")
    problem_of(response, 409, "player-closed")
    assert Player.objects.get().timezone == "UTC"


@pytest.mark.parametrize("address", ["", "/wins", "/stats", "/usd-history"])
def test_an_unknown_player_is_not_found(address: str) -> None:
    problem_of(a_client(a_game()).get(f"/v1/players/{uuid4()}{address}"), 404, "player-not-found")


@pytest.mark.parametrize("address", ["", "/wins", "/stats", "/usd-history"])
def test_an_unknown_parameter_is_refused(address: str) -> None:
    response = a_client(a_game()).get(f"/v1/players/{a_player()}{address}?verbose=yes")
    problem_of(response, 400, "unknown-parameter")


@pytest.mark.parametrize("player_id", ["me", "1", "0192F8C4-7A1E-7C3D-9B2A-1F2E3D4C5B6A", "%00", "..%2f"])
def test_what_is_no_id_is_no_address(player_id: str) -> None:
    problem_of(a_client(a_game()).get(f"/v1/players/{player_id}"), 404, "not-found")


def test_stats_tell_the_day_and_the_wallet() -> None:
    game, player = a_game(), a_player("Asia/Kathmandu")
    win(game, a_claim(player, "1.25"), a_claim(player, "0.000000000000000001"))
    response = a_client(game).get(f"/v1/players/{player}/stats")
    assert response.status_code == 200
    assert response["Cache-Control"] == "private, no-cache"
    assert response.json() == {
        "day": "2026-11-10",
        "timezone": "Asia/Kathmandu",
        "resets_at": "2026-11-10T18:15:00Z",
        "cap": "5",
        "tokens_won_today": "1.250000000000000001",
        "tokens_remaining_today": "3.749999999999999999",
        "usd_balance": "0",
        "usd_owed": "0",
        "as_of": response.json()["as_of"],
    }
    as_of = datetime.fromisoformat(response.json()["as_of"])
    assert NOON <= as_of < NOON + timedelta(minutes=1)


def test_todays_wins_are_listed_in_the_order_they_were_recorded() -> None:
    game, player, other = a_game(), a_player(), a_player()
    wins = [win(game, a_claim(player, "0.5", reference=name))[0] for name in ("c", "a", "b")]
    win(game, a_claim(other), a_claim(player, "1", reference="yesterday", won_at=NOON - timedelta(days=1)))
    client = a_client(game)
    for query in ("", "?day=today", "?day=2026-11-10"):
        body = client.get(f"/v1/players/{player}/wins{query}").json()
        assert [item["id"] for item in body["items"]] == [str(win_id) for win_id in wins]
        assert [item["reference"] for item in body["items"]] == ["c", "a", "b"]
        assert body["next_cursor"] is None
    yesterday = client.get(f"/v1/players/{player}/wins?day=2026-11-09").json()
    assert [item["reference"] for item in yesterday["items"]] == ["yesterday"]
    assert client.get(f"/v1/players/{player}/wins?day=2020-01-01").json()["items"] == []


def test_todays_wins_are_those_of_the_players_own_day() -> None:
    """18:30 UTC: in Nepal it is a quarter past midnight, and the win of noon UTC was yesterday."""
    game, player = a_game(), a_player("Asia/Kathmandu")
    win(game, a_claim(player, "1", reference="noon"))
    client = a_client(game)
    assert [item["reference"] for item in client.get(f"/v1/players/{player}/wins").json()["items"]] == ["noon"]
    import time_machine

    with time_machine.travel(NOON + timedelta(hours=6, minutes=30)):
        assert client.get(f"/v1/players/{player}/wins").json()["items"] == []
        assert len(client.get(f"/v1/players/{player}/wins?day=2026-11-10").json()["items"]) == 1


def test_a_long_day_comes_in_pages_that_rows_arriving_do_not_disturb() -> None:
    game, player = a_game(), a_player()
    first = win(game, *(a_claim(player, "0.1", reference=str(n)) for n in range(5)))
    client, seen = a_client(game), []
    response = client.get(f"/v1/players/{player}/wins?limit=2")
    seen += response.json()["items"]
    late = win(game, a_claim(player, "0.1", reference="late"))
    while "Link" in response:
        response = client.get(response["Link"].removeprefix("<").removesuffix('>; rel="next"'))
        seen += response.json()["items"]
    assert [item["id"] for item in seen] == [str(win_id) for win_id in first + late]


def test_a_page_after_midnight_goes_on_with_the_day_of_the_first_page(time_machine: Any) -> None:
    game, player = a_game(), a_player()
    wins = win(game, *(a_claim(player, "0.1", reference=str(n)) for n in range(3)))
    client = a_client(game)
    cursor = client.get(f"/v1/players/{player}/wins?limit=2").json()["next_cursor"]
    time_machine.move_to(NOON + timedelta(hours=13))
    win(game, a_claim(player, "0.1", won_at=NOON + timedelta(hours=13)), now=NOON + timedelta(hours=13))
    body = client.get(f"/v1/players/{player}/wins", {"limit": "2", "cursor": cursor}).json()
    assert [item["id"] for item in body["items"]] == [str(wins[2])]
    response = client.get(f"/v1/players/{player}/wins", {"day": "2026-11-11", "cursor": cursor})
    problem_of(response, 400, "invalid-cursor")


def test_another_players_cursor_is_refused() -> None:
    game, player, other = a_game(), a_player(), a_player()
    win(game, *(a_claim(player, "0.1", reference=str(n)) for n in range(2)))
    client = a_client(game)
    cursor = client.get(f"/v1/players/{player}/wins?limit=1").json()["next_cursor"]
    assert client.get(f"/v1/players/{player}/wins", {"cursor": cursor}).status_code == 200
    for address, given in [(f"/v1/players/{other}/wins", cursor), (f"/v1/players/{player}/wins", cursor[:-2] + "xx")]:
        problem_of(client.get(address, {"cursor": given}), 400, "invalid-cursor")
    problem_of(client.get(f"/v1/players/{player}/usd-history", {"cursor": cursor}), 400, "invalid-cursor")


@pytest.mark.parametrize(
    ("query", "pointer"),
    [("day=tomorrow", "/day"), ("day=2026-W46-2", "/day"), ("limit=0", "/limit"), ("day=", "/day")],
)
def test_a_wrong_parameter_is_pointed_at(query: str, pointer: str) -> None:
    response = a_client(a_game()).get(f"/v1/players/{a_player()}/wins?{query}")
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


def test_lists_and_stats_cost_the_same_queries_however_much_there_is() -> None:
    game, player = a_game(), a_player()
    client = a_client(game)

    def cost(address: str) -> int:
        client.get(f"/v1/players/{player}")  # once a minute the use of the key is written down: not in what is counted
        with CaptureQueriesContext(connection) as queries:
            assert client.get(f"/v1/players/{player}/{address}").status_code == 200
        return len(queries)

    addresses = ["wins", "wins?limit=200", "stats", "usd-history"]
    win(game, a_claim(player, "0.01", reference="first"))
    before = [cost(address) for address in addresses]
    win(game, *(a_claim(player, str(Decimal("0.01")), reference=str(n)) for n in range(100)))
    assert [cost(address) for address in addresses] == before
    assert max(before) <= 8


def test_page_one_thousand_costs_as_many_queries_as_page_one() -> None:
    game, player = a_game(), a_player()
    client, address = a_client(game), f"/v1/players/{player}/wins"
    for numbers in (range(1_000), [1_000]):
        win(game, *(a_claim(player, "0.001", reference=str(n)) for n in numbers))
    cursor: Any = None
    seen: set[str] = set()
    for limit in (200, 200, 200, 200, 199):
        query: dict[str, Any] = {"limit": limit} | ({"cursor": cursor} if cursor else {})
        page = client.get(address, query).json()
        cursor, seen = page["next_cursor"], seen | {item["reference"] for item in page["items"]}

    def cost(**position: Any) -> int:
        with CaptureQueriesContext(connection) as queries:
            [item] = client.get(address, {"limit": 1} | position).json()["items"]
        assert (item["reference"] in seen) == (not position)
        return len(queries)

    assert len(seen) == 999
    assert cost(cursor=cursor) == cost() <= 6


def test_what_one_may_not_do_to_a_player_is_a_405() -> None:
    client, player = a_client(a_game()), a_player()
    for method in (client.post, client.patch, client.delete, client.options):
        response = method(f"/v1/players/{player}")
        problem_of(response, 405, "method-not-allowed")
        assert set(response["Allow"].split(", ")) == {"GET", "HEAD", "PUT"}
    assert client.head(f"/v1/players/{player}").status_code == 200


def test_created_at_is_answered_in_utc() -> None:
    client, player = a_client(a_game()), a_player("Pacific/Kiritimati")
    created_at = datetime.fromisoformat(client.get(f"/v1/players/{player}").json()["created_at"])
    assert created_at == Player.objects.get().created_at
    assert created_at.tzinfo == UTC
