"""A quarantined rate passes when one person asks and another one approves, and in no other way."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from uuid import UUID, uuid4

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

from conversion.errors import (
    AlreadyDecided,
    ProposalNotFound,
    ProposalOpen,
    RateAlreadyAccepted,
    RateNotFound,
    ReasonMissing,
    SamePerson,
)
from conversion.services import convert_due_hours, decide_rate, propose_rate_decision
from tests.conversion.helpers import HOUR, OVER, RateApi, wallet, win
from tests.factories import a_player
from tests.sql import APP, OWNER, in_parallel, refusal, run

pytestmark = pytest.mark.django_db
LATER = OVER + timedelta(hours=1)
WHY = "the exchange confirmed it"


@pytest.fixture
def people() -> tuple[int, int, int]:
    create = get_user_model().objects.create_user
    return create("ada").pk, create("bob").pk, create("eve").pk


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


def test_what_one_asks_and_another_approves_is_the_rate_of_the_hour(held: UUID, people: tuple[int, int, int]) -> None:
    ada, bob, _ = people
    proposal = propose_rate_decision(rate_id=held, proposed_by=ada, reason=WHY)
    assert propose_rate_decision(rate_id=held, proposed_by=ada, reason=WHY) == proposal
    accepted = decide_rate(proposal_id=proposal, decided_by=bob, approve=True, reason=WHY)
    assert decide_rate(proposal_id=proposal, decided_by=bob, approve=True, reason=WHY) == accepted
    assert run("SELECT decides_id, decided_by_id, price, state FROM conversion_rate WHERE id = %s", [accepted]) == [
        (held, bob, Decimal("0.30"), "accepted")
    ]
    assert convert_due_hours(now=LATER).runs[0].state == "done"
    [(player,)] = run("SELECT DISTINCT player_id FROM rewards_win")
    assert wallet(player) == (Decimal(0), Decimal("0.45"))


def test_nobody_decides_what_he_asked(held: UUID, people: tuple[int, int, int]) -> None:
    """Catches one person with two hats; the database refuses it too, below."""
    ada, *_ = people
    proposal = propose_rate_decision(rate_id=held, proposed_by=ada, reason=WHY)
    for approve in (True, False):
        with pytest.raises(SamePerson):
            decide_rate(proposal_id=proposal, decided_by=ada, approve=approve, reason=WHY)
    assert convert_due_hours(now=LATER).runs[0].state == "rate_quarantined"


def test_after_a_rejection_the_hour_is_asked_again_and_the_rate_may_be_proposed_again(
    held: UUID, people: tuple[int, int, int], rate_api: RateApi
) -> None:
    ada, bob, eve = people
    proposal = propose_rate_decision(rate_id=held, proposed_by=ada, reason=WHY)
    assert decide_rate(proposal_id=proposal, decided_by=bob, approve=False, reason="I called them") is None
    assert decide_rate(proposal_id=proposal, decided_by=bob, approve=False, reason="I called them") is None
    asked = len(rate_api.asked)
    assert convert_due_hours(now=LATER).runs[0].state == "rate_quarantined"  # the provider insists
    assert rate_api.asked[asked:] == [OVER]
    again = propose_rate_decision(rate_id=held, proposed_by=bob, reason="they called back")
    decide_rate(proposal_id=again, decided_by=eve, approve=True, reason=WHY)
    assert convert_due_hours(now=LATER).runs[0].state == "done"
    assert run("SELECT attempt FROM conversion_rateproposal ORDER BY id") == [(1,), (2,)]


def test_a_rejected_hour_goes_on_with_a_better_answer(
    held: UUID, people: tuple[int, int, int], rate_api: RateApi
) -> None:
    ada, bob, _ = people
    proposal = propose_rate_decision(rate_id=held, proposed_by=ada, reason=WHY)
    decide_rate(proposal_id=proposal, decided_by=bob, approve=False, reason="a typing error of theirs")
    rate_api.says(OVER, "0.151")
    assert convert_due_hours(now=LATER).runs[0].state == "done"


def test_a_decision_comes_too_late_where_the_hour_has_its_rate(
    held: UUID, people: tuple[int, int, int], rate_api: RateApi
) -> None:
    ada, bob, _ = people
    proposal = propose_rate_decision(rate_id=held, proposed_by=ada, reason=WHY)
    rate_api.says(OVER, "0.151")
    convert_due_hours(now=LATER)
    with pytest.raises(RateAlreadyAccepted):
        decide_rate(proposal_id=proposal, decided_by=bob, approve=True, reason=WHY)
    assert run("SELECT * FROM conversion_ratedecision") == []


def test_wrong_calls_have_names(held: UUID, people: tuple[int, int, int]) -> None:
    ada, bob, eve = people
    with pytest.raises(ReasonMissing):
        propose_rate_decision(rate_id=held, proposed_by=ada, reason=" ")
    [(accepted,)] = run("SELECT id FROM conversion_rate WHERE state = 'accepted'")
    for rate in (uuid4(), accepted):
        with pytest.raises(RateNotFound):
            propose_rate_decision(rate_id=rate, proposed_by=ada, reason=WHY)
    proposal = propose_rate_decision(rate_id=held, proposed_by=ada, reason=WHY)
    with pytest.raises(ProposalOpen):
        propose_rate_decision(rate_id=held, proposed_by=bob, reason=WHY)
    with pytest.raises(ProposalNotFound):
        decide_rate(proposal_id=uuid4(), decided_by=bob, approve=True, reason=WHY)
    with pytest.raises(ReasonMissing):
        decide_rate(proposal_id=proposal, decided_by=bob, approve=True, reason="")
    decide_rate(proposal_id=proposal, decided_by=bob, approve=False, reason=WHY)
    for decided_by, approve in ((eve, False), (bob, True)):
        with pytest.raises(AlreadyDecided):
            decide_rate(proposal_id=proposal, decided_by=decided_by, approve=approve, reason=WHY)


def test_two_who_decide_at_once_make_one_decision(held: UUID, people: tuple[int, int, int]) -> None:
    ada, bob, eve = people
    proposal = propose_rate_decision(rate_id=held, proposed_by=ada, reason=WHY)
    results = in_parallel(
        [
            lambda: decide_rate(proposal_id=proposal, decided_by=bob, approve=True, reason=WHY),
            lambda: decide_rate(proposal_id=proposal, decided_by=eve, approve=False, reason=WHY),
        ]
    )
    assert [isinstance(result, AlreadyDecided) for result in results].count(True) == 1
    [(approved,)] = run("SELECT approved FROM conversion_ratedecision")
    assert approved == (len(run("SELECT id FROM conversion_rate WHERE decides_id IS NOT NULL")) == 1)


def test_two_who_ask_at_once_make_one_question(held: UUID, people: tuple[int, int, int]) -> None:
    results = in_parallel(
        [
            lambda by=by: propose_rate_decision(rate_id=held, proposed_by=by, reason=WHY)  # type: ignore[misc]
            for by in people[:2]
        ]
    )
    assert [isinstance(result, ProposalOpen) for result in results].count(True) == 1


PROPOSE = "INSERT INTO conversion_rateproposal (rate_id, attempt, reason, proposed_by_id) VALUES (%s, %s, 'so', %s)"
DECIDE = (
    "INSERT INTO conversion_ratedecision (proposal_id, proposed_by_id, decided_by_id, approved, reason)"
    " VALUES (%s, %s, %s, true, 'so')"
)
PASS = """
INSERT INTO conversion_rate (hour, price, provider, quoted_at, raw, state, reason, decides_id, decided_by_id)
SELECT hour, price{more}, provider, quoted_at, raw, 'accepted', '', id, %s FROM conversion_rate WHERE id = %s
"""


@pytest.mark.parametrize("who", [OWNER, APP])
def test_four_eyes_are_the_databases_own(held: UUID, people: tuple[int, int, int], who: str) -> None:
    """Catches a rule that only Python knows: each shortcut is tried by raw SQL."""
    ada, bob, eve = people
    assert refusal(PASS.format(more=""), [bob, held], who=who) == "rate_decided_by_two"  # without any question
    assert refusal(PROPOSE, [held, 2, ada], who=who) == "rate_proposal_one_open"
    assert refusal(PROPOSE, [uuid4(), 1, ada], who=who) == "rate_proposal_of_quarantined"
    proposal = propose_rate_decision(rate_id=held, proposed_by=ada, reason=WHY)
    assert refusal(PROPOSE, [held, 1, bob], who=who) == "rate_proposal_one_open"
    assert refusal(DECIDE, [proposal, ada, ada], who=who) == "rate_decision_by_another"
    assert refusal(DECIDE, [proposal, eve, ada], who=who) == "rate_decision_proposal_exists"  # a false asker
    assert refusal(DECIDE, [proposal, ada, 999_999], who=who) == "rate_decision_decided_by_exists"
    assert refusal(PASS.format(more=""), [bob, held], who=who) == "rate_decided_by_two"  # asked, not approved
    run(DECIDE, [proposal, ada, bob])
    assert refusal(DECIDE, [proposal, ada, bob], who=who) == "conversion_ratedecision_pkey"
    assert refusal(PASS.format(more=" * 2"), [bob, held], who=who) == "rate_decided_by_two"  # another price
    assert refusal(PASS.format(more=""), [eve, held], who=who) == "rate_decided_by_two"  # another name
    run(PASS.format(more=""), [bob, held])


@pytest.mark.parametrize("who", [OWNER, APP])
@pytest.mark.parametrize("table", ["proposal", "decision"])
def test_the_trail_of_decisions_stays(held: UUID, people: tuple[int, int, int], who: str, table: str) -> None:
    ada, bob, _ = people
    proposal = propose_rate_decision(rate_id=held, proposed_by=ada, reason=WHY)
    decide_rate(proposal_id=proposal, decided_by=bob, approve=False, reason=WHY)
    expected = f"rate_{table}_is_final" if who == OWNER else "privilege"
    for statement in ("UPDATE {} SET reason = 'forged'", "DELETE FROM {}", "TRUNCATE {} CASCADE"):
        assert refusal(statement.format(f"conversion_rate{table}"), who=who) == expected


def test_a_decision_is_dated_by_the_database() -> None:
    forged = "INSERT INTO conversion_rateproposal (rate_id, attempt, reason, proposed_by_id, proposed_at) VALUES (%s, 1, 'x', 1, now())"
    assert refusal(forged, [uuid4()], who=APP) == "privilege"


@pytest.fixture
def as_app_role() -> Iterator[None]:
    run("SET ROLE dreamland_test_app")
    yield
    run("RESET ROLE")


def test_the_app_role_is_enough_to_ask_and_to_decide(
    held: UUID, people: tuple[int, int, int], as_app_role: None
) -> None:
    ada, bob, _ = people
    proposal = propose_rate_decision(rate_id=held, proposed_by=ada, reason=WHY)
    assert decide_rate(proposal_id=proposal, decided_by=bob, approve=True, reason=WHY)


def test_the_rates_command_takes_two_people(held: UUID, people: tuple[int, int, int]) -> None:
    out = StringIO()
    call_command("rates", "--propose", str(held), "--as", "ada", "--reason", WHY, stdout=out, stderr=out)
    [(proposal,)] = run("SELECT id FROM conversion_rateproposal")
    assert f"proposal {proposal}" in out.getvalue()
    with pytest.raises(SystemExit) as refused:
        call_command("rates", "--approve", str(proposal), "--as", "ada", "--reason", WHY, stdout=out, stderr=out)
    assert refused.value.code == 2
    with pytest.raises(CommandError, match="active user"):
        call_command("rates", "--approve", str(proposal), "--as", "nobody", "--reason", WHY, stdout=out, stderr=out)
    call_command("rates", "--approve", str(proposal), "--as", "bob", "--reason", WHY, stdout=out, stderr=out)
    assert convert_due_hours(now=LATER).runs[0].state == "done"
