"""Wins over the cap where the game clips: what is left is credited, the rest is forfeited, and both are stored."""

import json
from decimal import Decimal
from functools import partial
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command

from ledger import book
from rewards import recording, selectors
from rewards.models import Game, OverCap, Win
from rewards.services import Claim, Recorded, Refused, create_game, record_wins, set_game_policy
from tests.factories import NOON, a_claim, a_game, a_player
from tests.http import a_client, problem_of
from tests.sql import APP, OWNER, in_parallel, refusal, run

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("road")]


def a_clipping_game(slug: str = "slots") -> Game:
    return create_game(slug=slug, name=slug.title(), over_cap=OverCap.CLIP)


def record(game: Game, *claims: Claim) -> list[Any]:
    """(what, credited, forfeited) of each claim that was taken, (code, remaining) of each that was not."""
    told: list[Any] = []
    for outcome in record_wins(game_id=game.id, claims=claims, now=NOON):
        if isinstance(outcome, Refused):
            told.append((outcome.error.code, outcome.error.extra.get("remaining")))
        else:
            told.append(("replayed" if outcome.replayed else "recorded", outcome.win.amount, outcome.win.forfeited))
    return told


def wallet(player: UUID) -> Any:
    return book.balances([player])[player]["player:dream"]


def test_a_win_over_the_cap_is_credited_with_what_remains() -> None:
    game, player = a_clipping_game(), a_player()
    assert record(game, a_claim(player, "4")) == [("recorded", 4, 0)]
    assert record(game, a_claim(player, "3.5")) == [("recorded", 1, Decimal("2.5"))]
    assert wallet(player) == 5
    assert run("SELECT amount, forfeited FROM rewards_win ORDER BY entry_id") == [(4, 0), (1, Decimal("2.5"))]


def test_the_first_win_of_a_day_is_clipped_too() -> None:
    player = a_player()
    assert record(a_clipping_game(), a_claim(player, "7")) == [("recorded", 5, 2)]
    assert selectors.stats(player, now=NOON).tokens_remaining_today == 0


def test_exactly_what_remains_forfeits_nothing_and_one_atom_more_forfeits_the_atom() -> None:
    game, atom = a_clipping_game(), Decimal("0.000000000000000001")
    assert record(game, a_claim(a_player(), "5")) == [("recorded", 5, 0)]
    assert record(game, a_claim(a_player(), "5.000000000000000001")) == [("recorded", 5, atom)]


def test_where_nothing_remains_there_is_no_win() -> None:
    game, player = a_clipping_game(), a_player()
    record(game, a_claim(player, "5"))
    assert record(game, a_claim(player, "1")) == [("daily-cap-exceeded", 0)]
    assert Win.objects.count() == 1


def test_a_clipped_win_is_replayed_by_the_amount_that_was_requested() -> None:
    game, player = a_clipping_game(), a_player()
    record(game, a_claim(player, "4"), a_claim(player, "3", reference="r"))
    assert record(game, a_claim(player, "3.00", reference="r")) == [("replayed", 1, 2)]
    assert record(game, a_claim(player, "1", reference="r")) == [("reference-reused", None)]
    assert wallet(player) == 5


def test_a_batch_is_clipped_in_its_order_and_repeats_inside_it_are_replays() -> None:
    game, player = a_clipping_game(), a_player()
    assert record(
        game,
        a_claim(player, "3"),
        a_claim(player, "3", reference="r"),
        a_claim(player, "0.1"),
        a_claim(player, "3", reference="r"),
        a_claim(player, "2", reference="r"),
    ) == [
        ("recorded", 3, 0),
        ("recorded", 2, 1),
        ("daily-cap-exceeded", 0),
        ("replayed", 2, 1),
        ("reference-reused", None),
    ]


def test_one_game_clips_and_another_rejects_for_the_same_player() -> None:
    player = a_player()
    assert record(a_clipping_game(), a_claim(player, "4")) == [("recorded", 4, 0)]
    assert record(a_game("chess"), a_claim(player, "2")) == [("daily-cap-exceeded", 1)]
    assert record(a_clipping_game(), a_claim(player, "2")) == [("recorded", 1, 1)]


def test_fifty_threads_clip_to_exactly_five_and_one_of_them_forfeits() -> None:
    game, player = a_clipping_game(), a_player()
    claims = [a_claim(player, "0.7") for _ in range(50)]
    outcomes = in_parallel([partial(record_wins, game_id=game.id, claims=[claim], now=NOON) for claim in claims])
    won = [outcome[0] for outcome in outcomes if isinstance(outcome, tuple)]
    assert len(won) == 50
    assert sum(isinstance(outcome, Recorded) for outcome in won) == 8
    assert wallet(player) == 5
    assert run("SELECT count(*), sum(forfeited) FROM rewards_win WHERE forfeited > 0") == [(1, Decimal("0.6"))]


def test_an_amount_that_no_column_could_hold_is_no_amount() -> None:
    assert record(a_clipping_game(), a_claim(a_player(), "1e20")) == [("invalid-amount", None)]


def test_a_changed_policy_counts_from_the_next_win_and_changes_no_old_one() -> None:
    game, player = a_game(), a_player()
    assert record(game, a_claim(player, "6", reference="r")) == [("daily-cap-exceeded", 5)]
    set_game_policy(slug=game.slug, over_cap=OverCap.CLIP)
    assert record(game, a_claim(player, "6", reference="r")) == [("recorded", 5, 1)]
    set_game_policy(slug=game.slug, over_cap=OverCap.REJECT)
    assert record(game, a_claim(player, "6", reference="r")) == [("replayed", 5, 1)]
    assert record(game, a_claim(player, "6")) == [("daily-cap-exceeded", 0)]


def test_a_policy_that_changes_under_a_win_on_its_way_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a 500: the database refuses to forfeit for a game that does not clip any more."""
    game, player = a_clipping_game(), a_player()
    opened = recording._open
    changes: list[Any] = []

    def change_first(*arguments: Any) -> None:
        if not changes:
            changes.append(in_parallel([lambda: set_game_policy(slug=game.slug, over_cap=OverCap.REJECT)]))
        opened(*arguments)

    monkeypatch.setattr(recording, "_open", change_first)
    assert record(game, a_claim(player, "6")) == [("daily-cap-exceeded", 5)]


# --- Over HTTP


def test_the_api_shows_requested_and_forfeited_where_the_game_clips(time_machine: Any) -> None:
    time_machine.move_to(NOON)
    player = a_player()
    clips, rejects = a_client(a_clipping_game()), a_client(a_game("chess"))
    body = {"reference": "m", "player_id": str(player), "amount": "2", "won_at": "2026-11-10T12:00:00Z"}
    plain = rejects.post("/v1/wins", body, format="json").json()
    assert {"requested", "forfeited"} & plain.keys() == set()
    whole = clips.post("/v1/wins", body, format="json").json()
    assert (whole["amount"], whole["requested"], whole["forfeited"]) == ("2", "2", "0")
    more = body | {"reference": "n", "amount": "3.25"}
    first = clips.post("/v1/wins", more, format="json")
    assert first.status_code == 201
    assert [first.json()[name] for name in ("amount", "requested", "forfeited")] == ["1", "3.25", "2.25"]
    again = clips.post("/v1/wins", more, format="json")
    assert (again.status_code, again["Idempotent-Replayed"], again.json()) == (200, "true", first.json())
    problem = problem_of(clips.post("/v1/wins", body | {"reference": "o"}, format="json"), 422, "daily-cap-exceeded")
    assert (problem["remaining"], problem["detail"]) == ("0", "nothing is left of what the player may win on that day")
    listed = clips.get(f"/v1/players/{player}/wins").json()["items"]
    assert [item.get("forfeited") for item in listed] == [None, "0", "2.25"]


# --- The command


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("set_game_policy", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_sets_the_policy_of_a_game_that_exists() -> None:
    game = a_game()
    assert json.loads(command("chess", "clip", "--json")) == {
        "game": "chess",
        "game_id": str(game.id),
        "over_cap": "clip",
    }
    assert "refused" in command("chess", "reject")
    with pytest.raises(CommandError, match="no game"):
        command("ches", "clip")
    with pytest.raises(CommandError, match="invalid choice"):
        command("chess", "double")


# --- What PostgreSQL itself refuses

WIN = """
WITH entry AS (
    INSERT INTO ledger_journalentry (id, holder, kind, memo, metadata)
    SELECT uuidv7(), player_id, 'win', '', '{{}}' FROM rewards_allowance RETURNING id
)
INSERT INTO rewards_win
    (entry_id, player_id, game_id, reference, amount, forfeited, key_id, won_at, recorded_at, allowance_id)
SELECT entry.id, day.player_id, game.id, 'raw', {amount}, {forfeited}, {key}, '2026-11-10T12:00Z', now(), day.id
FROM entry, rewards_game game, rewards_allowance day WHERE game.slug = '{game}'
"""
HONEST = {"amount": "1", "forfeited": "2", "key": "NULL", "game": "slots"}


@pytest.mark.parametrize("who", [OWNER, APP])
@pytest.mark.parametrize(
    ("forged", "guard"),
    [
        ({"game": "chess"}, "win_forfeits_only_over_cap"),
        ({"amount": "0.5"}, "win_forfeits_only_over_cap"),
        ({"amount": "0"}, "win_amount_bounds"),
        ({"forfeited": "-1"}, "win_forfeited_bounds"),
        ({"forfeited": "'NaN'"}, "win_forfeited_bounds"),
        ({"forfeited": "'Infinity'"}, "win_forfeited_bounds"),
        ({"forfeited": "1e20"}, "win_forfeited_bounds"),
        ({"forfeited": "0.0000000000000000001"}, "win_forfeited_precision"),
        ({"key": "'nobodys'"}, "win_key_is_its_games"),
        ({"key": "(SELECT id FROM rewards_gamekey)"}, "win_key_is_its_games"),
    ],
    ids=str,
)
def test_a_clip_that_cannot_be_is_refused_by_its_named_guard(who: str, forged: dict[str, str], guard: str) -> None:
    """The day has 1 DREAM left; the one key there is belongs to another game."""
    a_client(a_game("chess"))
    record(a_clipping_game(), a_claim(a_player(), "4"))
    assert refusal(WIN.format(**(HONEST | forged)), who=who) == guard


@pytest.mark.parametrize(
    ("change", "app"), [("forfeited = 0", "privilege"), ("key_id = 'x'", "privilege"), ("key_id = NULL", "privilege")]
)
def test_what_was_forfeited_and_who_reported_it_stays(change: str, app: str) -> None:
    record(a_clipping_game(), a_claim(a_player(), "6"))
    assert refusal(f"UPDATE rewards_win SET {change}") == "win_is_final"
    assert refusal(f"UPDATE rewards_win SET {change}", who=APP) == app


@pytest.mark.parametrize("who", [OWNER, APP])
def test_a_game_has_a_policy_that_is_known(who: str) -> None:
    a_game()
    assert refusal("UPDATE rewards_game SET over_cap = 'double'", who=who) == "game_over_cap_known"
    assert (
        refusal("INSERT INTO rewards_game (slug, name, over_cap) VALUES ('x', 'x', '')", who=who)
        == "game_over_cap_known"
    )
