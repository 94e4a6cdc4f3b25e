"""A quarantined rate passes when one person asks and another one approves, and in no other way."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from django.db import transaction

from conversion.errors import RateAlreadyAccepted, RateNotFound
from conversion.services import convert_due_hours
from ledger import book
from tests.approvals import asked, rate_passed, somebody
from tests.conversion.helpers import HOUR, OVER, RateApi, wallet, win
from tests.factories import a_player
from tests.sql import APP, OWNER, in_parallel, refusal, run

pytestmark = pytest.mark.django_db
LATER = OVER + timedelta(hours=1)


@pytest.fixture
def held(rate_api: RateApi) -> UUID:
    """A quarantined rate of the hour OVER, in which one player won 1 DREAM."""
    ada = a_player()
    win(ada), win(ada, at=OVER)
    rate_api.says(HOUR, "0.15")
    rate_api.says(OVER, "0.30")
    assert [each.state for each in convert_due_hours(now=LATER).runs] == ["done", "rate_quarantined"]
    [(rate_id,)] = run("SELECT id FROM conversion_rate WHERE state = 'quarantined'")
    assert isinstance(rate_id, UUID)
    return rate_id


def ask(rate_id: object, *, by: str = "ada", reference: str = "call of 10 November") -> book.Request:
    return asked("quarantined-rate", {"rate": str(rate_id)}, by=by, reference=reference)


def approve(request: book.Request, *, by: str = "bob") -> book.Request:
    return book.approve(request_id=request.id, decided_by=somebody(by))


def reject(request: book.Request, *, by: str = "bob") -> book.Request:
    return book.refuse(request_id=request.id, decided_by=somebody(by), word="a typing error of theirs")


def test_what_one_asks_and_another_approves_is_the_rate_of_the_hour(held: UUID) -> None:
    request = ask(held)
    assert ask(held) == request
    accepted = approve(request).result["rate"]
    assert approve(request).result["rate"] == accepted
    assert run("SELECT decides_id, decided_by_id, price, state FROM conversion_rate WHERE id = %s", [accepted]) == [
        (held, somebody("bob"), Decimal("0.30"), "accepted")
    ]
    assert convert_due_hours(now=LATER).runs[0].state == "done"
    [(player,)] = run("SELECT DISTINCT player_id FROM rewards_win")
    assert wallet(player) == (Decimal(0), Decimal("0.45"))


def test_who_decides_sees_the_price_beside_the_one_before_and_who_waits(held: UUID) -> None:
    change = book.preview(kind="quarantined-rate", payload={"rate": str(held)}).change
    assert change.before == {
        "rate_of_the_hour": "none: the hour waits",
        "accepted_rate_before_it": "0.15",
        "players_who_wait_for_it": 1,
    }
    assert change.after["rate_of_the_hour"] == "0.3 USD for 1 DREAM"


def test_nobody_decides_what_he_asked(held: UUID) -> None:
    """Catches one person with two hats; the database refuses it too, below."""
    request = ask(held)
    for decide in (approve, reject):
        with pytest.raises(book.SamePerson):
            decide(request, by="ada")
    assert convert_due_hours(now=LATER).runs[0].state == "rate_quarantined"


def test_after_a_refusal_the_hour_is_asked_again_and_the_rate_may_be_asked_for_again(
    held: UUID, rate_api: RateApi
) -> None:
    reject(ask(held))
    before = len(rate_api.asked)
    assert convert_due_hours(now=LATER).runs[0].state == "rate_quarantined"  # the provider insists
    assert rate_api.asked[before:] == [OVER]
    approve(ask(held, by="bob", reference="they called back"), by="eve")
    assert convert_due_hours(now=LATER).runs[0].state == "done"


def test_a_refused_hour_goes_on_with_a_better_answer(held: UUID, rate_api: RateApi) -> None:
    reject(ask(held))
    rate_api.says(OVER, "0.151")
    assert convert_due_hours(now=LATER).runs[0].state == "done"


def test_an_approval_comes_too_late_where_the_hour_has_its_rate(held: UUID, rate_api: RateApi) -> None:
    request = ask(held)
    rate_api.says(OVER, "0.151")
    convert_due_hours(now=LATER)
    assert book.request_by_id(request.id).state == "stale"
    with pytest.raises(book.RequestStale):
        approve(request)
    assert run("SELECT count(*) FROM ledger_approvaldecision") == [(0,)]
    with pytest.raises(RateAlreadyAccepted):
        ask(held, by="eve", reference="another") if reject(request) else None


def test_an_approval_that_races_with_a_better_answer_is_refused_by_the_one_rate_of_an_hour(held: UUID) -> None:
    """Catches a second rate of an hour: the answer commits between the look at the hour and the deed."""
    request = ask(held)
    better = """
        INSERT INTO conversion_rate (hour, price, provider, quoted_at, state)
        SELECT hour, 0.151, 'http', quoted_at, 'accepted' FROM conversion_rate WHERE id = %s
    """

    def answer() -> None:
        with transaction.atomic():
            run(better, [held])
            run("SELECT pg_sleep(0.7)")

    def late() -> book.Request:
        run("SELECT pg_sleep(0.3)")
        return approve(request)

    _, result = in_parallel([answer, late])
    assert isinstance(result, RateAlreadyAccepted)
    assert book.request_by_id(request.id).state == "stale"


def test_wrong_calls_have_names(held: UUID) -> None:
    [(accepted,)] = run("SELECT id FROM conversion_rate WHERE state = 'accepted'")
    for rate in (uuid4(), accepted):
        with pytest.raises(RateNotFound):
            ask(rate)
    with pytest.raises(book.InvalidRequest):
        ask("x")
    request = ask(held)
    with pytest.raises(book.RequestOpen):
        ask(held, by="bob")
    approve(request)
    with pytest.raises(book.RequestDone):
        ask(held, by="bob")


def test_two_words_at_once_are_one(held: UUID) -> None:
    request = ask(held)
    results = in_parallel([lambda: approve(request), lambda: reject(request, by="eve")])
    assert sorted(type(result).__name__ for result in results) == ["AlreadyDecided", "Request"]


DECIDE = """
INSERT INTO ledger_approvaldecision (request_id, asked_by_id, decided_by_id, verdict, word)
SELECT id, asked_by_id, %s, %s, 'so' FROM ledger_approvalrequest WHERE id = %s
"""
PASS = """
INSERT INTO conversion_rate (hour, price, provider, quoted_at, raw, state, reason, decides_id, decided_by_id)
SELECT hour, price{more}, provider, quoted_at, raw, 'accepted', '', id, %s FROM conversion_rate WHERE id = %s
"""


@pytest.mark.parametrize("who", [OWNER, APP])
def test_four_eyes_are_the_databases_own(held: UUID, who: str) -> None:
    """Catches a rule that only Python knows: each shortcut is tried by raw SQL."""
    bob, eve = somebody("bob"), somebody("eve")
    request, funding = ask(held), asked("funding", {"amount": "1"})

    def refused(by: int, more: str = "") -> bool:
        return refusal(PASS.format(more=more), [by, held], who=who) == "rate_decided_by_two"

    assert refused(bob)  # asked, not approved
    with transaction.atomic():
        run(DECIDE, [bob, "approved", funding.id])
        assert refused(bob)  # another request was approved
        transaction.set_rollback(True)
    with transaction.atomic():
        run(DECIDE, [bob, "refused", request.id])
        assert refused(bob)
        transaction.set_rollback(True)
    with transaction.atomic():
        run(DECIDE, [bob, "approved", request.id])
        assert refused(bob, " * 2")  # another price
        assert refused(eve)  # another name
        run(PASS.format(more=""), [bob, held])
        transaction.set_rollback(True)
    approve(request)
    assert refusal(PASS.format(more=""), [bob, held], who=who) in {"rate_decided_by_two", "rate_one_accepted_for_hour"}


@pytest.mark.parametrize("who", [OWNER, APP])
def test_only_a_rate_in_quarantine_passes_by_two_people(held: UUID, who: str) -> None:
    """Catches garbage that was refused outright and is let pass: by a request that Python would never write."""
    bob = somebody("bob")
    ask(held)
    [(refused,)] = run(
        "INSERT INTO conversion_rate (hour, price, provider, quoted_at, state, reason)"
        " SELECT hour, 15, provider, quoted_at, 'refused', 'too-high' FROM conversion_rate WHERE id = %s RETURNING id",
        [held],
    )
    [(forged,)] = run(
        "INSERT INTO ledger_approvalrequest (kind, subject, attempt, is_once, payload, ground, reason_code, reference,"
        " asked_by_id, expires_at) SELECT kind, 'forged', 1, true, jsonb_build_object('rate', %s::text), ground,"
        " reason_code, reference, asked_by_id, expires_at FROM ledger_approvalrequest RETURNING id",
        [str(refused)],
    )
    with transaction.atomic():
        run(DECIDE, [bob, "approved", forged])
        assert refusal(PASS.format(more=""), [bob, refused], who=who) == "rate_decided_by_two"
        transaction.set_rollback(True)


@pytest.fixture
def as_app_role() -> Iterator[None]:
    run("SET ROLE dreamland_test_app")
    yield
    run("RESET ROLE")


def test_the_app_role_is_enough_to_ask_and_to_decide(held: UUID, as_app_role: None) -> None:
    assert rate_passed(held).state == "approved"
