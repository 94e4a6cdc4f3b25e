"""What people do to money: one asks, another one approves, PostgreSQL sees to it, and it is done once."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from pytest_django import Settings

from dreamland.staff.roles import APPROVER, OPERATOR, ROLES, VIEWER
from ledger import book
from ledger.approvals.rights import SUPERUSERS
from tests.approvals import approved, asked, reverse, somebody
from tests.factories import a_player, an_entry, post
from tests.sql import run

pytestmark = pytest.mark.django_db
FUNDING = {"amount": "100"}


def account(code: str) -> Decimal:
    return book.trial_balance().balance(code)


def usd(player: UUID) -> Decimal:
    return book.balances([player])[player]["player:usd"]


def gift(player: UUID, amount: str = "2.5") -> dict[str, Any]:
    posting = {"debit": "usd:rewards-expense", "credit": "player:usd", "amount": amount}
    return {"player": str(player), "postings": [posting]}


def test_what_one_asks_and_another_approves_is_posted_once_with_both_names() -> None:
    request = asked("funding", FUNDING, reference="wire 7", note="from the bank")
    assert (request.state, request.entry_ids, account("usd:cash")) == ("open", (), Decimal(0))
    done = book.approve(request_id=request.id, decided_by=somebody("bob"), word="seen on the statement")
    assert book.approve(request_id=request.id, decided_by=somebody("bob")) == done
    assert (done.state, done.asker, done.decider, done.word) == ("approved", "ada", "bob", "seen on the statement")
    [entry_id] = done.entry_ids
    assert run(
        "SELECT kind, posted_by_id, metadata->>'request' FROM ledger_journalentry WHERE id = %s", [entry_id]
    ) == [("funding", somebody("ada"), str(request.id))]
    assert (account("usd:cash"), account("usd:adjustments")) == (Decimal(100), Decimal(100))


def test_the_same_words_by_the_same_person_are_one_request_before_and_after_it_is_approved() -> None:
    request = asked("funding", FUNDING, reference="wire 7")
    assert asked("funding", {"amount": "100.00"}, reference="wire 7") == request
    book.approve(request_id=request.id, decided_by=somebody("bob"))
    assert asked("funding", FUNDING, reference="wire 7").id == request.id
    assert run("SELECT count(*) FROM ledger_approvalrequest") == [(1,)]


def test_a_payment_has_its_reference_once() -> None:
    request = asked("funding", FUNDING, reference="wire 7")
    with pytest.raises(book.RequestOpen):
        asked("funding", {"amount": "1"}, reference="wire 7")
    with pytest.raises(book.RequestOpen):
        asked("funding", FUNDING, reference="wire 7", by="bob")
    book.approve(request_id=request.id, decided_by=somebody("bob"))
    with pytest.raises(book.RequestDone):
        asked("funding", {"amount": "1"}, reference="wire 7")
    assert account("usd:cash") == 100


def test_a_payment_that_was_refused_or_withdrawn_may_be_asked_again() -> None:
    first = asked("funding", FUNDING, reference="wire 7")
    book.refuse(request_id=first.id, decided_by=somebody("bob"), word="it is 99")
    second = asked("funding", {"amount": "99"}, reference="wire 7")
    book.withdraw(request_id=second.id, withdrawn_by=somebody("ada"))
    third = asked("funding", {"amount": "98"}, reference="wire 7")
    book.approve(request_id=third.id, decided_by=somebody("bob"))
    assert account("usd:cash") == 98


def test_nobody_decides_what_he_asked_and_nobody_else_withdraws_it() -> None:
    request = asked("funding", FUNDING)
    ada, bob = somebody("ada"), somebody("bob")
    for verdict in (book.approve, book.refuse):
        with pytest.raises(book.SamePerson):
            verdict(request_id=request.id, decided_by=ada, word="myself")
    with pytest.raises(book.SamePerson):
        book.withdraw(request_id=request.id, withdrawn_by=bob)
    assert account("usd:cash") == 0


def test_a_decision_is_the_last_word() -> None:
    request = asked("funding", FUNDING)
    ada, bob, eve = somebody("ada"), somebody("bob"), somebody("eve")
    refused = book.refuse(request_id=request.id, decided_by=bob, word="no")
    assert book.refuse(request_id=request.id, decided_by=bob, word="no").id == refused.id
    decisions: list[Callable[[], object]] = [
        lambda: book.approve(request_id=request.id, decided_by=bob),
        lambda: book.approve(request_id=request.id, decided_by=eve),
        lambda: book.refuse(request_id=request.id, decided_by=eve, word="no"),
        lambda: book.withdraw(request_id=request.id, withdrawn_by=ada),
    ]
    for decide in decisions:
        with pytest.raises(book.AlreadyDecided):
            decide()
    with pytest.raises(book.RequestNotFound):
        book.approve(request_id=uuid4(), decided_by=bob)


def test_an_adjustment_of_a_player_names_the_player() -> None:
    player = a_player()
    approved("adjustment", gift(player))
    assert (usd(player), account("usd:rewards-expense")) == (Decimal("2.5"), Decimal("2.5"))


NAMELESS = {"postings": [{"debit": "usd:rewards-expense", "credit": "player:usd", "amount": "1"}]}
FEE = {"postings": [{"debit": "usd:conversion-fees", "credit": "usd:cash", "amount": "1"}]}
TOKENS = {"postings": [{"debit": "dream:issued", "credit": "dream:redeemed", "amount": "1"}]}


def one(**changed: Any) -> dict[str, Any]:
    return {"postings": [{"debit": "usd:cash", "credit": "usd:adjustments", "amount": "1"} | changed]}


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("adjustment", NAMELESS),
        ("adjustment", NAMELESS | {"player": str(UUID(int=7))}),  # nobody's
        ("adjustment", FEE),
        ("adjustment", TOKENS),
        ("adjustment", one(credit="usd:nothing")),
        ("adjustment", one(credit="usd:cash")),
        ("adjustment", one(amount="0")),
        ("adjustment", one(amount="-1")),
        ("adjustment", one(amount=1)),
        ("adjustment", one(amount="NaN")),
        ("adjustment", one(amount="1e3")),
        ("adjustment", one(amount="0.000000001")),
        ("adjustment", one(more="x")),
        ("adjustment", {"postings": []}),
        ("adjustment", {"postings": one()["postings"] * 21}),
        ("adjustment", {}),
        ("funding", {"amount": "0.000000001"}),
        ("funding", {"amount": "1", "currency": "USD"}),
        ("funding", []),
        ("reversal", {"entry": "x"}),
        ("reopening", {"back_to": "2026-01-01"}),
    ],
    ids=str,
)
def test_a_payload_that_cannot_be_is_refused_by_name_and_nothing_is_written(kind: str, payload: Any) -> None:
    with pytest.raises(book.InvalidRequest):
        asked(kind, payload)
    assert run("SELECT count(*) FROM ledger_approvalrequest") == [(0,)]


def test_a_player_is_named_only_where_his_account_is_touched() -> None:
    with pytest.raises(book.InvalidRequest, match="no account of a player"):
        asked("adjustment", one() | {"player": str(a_player())})


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ({"reason_code": "because"}, book.InvalidRequest),
        ({"reference": " "}, book.InvalidRequest),
        ({"reference": "x" * 201}, book.InvalidRequest),
        ({"reference": "a\x00b"}, book.InvalidRequest),
        ({"note": "x" * 501}, book.InvalidRequest),
    ],
    ids=str,
)
def test_words_that_are_missing_or_wrong_have_a_name(words: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error):
        asked("funding", FUNDING, **words)


def test_a_refusal_says_why_and_an_unknown_kind_has_a_name() -> None:
    request = asked("funding", FUNDING)
    with pytest.raises(book.InvalidRequest):
        book.refuse(request_id=request.id, decided_by=somebody("bob"), word=" ")
    with pytest.raises(book.UnknownKind):
        book.ask(kind="gift", payload={}, reason_code="x", reference="x", asked_by=somebody("ada"))


def test_what_was_made_by_hand_is_reversed_by_two_people_and_once() -> None:
    player = a_player()
    [entry] = approved("adjustment", gift(player)).entry_ids
    with pytest.raises(book.InvalidRequest, match="names the player"):
        reverse(entry)
    done = reverse(entry, player=player)
    assert (usd(player), len(done.entry_ids)) == (Decimal(0), 1)
    with pytest.raises(book.RequestDone):
        reverse(entry, player=player, reference="ticket-2")
    with pytest.raises(book.NothingToAsk):  # a reversal is not reversed
        reverse(done.entry_ids[0], player=player)
    with pytest.raises(book.EntryNotFound):
        reverse(uuid4())


def test_a_win_is_not_reversed_by_hand() -> None:
    player = uuid4()
    [win] = post(an_entry(player, ("dream:issued", "player:dream", "1")))
    with pytest.raises(book.NothingToAsk):
        reverse(win.entry_id, player=player)


def test_a_request_whose_ground_has_moved_is_stale_and_nothing_is_written() -> None:
    player = a_player()
    [entry] = approved("adjustment", gift(player)).entry_ids
    late = asked("adjustment", gift(player, "1") | {"corrects": str(entry)})
    assert late.state == "open"
    reverse(entry, player=player)
    assert book.request_by_id(late.id).state == "stale"
    with pytest.raises(book.RequestStale):
        book.approve(request_id=late.id, decided_by=somebody("bob"))
    assert run("SELECT count(*) FROM ledger_approvaldecision WHERE request_id = %s", [late.id]) == [(0,)]
    assert usd(player) == 0
    book.withdraw(request_id=late.id, withdrawn_by=somebody("ada"))
    assert book.request_by_id(late.id).state == "withdrawn"


def test_what_the_books_refuse_leaves_the_request_open() -> None:
    player = a_player()
    back = {"debit": "player:usd", "credit": "usd:rewards-expense", "amount": "1"}
    request = asked("adjustment", {"player": str(player), "postings": [back]})
    with pytest.raises(book.InsufficientFunds):
        book.approve(request_id=request.id, decided_by=somebody("bob"))
    assert book.request_by_id(request.id).state == "open"
    approved("adjustment", gift(player), reference="ticket-2")
    assert book.approve(request_id=request.id, decided_by=somebody("bob")).state == "approved"
    assert usd(player) == Decimal("1.5")


def test_a_request_expires(settings: Settings) -> None:
    settings.APPROVAL_OPEN_FOR = timedelta(milliseconds=200)
    request = asked("funding", FUNDING)
    run("SELECT pg_sleep(0.3)")
    assert book.request_by_id(request.id).state == "expired"
    with pytest.raises(book.RequestExpired):
        book.approve(request_id=request.id, decided_by=somebody("bob"))
    settings.APPROVAL_OPEN_FOR = timedelta(hours=1)
    anew = asked("funding", FUNDING)
    assert anew.id != request.id
    assert book.approve(request_id=anew.id, decided_by=somebody("bob")).state == "approved"


# --- Who may -----------------------------------------------------------------------------------------------------


def test_the_groups_of_the_house_ask_and_decide_within_their_limits() -> None:
    """Catches limits for groups that nobody is in: then nobody but superusers could ask for anything."""
    assert set(settings.APPROVAL_LIMITS) <= {*ROLES, SUPERUSERS}
    olga, anna, vera = (
        member(name, group) for name, group in [("olga", OPERATOR), ("anna", APPROVER), ("vera", VIEWER)]
    )
    request = asked_by(olga, "10000")
    for nobody in (olga, vera):
        with pytest.raises(book.NotAllowed):
            book.approve(request_id=request.id, decided_by=nobody)
    assert book.approve(request_id=request.id, decided_by=anna).state == "approved"
    with pytest.raises(book.OverLimit):
        asked_by(olga, "10000.00000001")
    for nobody in (anna, vera):
        with pytest.raises(book.NotAllowed):
            asked_by(nobody, "1")


def member(name: str, group: str, *permissions: str) -> int:
    user = User.objects.create_user(name)
    group_row, _ = Group.objects.get_or_create(name=group)
    for codename in permissions:
        group_row.permissions.add(Permission.objects.get(codename=codename))
    user.groups.add(group_row)
    return int(user.pk)


def test_asking_and_deciding_take_a_permission_each(settings: Settings) -> None:
    settings.APPROVAL_LIMITS = {
        "operator": {"ask": {"USD": "10"}},
        "approver": {"decide": {"USD": "100"}},
        "superuser": {"ask": {"USD": "1000"}},
    }
    operator = member("olga", "operator", "ask_funding")
    approver = member("abel", "approver", "decide_funding", "decide_adjustment")
    with pytest.raises(book.OverLimit):
        asked_by(operator, "10.00000001")
    request = asked_by(operator, "10")
    with pytest.raises(book.NotAllowed):
        asked_by(approver, "1")
    with pytest.raises(book.NotAllowed):
        book.approve(request_id=request.id, decided_by=operator)
    assert book.waiting_for(operator, limit=10) == ()
    assert [each.id for each in book.waiting_for(approver, limit=10)] == [request.id]
    book.approve(request_id=request.id, decided_by=approver)
    big = asked("funding", {"amount": "101"}, reference="wire 9")
    with pytest.raises(book.OverLimit):
        book.approve(request_id=big.id, decided_by=approver)
    assert book.waiting_for(approver, limit=10) == ()
    assert book.refuse(request_id=big.id, decided_by=approver, word="too much").state == "refused"
    User.objects.filter(pk=approver).update(is_active=False)
    with pytest.raises(book.NotAllowed):
        book.waiting_for(approver, limit=10)


def asked_by(user: int, amount: str) -> book.Request:
    return book.ask(
        kind="funding", payload={"amount": amount}, reason_code="working-capital", reference="wire 8", asked_by=user
    )


def test_what_waits_for_somebody_is_what_others_asked() -> None:
    request = asked("funding", FUNDING)
    assert book.waiting_for(somebody("ada"), limit=10) == ()
    assert [each.id for each in book.waiting_for(somebody("bob"), limit=10)] == [request.id]
    book.approve(request_id=request.id, decided_by=somebody("bob"))
    assert book.waiting_for(somebody("bob"), limit=10) == ()
    assert [each.id for each in book.requests(limit=10, state="approved", kind="funding")] == [request.id]
    assert book.requests(limit=10, state="open") == ()


# --- What it would do --------------------------------------------------------------------------------------------


def test_a_preview_shows_the_balances_before_and_after_and_writes_nothing() -> None:
    player = a_player()
    approved("adjustment", gift(player, "1"))
    shown = book.preview(kind="adjustment", payload=gift(player))
    assert [(each.account, each.holder, each.before, each.after) for each in shown.movements] == [
        ("player:usd", player, Decimal(1), Decimal("3.5")),
        ("usd:rewards-expense", None, Decimal(1), Decimal("3.5")),
    ]
    assert [entry.kind for entry in shown.entries] == ["adjustment"]
    assert run("SELECT count(*) FROM ledger_journalentry") == [(1,)]


# --- Reopening ---------------------------------------------------------------------------------------------------


def a_day_ago() -> Any:
    ((then,),) = run("SELECT date_trunc('second', clock_timestamp()) - interval '1 day'")
    return then


def test_a_period_is_opened_again_by_two_people_and_may_be_closed_again() -> None:
    closed = a_day_ago()
    earlier = closed - timedelta(days=30)
    with pytest.raises(book.NothingToAsk):
        asked("reopening", {"back_to": earlier.isoformat().replace("+00:00", "Z")})
    book.close_period(ends_at=closed)
    shown = book.preview(kind="reopening", payload={"back_to": earlier.isoformat()})
    assert shown.change.before["lock_date"] != shown.change.after["lock_date"]
    done = approved("reopening", {"back_to": earlier.isoformat()})
    assert (book.lock_date(), done.entry_ids) == (earlier, ())
    with pytest.raises(book.NothingToAsk):
        asked("reopening", {"back_to": closed.isoformat()}, reference="ticket-2")
    book.close_period(ends_at=closed)
    assert book.lock_date() == closed
    again = approved("reopening", {"back_to": earlier.isoformat()}, reference="ticket-3")
    assert (again.state, book.lock_date()) == ("approved", earlier)


def test_a_reopening_is_stale_after_another_close() -> None:
    closed = a_day_ago()
    book.close_period(ends_at=closed)
    request = asked("reopening", {"back_to": (closed - timedelta(days=1)).isoformat()})
    book.close_period(ends_at=closed + timedelta(hours=1))
    with pytest.raises(book.RequestStale):
        book.approve(request_id=request.id, decided_by=somebody("bob"))
    assert book.lock_date() == closed + timedelta(hours=1)


def test_a_corrected_entry_is_dated_today_and_names_what_it_corrects() -> None:
    player = a_player()
    [wrong] = approved("adjustment", gift(player, "10")).entry_ids
    with transaction.atomic():
        book.close_period(ends_at=a_day_ago() + timedelta(days=1, seconds=-1))
    back = {"debit": "player:usd", "credit": "usd:rewards-expense", "amount": "9"}
    payload = {"player": str(player), "postings": [back], "corrects": str(wrong)}
    [entry] = approved("adjustment", payload, reason_code="correction", reference="ticket-2").entry_ids
    assert run("SELECT metadata->>'corrects' FROM ledger_journalentry WHERE id = %s", [entry]) == [(str(wrong),)]
    assert usd(player) == 1
