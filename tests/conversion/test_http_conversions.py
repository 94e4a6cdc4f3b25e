"""Conversions over HTTP: the USD history until yesterday, and what became of a win."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conversion.services import convert_due_hours
from tests.conversion.helpers import HOUR, win
from tests.factories import a_game, a_player
from tests.http import a_client, problem_of

pytestmark = pytest.mark.django_db

TODAY = HOUR.replace(hour=23, minute=30)
TOMORROW = TODAY + timedelta(hours=12)


def history(client: Any, player: Any, query: str = "") -> Any:
    response = client.get(f"/v1/players/{player}/usd-history{query}")
    assert response.status_code == 200, response.content
    assert response["Cache-Control"] == "private, no-cache"
    return response.json()


def test_yesterdays_tokens_are_in_the_history_and_todays_are_not(time_machine: Any) -> None:
    game, player = a_game(), a_player()
    client = a_client(game)
    win(player, "1.5"), win(player, "0.5"), win(player, "2", at=HOUR + timedelta(hours=2))
    convert_due_hours(now=TODAY)
    time_machine.move_to(TODAY)
    assert history(client, player) == {"items": [], "next_cursor": None}

    time_machine.move_to(TOMORROW)
    win(player, at=TOMORROW - timedelta(hours=2))
    convert_due_hours(now=TOMORROW)
    body = history(client, player)
    assert body["next_cursor"] is None
    assert [(line["day"], line["hour"], line["tokens"], line["rate"], line["usd"]) for line in body["items"]] == [
        ("2026-11-10", "2026-11-10T12:00:00Z", "2", "0.15", "0.3"),
        ("2026-11-10", "2026-11-10T10:00:00Z", "2", "0.15", "0.3"),
    ]
    for line in body["items"]:
        assert line.keys() == {"id", "kind", "day", "hour", "tokens", "rate", "usd", "owed", "converted_at"}
        assert datetime.fromisoformat(line["converted_at"]).tzinfo == UTC


def test_the_last_hour_of_yesterday_belongs_to_yesterday_though_converted_today(time_machine: Any) -> None:
    player = a_player()
    client = a_client(a_game())
    win(player, at=TODAY)
    convert_due_hours(now=TODAY + timedelta(hours=1))
    time_machine.move_to(TODAY + timedelta(hours=1))
    assert [line["day"] for line in history(client, player)["items"]] == ["2026-11-10"]


def test_yesterday_is_the_players_own(time_machine: Any) -> None:
    """18:30 UTC: past midnight in Nepal, where the hour from 18:00 UTC belongs to two days."""
    utc, nepal = a_player(), a_player("Asia/Kathmandu")
    client = a_client(a_game())
    evening = HOUR.replace(hour=18)
    for player in (utc, nepal):
        win(player, "1", at=evening + timedelta(minutes=10)), win(player, "2", at=evening + timedelta(minutes=20))
    convert_due_hours(now=evening + timedelta(hours=1))
    time_machine.move_to(evening + timedelta(hours=1))
    assert history(client, utc)["items"] == []
    assert [(line["day"], line["tokens"]) for line in history(client, nepal)["items"]] == [("2026-11-10", "1")]


def test_the_history_comes_in_pages_newest_first_each_line_once(time_machine: Any) -> None:
    player, other = a_player(), a_player()
    client = a_client(a_game())
    for hours in range(5):
        win(player, "0.5", at=HOUR + timedelta(hours=hours))
    win(other)
    convert_due_hours(now=TODAY)
    time_machine.move_to(TOMORROW)
    everything = history(client, player)["items"]
    assert [line["hour"] for line in everything] == sorted((line["hour"] for line in everything), reverse=True)
    seen, response = [], client.get(f"/v1/players/{player}/usd-history?limit=2")
    while True:
        seen.append(response.json()["items"])
        if "Link" not in response:
            break
        response = client.get(response["Link"].removeprefix("<").removesuffix('>; rel="next"'))
    assert [len(items) for items in seen] == [2, 2, 1]
    assert [line for items in seen for line in items] == everything
    cursor = history(client, player, "?limit=1")["next_cursor"]
    response = client.get(f"/v1/players/{other}/usd-history", {"cursor": cursor})
    problem_of(response, 400, "invalid-cursor")


def test_a_converted_win_tells_hour_rate_and_usd(time_machine: Any) -> None:
    game, player = a_game(), a_player()
    client = a_client(game)
    converted, pending = win(player, "1.5"), win(player, "0.5", at=TODAY)
    convert_due_hours(now=TODAY)
    time_machine.move_to(TODAY)
    body = client.get(f"/v1/wins/{converted}").json()
    assert body["state"] == "converted"
    assert body["conversion"] == {
        "hour": "2026-11-10T10:00:00Z",
        "rate": "0.15",
        "usd": "0.225",
        "converted_at": body["conversion"]["converted_at"],
    }
    listed = client.get(f"/v1/players/{player}/wins").json()["items"]
    assert {item["id"]: item["conversion"] for item in listed} == {
        str(converted): body["conversion"],
        str(pending): None,
    }
    sent = {name: body[name] for name in ("reference", "player_id", "amount", "won_at")}
    assert client.post("/v1/wins", sent, format="json").json() == body
    results = client.post("/v1/wins/batch", {"wins": [sent, sent]}, format="json").json()["results"]
    assert results == [{"status": 200, "win": body}] * 2


def test_a_page_of_converted_wins_costs_as_many_queries_as_one(time_machine: Any) -> None:
    game, one, many = a_game(), a_player(), a_player()
    client = a_client(game)
    win(one)
    for minute in range(40):
        win(many, "0.1", at=HOUR + timedelta(minutes=minute))
    convert_due_hours(now=TODAY)

    def cost(address: str) -> int:
        client.get(address)  # once a minute the use of the key is written down: not in what is counted
        with CaptureQueriesContext(connection) as queries:
            assert client.get(address).json()["items"]
        return len(queries)

    time_machine.move_to(TODAY)
    assert cost(f"/v1/players/{one}/wins") == cost(f"/v1/players/{many}/wins") <= 6
    time_machine.move_to(TOMORROW)
    assert cost(f"/v1/players/{one}/usd-history") == cost(f"/v1/players/{many}/usd-history") <= 4


def test_page_one_thousand_of_the_history_costs_as_many_queries_as_page_one(time_machine: Any) -> None:
    """Six weeks of a win in each hour."""
    player, client = a_player(), a_client(a_game())
    for hours in range(1_000):
        win(player, "0.1", at=HOUR + timedelta(hours=hours))
    over = HOUR + timedelta(days=50)
    while convert_due_hours(now=over).done:
        pass
    time_machine.move_to(over)
    cursor = None
    seen: set[str] = set()
    for limit in (200, 200, 200, 200, 199):
        page = history(client, player, f"?limit={limit}" + (f"&cursor={cursor}" if cursor else ""))
        cursor, seen = page["next_cursor"], seen | {line["id"] for line in page["items"]}

    def cost(query: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            [line] = history(client, player, query)["items"]
        assert (line["id"] in seen) == (query == "?limit=1")
        return len(queries)

    assert len(seen) == 999
    assert cost(f"?limit=1&cursor={cursor}") == cost("?limit=1") <= 6
