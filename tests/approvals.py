"""Two people, and requests that they ask and approve: how money is moved by hand in tests."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User

from dreamland.lib.api.fields import StrictSerializer, StrictUUIDField, render_instant
from ledger import book
from tests.sql import run

TICKET = "ticket-1"


def somebody(name: str) -> int:
    """The id of a superuser of that name; made where there is none. Superusers may all but decide what they asked."""
    found, _ = User.objects.get_or_create(username=name, defaults={"is_superuser": True, "is_staff": True})
    if not found.is_superuser:  # a test made somebody of that name; and no lock where nothing is to be done
        User.objects.filter(pk=found.pk).update(is_superuser=True, is_staff=True)
    return int(found.pk)


def asked(kind: str, payload: Mapping[str, Any], *, by: str = "ada", **words: Any) -> book.Request:
    """Asks; the reason is the kind's first one."""
    of = book.kind_of(kind)
    given: dict[str, Any] = {
        "reason_code": next(iter(of.reasons)),
        "reference": TICKET,
        "asked_by": somebody(by),
    } | words
    return book.ask(kind=kind, payload=payload, **given)


def approved(kind: str, payload: Mapping[str, Any], *, by: str = "bob", **words: Any) -> book.Request:
    """Asks as ada and approves as bob."""
    request = asked(kind, payload, **words)
    return book.approve(request_id=request.id, decided_by=somebody(by))


def reverse(entry_id: object, *, player: object = None, reference: str = TICKET) -> book.Request:
    """Reverses an entry that was made by hand."""
    payload = {"entry": str(entry_id), "player": str(player) if player else None}
    return approved("reversal", payload, reference=reference)


def fees_paid(amount: str, reference: str) -> UUID:
    """Fees that were paid, by two people; the entry."""
    [entry_id] = approved("fee-settlement", {"amount": amount}, reference=reference).entry_ids
    return entry_id


def rule_added(effective_from: datetime, **parts: str) -> None:
    """A fee rule that holds from then on, by two people."""
    payload = {"effective_from": render_instant(effective_from), "provider": "desk", "percentage": "0.01"} | parts
    approved("fee-rule", payload, reference="contract 1")


def rate_passed(rate_id: object) -> book.Request:
    """Lets a quarantined rate pass, by two people."""
    return approved("quarantined-rate", {"rate": str(rate_id)})


class _AnyEntry(StrictSerializer):
    entry = StrictUUIDField()
    player = StrictUUIDField()


def _reversed(payload: book.Payload) -> tuple[book.Entry, ...]:
    return book.reversals([payload["entry"]], memo="raw")


# Reversals as such, of whatever entry: what the ledger's own kind would refuse, because it is not made by hand.
UNDOING = book.Kind(
    code="undoing",
    app="ledger",
    title="anything",
    reasons={"test": "a test"},
    payload=_AnyEntry,
    subject=lambda payload, reference: f"{payload['entry']} {reference}",
    ground=lambda payload: {"holder": _reversed(payload)[0].holder},
    entries=_reversed,
)


def undo(entry_id: object, *, reference: str = TICKET) -> book.Receipt:
    """Reverses any entry of a player, by two people."""
    return undone(asked_to_undo(entry_id, reference=reference))


def asked_to_undo(entry_id: object, *, reference: str = TICKET) -> book.Request:
    book.register_kinds([UNDOING])
    found = run("SELECT holder FROM ledger_journalentry WHERE id = %s", [entry_id]) or [(book.HOUSE,)]
    return asked("undoing", {"entry": str(entry_id), "player": str(found[0][0])}, reference=reference)


def undone(request: book.Request) -> book.Receipt:
    [entry_id] = book.approve(request_id=request.id, decided_by=somebody("bob")).entry_ids
    [(holder, posted_at)] = run("SELECT holder, posted_at FROM ledger_journalentry WHERE id = %s", [entry_id])
    return book.Receipt(entry_id, holder, posted_at)
