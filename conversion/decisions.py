"""A quarantined rate is let pass by two people: one asks, another one decides. PostgreSQL refuses anything less
(sql/rate_decision.sql)."""

from typing import Any
from uuid import UUID

from django.db import connection, transaction

from conversion.errors import REFUSALS, AlreadyDecided, ProposalNotFound, ProposalOpen, RateAlreadyAccepted
from conversion.models import Rate, RateDecision, RateProposal
from dreamland.lib.errors import named_refusals

PROPOSE = """
INSERT INTO conversion_rateproposal (rate_id, attempt, reason, proposed_by_id)
SELECT %(rate)s, 1 + count(*), %(reason)s, %(by)s
FROM conversion_rateproposal proposal
JOIN conversion_ratedecision decision ON decision.proposal_id = proposal.id AND NOT decision.approved
WHERE proposal.rate_id = %(rate)s
ON CONFLICT DO NOTHING
RETURNING id
"""


@transaction.atomic(durable=True)
def propose_rate_decision(*, rate_id: UUID, proposed_by: int, reason: str) -> UUID:
    """Asks that a quarantined rate be let pass; returns the proposal's id. The same person may ask twice: once counts.

    Raises RateNotFound (no such rate in quarantine), RateAlreadyAccepted (its hour has another rate by now),
    ProposalOpen (somebody else has asked), ReasonMissing.
    """
    with named_refusals(REFUSALS), connection.cursor() as cursor:
        cursor.execute(PROPOSE, {"rate": rate_id, "reason": reason, "by": proposed_by})
        row = cursor.fetchone()
    _assert_undecided_hour(rate_id)
    if row:
        return UUID(str(row[0]))
    standing = RateProposal.objects.filter(rate_id=rate_id, decision=None).first()
    if standing is None or standing.proposed_by_id != proposed_by:
        raise ProposalOpen("somebody has asked for this rate already")
    return standing.pk


def _assert_undecided_hour(rate_id: UUID) -> None:
    hour = Rate.objects.values_list("hour", flat=True).get(pk=rate_id)
    accepted = Rate.objects.filter(hour=hour, state=Rate.State.ACCEPTED).first()
    if accepted:
        raise RateAlreadyAccepted("the hour has its rate already", rate_id=accepted.pk)


DECIDE = """
INSERT INTO conversion_ratedecision (proposal_id, proposed_by_id, decided_by_id, approved, reason)
SELECT id, proposed_by_id, %(by)s, %(approve)s, %(reason)s FROM conversion_rateproposal WHERE id = %(proposal)s
ON CONFLICT (proposal_id) DO NOTHING
RETURNING proposal_id
"""
ACCEPT_HELD = """
INSERT INTO conversion_rate
    (hour, price, provider, quoted_at, raw, state, failed_before, decides_id, decided_by_id)
SELECT hour, price, provider, quoted_at, raw, 'accepted', failed_before, id, %(by)s
FROM conversion_rate WHERE id = (SELECT rate_id FROM conversion_rateproposal WHERE id = %(proposal)s)
ON CONFLICT DO NOTHING
RETURNING id
"""


@transaction.atomic(durable=True)
def decide_rate(*, proposal_id: UUID, decided_by: int, approve: bool, reason: str) -> UUID | None:
    """A second person's word on a proposal. Approved: the rate is written again as the accepted one of its hour, and
    its id returned; the hour is converted at the next tick. Rejected: None; the next tick asks for the hour again.

    The same call twice does it once. Raises ProposalNotFound, SamePerson, AlreadyDecided, ReasonMissing, and
    RateAlreadyAccepted where the hour has another rate by now: then nothing was decided.
    """
    wanted: dict[str, Any] = {"proposal": proposal_id, "by": decided_by, "approve": approve, "reason": reason}
    with named_refusals(REFUSALS), connection.cursor() as cursor:
        cursor.execute(DECIDE, wanted)
        first_time = cursor.fetchone() is not None
        if first_time and approve:
            cursor.execute(ACCEPT_HELD, wanted)
            row = cursor.fetchone()
            if row is None:
                raise RateAlreadyAccepted("the hour has its rate already; nothing was decided")
            return UUID(str(row[0]))
    if not first_time:
        return _standing(proposal_id, decided_by, approve)
    return None


def _standing(proposal_id: UUID, decided_by: int, approve: bool) -> UUID | None:
    """What this very decision came to when it was made."""
    decision = RateDecision.objects.select_related("proposal").filter(pk=proposal_id).first()
    if decision is None:
        raise ProposalNotFound("there is no such proposal")
    if (decision.decided_by_id, decision.approved) != (decided_by, approve):
        raise AlreadyDecided("the proposal was decided before, otherwise or by somebody else")
    if not approve:
        return None
    return Rate.objects.values_list("pk", flat=True).get(decides_id=decision.proposal.rate_id)
