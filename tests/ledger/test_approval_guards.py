"""Four eyes are the database's own: every way around is tried by raw SQL, as the owner of the tables and as the app."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, transaction

from ledger import book
from tests.approvals import approved, asked, somebody
from tests.databases import APP_ROLE
from tests.factories import a_player, an_entry
from tests.sql import APP, OWNER, acting_as, refusal, run

pytestmark = pytest.mark.django_db
WHO = [OWNER, APP]
FUND = ("usd:cash", "usd:adjustments", "100")
DECIDE = """
INSERT INTO ledger_approvaldecision (request_id, asked_by_id, decided_by_id, verdict, word)
VALUES (%(request)s, %(asker)s, %(decider)s, %(verdict)s, %(word)s)
"""
OUTCOME = "INSERT INTO ledger_approvaloutcome (request_id, entry_ids, result) VALUES (%s, %s::uuid[], '{}')"


@pytest.fixture
def request_id() -> UUID:
    """A request for 100 USD, asked by ada and open; bob and eve are there too."""
    somebody("bob"), somebody("eve")
    return asked("funding", {"amount": "100"}).id


def decide(request: UUID, verdict: str = "approved", **changed: Any) -> dict[str, Any]:
    return {
        "request": request,
        "asker": somebody("ada"),
        "decider": somebody("bob"),
        "verdict": verdict,
        "word": "",
    } | changed


def entry_of(request: object, *moves: tuple[str, str, str], kind: str = "funding", by: str = "ada") -> book.Entry:
    sound = an_entry(book.HOUSE, *(moves or (FUND,)), kind=kind)
    return book.Entry(
        sound.holder,
        kind,
        sound.postings,
        posted_by=somebody(by),
        metadata={"request": str(request)} if request else {},
    )


def entry_refusal(entry: book.Entry, who: str) -> str:
    """The guard that refuses the entry, posted by the door with the rights of `who`."""
    with pytest.raises(IntegrityError) as refused, transaction.atomic(), acting_as(who):
        book.post([entry])
    return str(getattr(refused.value.__cause__, "diag", None) and refused.value.__cause__.diag.constraint_name)  # type: ignore[union-attr]


@pytest.mark.parametrize("who", WHO)
def test_the_sound_way_works_by_raw_sql_or_the_refusals_below_would_mean_nothing(request_id: UUID, who: str) -> None:
    decision, entry = decide(request_id), entry_of(request_id)
    with acting_as(who):
        run(DECIDE, decision)
        book.post([entry])
        run(OUTCOME, [request_id, [entry.id]])
    assert book.request_by_id(request_id).entry_ids == (entry.id,)


@pytest.mark.parametrize("who", WHO)
def test_a_decision_that_cannot_be_is_refused_by_its_named_guard(request_id: UUID, who: str) -> None:
    ada, bob, eve = somebody("ada"), somebody("bob"), somebody("eve")
    attacks = [
        (decide(request_id, decider=ada), "approval_decision_by_another"),
        (decide(request_id, "refused", decider=ada), "approval_decision_by_another"),
        (decide(request_id, "withdrawn"), "approval_decision_by_another"),
        (decide(request_id, asker=eve), "approval_decision_request_exists"),  # a false asker
        (decide(request_id, asker=bob, decider=ada), "approval_decision_request_exists"),
        (decide(request_id, decider=999_999), "approval_decision_decided_by_exists"),
        (decide(request_id, "maybe"), "approval_decision_by_another"),
        (decide(request_id, word="x" * 501), "approval_decision_word_length"),
        (decide(request_id, "refused"), "approval_decision_refusal_says_why"),
        (decide(uuid4()), "approval_decision_request_exists"),
    ]
    for attack, guard in attacks:
        assert refusal(DECIDE, attack, who=who).startswith(guard), attack
    run(DECIDE, decide(request_id, "withdrawn", decider=ada))
    assert refusal(DECIDE, decide(request_id), who=who) == "ledger_approvaldecision_pkey"


@pytest.mark.parametrize("who", WHO)
def test_nobody_approves_a_thing_and_leaves_it_undone(request_id: UUID, who: str) -> None:
    with pytest.raises(IntegrityError, match="comes to nothing"), acting_as(who):
        run(DECIDE, decide(request_id))
    with transaction.atomic():
        run(DECIDE, decide(request_id))
        assert refusal("SET CONSTRAINTS ALL IMMEDIATE", who=who) == "approval_is_carried_out"
        transaction.set_rollback(True)
    assert book.request_by_id(request_id).state == "open"


@pytest.mark.parametrize("who", WHO)
def test_an_entry_by_hand_without_its_approved_request_is_refused(request_id: UUID, who: str) -> None:
    """Catches money that one person moves: without a request, with one nobody approved, with one of yesterday."""
    done = approved("funding", {"amount": "7"}, reference="wire 1")
    other = entry_of(None, ("usd:rewards-expense", "usd:cash", "1"), kind="harmless")
    attacks = [
        entry_of(None),
        entry_of(request_id),  # asked, not approved
        entry_of("garbage"),
        entry_of(uuid4()),
        entry_of(done.id),  # carried out before
        entry_of(done.id, kind="harmless"),
        entry_of(None, kind="adjustment"),
        book.Entry(other.holder, "harmless", other.postings, reverses=done.entry_ids[0]),
    ]
    for entry in attacks:
        assert entry_refusal(entry, who) == "journal_entry_by_hand_is_approved", entry
    assert run("SELECT count(*) FROM ledger_journalentry") == [(1,)]


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize(
    "moves",
    [
        [("usd:cash", "usd:adjustments", "100.01")],
        [("usd:adjustments", "usd:cash", "100")],
        [("usd:cash", "usd:rewards-expense", "100")],
        [FUND, FUND],
        [("usd:cash", "usd:adjustments", "50"), ("usd:cash", "usd:adjustments", "50")],
    ],
    ids=str,
)
def test_nothing_else_is_posted_than_was_approved(request_id: UUID, who: str, moves: Any) -> None:
    entry = entry_of(request_id, *moves)
    with transaction.atomic():
        run(DECIDE, decide(request_id))
        book.post([entry])
        assert refusal(OUTCOME, [request_id, [entry.id]], who=who) == "approval_outcome_is_its_plan"
        transaction.set_rollback(True)


@pytest.mark.parametrize("who", WHO)
def test_a_request_is_posted_once_and_gains_nothing_afterwards(request_id: UUID, who: str) -> None:
    """All in the transaction that approves: a second entry, a second posting, a second outcome, another kind."""
    entry, twin = entry_of(request_id), entry_of(request_id)
    with transaction.atomic():
        run(DECIDE, decide(request_id))
        assert entry_refusal(entry_of(request_id, by="bob"), who) == "journal_entry_by_hand_is_approved"  # another name
        assert refusal(OUTCOME, [request_id, []], who=who) == "approval_outcome_is_its_plan"
        with transaction.atomic():
            book.post([entry, twin])
            assert (
                refusal(OUTCOME, [request_id, sorted([entry.id, twin.id])], who=who) == "approval_outcome_is_its_plan"
            )
            assert refusal(OUTCOME, [request_id, [entry.id]], who=who) == "approval_outcome_is_its_plan"
            transaction.set_rollback(True)
        transaction.set_rollback(False)
        book.post([entry])
        run(OUTCOME, [request_id, [entry.id]])
        assert entry_refusal(twin, who) == "journal_entry_by_hand_is_approved"
        slipped = """
            INSERT INTO ledger_posting (entry_id, holder, debit_id, credit_id, asset, amount)
            VALUES (%s, %s, 'usd:cash', 'usd:adjustments', 'USD', 1)
        """
        assert refusal(slipped, [entry.id, book.HOUSE], who=who) == "posting_entry_is_open"
        assert refusal(OUTCOME, [request_id, [entry.id]], who=who) == "approval_outcome_of_approved"
    assert refusal(OUTCOME, [request_id, [entry.id]], who=who) == "approval_outcome_of_approved"


@pytest.mark.parametrize("who", WHO)
def test_an_outcome_without_an_approval_in_its_own_transaction_is_refused(request_id: UUID, who: str) -> None:
    assert refusal(OUTCOME, [request_id, []], who=who) == "approval_outcome_of_approved"
    run(DECIDE, decide(request_id, "withdrawn", decider=somebody("ada")))
    assert refusal(OUTCOME, [request_id, []], who=who) == "approval_outcome_of_approved"


ASK = """
INSERT INTO ledger_approvalrequest
    (kind, subject, attempt, is_once, payload, plan, ground, reason_code, reference, note, asked_by_id, expires_at)
SELECT {kind}, {subject}, {attempt}, is_once, {payload}, {plan}, {ground}, {reason}, {reference}, {note}, {by}, {expires}
FROM ledger_approvalrequest WHERE id = %s
"""
SOUND = {
    "kind": "kind",
    "note": "note",
    "subject": "'another'",
    "attempt": "1",
    "payload": "payload",
    "plan": "plan",
    "ground": "ground",
    "reason": "reason_code",
    "reference": "reference",
    "by": "asked_by_id",
    "expires": "clock_timestamp() + interval '1 day'",
}
PLAYERS = """'[{"holder": "%s", "kind": "adjustment", "postings": []}]'::jsonb"""


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize(
    ("forged", "guard"),
    [
        ({"subject": "subject"}, "approval_request_one_open"),
        ({"subject": "subject", "attempt": "2"}, "approval_request_one_open"),
        ({"attempt": "2"}, "approval_request_one_open"),
        ({"kind": "'No kind'"}, "approval_request_kind_form"),
        ({"note": "repeat('x', 501)"}, "approval_request_note_length"),
        ({"ground": "'x'"}, "approval_request_ground_form"),
        ({"reason": "''"}, "approval_request_reason_form"),
        ({"reference": "' '"}, "approval_request_reference_said"),
        ({"by": "999999"}, "approval_request_asked_by_exists"),
        ({"expires": "clock_timestamp() - interval '1 day'"}, "approval_request_expires_later"),
        ({"plan": PLAYERS % UUID(int=7)}, "approval_request_names_its_player"),
        (
            {"plan": PLAYERS % UUID(int=7), "payload": f"""'{{"player": "{UUID(int=8)}"}}'::jsonb"""},
            "approval_request_names_its_player",
        ),
    ],
    ids=str,
)
def test_a_request_that_cannot_be_is_refused_by_its_named_guard(
    request_id: UUID, who: str, forged: dict[str, str], guard: str
) -> None:
    assert (
        refusal(ASK.format(**(SOUND | forged)).replace("%", "%%").replace("%%s", "%s"), [request_id], who=who) == guard
    )


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize(
    "posting", [("usd:conversion-fees", "usd:cash"), ("dream:issued", "player:dream"), ("usd:nothing", "usd:cash")]
)
def test_an_adjustment_of_fees_or_tokens_is_refused_by_the_database(who: str, posting: tuple[str, str]) -> None:
    player = a_player()
    gift = {"debit": "usd:rewards-expense", "credit": "player:usd", "amount": "1"}
    sound = asked("adjustment", {"player": str(player), "postings": [gift]})
    debit, credit = posting
    plan = f"""'[{{"holder": "{player}", "kind": "adjustment", "postings": [{{"debit": "{debit}", "credit": "{credit}", "amount": "1"}}]}}]'::jsonb"""
    assert refusal(ASK.format(**(SOUND | {"plan": plan})), [sound.id], who=who) == "approval_request_adjusts_usd"


@pytest.mark.parametrize("who", WHO)
def test_a_payment_that_was_made_is_not_asked_for_again(who: str) -> None:
    done = approved("funding", {"amount": "7"}, reference="wire 1")
    again = ASK.format(**(SOUND | {"subject": "subject", "attempt": "2"}))
    assert refusal(again, [done.id], who=who) == "approval_request_done_once"


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize(
    ("table", "change", "guard"),
    [
        ("ledger_approvalrequest", "payload = '{}'", "approval_request_is_final"),
        ("ledger_approvaldecision", "verdict = 'refused'", "approval_decision_is_final"),
        ("ledger_approvaloutcome", "result = '{}'", "approval_outcome_is_final"),
    ],
)
def test_what_was_asked_and_decided_stays(who: str, table: str, change: str, guard: str) -> None:
    approved("funding", {"amount": "7"})
    expected = guard if who == OWNER else "privilege"
    for statement in (f"UPDATE {table} SET {change}", f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
        refused = refusal(statement, who=who)
        assert refused == expected or (who == OWNER and "TRUNCATE" in statement and refused.endswith("_is_final"))


@pytest.mark.parametrize("who", WHO)
def test_what_has_expired_is_not_approved_and_may_still_be_refused(who: str, settings: Any) -> None:
    settings.APPROVAL_OPEN_FOR = timedelta(milliseconds=200)
    late = asked("funding", {"amount": "7"}).id
    run("SELECT pg_sleep(0.3)")
    assert refusal(DECIDE, decide(late), who=who) == "approval_decision_in_time"
    run(DECIDE, decide(late, "refused", word="too late"))


def test_when_it_was_asked_and_decided_says_the_database(request_id: UUID) -> None:
    forged = "INSERT INTO ledger_approvaldecision (request_id, asked_by_id, decided_by_id, verdict, word, {}) VALUES (%s, %s, %s, 'withdrawn', '', {})"
    ada = somebody("ada")
    for column, value in (("decided_at", "'2020-01-01Z'"), ("transaction", "'1'")):
        assert refusal(forged.format(column, value), [request_id, ada, ada], who=APP) == "privilege"
    run(forged.format("decided_at", "'2020-01-01Z'"), [request_id, ada, ada])  # the owner may try
    assert run("SELECT decided_at > now() - interval '1 minute' FROM ledger_approvaldecision") == [(True,)]


REOPEN = "INSERT INTO ledger_periodclose (ends_at, closed_by_id, request_id) VALUES (%s, %s, %s)"


@pytest.mark.parametrize("who", WHO)
def test_a_period_opens_again_by_its_approved_request_alone(request_id: UUID, who: str) -> None:
    ((closed, earlier, earliest),) = run(
        "SELECT now() - interval '1 day', now() - interval '9 day', now() - interval '10 day'"
    )
    book.close_period(ends_at=closed)
    ada = somebody("ada")
    reopening = asked("reopening", {"back_to": earlier.isoformat()})
    assert refusal(REOPEN, [earlier, ada, None], who=who) == "period_close_moves_forward"
    assert refusal(REOPEN, [earlier, ada, reopening.id], who=who) == "period_reopening_is_approved"
    with transaction.atomic():
        run(DECIDE, decide(reopening.id))
        run(DECIDE, decide(request_id))
        assert refusal(REOPEN, [earliest, ada, reopening.id], who=who) == "period_reopening_is_approved"  # further back
        assert refusal(REOPEN, [earlier, ada, request_id], who=who) == "period_reopening_is_approved"  # another request
        assert refusal(REOPEN, [closed, ada, reopening.id], who=who) == "period_reopening_moves_back"
        transaction.set_rollback(True)
    book.approve(request_id=reopening.id, decided_by=somebody("bob"))
    assert book.lock_date() == earlier


@pytest.fixture
def as_app_role() -> Iterator[None]:
    run(f"SET ROLE {APP_ROLE}")
    yield
    run("RESET ROLE")


def test_the_app_role_is_enough_to_ask_and_to_decide(request_id: UUID, as_app_role: None) -> None:
    assert book.approve(request_id=request_id, decided_by=somebody("bob")).state == "approved"
    second = asked("funding", {"amount": "1"}, reference="wire 2")
    assert book.refuse(request_id=second.id, decided_by=somebody("bob"), word="no").state == "refused"
    third = asked("funding", {"amount": "1"}, reference="wire 3")
    assert book.withdraw(request_id=third.id, withdrawn_by=somebody("ada")).state == "withdrawn"
    ((closed,),) = run("SELECT now() - interval '1 day'")
    book.close_period(ends_at=closed)
    approved("reopening", {"back_to": "2026-01-01T00:00:00Z"}, reference="ticket-9")
    assert book.verify().clean
