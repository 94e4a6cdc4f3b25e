"""Two people, and requests that they ask and approve: how money is moved by hand in tests."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User

from dreamland.lib.api.fields import StrictSerializer, StrictUUIDField
from ledger import book
from tests.sql import run

TICKET = "ticket-1"


def somebody(name: str) -> int:
    """The id of a superuser of that name; made where there is none. Superusers may all but decide what they asked."""
    found, _ = User.objects.update_or_create(username=name, defaults={"is_superuser": True, "is_staff": True})
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
