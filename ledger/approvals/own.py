"""The ledger's own kinds of requests: adjustments, funding, reversals of what was made by hand, reopening a period."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db import connection
from rest_framework import serializers

from dreamland.lib.api.fields import (
    AmountField,
    InstantField,
    StrictSerializer,
    StrictUUIDField,
    TextField,
    render_amount,
    render_instant,
)
from dreamland.lib.errors import named_refusals
from ledger.approvals.kinds import Change, Kind, Order, Outcome, Payload, register_kinds
from ledger.errors import REFUSALS, AlreadyReversed, EntryNotFound, InvalidRequest, NothingToAsk
from ledger.journal import Entry, Posting, reversals
from ledger.models import HOUSE, Account
from ledger.periods import lock_date

USD_DECIMALS = 8
MOST_POSTINGS = 20  # of one adjustment: what somebody can still check by eye

_holder_checks: list[Callable[[UUID], bool]] = []


def register_holder_check(is_known: Callable[[UUID], bool]) -> None:
    """Who keeps the holders says which there are: nothing is posted by hand into the book of one that is not known."""
    _holder_checks.append(is_known)


def assert_known(holder: UUID) -> None:
    """Raises InvalidRequest for a holder whom nobody knows."""
    if not any(is_known(holder) for is_known in _holder_checks):
        raise InvalidRequest(f"player: there is no player {holder}", field="player")


def refused_unless_usd(amount: Decimal, field: str) -> None:
    """Raises InvalidRequest for more decimals than USD has in the books."""
    if amount != round(amount, USD_DECIMALS):
        raise InvalidRequest(f"{field}: USD has at most {USD_DECIMALS} decimals", field=field)


# --- Adjustments -------------------------------------------------------------------------------------------------


class PostingPayload(StrictSerializer):
    debit = TextField(max_length=64)
    credit = TextField(max_length=64)
    amount = AmountField(positive=True)


class AdjustmentPayload(StrictSerializer):
    player = StrictUUIDField(default=None, allow_null=True)
    postings = serializers.ListField(child=PostingPayload(), min_length=1, max_length=MOST_POSTINGS)
    corrects = StrictUUIDField(default=None, allow_null=True, help_text="The entry that was wrong.")


def adjustment_subject(payload: Payload, reference: str) -> str:
    """The same adjustment with the same reference is the same one."""
    told = [f"{each['debit']} {each['credit']} {render_amount(each['amount'])}" for each in payload["postings"]]
    return sha256("\n".join([str(payload["player"]), *told, reference]).encode()).hexdigest()


def adjustment_ground(payload: Payload) -> Mapping[str, Any]:
    """What it corrects still stands, and each posting can be."""
    accounts = {account.code: account for account in Account.objects.all()}
    touched = {code for each in payload["postings"] for code in (each["debit"], each["credit"])}
    for code in sorted(touched):
        if code not in accounts or accounts[code].asset != "USD" or "fees" in code:
            raise InvalidRequest(
                f"postings: an adjustment moves USD, and no fees; {code} is not for it", field="postings"
            )
    for each in payload["postings"]:
        refused_unless_usd(each["amount"], "postings")
        if each["debit"] == each["credit"]:
            raise InvalidRequest("postings: debit and credit are two accounts", field="postings")
    if payload["player"] is None and any(accounts[code].held for code in touched):
        raise InvalidRequest("player: an adjustment of a player's account names the player", field="player")
    if payload["player"] is not None:
        if not any(accounts[code].held for code in touched):
            raise InvalidRequest("player: no account of a player is touched", field="player")
        assert_known(payload["player"])
    corrected = payload["corrects"]
    return {"corrects": entry_facts(corrected) if corrected else None}


def lock_corrected(payload: Payload) -> None:
    """What is corrected is not reversed by somebody else meanwhile."""
    if payload["corrects"]:
        lock_entry(payload["corrects"])


def lock_entry(entry_id: UUID) -> None:
    """Whoever else approves something about this entry waits until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT lock_entry(%s)", [entry_id])


def adjustment_entries(payload: Payload) -> Sequence[Entry]:
    link = {"corrects": str(payload["corrects"])} if payload["corrects"] else {}
    return [
        Entry(
            holder=payload["player"] or HOUSE,
            kind="adjustment",
            postings=tuple(Posting(each["debit"], each["credit"], each["amount"]) for each in payload["postings"]),
            metadata=link,
        )
    ]


def adjustment_amounts(payload: Payload) -> Mapping[str, Decimal]:
    return {"USD": sum((each["amount"] for each in payload["postings"]), Decimal(0))}


ADJUSTMENT = Kind(
    code="adjustment",
    app="ledger",
    title="an adjustment",
    reasons={
        "goodwill": "A gesture towards a player",
        "correction": "An entry was wrong",
        "write-off": "What a player owes will not be paid",
        "bank-charge": "What the bank took or gave",
        "payout-correction": "A payout that was wrong",
        "other": "Something else: the note says what",
    },
    payload=AdjustmentPayload,
    subject=adjustment_subject,
    ground=adjustment_ground,
    lock=lock_corrected,
    entries=adjustment_entries,
    amounts=adjustment_amounts,
)


# --- Funding -----------------------------------------------------------------------------------------------------


def by_reference(_: Payload, reference: str) -> str:
    """The subject of a payment is the payment itself: its reference counts once."""
    return reference


class FundingPayload(StrictSerializer):
    amount = AmountField(positive=True)


def funding_ground(payload: Payload) -> Mapping[str, Any]:
    refused_unless_usd(payload["amount"], "amount")
    return {}


def funding_entries(payload: Payload) -> Sequence[Entry]:
    return [Entry(HOUSE, "funding", (Posting("usd:cash", "usd:adjustments", payload["amount"]),))]


FUNDING = Kind(
    code="funding",
    app="ledger",
    title="a funding with cash",
    reasons={"working-capital": "Money to pay fees and players with", "correction": "A funding that was wrong"},
    payload=FundingPayload,
    subject=by_reference,
    ground=funding_ground,
    entries=funding_entries,
    amounts=lambda payload: {"USD": payload["amount"]},
)


# --- Reversals ---------------------------------------------------------------------------------------------------

_reversible = {"adjustment", "funding"}


def register_reversible(entry_kinds: Iterable[str]) -> None:
    """Kinds of entries that may be reversed by hand. A win and a conversion are not among them: they are voided."""
    _reversible.update(entry_kinds)


class ReversalPayload(StrictSerializer):
    entry = StrictUUIDField()
    player = StrictUUIDField(default=None, allow_null=True)


def reversal_subject(payload: Payload, _: str) -> str:
    return str(payload["entry"])


ENTRY = """
SELECT entry.kind, entry.holder, reversal.id FROM ledger_journalentry entry
LEFT JOIN ledger_journalentry reversal ON reversal.reverses_id = entry.id WHERE entry.id = %s
"""


def entry_facts(entry_id: UUID) -> Mapping[str, Any]:
    """What an entry is, and what reversed it. Raises EntryNotFound."""
    with connection.cursor() as cursor:
        cursor.execute(ENTRY, [entry_id])
        row = cursor.fetchone()
    if row is None:
        raise EntryNotFound(f"there is no journal entry {entry_id}")
    return dict(zip(("kind", "holder", "reversed_by"), row, strict=True))


def reversal_ground(payload: Payload) -> Mapping[str, Any]:
    facts = entry_facts(payload["entry"])
    if facts["kind"] not in _reversible:
        raise NothingToAsk(f"an entry of kind {facts['kind']} is not reversed by hand")
    if facts["reversed_by"]:
        raise AlreadyReversed("the entry is reversed already", entry_id=facts["reversed_by"])
    if (facts["holder"] if facts["holder"] != HOUSE else None) != payload["player"]:
        raise InvalidRequest("player: the reversal of a player's entry names the player", field="player")
    return facts


def reversal_entries(payload: Payload) -> Sequence[Entry]:
    return reversals([payload["entry"]], memo="")


def moved(entries: Sequence[Entry]) -> Mapping[str, Decimal]:
    """How much of each asset the postings move."""
    assets = dict(Account.objects.values_list("code", "asset"))
    amounts: dict[str, Decimal] = {}
    for posting in (posting for entry in entries for posting in entry.postings):
        asset = assets[posting.debit]
        amounts[asset] = amounts.get(asset, Decimal(0)) + posting.amount
    return amounts


REVERSAL = Kind(
    code="reversal",
    app="ledger",
    title="a reversal",
    reasons={
        "mistake": "The entry was wrong",
        "returned": "The bank or the provider sent the payment back",
        "duplicate": "The entry was made twice",
    },
    payload=ReversalPayload,
    subject=reversal_subject,
    ground=reversal_ground,
    lock=lambda payload: lock_entry(payload["entry"]),
    entries=reversal_entries,
    amounts=lambda payload: moved(reversal_entries(payload)),
)


# --- Reopening a period ------------------------------------------------------------------------------------------


class ReopeningPayload(StrictSerializer):
    back_to = InstantField()


def reopening_subject(*_: object) -> str:
    return "lock-date"


def reopening_ground(payload: Payload) -> Mapping[str, Any]:
    locked = lock_date()
    if locked is None or payload["back_to"] >= locked:
        raise NothingToAsk("no period is closed that ends later than that")
    return {"lock_date": locked}


def reopening_change(payload: Payload) -> Change:
    return Change({"lock_date": _told(lock_date())}, {"lock_date": _told(payload["back_to"])})


def _told(instant: datetime | None) -> str | None:
    return render_instant(instant) if instant else None


def lock_periods(payload: Payload) -> None:
    """Nobody closes or reopens until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT lock_periods()")


def reopen(order: Order) -> Outcome:
    with named_refusals(REFUSALS), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ledger_periodclose (ends_at, closed_by_id, request_id) VALUES (%s, %s, %s) RETURNING id",
            [order.payload["back_to"], order.asked_by, order.request_id],
        )
        return Outcome(result={"period_close": str(cursor.fetchone()[0])})


REOPENING = Kind(
    code="reopening",
    app="ledger",
    title="the reopening of a period",
    reasons={"audit-finding": "The auditors ask for it", "closed-too-early": "It was closed before it was complete"},
    payload=ReopeningPayload,
    subject=reopening_subject,
    ground=reopening_ground,
    change=reopening_change,
    lock=lock_periods,
    carry_out=reopen,
    is_once=False,
)

register_kinds([ADJUSTMENT, FUNDING, REVERSAL, REOPENING])
