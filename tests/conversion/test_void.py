"""Taking back wins that were converted: dollars at the original rate, debts and how they are paid, to the last digit."""

import random
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from conversion.selectors import usd_history
from conversion.services import convert_due_hours, convert_hour
from conversion.voiding import Author, Voided, void_win, void_wins
from ledger import book
from rewards.selectors import stats
from tests.conversion import helpers
from tests.conversion.helpers import HOUR, OVER, win
from tests.factories import a_player, an_entry, players, post
from tests.sql import APP, OWNER, refusal, run

pytestmark = pytest.mark.django_db
TOMORROW = date(2026, 11, 11)


def wallet(player: UUID) -> Any:
    """What the player holds, DREAM and USD, to be compared with plain numbers."""
    return helpers.wallet(player)


def account(code: str) -> Any:
    return helpers.account(code)


def void(win_id: UUID, reason: str = "cheating") -> Voided:
    return void_win(win_id=win_id, reason=reason, author=Author())


def owed(player: UUID) -> Any:
    return book.balances([player])[player]["player:usd-owed"]


def spend(player: UUID, usd: str) -> None:
    """Pays USD out of the wallet."""
    post(an_entry(player, ("player:usd", "usd:cash", usd), kind="payout"))


def shares() -> list[Any]:
    """(tokens, usd, owed) of everything that was taken back."""
    return run("SELECT tokens, usd, owed FROM conversion_voidedconversion ORDER BY entry_id")


def test_every_account_ends_as_if_the_win_had_never_been_but_the_fee() -> None:
    player = a_player()
    first, second = win(player, "2"), win(player, "1")
    convert_hour(hour=HOUR, now=OVER)
    fee = account("usd:conversion-fees")
    voided = void(first)
    assert (voided.win.state, voided.replayed) == ("voided", False)
    assert wallet(player) == (0, Decimal("0.15"))
    assert {code: account(code) for code in ("dream:issued", "dream:redeemed", "usd:rewards-expense")} == {
        "dream:issued": -1,
        "dream:redeemed": 1,
        "usd:rewards-expense": Decimal("0.15"),
    }
    void(second)
    zero = ("dream:issued", "dream:redeemed", "usd:rewards-expense", "player:usd", "player:dream", "player:usd-owed")
    assert {code: account(code) for code in zero} == dict.fromkeys(zero, 0)
    assert account("usd:conversion-fees") == account("usd:fees-payable") == fee > 0


def test_what_the_wallet_no_longer_holds_is_owed() -> None:
    player = a_player()
    won = win(player, "4")
    convert_hour(hour=HOUR, now=OVER)
    spend(player, "0.5")
    void(won)
    assert (wallet(player), owed(player)) == ((0, 0), Decimal("0.5"))
    assert shares() == [(4, Decimal("0.6"), Decimal("0.5"))]
    assert account("usd:rewards-expense") == 0


def test_an_empty_wallet_owes_all_of_it() -> None:
    player = a_player()
    won = win(player, "1")
    convert_hour(hour=HOUR, now=OVER)
    spend(player, "0.15")
    void(won)
    assert (wallet(player), owed(player)) == ((0, 0), Decimal("0.15"))
    legs = run(
        "SELECT debit_id, credit_id, amount FROM ledger_posting JOIN ledger_journalentry entry ON entry.id = entry_id"
        " WHERE kind = 'conversion-void' ORDER BY 1"
    )
    assert legs == [
        ("dream:redeemed", "player:dream", 1),
        ("player:usd-owed", "usd:rewards-expense", Decimal("0.15")),
    ]


def test_the_next_conversions_pay_what_is_owed_first_and_say_so() -> None:
    player, other = players(2)
    spent = win(player, "2")
    convert_hour(hour=HOUR, now=OVER)
    spend(player, "0.3")
    void(spent)
    win(player, "1", at=OVER), win(player, "2", at=OVER + timedelta(hours=1)), win(other, "1", at=OVER)
    convert_hour(hour=OVER, now=OVER + timedelta(hours=1))
    assert (wallet(player), owed(player)) == ((2, 0), Decimal("0.15"))
    assert wallet(other) == (0, Decimal("0.15"))
    convert_hour(hour=OVER + timedelta(hours=1), now=OVER + timedelta(hours=2))
    assert (wallet(player), owed(player)) == ((0, Decimal("0.15")), 0)
    lines = run("SELECT usd, recovered FROM conversion_conversion WHERE player_id = %s ORDER BY hour", [player])
    assert lines == [(Decimal("0.30"), 0), (Decimal("0.15"), Decimal("0.15")), (Decimal("0.30"), Decimal("0.15"))]


def test_two_lines_of_one_chunk_pay_one_debt_once() -> None:
    """Catches a debt that each line of a player reads as his whole debt."""
    player = a_player()
    spent = win(player, "1")
    convert_hour(hour=HOUR, now=OVER)
    spend(player, "0.15")
    void(spent)
    win(player, "0.5", at=OVER), win(player, "1", at=OVER + timedelta(hours=1))
    convert_hour(hour=OVER + timedelta(hours=2), now=OVER + timedelta(hours=3))
    convert_due_hours(now=OVER + timedelta(hours=3))
    assert (wallet(player), owed(player)) == ((0, Decimal("0.075")), 0)


def test_two_late_lines_of_one_run_pay_one_debt_once() -> None:
    """One run converts two hours of one player in one entry each, in one statement."""
    player = a_player()
    spent = win(player, "1")
    run_hours = [HOUR, OVER, OVER + timedelta(hours=1)]
    for hour in run_hours:
        convert_hour(hour=hour, now=hour + timedelta(hours=1))
    spend(player, "0.15")
    void(spent)
    win(player, "0.5", at=HOUR, late=timedelta(hours=4)), win(player, "1", at=OVER, late=timedelta(hours=4))
    late = HOUR + timedelta(hours=3)
    assert convert_hour(hour=late, now=late + timedelta(hours=1)).conversions == 2
    assert (wallet(player), owed(player)) == ((0, Decimal("0.075")), 0)
    recovered = run("SELECT recovered FROM conversion_conversion WHERE hour < %s ORDER BY entry_id", [late])
    assert recovered == [(0,), (Decimal("0.075"),), (Decimal("0.075"),)]


@pytest.mark.parametrize("seed", range(5))
def test_all_wins_of_a_line_give_back_exactly_its_dollars_in_any_order(settings: Settings, seed: int) -> None:
    """Catches shares that are rounded each for itself: a thousand of them are a dollar or nothing."""
    settings.RATE_FIXED_PRICE = "0.123456785"
    choice, player = random.Random(seed), a_player()
    wins = [
        win(player, str(choice.choice(["0.1", "0.33333333", "0.00000001", "0.000000000000000001"]))) for _ in range(12)
    ]
    convert_hour(hour=HOUR, now=OVER)
    [(usd,)] = run("SELECT usd FROM conversion_conversion")
    choice.shuffle(wins)
    for each in wins[:6]:
        void(each)
    void_wins(win_ids=wins[6:], reason="r", author=Author())
    assert sum(share[1] for share in shares()) == usd
    assert (wallet(player), owed(player), account("usd:rewards-expense")) == ((0, 0), 0, 0)


def test_a_share_that_rounds_to_nothing_is_taken_back_without_dollars() -> None:
    player = a_player()
    dust, _ = win(player, "0.000000000000000001"), win(player, "1")
    convert_hour(hour=HOUR, now=OVER)
    void(dust)
    assert shares() == [(Decimal("0.000000000000000001"), 0, 0)]
    assert wallet(player) == (0, Decimal("0.15"))


def test_the_original_rate_counts_whatever_the_rate_is_now(settings: Settings) -> None:
    player = a_player()
    won = win(player, "1")
    convert_hour(hour=HOUR, now=OVER)
    settings.RATE_FIXED_PRICE = "0.17"
    win(player, "1", at=OVER)
    convert_due_hours(now=OVER + timedelta(hours=1))
    void(won)
    assert wallet(player) == (0, Decimal("0.17"))


def test_a_void_before_the_conversion_leaves_the_rest_of_the_lot_to_convert() -> None:
    player = a_player()
    taken, _ = win(player, "1"), win(player, "2")
    void(taken)
    convert_hour(hour=HOUR, now=OVER)
    assert wallet(player) == (0, Decimal("0.30"))
    assert shares() == []


def test_the_same_reason_again_takes_nothing_back_a_second_time() -> None:
    player = a_player()
    won, _ = win(player, "1"), win(player, "1")
    convert_hour(hour=HOUR, now=OVER)
    first, second = void(won), void(won)
    assert (second.replayed, second.win) == (True, first.win)
    assert wallet(player) == (0, Decimal("0.15"))


@pytest.mark.parametrize("count", [1, 30])
def test_many_wins_of_many_players_cost_as_many_statements_as_one(count: int) -> None:
    everybody = players(count)
    wins = [win(player) for player in everybody for _ in range(2)]
    convert_hour(hour=HOUR, now=OVER)
    wins += [win(player, at=OVER) for player in everybody]
    with CaptureQueriesContext(connection) as queries:
        assert len(void_wins(win_ids=wins, reason="r", author=Author())) == 3 * count
    assert len(queries) == 12
    assert all(wallet(player) == (0, 0) for player in everybody)


# --- What the player sees


def test_the_history_shows_the_void_on_the_wins_own_day_and_adds_up_to_the_wallet() -> None:
    player = a_player()
    won = win(player, "2")
    convert_hour(hour=HOUR, now=OVER)
    spend(player, "0.1")
    void(won)
    win(player, "1", at=OVER)
    convert_hour(hour=OVER, now=OVER + timedelta(hours=1))
    lines: Any = usd_history(player, before_day=TOMORROW, limit=10)
    assert [(line.kind, line.hour, line.tokens, line.rate, line.usd, line.owed) for line in lines] == [
        ("conversion", OVER, 1, Decimal("0.15"), Decimal("0.15"), Decimal("-0.1")),
        ("void", HOUR, -2, Decimal("0.15"), Decimal("-0.3"), Decimal("0.1")),
        ("conversion", HOUR, 2, Decimal("0.15"), Decimal("0.3"), 0),
    ]
    seen: Any = stats(player, now=OVER + timedelta(hours=2))
    assert seen.tokens_won_today == 1
    assert (seen.usd_balance, seen.usd_owed) == (Decimal("0.05"), 0)
    assert sum(line.usd + line.owed for line in lines) - Decimal("0.1") == seen.usd_balance


def test_a_debt_that_was_paid_with_a_win_that_is_voided_too_is_owed_again() -> None:
    player = a_player()
    spent, paying = win(player, "1"), win(player, "2", at=OVER)
    convert_hour(hour=HOUR, now=OVER)
    spend(player, "0.15")
    void(spent)
    convert_hour(hour=OVER, now=OVER + timedelta(hours=1))
    assert (wallet(player), owed(player)) == ((0, Decimal("0.15")), 0)
    void(paying)
    assert (wallet(player), owed(player)) == ((0, 0), Decimal("0.15"))


def test_pages_repeat_and_miss_nothing_while_voids_arrive() -> None:
    player = a_player()
    wins = [win(player, "1", at=HOUR + timedelta(hours=n)) for n in range(4)]
    convert_due_hours(now=HOUR + timedelta(hours=4))
    void(wins[1])
    whole = usd_history(player, before_day=TOMORROW, limit=10)
    assert [line.kind for line in whole] == ["conversion", "conversion", "void", "conversion", "conversion"]
    first = usd_history(player, before_day=TOMORROW, limit=2)
    void(wins[3])  # newer than where the first page ended: it must not push anything onto the second
    second = usd_history(player, before_day=TOMORROW, after=first[-1].cursor, limit=10)
    assert (*first, *second) == whole
    one_by_one: list[Any] = []
    cursor = None
    while page := usd_history(player, before_day=TOMORROW, after=cursor, limit=1):
        one_by_one += page
        cursor = page[-1].cursor
    assert tuple(one_by_one) == usd_history(player, before_day=TOMORROW, limit=10)
    assert len(one_by_one) == 6


# --- What PostgreSQL itself refuses


@pytest.fixture
def converted() -> UUID:
    """A line of three wins (1, 2 and 0.5 DREAM), of which the first is voided, and another player's line."""
    player = a_player()
    won, _, _ = win(player, "1"), win(player, "2"), win(player, "0.5")
    win(a_player(), "4")
    convert_hour(hour=HOUR, now=OVER)
    void(won)
    return player


@pytest.mark.parametrize("who", [OWNER, APP])
@pytest.mark.parametrize("change", ["usd = 0", "owed = 0", "tokens = 2", "day = day - 1", "conversion_id = uuidv7()"])
def test_what_was_taken_back_is_never_changed_or_removed(converted: UUID, who: str, change: str) -> None:
    expected = "voided_conversion_is_final" if who == OWNER else "privilege"
    assert refusal(f"UPDATE conversion_voidedconversion SET {change}", who=who) == expected
    assert refusal("DELETE FROM conversion_voidedconversion", who=who) == expected
    assert refusal("TRUNCATE conversion_voidedconversion", who=who) == expected


@pytest.mark.parametrize(
    ("change", "guard"),
    [("recovered = 1", "conversion_is_final"), ("recovered = -1", "conversion_is_final")],
)
def test_what_a_conversion_recovered_is_never_changed(converted: UUID, change: str, guard: str) -> None:
    assert refusal(f"UPDATE conversion_conversion SET {change}") == guard


SHARE = """
INSERT INTO conversion_voidedconversion
    (entry_id, conversion_id, win_id, player_id, hour, day, tokens, usd, owed, voided_at)
SELECT {entry}, {line}, {win}, {player}, {hour}, {day}, {tokens}, {usd}, {owed}, {voided_at}
FROM rewards_win win JOIN conversion_conversion line ON line.entry_id = win.converted_by_id, ledger_journalentry entry
WHERE win.amount = 2 AND entry.memo = 'raw'
"""
HONEST = {
    "entry": "entry.id",
    "line": "line.entry_id",
    "win": "win.entry_id",
    "player": "win.player_id",
    "hour": "line.hour",
    "day": "line.day",
    "tokens": "win.amount",
    "usd": "0.3",
    "owed": "0",
    "voided_at": "entry.posted_at",
}


def post_raw(player: UUID, kind: str = "conversion-void") -> None:
    entry = an_entry(
        player, ("dream:redeemed", "player:dream", "2"), ("player:usd", "usd:rewards-expense", "0.3"), kind=kind
    )
    post(book.Entry(holder=entry.holder, kind=kind, postings=entry.postings, memo="raw"))


@pytest.mark.breaks_books
@pytest.mark.parametrize("who", [OWNER, APP])
@pytest.mark.parametrize(
    ("forged", "guard"),
    [
        ({"entry": "uuidv7()"}, "voided_conversion_entry_exists"),
        ({"entry": "win.entry_id"}, "voided_conversion_is_its_wins"),
        ({"line": "uuidv7()"}, "voided_conversion_line_exists"),
        ({"line": "(SELECT entry_id FROM conversion_conversion WHERE tokens = 4)"}, "voided_conversion_is_its_wins"),
        ({"win": "uuidv7()"}, "voided_conversion_win_exists"),
        ({"win": "(SELECT entry_id FROM rewards_win WHERE amount = 0.5)"}, "voided_conversion_is_its_wins"),
        ({"win": "(SELECT win_id FROM conversion_voidedconversion)"}, "conversion_voidedconversion_win_id"),
        ({"player": "uuidv7()"}, "voided_conversion_player_exists"),
        ({"player": "(SELECT player_id FROM rewards_win WHERE amount = 4)"}, "voided_conversion_is_its_wins"),
        ({"hour": "line.hour - interval '1 hour'"}, "voided_conversion_is_its_wins"),
        ({"day": "line.day - 1"}, "voided_conversion_is_its_wins"),
        ({"tokens": "1"}, "voided_conversion_is_its_wins"),
        ({"tokens": "'NaN'"}, "voided_conversion_tokens_bounds"),
        ({"tokens": "0"}, "voided_conversion_tokens_bounds"),
        ({"tokens": "0.0000000000000000001"}, "voided_conversion_tokens_precision"),
        ({"usd": "0.29999999"}, "voided_conversion_is_at_its_rate"),
        ({"usd": "0.30000001"}, "voided_conversion_is_at_its_rate"),
        ({"usd": "'NaN'"}, "voided_conversion_usd_bounds"),
        ({"usd": "-0.3"}, "voided_conversion_usd_bounds"),
        ({"usd": "0.300000001"}, "voided_conversion_usd_precision"),
        ({"owed": "0.4"}, "voided_conversion_owed_bounds"),
        ({"owed": "-0.1"}, "voided_conversion_owed_bounds"),
        ({"owed": "'NaN'"}, "voided_conversion_owed_bounds"),
        ({"owed": "0.000000001"}, "voided_conversion_owed_precision"),
        ({"voided_at": "entry.posted_at + interval '1 second'"}, "voided_conversion_is_its_wins"),
    ],
    ids=str,
)
def test_a_share_that_cannot_be_is_refused_by_its_named_guard(
    converted: UUID, who: str, forged: dict[str, str], guard: str
) -> None:
    post_raw(converted)
    refused = refusal(SHARE.format(**(HONEST | forged)), who=who)
    assert refused.startswith((guard, "voided_conversion_owed_bounds" if forged.get("usd") == "-0.3" else guard))


@pytest.mark.breaks_books
def test_the_honest_share_among_the_attacks_is_taken(converted: UUID) -> None:
    """The control: what the attacks change is all that is wrong with them."""
    post_raw(converted)
    run(SHARE.format(**HONEST))


@pytest.mark.breaks_books
def test_a_share_is_of_an_entry_that_calls_itself_one(converted: UUID) -> None:
    post_raw(converted, kind="other")
    assert refusal(SHARE.format(**HONEST)) == "voided_conversion_is_its_wins"


@pytest.mark.parametrize("who", [OWNER, APP])
def test_a_converted_win_is_not_voided_without_what_it_became(converted: UUID, who: str) -> None:
    """Catches the dearest mistake: the tokens go, and the dollars stay."""
    void_only = """
        INSERT INTO rewards_void (entry_id, win_id, player_id, reason, voided_at)
        SELECT entry.id, win.entry_id, win.player_id, 'raw', entry.posted_at
        FROM rewards_win win JOIN ledger_journalentry entry ON entry.reverses_id = win.entry_id
        WHERE win.amount = 2 AND win.voided_by_id IS NULL
    """
    with transaction.atomic():
        book.post([an_entry(converted, ("dream:redeemed", "player:dream", "2"))])
        book.post(
            book.reversals([run("SELECT entry_id FROM rewards_win WHERE amount = 2")[0][0]], memo="", kind="void")
        )
        assert refusal(void_only, who=who) == "void_takes_conversion_back"
        transaction.set_rollback(True)


# --- What verify_books finds


def broken_claims() -> set[str]:
    return {finding.check.name for finding in book.verify().findings if finding.wrong_rows}


@pytest.mark.breaks_books
@pytest.mark.parametrize(
    ("statement", "claims"),
    [
        (
            "DELETE FROM conversion_voidedconversion WHERE owed = 0",
            {"voids-take-conversions-back", "voided-conversions-equal-entries"},
        ),
        (
            "UPDATE conversion_voidedconversion SET usd = usd + 0.00000001 WHERE owed = 0",
            {"voided-conversions-equal-entries", "voided-usd-equals-tokens-at-rate"},
        ),
        (
            "UPDATE conversion_voidedconversion SET owed = 0",
            {"voided-conversions-equal-entries", "owed-equals-voids-less-recovered"},
        ),
        ("UPDATE conversion_voidedconversion SET day = day - 1", {"voids-take-conversions-back"}),
        (
            "UPDATE conversion_voidedconversion SET voided_at = voided_at + interval '1 second'",
            {"voided-conversions-equal-entries"},
        ),
        (
            "UPDATE conversion_conversion SET recovered = 0 WHERE recovered > 0",
            {"conversions-equal-entries", "owed-equals-voids-less-recovered"},
        ),
        (
            "UPDATE ledger_journalentry SET kind = 'other' WHERE kind = 'conversion-void'",
            {"voided-conversions-equal-entries", "owed-equals-voids-less-recovered"},
        ),
    ],
)
def test_a_forged_share_is_found_by_the_claims_that_it_breaks(
    converted: UUID, statement: str, claims: set[str]
) -> None:
    spend(converted, "0.375")
    [(spent,)] = run("SELECT entry_id FROM rewards_win WHERE amount = 2")
    void(spent)
    win(converted, "0.1", at=OVER)
    convert_hour(hour=OVER, now=OVER + timedelta(hours=1))
    assert broken_claims() == set()
    run("SET session_replication_role = replica")
    run(statement)
    run("SET session_replication_role = origin")
    assert broken_claims() == claims


@pytest.mark.breaks_books
def test_a_share_taken_from_a_win_that_was_not_voided_is_found(converted: UUID) -> None:
    """No guard can say this at once (docs/decisions/0007): verify_books does."""
    post_raw(converted)
    run(SHARE.format(**HONEST))
    assert "voids-take-conversions-back" in broken_claims()
