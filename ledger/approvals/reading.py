"""Reading requests: one, a queue, what waits for somebody, and what a request would do. Nothing here writes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db import connection

from dreamland.lib.api.fields import render_amount
from dreamland.lib.errors import DomainError
from ledger.approvals import rights
from ledger.approvals.kinds import Change, kind_of
from ledger.errors import RequestNotFound
from ledger.journal import Entry
from ledger.models import Account
from ledger.selectors import balances, trial_balance


@dataclass(frozen=True, slots=True)
class Request:
    """A request and what became of it.

    `state`: "open", "approved", "refused", "withdrawn", "expired"; "stale" where it is open and what it stands on has
    moved, if that was looked at.
    """

    id: UUID
    kind: str
    subject: str
    payload: Mapping[str, Any]
    ground: str
    reason_code: str
    reference: str
    note: str
    asked_by: int
    asker: str
    asked_at: datetime
    expires_at: datetime
    state: str
    decided_by: int | None
    decider: str | None
    decided_at: datetime | None
    word: str
    entry_ids: tuple[UUID, ...]
    result: Mapping[str, Any]


REQUESTS = """
SELECT request.id, request.kind, request.subject, request.payload::text, request.ground, request.reason_code,
       request.reference, request.note, request.asked_by_id, asker.username, request.asked_at, request.expires_at,
       coalesce(decision.verdict, CASE WHEN request.expires_at < clock_timestamp() THEN 'expired' ELSE 'open' END),
       decision.decided_by_id, decider.username, decision.decided_at, coalesce(decision.word, ''),
       coalesce(outcome.entry_ids, '{{}}'), coalesce(outcome.result, '{{}}')::text
FROM ledger_approvalrequest request
JOIN auth_user asker ON asker.id = request.asked_by_id
LEFT JOIN ledger_approvaldecision decision ON decision.request_id = request.id
LEFT JOIN auth_user decider ON decider.id = decision.decided_by_id
LEFT JOIN ledger_approvaloutcome outcome ON outcome.request_id = request.id
WHERE {where}
ORDER BY request.id DESC LIMIT %(limit)s
"""


def _selected(where: str, parameters: Mapping[str, Any], limit: int) -> tuple[Request, ...]:
    with connection.cursor() as cursor:
        cursor.execute(REQUESTS.format(where=where), {**parameters, "limit": limit})
        rows = cursor.fetchall()
    return tuple(_request(list(row)) for row in rows)


def _request(row: list[Any]) -> Request:
    row[3], row[17], row[18] = json.loads(row[3]), tuple(row[17]), json.loads(row[18])
    return Request(*row)


def request_by_id(request_id: UUID) -> Request:
    """One request, its state as of now. Raises RequestNotFound."""
    found = _selected("request.id = %(id)s", {"id": request_id}, 1)
    if not found:
        raise RequestNotFound("there is no such request")
    return with_ground(found[0])


STATES = {
    "open": "decision.request_id IS NULL AND request.expires_at >= clock_timestamp()",
    "expired": "decision.request_id IS NULL AND request.expires_at < clock_timestamp()",
    **{verdict: f"decision.verdict = '{verdict}'" for verdict in ("approved", "refused", "withdrawn")},
}


def requests(  # noqa: PLR0913  # so many ways to narrow it down
    *,
    limit: int,
    state: str | None = None,
    kind: str | None = None,
    subject: str | None = None,
    asked_by: int | None = None,
    before: UUID | None = None,
) -> tuple[Request, ...]:
    """The latest requests, newest first: of one state (STATES), kind, subject, asker; older than `before`.

    Those that are open are looked at: `stale` where what they stand on has moved.
    """
    where = ["true" if state is None else STATES[state]]
    asked = {"kind": kind, "subject": subject, "asked_by": asked_by, "before": before}
    filters = {"kind": "request.kind = %(kind)s", "asked_by": "request.asked_by_id = %(asked_by)s"}
    filters |= {"subject": "request.subject = %(subject)s", "before": "request.id < %(before)s"}
    where += [clause for name, clause in filters.items() if asked[name] is not None]
    found = _selected(" AND ".join(where), {name: value for name, value in asked.items() if value is not None}, limit)
    return tuple(with_ground(each) for each in found)


def open_requests_of(player_id: UUID) -> tuple[UUID, ...]:
    """The requests about this player that wait for a decision, oldest first."""
    statement = (
        "SELECT request.id FROM ledger_approvalrequest request"
        " LEFT JOIN ledger_approvaldecision decision ON decision.request_id = request.id"
        f" WHERE {STATES['open']} AND request.payload ->> 'player' = %s ORDER BY request.id"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [str(player_id)])
        return tuple(request_id for (request_id,) in cursor.fetchall())


def waiting_for(user_id: int, *, limit: int) -> tuple[Request, ...]:
    """What this person could decide now: open, asked by others, within his rights and limits. Oldest last."""
    user = rights.person(user_id)
    where = f"{STATES['open']} AND request.asked_by_id <> %(user)s"
    found = _selected(where, {"user": user_id}, limit)
    return tuple(with_ground(each) for each in found if _within(user, each))


def _within(user: rights.Person, request: Request) -> bool:
    try:
        kind = kind_of(request.kind)
        return rights.may(user, rights.DECIDE, kind, kind.amounts(kind.read(request.payload)))
    except DomainError:
        return False


def with_ground(request: Request) -> Request:
    """The request, called stale where it is open and what it stands on has moved."""
    if request.state not in {"open", "stale"}:
        return request
    try:
        kind = kind_of(request.kind)
        moved = digest(kind.ground(kind.read(request.payload))) != request.ground
    except DomainError:
        moved = True
    return replace(request, state="stale" if moved else "open")


def digest(facts: Mapping[str, Any]) -> str:
    """The ground as it is stored: SHA-256 of the facts in one spelling."""
    text = json.dumps(facts, default=_spelled, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()


def _spelled(value: Any) -> str:
    return render_amount(value) if isinstance(value, Decimal) else str(value)


@dataclass(frozen=True, slots=True)
class Movement:
    """What entries would do to one account, or to one holder's share of it; on its normal side."""

    account: str
    holder: UUID | None
    asset: str
    before: Decimal
    after: Decimal


@dataclass(frozen=True, slots=True)
class Preview:
    """What a request would do as of now: its entries with the balances before and after, or what else would change."""

    kind: str
    payload: Mapping[str, Any]
    entries: tuple[Entry, ...]
    movements: tuple[Movement, ...]
    change: Change


def preview(*, kind: str, payload: Mapping[str, Any]) -> Preview:
    """What such a request would do now. Raises what asking for it would: UnknownKind, InvalidRequest, NothingToAsk."""
    of = kind_of(kind)
    valid = of.read(payload)
    of.ground(valid)
    entries = tuple(of.entries(valid))
    return Preview(kind, of.canonical(valid), entries, movements(entries), of.change(valid))


def movements(entries: Sequence[Entry]) -> tuple[Movement, ...]:
    """The balances that the entries would move, before and after, by account and holder."""
    accounts = {account.code: account for account in Account.objects.all()}
    moved: dict[tuple[str, UUID | None], Decimal] = {}
    for entry in entries:
        for posting in entry.postings:
            for code, side in ((posting.debit, "debit"), (posting.credit, "credit")):
                holder = entry.holder if accounts[code].held else None
                sign = 1 if accounts[code].normal_side == side else -1
                moved[code, holder] = moved.get((code, holder), Decimal(0)) + sign * posting.amount
    house = {line.account: line.balance for line in trial_balance().lines} if moved else {}
    shares = balances({holder for _, holder in moved if holder is not None})
    found = []
    for (code, holder), movement in sorted(moved.items(), key=str):
        before = house[code] if holder is None else shares[holder][code]
        found.append(Movement(code, holder, accounts[code].asset, before, before + movement))
    return tuple(found)


def plan(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Entries as a request stores them, and as `journal_entry_plan` tells them again (sql/approval.sql)."""
    return [
        {
            "holder": str(entry.holder),
            "kind": entry.kind,
            "memo": entry.memo,
            "reverses": str(entry.reverses) if entry.reverses else None,
            "metadata": dict(entry.metadata),
            "postings": [
                {"debit": each.debit, "credit": each.credit, "amount": render_amount(each.amount)}
                for each in entry.postings
            ],
        }
        for entry in entries
    ]
