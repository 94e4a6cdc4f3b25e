"""Taking back pending wins: once, with a reason, by the game that reported them; and what the database holds of it."""

from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import ProgrammingError, connection, transaction
from django.test.utils import CaptureQueriesContext

from ledger import book
from rewards import selectors, voiding
from rewards.errors import AlreadyVoided, InvalidReason, WinNotFound
from rewards.keys import create_game_key
from rewards.models import Game, Scope, Win
from rewards.services import Recorded, record_wins
from rewards.voiding import Author, Shares, TakenBack, Voided, void_win, void_wins
from tests.approvals import undo
from tests.databases import APP_ROLE
from tests.factories import NOON, a_claim, a_game, a_player, hours, players
from tests.sql import APP, OWNER, acting_as, refusal, run

pytestmark = pytest.mark.django_db
WHO = [OWNER, APP]


def no_conversions(_wins: object, _shares: Shares) -> TakenBack:
    raise AssertionError("nothing here is converted")


def void(win: UUID, reason: str = "cheating", *, game_id: UUID | None = None, author: Author | None = None) -> Voided:
    return void_win(win_id=win, reason=reason, author=author or Author(), take_back=no_conversions, game_id=game_id)


def won(player: UUID, amount: str = "1", *, game: Game | None = None, key_id: str | None = None) -> UUID:
    (outcome,) = record_wins(game_id=(game or a_game()).id, claims=[a_claim(player, amount)], now=NOON, key_id=key_id)
    assert isinstance(outcome, Recorded)
    return outcome.win.id


def wallet(player: UUID) -> Any:
    return book.balances([player])[player]["player:dream"]


def issued() -> Any:
    return -book.trial_balance().balance("dream:issued")


def test_a_void_takes_the_tokens_back_and_gives_the_day_its_room_again() -> None:
    game, player = a_game(), a_player()
    win, other = won(player, "3"), won(player, "2")
    voided = void(win, game_id=game.id)
    assert not voided.replayed
    assert (voided.win.state, wallet(player), issued()) == ("voided", 2, 2)
    assert selectors.stats(player, now=NOON).tokens_remaining_today == 3
    assert voided.win == selectors.get_win(win, game_id=game.id)
    assert voided.win.void is not None
    assert voided.win.void.reason == "cheating"
    assert selectors.get_win(other, game_id=game.id).state == "pending"
    won(player, "3")
    assert wallet(player) == 5


def test_a_late_void_gives_back_to_the_wins_own_day_and_not_to_today() -> None:
    player = a_player()
    win = won(player, "5")
    record_wins(game_id=a_game().id, claims=[a_claim(player, "4", won_at=NOON + hours(24))], now=NOON + hours(24))
    void(win)
    assert run("SELECT day, won FROM rewards_allowance ORDER BY 1") == [
        (date(2026, 11, 10), 0),
        (date(2026, 11, 11), 4),
    ]


def test_the_same_reason_again_finds_it_done_and_another_reason_is_refused() -> None:
    player = a_player()
    win = won(player)
    first = void(win)
    again = void(win)
    assert (again.replayed, again.win) == (True, first.win)
    with pytest.raises(AlreadyVoided) as refused:
        void(win, "mistake")
    assert first.win.void is not None
    assert refused.value.extra == {"voided_at": first.win.void.voided_at}
    assert run("SELECT count(*) FROM ledger_journalentry") == [(2,)]


def test_a_game_voids_its_own_wins_only_and_learns_nothing_of_others() -> None:
    win = won(a_player(), game=a_game("chess"))
    for unknown in (win, uuid4()):
        with pytest.raises(WinNotFound, match="there is no such win"):
            void(unknown, game_id=a_game("poker").id)
    assert Win.objects.get().voided_by_id is None


@pytest.mark.parametrize("reason", ["", " ", "\t\n", "x" * 201])
def test_a_void_says_why(reason: str) -> None:
    win = won(a_player())
    with pytest.raises(InvalidReason):
        void(win, reason)
    assert Win.objects.get().voided_by_id is None


def test_a_suspended_or_closed_player_keeps_no_win_that_is_voided() -> None:
    player = a_player()
    win = won(player)
    run("UPDATE rewards_player SET status = 'closed'")
    assert void(win).win.state == "voided"


def test_a_voided_win_is_replayed_as_voided_when_it_is_reported_again() -> None:
    game, player = a_game(), a_player()
    claim = a_claim(player, reference="r")
    record_wins(game_id=game.id, claims=[claim], now=NOON)
    void(Win.objects.get().entry_id)
    (outcome,) = record_wins(game_id=game.id, claims=[claim], now=NOON)
    assert isinstance(outcome, Recorded)
    assert (outcome.replayed, outcome.win.state, wallet(player)) == (True, "voided", 0)


def test_the_app_role_voids_by_the_service_and_the_void_says_by_whom() -> None:
    game, player = a_game(), a_player()
    key = create_game_key(game_id=game.id, scopes=Scope.values).key_id
    win = won(player)
    run(f"SET ROLE {APP_ROLE}")
    try:
        void(win, author=Author(key_id=key))
    finally:
        run("RESET ROLE")
    assert run("SELECT win_id, player_id, reason, key_id, user_id FROM rewards_void") == [
        (win, player, "cheating", key, None)
    ]
    assert run("SELECT kind, memo, reverses_id FROM ledger_journalentry WHERE reverses_id IS NOT NULL") == [
        ("void", "", win)
    ]


def test_many_wins_cost_as_many_statements_as_one() -> None:
    game = a_game()

    def cost(count: int) -> int:
        wins = [won(player, game=game) for player in players(count)]
        with CaptureQueriesContext(connection) as queries:
            assert len(void_wins(win_ids=wins, reason="r", author=Author(), take_back=no_conversions)) == count
        return len(queries)

    assert cost(1) == cost(40)


def test_wins_that_were_voided_before_stay_as_they_are_among_many() -> None:
    player = a_player()
    wins = [won(player) for _ in range(3)]
    void(wins[1], "first")
    voided = void_wins(win_ids=[*wins, uuid4()], reason="second", author=Author(), take_back=no_conversions)
    assert {each.win.id: each.replayed for each in voided} == {wins[0]: False, wins[1]: True, wins[2]: False}
    assert run("SELECT reason FROM rewards_void ORDER BY voided_at, win_id") == [("first",), ("second",), ("second",)]
    assert wallet(player) == 0


def test_a_refused_void_leaves_everything_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a void in pieces: the last statement fails, and the reversal must not stand alone."""
    win = won(a_player())
    monkeypatch.setattr("rewards.voiding.WRITE", voiding.WRITE.replace("rewards_void", "no_such_table"))
    with pytest.raises(ProgrammingError, match="no_such_table"):
        void(win)
    assert run("SELECT count(*) FROM ledger_journalentry") == [(1,)]


# --- What PostgreSQL itself refuses


@pytest.fixture
def voided() -> UUID:
    """A voided win of 1 DREAM, beside a pending one of 2."""
    player = a_player()
    win = won(player)
    won(player, "2")
    void(win)
    return win


@pytest.mark.parametrize(
    ("statement", "guard", "app"),
    [
        ("UPDATE rewards_void SET reason = 'x'", "void_is_final", "privilege"),
        ("UPDATE rewards_void SET voided_at = now()", "void_is_final", "privilege"),
        ("DELETE FROM rewards_void", "void_is_final", "privilege"),
        ("TRUNCATE rewards_void CASCADE", "void_is_final", "privilege"),
        ("UPDATE rewards_win SET voided_by_id = NULL WHERE amount = 1", "win_ends_once", "privilege"),
        (
            "UPDATE rewards_win SET voided_by_id = (SELECT entry_id FROM rewards_void) WHERE amount = 2",
            "win_voided_by_its_void",
            "privilege",
        ),
        ("UPDATE rewards_win SET voided_by_id = entry_id WHERE amount = 2", "win_voided_by_its_void", "privilege"),
        (
            "UPDATE rewards_win SET converted_by_id = (SELECT entry_id FROM rewards_void) WHERE amount = 1",
            "win_ends_once",
            "win_ends_once",
        ),
    ],
)
def test_what_is_voided_stays_voided(voided: UUID, statement: str, guard: str, app: str) -> None:
    refused = refusal(statement)
    assert refused == guard or (statement.startswith("TRUNCATE") and refused == "win_is_final")
    assert refusal(statement, who=APP) == app


VOID = """
INSERT INTO rewards_void (entry_id, win_id, player_id, reason, voided_at, key_id, user_id)
SELECT {entry}, {win}, {player}, {reason}, {voided_at}, {key}, {user}
FROM rewards_win win, ledger_journalentry entry WHERE win.amount = 2 AND entry.memo = 'raw'
"""
HONEST = {
    "entry": "entry.id",
    "win": "win.entry_id",
    "player": "win.player_id",
    "reason": "'raw'",
    "voided_at": "entry.posted_at",
    "key": "NULL",
    "user": "NULL::int",
}


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize(
    ("forged", "guard"),
    [
        ({"entry": "uuidv7()"}, "void_entry_exists"),
        ({"entry": "win.entry_id"}, "void_reverses_its_win"),
        ({"win": "uuidv7()"}, "void_win_exists"),
        ({"win": "(SELECT win_id FROM rewards_void)"}, "rewards_void_win_id"),
        ({"player": "uuidv7()"}, "void_player_exists"),
        ({"player": "(SELECT id FROM rewards_player WHERE id <> win.player_id)"}, "void_reverses_its_win"),
        ({"reason": "' '"}, "void_reason_said"),
        ({"reason": "repeat('x', 201)"}, "void_reason_length"),
        ({"voided_at": "entry.posted_at - interval '1 second'"}, "void_reverses_its_win"),
        ({"key": "'nobodys'"}, "void_key_exists"),
        ({"key": "(SELECT id FROM rewards_gamekey)"}, "void_reverses_its_win"),
        ({"user": "99"}, "void_user_exists"),
        ({"key": "'nobodys'", "user": "99"}, "void_by_one_at_most"),
    ],
    ids=str,
)
@pytest.mark.breaks_books
def test_a_void_that_cannot_be_is_refused_by_its_named_guard(
    voided: UUID, who: str, forged: dict[str, str], guard: str
) -> None:
    a_player()
    create_game_key(game_id=a_game("another").id, scopes=Scope.values)
    pending = Win.objects.get(amount=2)
    with transaction.atomic(durable=True):
        book.post(book.reversals([pending.entry_id], memo="raw", kind="void"))
    assert refusal(VOID.format(**(HONEST | forged)), who=who).startswith(guard)


@pytest.mark.breaks_books
def test_a_reversal_that_is_no_void_of_the_win_is_refused_as_one(voided: UUID) -> None:
    undo(Win.objects.get(amount=2).entry_id)
    assert refusal(VOID.format(**HONEST)) == "void_reverses_its_win"


@pytest.mark.parametrize("who", WHO)
def test_a_void_by_raw_sql_marks_its_win_and_gives_the_day_back(voided: UUID, who: str) -> None:
    with transaction.atomic(durable=True):
        book.post(book.reversals([Win.objects.get(amount=2).entry_id], memo="raw", kind="void"))
        with acting_as(who):
            run(VOID.format(**HONEST))
    assert run("SELECT won FROM rewards_allowance") == [(0,)]
    assert Win.objects.filter(voided_by=None).count() == 0


def broken_claims() -> set[str]:
    return {finding.check.name for finding in book.verify().findings if finding.wrong_rows}


@pytest.mark.breaks_books
@pytest.mark.parametrize(
    ("statement", "claims"),
    [
        ("DELETE FROM rewards_void", {"voids-equal-reversals"}),
        ("UPDATE rewards_void SET voided_at = voided_at + interval '1 second'", {"voids-equal-reversals"}),
        (
            "UPDATE rewards_win SET voided_by_id = NULL WHERE amount = 1",
            {"voids-equal-reversals", "allowances-equal-wins", "wallets-equal-pending-wins"},
        ),
        (
            "UPDATE rewards_win SET voided_by_id = entry_id WHERE amount = 2",
            {"voids-equal-reversals", "allowances-equal-wins", "wallets-equal-pending-wins"},
        ),
        (
            "UPDATE ledger_journalentry SET kind = 'other' WHERE kind = 'void'",
            {"voids-equal-reversals", "entries-by-hand-are-approved"},
        ),
        (
            "UPDATE ledger_journalentry SET kind = 'void' WHERE kind = 'win'",
            {"voids-equal-reversals", "wins-equal-entries"},
        ),
    ],
)
def test_verify_books_finds_a_forged_void(voided: UUID, statement: str, claims: set[str]) -> None:
    assert broken_claims() == set()
    run("SET session_replication_role = replica")
    run(statement)
    run("SET session_replication_role = origin")
    assert broken_claims() == claims


@pytest.mark.breaks_books
def test_verify_books_finds_a_win_whose_entry_was_reversed_behind_its_back() -> None:
    win = won(a_player())
    undo(win)
    assert broken_claims() == {"voids-equal-reversals", "wallets-equal-pending-wins"}
