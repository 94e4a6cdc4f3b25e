"""Saying who is right about a difference: one person asks, and it is booked when another one approves."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from conversion.errors import REFUSALS, DifferenceNotFound, DifferenceResolved
from conversion.models import Difference, DifferenceResolution
from conversion.oversight import fees_payable
from dreamland.lib.api.fields import StrictSerializer, StrictUUIDField, TextField
from dreamland.lib.errors import named_refusals
from ledger import book

Right = DifferenceResolution.Right


class ResolutionPayload(StrictSerializer):
    difference = StrictUUIDField(label="Difference")
    right = TextField(
        max_length=len(Right.PROVIDER),
        pattern=re.compile("|".join(Right.values)),
        label="Who is right",
        help_text="provider: what it comes to is booked. us: nothing is.",
    )


def _difference(difference_id: UUID) -> Difference:
    """Raises DifferenceNotFound, DifferenceResolved."""
    found = Difference.objects.select_related("resolution").filter(pk=difference_id).first()
    if found is None:
        raise DifferenceNotFound(f"there is no difference {difference_id}")
    if hasattr(found, "resolution"):
        raise DifferenceResolved("the difference is resolved already", request_id=found.resolution.request_id)
    return found


def resolution_ground(payload: book.Payload) -> Mapping[str, Any]:
    difference = _difference(payload["difference"])
    return {"kind": difference.kind, "fee_effect": difference.fee_effect.normalize()}


def _effect(payload: book.Payload) -> Decimal:
    """What we owe more if it is decided so; below zero, less."""
    if payload["right"] != Right.PROVIDER:
        return Decimal(0)
    found = Difference.objects.filter(pk=payload["difference"]).values_list("fee_effect", flat=True).first()
    return found or Decimal(0)


def resolution_entries(payload: book.Payload) -> Sequence[book.Entry]:
    """The fee is ours, and so is the difference: never a player's."""
    effect = _effect(payload)
    if not effect:
        return []
    sides = ("usd:conversion-fees", "usd:fees-payable") if effect > 0 else ("usd:fees-payable", "usd:conversion-fees")
    posting = book.Posting(*sides, abs(effect))
    return [book.Entry(book.HOUSE, "fee-adjustment", (posting,), metadata={"difference": str(payload["difference"])})]


def resolution_change(payload: book.Payload) -> book.Change:
    owed = fees_payable()
    before = {"difference": "open", "fees_payable_usd": f"{owed.normalize():f}"}
    after = {
        "difference": Right(payload["right"]).label,
        "fees_payable_usd": f"{(owed + _effect(payload)).normalize():f}",
    }
    return book.Change(before, after)


RESOLVE = """
INSERT INTO conversion_differenceresolution (difference_id, request_id, "right", entry_id, amount, resolved_at)
VALUES (%s, %s, %s, %s, %s, coalesce(%s, clock_timestamp()))
"""


def resolve(order: book.Order) -> book.Outcome:
    """Raises DifferenceResolved where somebody else was faster."""
    payload = order.payload
    receipts = book.post([order.signed(entry) for entry in resolution_entries(payload)])
    entry_id, posted_at = (receipts[0].entry_id, receipts[0].posted_at) if receipts else (None, None)
    with named_refusals(REFUSALS), connection.cursor() as cursor:
        cursor.execute(
            RESOLVE,
            [payload["difference"], order.request_id, payload["right"], entry_id, _effect(payload), posted_at],
        )
    return book.Outcome(tuple(receipt.entry_id for receipt in receipts), {"right": payload["right"]})


DIFFERENCE = book.Kind(
    code="difference",
    app="conversion",
    title="the resolution of a difference with the provider",
    reasons={
        "provider-explained": "The provider showed that it is right",
        "credit-note": "The provider takes it back, or sends a credit note",
        "told-later": "A later statement tells of it, or will",
        "contract": "The contract says so",
    },
    payload=ResolutionPayload,
    subject=lambda payload, _: str(payload["difference"]),
    ground=resolution_ground,
    entries=resolution_entries,
    amounts=lambda payload: {"USD": abs(_effect(payload))},
    change=resolution_change,
    carry_out=resolve,
)

book.register_kinds([DIFFERENCE])
