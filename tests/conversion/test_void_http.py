"""Voids over HTTP, and the wins of a leaked key."""

import json
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from conversion.services import convert_due_hours
from dreamland.lib.api.fields import render_instant
from ledger import book
from rewards.keys import create_game_key
from rewards.models import Game, Scope, Win
from rewards.services import Recorded, record_wins
from tests.approvals import somebody
from tests.conversion import helpers
from tests.conversion.helpers import HOUR, OVER, win
from tests.factories import a_claim, a_game, a_player, players
from tests.http import a_client, problem_of, with_bearer
from tests.sql import run

pytestmark = pytest.mark.django_db


def wallet(player: UUID) -> Any:
    """What the player holds, DREAM and USD, to be compared with plain numbers."""
    return helpers.wallet(player)


def void(client: Any, win_id: object, reason: Any = "cheating") -> Any:
    return client.post(f"/v1/wins/{win_id}/void", {"reason": reason}, format="json")


def test_a_void_answers_with_the_win_and_again_with_the_same(time_machine: Any) -> None:
    time_machine.move_to(OVER)
    client, player = a_client(a_game()), a_player()
    won = win(player, "2")
    first = void(client, won)
    assert first.status_code == 200
    assert "Idempotent-Replayed" not in first
    body = first.json()
    assert (body["state"], body["conversion"]) == ("voided", None)
    assert body["void"] == {"reason": "cheating", "voided_at": body["void"]["voided_at"]}
    again = void(client, won)
    assert (again.status_code, again["Idempotent-Replayed"], again.json()) == (200, "true", body)
    problem = problem_of(void(client, won, "mistake"), 409, "already-voided")
    assert problem["voided_at"] == body["void"]["voided_at"]
    assert client.get(f"/v1/wins/{won}").json() == body
    assert client.get(f"/v1/players/{player}/stats").json()["tokens_remaining_today"] == "5"


def test_a_converted_win_is_voided_with_what_it_became(time_machine: Any) -> None:
    client, player = a_client(a_game()), a_player()
    won, _ = win(player, "2"), win(player, "1")
    convert_due_hours(now=OVER)
    time_machine.move_to(OVER + timedelta(days=1))
    body = void(client, won).json()
    assert (body["state"], body["conversion"]["usd"]) == ("voided", "0.3")
    stats = client.get(f"/v1/players/{player}/stats").json()
    assert (stats["usd_balance"], stats["usd_owed"]) == ("0.15", "0")
    items = client.get(f"/v1/players/{player}/usd-history").json()["items"]
    assert [(item["kind"], item["tokens"], item["usd"], item["owed"]) for item in items] == [
        ("void", "-2", "-0.3", "0"),
        ("conversion", "3", "0.45", "0"),
    ]
    assert {item["day"] for item in items} == {"2026-11-10"}


def test_a_void_is_for_the_game_that_reported_the_win() -> None:
    win_id = win(a_player(), game=a_game("chess"))
    for unknown in (win_id, uuid4()):
        problem_of(void(a_client(a_game(f"poker-{unknown}"[:20])), unknown), 404, "win-not-found")
    assert Win.objects.get().voided_by_id is None


def test_a_void_needs_the_scope_to_write_wins() -> None:
    game = a_game()
    win_id = win(a_player(), game=game)
    problem_of(void(a_client(game, "wins:read", "players:write"), win_id), 403, "scope-missing")
    assert void(a_client(game, "wins:write"), win_id).status_code == 200


@pytest.mark.parametrize("reason", ["", " ", 7, None, "x" * 201, "a\u0000b"])
def test_a_reason_is_words(reason: Any) -> None:
    client, win_id = a_client(a_game()), win(a_player())
    problem = problem_of(void(client, win_id, reason), 422, "invalid")
    assert [error["pointer"] for error in problem["errors"]] == ["/reason"]
    assert Win.objects.get().voided_by_id is None


def test_what_a_void_does_not_know_is_refused() -> None:
    client, address = a_client(a_game()), f"/v1/wins/{win(a_player())}/void"
    problem_of(client.post(address, {"reason": "r", "usd": "1"}, format="json"), 422, "invalid")
    problem_of(client.post(address, {}, format="json"), 422, "invalid")
    problem_of(client.post(f"{address}?force=1", {"reason": "r"}, format="json"), 400, "unknown-parameter")
    problem_of(client.get(address), 405, "method-not-allowed")
    assert Win.objects.get().voided_by_id is None


def test_who_voided_is_the_key_that_asked_and_who_reported_the_key_that_sent() -> None:
    game, player = a_game(), a_player()
    one, two = (create_game_key(game_id=game.id, scopes=Scope.values) for _ in range(2))

    sent = {
        "reference": "m",
        "player_id": str(player),
        "amount": "1",
        "won_at": render_instant(timezone.now()),
    }
    body = with_bearer(one.plaintext).post("/v1/wins", sent, format="json").json()
    [result] = (
        with_bearer(two.plaintext)
        .post("/v1/wins/batch", {"wins": [sent | {"reference": "n"}]}, format="json")
        .json()["results"]
    )
    assert run("SELECT reference, key_id FROM rewards_win ORDER BY 1") == [("m", one.key_id), ("n", two.key_id)]
    void(with_bearer(two.plaintext), body["id"])
    assert run("SELECT key_id FROM rewards_void") == [(two.key_id,)]
    assert result["status"] == 201


# --- A leaked key


def reported(game: Game, key_id: str | None, player: UUID, amount: str = "1", *, hours: int = 0) -> UUID:
    at = HOUR + timedelta(hours=hours)
    [outcome] = record_wins(game_id=game.id, key_id=key_id, claims=[a_claim(player, amount, won_at=at)], now=at)
    assert isinstance(outcome, Recorded)
    return outcome.win.id


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("void_wins_of_key", *arguments, stdout=out)
    return out.getvalue()


def told(*arguments: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(command(*arguments, "--json"))
    return document


@pytest.fixture
def leaked() -> tuple[str, list[UUID]]:
    """A key that reported two converted and two pending wins of two players, beside wins of another key and of none."""
    game = a_game()
    leaked, sound = (create_game_key(game_id=game.id, scopes=Scope.values).key_id for _ in range(2))
    everybody = players(2)
    for player in everybody:
        reported(game, leaked, player, "1"), reported(game, sound, player, "0.5"), reported(game, None, player, "0.25")
    convert_due_hours(now=OVER)
    for player in everybody:
        reported(game, leaked, player, "2", hours=1)
    return leaked, everybody


def test_without_being_asked_the_command_counts_and_writes_nothing(leaked: tuple[str, list[UUID]]) -> None:
    key, _ = leaked
    document = told(key)
    assert document["found"] == {
        "pending_wins": 2,
        "pending_tokens": "4",
        "converted_wins": 2,
        "converted_tokens": "2",
        "usd": "0.3",
        "players": 2,
        "voided_wins": 0,
    }
    assert (document["request"], len(document["first"])) == (None, 4)
    shown = command(key)
    assert "2 pending wins of 4.00 DREAM, 2 converted ones of 2.00 DREAM and 0.30 USD, of 2 players" in shown
    assert "Nothing was written" in shown
    assert Win.objects.exclude(voided_by=None).count() == 0


def taken_back(*arguments: str) -> int:
    """Asked for by ada at the shell, approved by bob; how many wins that were."""
    somebody("ada")
    request = told(*arguments, "--ask", "--as", "ada", "--reference", "leak of 10 November")["request"]
    done = book.approve(request_id=UUID(request), decided_by=somebody("bob"))
    return int(done.result["wins"])


def test_exactly_the_wins_of_the_key_are_taken_back_by_two_people(leaked: tuple[str, list[UUID]]) -> None:
    key, everybody = leaked
    assert taken_back(key) == 4
    assert set(Win.objects.exclude(voided_by=None).values_list("key", flat=True)) == {key}
    assert Win.objects.filter(key=key, voided_by=None).count() == 0
    assert [wallet(player) for player in everybody] == [(0, Decimal("0.1125"))] * 2
    assert run("SELECT DISTINCT reason, key_id, user_id FROM rewards_void") == [
        ("leaked-key: leak of 10 November", None, somebody("ada"))
    ]
    with pytest.raises(CommandError, match="no win of these stands"):
        taken_back(key, "--since", "2026-01-01T00:00:00Z")
    assert told(key)["found"]["voided_wins"] == 4


def test_since_and_until_bound_what_was_recorded(leaked: tuple[str, list[UUID]]) -> None:
    key, _ = leaked
    first, *_, last = sorted(Win.objects.filter(key=key).values_list("recorded_at", flat=True))
    assert told(key, "--since", last.isoformat())["found"]["pending_wins"] == 1
    assert told(key, "--until", last.isoformat())["found"]["pending_wins"] == 1
    assert told(key, "--until", first.isoformat())["found"]["converted_wins"] == 0
    assert taken_back(key, "--since", last.isoformat()) == 1


def test_wrong_calls_of_the_command_ask_for_nothing(leaked: tuple[str, list[UUID]], settings: Settings) -> None:
    key, _ = leaked
    somebody("ada")
    with pytest.raises(CommandError, match="active user"):
        command(key, "--ask", "--as", "nobody", "--reference", "x")
    with pytest.raises(CommandError, match="reference"):
        command(key, "--ask", "--as", "ada")
    settings.VOIDS_PER_REQUEST = 3
    with pytest.raises(CommandError, match="more than 3 wins"):
        command(key, "--ask", "--as", "ada", "--reference", "x")
    assert run("SELECT count(*) FROM ledger_approvalrequest") == [(0,)]


def test_what_the_command_counts_is_what_it_takes_back_to_the_last_digit(settings: Settings) -> None:
    settings.RATE_FIXED_PRICE = "0.123456785"
    game, player = a_game(), a_player()
    key = create_game_key(game_id=game.id, scopes=Scope.values).key_id
    for amount in ("0.33333333", "0.11111111", "0.00000001"):
        reported(game, key, player, amount), reported(game, None, player, amount)
    convert_due_hours(now=OVER)
    counted = told(key)["found"]["usd"]
    taken_back(key)
    assert run("SELECT sum(usd) FROM conversion_voidedconversion") == [(Decimal(counted),)]


def test_a_key_that_is_none_is_a_wrong_call() -> None:
    with pytest.raises(CommandError, match="no key"):
        command("0" * 16)
