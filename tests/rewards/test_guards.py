"""What PostgreSQL itself refuses about days and wins, attacked by raw SQL as owner and as the app's role."""

from uuid import UUID

import pytest

from rewards.services import record_wins
from tests.factories import NOON, a_claim, a_game, a_player, an_entry, hours, post
from tests.sql import APP, OWNER, refusal, run

pytestmark = [pytest.mark.django_db]
WHO = [OWNER, APP]


@pytest.fixture
def player() -> UUID:
    """A player with one win of 4 DREAM on 10 November, UTC."""
    player = a_player()
    record_wins(game_id=a_game().id, claims=[a_claim(player, "4")], now=NOON)
    return player


WIN = """
INSERT INTO rewards_win (entry_id, player_id, game_id, reference, amount, won_at, recorded_at, allowance_id)
SELECT %(entry)s, %(player)s, game.id, 'raw', %(amount)s, %(won_at)s, now(), day.id
FROM rewards_game game, rewards_allowance day
"""


@pytest.mark.breaks_books
@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize(
    ("attack", "guard"),
    [
        ({"amount": "1.000000000000000001"}, "allowance_cap"),
        ({"amount": "NaN"}, "win_amount_bounds"),
        ({"amount": "Infinity"}, "win_amount_bounds"),
        ({"amount": "0"}, "win_amount_bounds"),
        ({"amount": "-1"}, "win_amount_bounds"),
        ({"amount": "0.0000000000000000001"}, "win_amount_precision"),
        ({"won_at": NOON + hours(12)}, "win_lies_in_its_day"),
        ({"won_at": NOON - hours(12.001)}, "win_lies_in_its_day"),
        ({"entry": UUID(int=1)}, "win_entry_exists"),
        ({"player": UUID(int=1)}, "win_lies_in_its_day"),
    ],
    ids=str,
)
def test_a_win_that_cannot_be_is_refused_by_its_named_guard(
    player: UUID, who: str, attack: dict[str, object], guard: str
) -> None:
    (receipt,) = post(an_entry(player, ("dream:issued", "player:dream", "1"), kind="win"))
    raw = {"entry": receipt.entry_id, "player": player, "amount": "1", "won_at": NOON} | attack
    assert refusal(WIN, raw, who=who) in {guard, "win_player_exists" if "player" in attack else guard}


@pytest.mark.parametrize("who", WHO)
def test_a_cap_holds_for_the_first_win_of_a_day_too(who: str) -> None:
    player, game = a_player(), a_game()
    attack = f"""
        WITH day AS (
            INSERT INTO rewards_allowance (player_id, day, starts_at, ends_at, cap)
            VALUES ('{player}', '2026-11-10', '2026-11-10Z', '2026-11-11Z', 5) RETURNING id
        ), entry AS (
            INSERT INTO ledger_journalentry (id, holder, kind, memo, metadata)
            VALUES ('{UUID(int=5)}', '{player}', 'win', '', '{{}}') RETURNING id
        )
        INSERT INTO rewards_win (entry_id, player_id, game_id, reference, amount, won_at, recorded_at, allowance_id)
        SELECT entry.id, '{player}', '{game.id}', 'raw', 5.000000000000000001, '2026-11-10T12:00Z', now(), day.id
        FROM day, entry
    """
    assert refusal(attack, who=who) == "allowance_cap"


@pytest.mark.parametrize(
    ("statement", "guard", "app"),
    [
        ("UPDATE rewards_win SET amount = 5", "win_is_final", "privilege"),
        ("UPDATE rewards_win SET won_at = won_at - interval '1 hour'", "win_is_final", "privilege"),
        ("UPDATE rewards_win SET player_id = gen_random_uuid()", "win_is_final", "privilege"),
        ("UPDATE rewards_win SET reference = 'x'", "win_is_final", "privilege"),
        ("DELETE FROM rewards_win", "win_is_final", "privilege"),
        ("TRUNCATE rewards_win CASCADE", "win_is_final", "privilege"),
        ("UPDATE rewards_allowance SET won = 0", "allowance_follows_wins", "allowance_follows_wins"),
        ("UPDATE rewards_allowance SET cap = 6", "allowance_is_fixed", "privilege"),
        ("UPDATE rewards_allowance SET ends_at = ends_at + interval '1 day'", "allowance_is_fixed", "privilege"),
        ("UPDATE rewards_allowance SET day = day + 1", "allowance_is_fixed", "privilege"),
        ("UPDATE rewards_allowance SET id = gen_random_uuid()", "allowance_is_fixed", "privilege"),
        ("DELETE FROM rewards_allowance", "allowance_stays", "privilege"),
        ("DELETE FROM rewards_game", "game_stays", "privilege"),
        ("UPDATE rewards_game SET id = gen_random_uuid()", "game_stays", "game_stays"),
        ("TRUNCATE rewards_allowance CASCADE", "allowance_stays", "privilege"),
        ("UPDATE rewards_player SET status = 'rich'", "player_status_known", "player_status_known"),
        (
            "INSERT INTO rewards_player (id, timezone, status) VALUES ('00000000-0000-7000-8000-000000000000', 'UTC', 'active')",
            "player_is_not_house",
            "player_is_not_house",
        ),
    ],
)
def test_what_is_won_stays_won(player: UUID, statement: str, guard: str, app: str) -> None:
    assert refusal(statement) in ({guard, "allowance_stays"} if statement.startswith("TRUNCATE") else {guard})
    assert refusal(statement, who=APP) == app
    assert run("SELECT amount FROM rewards_win") == [(4,)]


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize(
    ("day", "starts_at", "ends_at", "cap", "guard"),
    [
        ("2026-11-11", "2026-11-10T23:00Z", "2026-11-12T00:00Z", "5", "allowance_days_in_order"),
        ("2026-11-09", "2026-11-09T00:00Z", "2026-11-10T00:00:00.000001Z", "5", "allowance_days_in_order"),
        ("2026-11-12", "2026-11-08T00:00Z", "2026-11-09T00:00Z", "5", "allowance_days_in_order"),
        ("2026-11-08", "2026-11-12T00:00Z", "2026-11-13T00:00Z", "5", "allowance_days_in_order"),
        ("2026-11-11", "2026-11-12T00:00Z", "2026-11-12T00:00Z", "5", "allowance_day_has_length"),
        ("2026-11-11", "2026-11-11T00:00Z", "2026-11-12T00:00Z", "NaN", "allowance_cap_bounds"),
        ("2026-11-11", "2026-11-11T00:00Z", "2026-11-12T00:00Z", "0", "allowance_cap_bounds"),
        ("2026-11-10", "2026-11-11T00:00Z", "2026-11-12T00:00Z", "5", "allowance_one_for_a_day"),
    ],
)
def test_a_day_that_overlaps_or_repeats_is_refused(
    player: UUID, who: str, day: str, starts_at: str, ends_at: str, cap: str, guard: str
) -> None:
    statement = "INSERT INTO rewards_allowance (player_id, day, starts_at, ends_at, cap) VALUES (%s, %s, %s, %s, %s)"
    assert refusal(statement, [player, day, starts_at, ends_at, cap], who=who) == guard


@pytest.mark.breaks_books
@pytest.mark.parametrize("who", WHO)
def test_a_win_is_converted_once(player: UUID, who: str) -> None:
    first, second = (post(an_entry(player, ("dream:issued", "player:dream", "1")))[0].entry_id for _ in range(2))
    run("UPDATE rewards_win SET converted_by_id = %s", [first])
    assert refusal("UPDATE rewards_win SET converted_by_id = %s", [second], who=who) == "win_ends_once"
    assert refusal("UPDATE rewards_win SET converted_by_id = NULL", who=who) == "win_ends_once"


@pytest.mark.breaks_books  # an entry that is no win
def test_nothing_of_a_win_refers_to_what_does_not_exist(player: UUID) -> None:
    (receipt,) = post(an_entry(player, ("dream:issued", "player:dream", "1"), kind="win"))
    raw = {"entry": receipt.entry_id, "player": player, "amount": "1", "won_at": NOON}
    nowhere = "'00000000-0000-4000-8000-000000000001'::uuid"
    for column, guard in (("game.id", "win_game_exists"), ("day.id", "win_allowance_exists")):
        for who in WHO:
            assert refusal(WIN.replace(column, nowhere), raw, who=who) == guard
    for who in WHO:
        assert refusal(f"UPDATE rewards_win SET converted_by_id = {nowhere}", who=who) == "win_converted_by_exists"
    run("ALTER TABLE rewards_allowance DISABLE TRIGGER USER")
    day = (
        "INSERT INTO rewards_allowance (player_id, day, starts_at, ends_at, cap) VALUES ({}, '2026-11-12', %s, %s, %s)"
    )
    assert refusal(day.format(nowhere), [NOON, NOON + hours(1), 5]) == "allowance_player_exists"
    run("ALTER TABLE rewards_allowance ENABLE TRIGGER USER")
    precise = [NOON + hours(48), NOON + hours(49), "4.0000000000000000001"]
    for who in WHO:
        assert refusal(day.format(f"'{player}'"), precise, who=who) == "allowance_cap_precision"


@pytest.mark.parametrize("won", ["1", "5", "0.000000000000000001"])
def test_a_day_begins_with_nothing_won(player: UUID, won: str) -> None:
    statement = """INSERT INTO rewards_allowance (player_id, day, starts_at, ends_at, cap, won)
                   VALUES (%s, '2026-11-11', '2026-11-11Z', '2026-11-12Z', 5, %s)"""
    assert refusal(statement, [player, won]) == "allowance_follows_wins"
    assert refusal(statement, [player, won], who=APP) == "privilege"
