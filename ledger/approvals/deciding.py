"""Asking, approving, refusing, withdrawing. Approving decides and carries out in one transaction.

The decision is written first: its key is the request's, so whoever comes second waits for the first one's COMMIT and
then finds the request decided. What the request stands on is locked after that and looked at again; where it has moved,
nothing is written at all (docs/data-model.md, "Approvals").
"""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from dreamland.lib.errors import named_refusals
from dreamland.lib.races import try_again
from ledger.approvals import rights
from ledger.approvals.kinds import Kind, Order, Outcome, Payload, kind_of
from ledger.approvals.models import ApprovalDecision
from ledger.approvals.reading import Request, digest, plan, request_by_id, with_ground
from ledger.errors import (
    REFUSALS,
    AlreadyDecided,
    InvalidRequest,
    RequestDone,
    RequestOpen,
    RequestStale,
    SamePerson,
)

Verdict = ApprovalDecision.Verdict

# Whose violation means that somebody asked at the same moment: read again, and see what he asked.
ASKED_MEANWHILE = {"approval_request_attempt_once", "approval_request_one_open"}
STANDING = """
SELECT request.id FROM ledger_approvalrequest request
LEFT JOIN ledger_approvaldecision decision ON decision.request_id = request.id
WHERE request.kind = %(kind)s AND request.subject = %(subject)s
  AND (decision.verdict = 'approved' AND (request.is_once OR %(is_once)s)
       OR decision.verdict IS NULL AND request.expires_at >= clock_timestamp())
ORDER BY request.id DESC LIMIT 1
"""
ASK = """
INSERT INTO ledger_approvalrequest
    (kind, subject, attempt, is_once, payload, plan, ground, reason_code, reference, note, asked_by_id, expires_at)
SELECT %(kind)s, %(subject)s,
       1 + (SELECT count(*) FROM ledger_approvalrequest WHERE kind = %(kind)s AND subject = %(subject)s),
       %(is_once)s, %(payload)s::jsonb, %(plan)s::jsonb, %(ground)s, %(reason_code)s, %(reference)s, %(note)s,
       %(asked_by)s, clock_timestamp() + %(open_for)s
RETURNING id
"""


def ask(  # noqa: PLR0913  # a request has so many parts
    *, kind: str, payload: Mapping[str, Any], reason_code: str, reference: str, note: str = "", asked_by: int
) -> Request:
    """Asks that something be done; somebody else decides. The same words by the same person are one request.

    `payload` is what the kind consists of (`Kind.payload`), in strings. `reference` says where the reason can be looked
    up; of a payment it is the payment's own, and counts once.

    Raises UnknownKind, InvalidRequest, NotAllowed, OverLimit, RequestOpen (somebody has asked for it), RequestDone (it
    is done), and what the kind itself refuses: NothingToAsk, EntryNotFound, AlreadyReversed...
    """
    of = kind_of(kind)
    valid = of.read(payload)
    if reason_code not in of.reasons:
        raise InvalidRequest(f"reason_code: one of {', '.join(of.reasons)}", field="reason_code")
    words = {"reason_code": reason_code, "reference": reference, "note": note, "asked_by": asked_by}
    for name in ("reference", "note"):
        if any(ord(character) < 32 and character != "\n" for character in str(words[name])):
            raise InvalidRequest(f"{name}: control characters are not allowed", field=name)
    asked: Request = try_again(lambda: _ask(of, valid, words), lost_races=ASKED_MEANWHILE)
    return asked


@transaction.atomic(durable=True)
def _ask(kind: Kind, payload: Payload, words: Mapping[str, Any]) -> Request:
    rights.assert_may(rights.person(words["asked_by"]), rights.ASK, kind, kind.amounts(payload))
    wanted = {
        **words,
        "kind": kind.code,
        "subject": kind.subject(payload, words["reference"]),
        "is_once": kind.is_once,
        "payload": json.dumps(kind.canonical(payload)),
    }
    if standing := _standing(kind, wanted):
        return standing
    wanted["ground"] = digest(kind.ground(payload))
    wanted["plan"] = json.dumps(plan(kind.entries(payload))) if kind.is_binding else None
    wanted["open_for"] = settings.APPROVAL_OPEN_FOR
    errors = {name: error for name, error in REFUSALS.items() if name not in ASKED_MEANWHILE}
    with named_refusals(errors), connection.cursor() as cursor:
        cursor.execute(ASK, wanted)
        [(request_id,)] = cursor.fetchall()
    return request_by_id(request_id)


def _standing(kind: Kind, wanted: Mapping[str, Any]) -> Request | None:
    """The request that was asked before and stands in the way, if it says just the same."""
    with connection.cursor() as cursor:
        cursor.execute(STANDING, wanted)
        row = cursor.fetchone()
    if row is None:
        return None
    found = request_by_id(row[0])
    same = (found.asked_by, found.reason_code, found.reference, found.note) == (
        wanted["asked_by"],
        wanted["reason_code"],
        wanted["reference"],
        wanted["note"],
    )
    if same and found.payload == json.loads(wanted["payload"]):
        return found
    if found.state == Verdict.APPROVED:
        raise RequestDone("that was asked for and done before", request_id=found.id)
    raise RequestOpen("somebody has asked for this already; it is decided or withdrawn first", request_id=found.id)


DECIDE = """
INSERT INTO ledger_approvaldecision (request_id, asked_by_id, decided_by_id, verdict, word)
SELECT id, asked_by_id, %(by)s, %(verdict)s, %(word)s FROM ledger_approvalrequest WHERE id = %(request)s
ON CONFLICT (request_id) DO NOTHING
RETURNING request_id
"""
KEEP = "INSERT INTO ledger_approvaloutcome (request_id, entry_ids, result) VALUES (%s, %s, %s::jsonb)"


def approve(*, request_id: UUID, decided_by: int, word: str = "") -> Request:
    """Does what was asked, now and once. The same call again finds it done.

    Raises RequestNotFound, SamePerson, NotAllowed, OverLimit, AlreadyDecided, RequestExpired, RequestStale (what it
    stands on has moved), and what the kind itself refuses: then nothing was written.
    """
    approved: Request = try_again(lambda: _approve(request_id, decided_by, word))
    return approved


@transaction.atomic(durable=True)
def _approve(request_id: UUID, decided_by: int, word: str) -> Request:
    request = request_by_id(request_id)
    kind = kind_of(request.kind)
    payload = kind.read(request.payload)
    rights.assert_may(rights.person(decided_by), rights.DECIDE, kind, kind.amounts(payload))
    if not _decide(request_id, decided_by, Verdict.APPROVED, word):
        return _decided_so(request_id, decided_by, Verdict.APPROVED)
    kind.lock(payload)
    if with_ground(request).state == "stale":
        raise RequestStale("what the request stands on has moved since it was asked", request_id=request_id)
    outcome = kind.do(Order(request_id, payload, request.reference, request.reason_code, request.asked_by, decided_by))
    _keep(request_id, outcome)
    return request_by_id(request_id)


def _keep(request_id: UUID, outcome: Outcome) -> None:
    with named_refusals(REFUSALS), connection.cursor() as cursor:
        cursor.execute(KEEP, [request_id, sorted(outcome.entry_ids), json.dumps(dict(outcome.result), default=str)])


def refuse(*, request_id: UUID, decided_by: int, word: str) -> Request:
    """Another person's no, with its reason. The same call again finds it refused.

    Raises RequestNotFound, SamePerson, NotAllowed, AlreadyDecided, InvalidRequest without a word.
    """
    refused: Request = try_again(lambda: _refuse(request_id, decided_by, word))
    return refused


@transaction.atomic(durable=True)
def _refuse(request_id: UUID, decided_by: int, word: str) -> Request:
    kind = kind_of(request_by_id(request_id).kind)
    rights.assert_may(rights.person(decided_by), rights.DECIDE, kind, {})  # whoever may decide may say no to more
    if not _decide(request_id, decided_by, Verdict.REFUSED, word):
        return _decided_so(request_id, decided_by, Verdict.REFUSED)
    return request_by_id(request_id)


def withdraw(*, request_id: UUID, withdrawn_by: int, word: str = "") -> Request:
    """Takes a request back before anybody decides; only who asked may. The same call again finds it withdrawn.

    Raises RequestNotFound, SamePerson (somebody else asked), AlreadyDecided.
    """
    withdrawn: Request = try_again(lambda: _withdraw(request_id, withdrawn_by, word))
    return withdrawn


@transaction.atomic(durable=True)
def _withdraw(request_id: UUID, withdrawn_by: int, word: str) -> Request:
    if request_by_id(request_id).asked_by != withdrawn_by:
        raise SamePerson("only who asked withdraws")
    if not _decide(request_id, withdrawn_by, Verdict.WITHDRAWN, word):
        return _decided_so(request_id, withdrawn_by, Verdict.WITHDRAWN)
    return request_by_id(request_id)


def _decide(request_id: UUID, by: int, verdict: Verdict, word: str) -> bool:
    """Writes the decision; False where there is one already. Who is second waits here for the first."""
    with named_refusals(REFUSALS), connection.cursor() as cursor:
        cursor.execute(DECIDE, {"request": request_id, "by": by, "verdict": verdict.value, "word": word})
        return cursor.fetchone() is not None


def _decided_so(request_id: UUID, by: int, verdict: Verdict) -> Request:
    """The request, if this very decision was made before."""
    request = request_by_id(request_id)
    if (request.state, request.decided_by) != (verdict.value, by):
        raise AlreadyDecided("the request was decided before, otherwise or by somebody else", state=request.state)
    return request
