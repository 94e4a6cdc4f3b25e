"""Requests that many ask and decide at the same moment: one request, one word, posted once. Beside each race stands
the control that goes wrong without what keeps it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from ledger import book
from ledger.approvals import deciding, kinds
from tests.approvals import TICKET, approved, asked, somebody
from tests.factories import a_player
from tests.sql import in_parallel, replaced, run, slow_to_commit

pytestmark = pytest.mark.django_db
FUNDING = {"amount": "100"}
MANY = 8


def told(results: list[Any]) -> list[str]:
    """What came of each: the state of the request, or the name of the refusal."""
    return sorted(result.state if isinstance(result, book.Request) else type(result).__name__ for result in results)


def people(count: int) -> list[int]:
    return [somebody(f"person-{n}") for n in range(count)]


def ask(by: int) -> Callable[[], book.Request]:
    words = {"reason_code": "working-capital", "reference": TICKET}
    return lambda: book.ask(kind="funding", payload=FUNDING, asked_by=by, **words)


def approve(request: book.Request, by: int) -> Callable[[], book.Request]:
    return lambda: book.approve(request_id=request.id, decided_by=by)


def withdraw(request: book.Request, by: int) -> Callable[[], book.Request]:
    return lambda: book.withdraw(request_id=request.id, withdrawn_by=by)


def entries_by_hand() -> int:
    return int(run("SELECT count(*) FROM ledger_journalentry")[0][0])


def test_many_who_ask_for_the_same_payment_at_once_make_one_request() -> None:
    results = in_parallel([ask(by) for by in people(MANY)])
    assert told(results) == ["RequestOpen"] * (MANY - 1) + ["open"]
    assert run("SELECT count(*) FROM ledger_approvalrequest") == [(1,)]


def test_one_who_asks_many_times_at_once_asks_once() -> None:
    ada = somebody("ada")
    results = in_parallel([ask(ada)] * MANY)
    assert told(results) == ["open"] * MANY
    assert run("SELECT count(*) FROM ledger_approvalrequest") == [(1,)]


def test_control_without_the_count_of_attempts_a_payment_is_asked_for_twice() -> None:
    run("ALTER TABLE ledger_approvalrequest DROP CONSTRAINT approval_request_attempt_once")
    slow_to_commit("ledger_approvalrequest")
    in_parallel([ask(by) for by in people(MANY)])
    assert run("SELECT count(*) > 1 FROM ledger_approvalrequest") == [(True,)]


def test_many_who_approve_at_once_post_once() -> None:
    request = asked("funding", FUNDING)
    results = in_parallel([approve(request, by) for by in people(MANY)])
    assert told(results) == ["AlreadyDecided"] * (MANY - 1) + ["approved"]
    assert entries_by_hand() == 1
    assert book.trial_balance().balance("usd:cash") == 100


def test_one_who_approves_many_times_at_once_approves_once() -> None:
    request, bob = asked("funding", FUNDING), somebody("bob")
    assert told(in_parallel([approve(request, bob)] * MANY)) == ["approved"] * MANY
    assert entries_by_hand() == 1


@pytest.mark.breaks_books
def test_control_without_the_key_of_the_decision_two_approvals_post_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes away the keys, and lets both look before either writes: then a request is carried out twice."""
    request = asked("funding", FUNDING)
    for table in ("ledger_approvaldecision", "ledger_approvaloutcome"):
        run(f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey CASCADE")
    slow_to_commit("ledger_approvaloutcome")
    without_key = deciding.DECIDE.replace("ON CONFLICT (request_id) DO NOTHING", "")
    monkeypatch.setattr(deciding, "DECIDE", without_key)
    results = told(in_parallel([approve(request, by) for by in people(2)]))
    assert (results, entries_by_hand()) == (["approved", "approved"], 2)


def test_approving_and_withdrawing_at_once_has_one_outcome() -> None:
    ada, bob = somebody("ada"), somebody("bob")
    for n in range(5):
        request = asked("funding", FUNDING, reference=f"wire {n}")
        results = in_parallel([approve(request, bob), withdraw(request, ada)])
        assert told(results) in (["AlreadyDecided", "approved"], ["AlreadyDecided", "withdrawn"])
        entries = int("approved" in told(results))
        assert len(book.request_by_id(request.id).entry_ids) == entries


# --- The ground does not move between the look at it and the deed --------------------------------------------------


def correct_and_reverse_at_once() -> list[str]:
    """One entry, corrected by one request and reversed by another; both were asked for while it stood."""
    player = a_player()
    gift = {"debit": "usd:rewards-expense", "credit": "player:usd", "amount": "10"}
    [wrong] = approved("adjustment", {"player": str(player), "postings": [gift]}).entry_ids
    more = {"player": str(player), "postings": [gift | {"amount": "1"}], "corrects": str(wrong)}
    correction = asked("adjustment", more, reference="ticket-2")
    reversal = asked("reversal", {"entry": str(wrong), "player": str(player)}, reference="ticket-3")
    return told(in_parallel([late(reversal, 0), late(correction, 0.3)]))


def late(request: book.Request, seconds: float) -> Callable[[], book.Request]:
    """Approves a little later, and takes its time between the look and the deed."""

    def use_case() -> book.Request:
        run("SELECT pg_sleep(%s)", [seconds])
        return book.approve(request_id=request.id, decided_by=somebody("bob"))

    return use_case


@pytest.fixture
def slow_reversal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reversal looks at its ground, and then takes its time: enough for another to look too, on a busy machine."""
    kind = book.kind_of("reversal")

    def carry_out(order: book.Order) -> book.Outcome:
        run("SELECT pg_sleep(3)")
        return kind.do(order)

    monkeypatch.setitem(kinds._kinds, "reversal", replace(kind, carry_out=carry_out))


def test_a_correction_never_follows_the_reversal_of_what_it_corrects(slow_reversal: None) -> None:
    assert correct_and_reverse_at_once() == ["RequestStale", "approved"]


def test_control_without_the_lock_on_the_entry_both_are_done(slow_reversal: None) -> None:
    with replaced("lock_entry", "FOR NO KEY UPDATE", ""):
        assert correct_and_reverse_at_once() == ["approved", "approved"]


def reopen_beside_a_close() -> str:
    """A close that is on its way to COMMIT while a reopening, asked for before it, is approved."""
    ((closed,),) = run("SELECT date_trunc('second', clock_timestamp()) - interval '9 days'")
    book.close_period(ends_at=closed)
    request = asked("reopening", {"back_to": (closed - timedelta(days=1)).isoformat()})

    def close_slowly() -> None:
        with transaction.atomic():
            book.close_period(ends_at=closed + timedelta(days=1))
            run("SELECT pg_sleep(3)")

    results = in_parallel([close_slowly, late(request, 0.4)])
    assert results[0] is None
    return told(results[1:])[0]


def test_a_reopening_never_opens_what_was_closed_after_it_was_asked_for() -> None:
    assert reopen_beside_a_close() == "RequestStale"


def test_control_without_the_lock_a_reopening_opens_a_later_close_too() -> None:
    with replaced("lock_periods", "LOCK TABLE ledger_periodclose IN SHARE ROW EXCLUSIVE MODE;", ""):
        assert reopen_beside_a_close() == "approved"
