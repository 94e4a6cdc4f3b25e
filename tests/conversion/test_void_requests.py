"""Many wins are taken back when one person asks and another one approves: at once, all or none, converted ones too."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError
from pytest_django import Settings

from conversion.services import convert_hour
from conversion.voiding import Author, void_win
from ledger import book
from rewards.models import Win
from rewards.voiding import void_locked
from tests.approvals import approved, asked, somebody
from tests.conversion.helpers import HOUR, OVER, account, wallet, win
from tests.factories import a_player, an_entry, players, post
from tests.sql import in_parallel, run

pytestmark = pytest.mark.django_db


@pytest.fixture
def cheat() -> UUID:
    """A player with a converted win of 2 DREAM and a pending one of 1; another one has both too."""
    cheat, honest = players(2)
    for player in (cheat, honest):
        win(player, "2")
    convert_hour(hour=HOUR, now=OVER)
    for player in (cheat, honest):
        win(player, "1", at=OVER)
    return cheat


def of(player: UUID, **more: Any) -> dict[str, Any]:
    return {"player": str(player)} | more


def test_all_wins_of_a_player_are_taken_back_with_what_they_became(cheat: UUID) -> None:
    shown = book.preview(kind="void-of-many", payload=of(cheat))
    assert {(each.account, each.before, each.after) for each in shown.movements if each.holder == cheat} == {
        ("player:dream", Decimal(1), Decimal(0)),
        ("player:usd", Decimal("0.3"), Decimal(0)),
    }
    request = asked("void-of-many", of(cheat))
    assert Win.objects.exclude(voided_by=None).count() == 0
    done = book.approve(request_id=request.id, decided_by=somebody("bob"))
    assert (done.result, len(done.entry_ids)) == ({"wins": 2}, 3)
    assert wallet(cheat) == (Decimal(0), Decimal(0))
    assert set(Win.objects.exclude(voided_by=None).values_list("player_id", flat=True)) == {cheat}
    ada = somebody("ada")
    assert run("SELECT DISTINCT reason, user_id, key_id FROM rewards_void") == [("cheating: ticket-1", ada, None)]
    assert run(
        "SELECT DISTINCT posted_by_id, metadata->>'request' FROM ledger_journalentry WHERE kind IN ('void', 'conversion-void')"
    ) == [(ada, str(request.id))]
    assert book.approve(request_id=request.id, decided_by=somebody("bob")) == done


def test_what_is_no_longer_in_the_wallet_is_owed(cheat: UUID) -> None:
    post(an_entry(cheat, ("player:usd", "usd:cash", "0.25"), kind="payout"))
    approved("void-of-many", of(cheat))
    assert book.balances([cheat])[cheat]["player:usd-owed"] == Decimal("0.25")
    assert account("usd:rewards-expense") == Decimal("0.3")  # the honest one's


def test_it_is_stale_once_there_is_one_win_more_or_less(cheat: UUID) -> None:
    request = asked("void-of-many", of(cheat))
    more = win(cheat, "0.5", at=OVER)
    for _ in range(2):
        with pytest.raises(book.RequestStale):
            book.approve(request_id=request.id, decided_by=somebody("bob"))
    void_win(win_id=more, reason="mistake", author=Author())
    assert book.request_by_id(request.id).state == "open"  # the very wins again
    assert book.approve(request_id=request.id, decided_by=somebody("bob")).result == {"wins": 2}


def test_what_is_converted_between_asking_and_approving_is_taken_back_as_what_it_became(cheat: UUID) -> None:
    request = asked("void-of-many", of(cheat))
    convert_hour(hour=OVER, now=OVER + timedelta(hours=1))
    done = book.approve(request_id=request.id, decided_by=somebody("bob"))
    assert (wallet(cheat), len(done.entry_ids)) == ((Decimal(0), Decimal(0)), 4)


def test_one_win_by_its_name_and_wins_by_the_time_of_their_recording(cheat: UUID) -> None:
    one, other = Win.objects.filter(player=cheat).order_by("recorded_at")
    approved("void-of-many", {"win": str(one.pk)})
    late = other.recorded_at.isoformat()
    with pytest.raises(book.NothingToAsk):
        asked("void-of-many", of(cheat, until=late))
    assert approved("void-of-many", of(cheat, since=late)).result == {"wins": 1}


def test_a_payload_that_says_not_which_wins_or_too_many_is_refused(cheat: UUID, settings: Settings) -> None:
    one = Win.objects.filter(player=cheat).first()
    assert one
    for payload in ({}, of(cheat, win=str(one.pk)), {"player": "x"}, {"key": "0" * 17}, of(cheat, since="yesterday")):
        with pytest.raises(book.InvalidRequest):
            asked("void-of-many", payload)
    for payload in ({"win": str(uuid4())}, of(a_player()), {"key": "0" * 16}):
        with pytest.raises(book.NothingToAsk):
            asked("void-of-many", payload)
    settings.VOIDS_PER_REQUEST = 1
    with pytest.raises(book.InvalidRequest, match="more than 1 wins"):
        asked("void-of-many", of(cheat))


def test_it_is_within_the_limit_of_the_group(cheat: UUID, settings: Settings) -> None:
    settings.APPROVAL_LIMITS = {"superuser": {"ask": {"DREAM": "2.99"}}}
    with pytest.raises(book.OverLimit):
        asked("void-of-many", of(cheat))


def test_chunks_are_all_or_none(cheat: UUID, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a request of which half is done: the second chunk fails."""
    settings.VOIDS_PER_CHUNK = 1
    request = asked("void-of-many", of(cheat))
    calls: list[int] = []

    def fails_at_the_second(*arguments: Any, **words: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("the machine goes down")
        return void_locked(*arguments, **words)

    with monkeypatch.context() as patch:
        patch.setattr("conversion.void_kind.void_locked", fails_at_the_second)
        with pytest.raises(RuntimeError):
            book.approve(request_id=request.id, decided_by=somebody("bob"))
    assert Win.objects.exclude(voided_by=None).count() == 0
    assert book.approve(request_id=request.id, decided_by=somebody("bob")).result == {"wins": 2}


def test_a_game_that_voids_at_the_same_moment_makes_it_stale_or_finds_it_done(cheat: UUID) -> None:
    one = Win.objects.filter(player=cheat).earliest("recorded_at")
    request = asked("void-of-many", of(cheat))
    results: list[Any] = in_parallel(
        [
            lambda: book.approve(request_id=request.id, decided_by=somebody("bob")),
            lambda: void_win(win_id=one.pk, reason="cheating: ticket-1", author=Author()),
        ]
    )
    assert isinstance(results[0], book.Request | book.RequestStale)
    assert not isinstance(results[1], Exception)
    assert run("SELECT count(*) FROM rewards_void WHERE win_id = %s", [one.pk]) == [(1,)]


def test_one_of_the_staff_takes_nothing_back_alone(cheat: UUID) -> None:
    """The service is not the only way: PostgreSQL refuses a void in somebody's name without an approved request."""
    one = Win.objects.filter(player=cheat).earliest("recorded_at")
    with pytest.raises(IntegrityError) as refused:
        void_win(win_id=one.pk, reason="mistake", author=Author(user_id=somebody("ada")))
    assert refused.value.__cause__.diag.constraint_name == "void_by_staff_is_approved"  # type: ignore[union-attr]
    assert Win.objects.exclude(voided_by=None).count() == 0
