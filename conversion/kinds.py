"""What people do about the conversion, asked by one and decided by another: fees that were paid, a fee rule, a rate
that is held back (docs/data-model.md, "Approvals")."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from conversion.decisions import accept_held_rate
from conversion.errors import (
    FeeRuleTooEarly,
    InvalidFeeRule,
    InvalidSettlement,
    RateAlreadyAccepted,
    RateNotFound,
    SettlementExceedsPayable,
)
from conversion.fees import add_fee_rule, settle_fees, settlement_entry
from conversion.models import FEE_LIMIT, USD_DECIMALS, FeeRule, Rate
from conversion.oversight import fees_payable
from conversion.runs import pending_players
from dreamland.lib.api.fields import (
    AmountField,
    InstantField,
    StrictSerializer,
    StrictUUIDField,
    TextField,
    render_instant,
)
from ledger import book

NOTHING = Decimal(0)

# --- Fees that were paid -------------------------------------------------------------------------------------------


class SettlementPayload(StrictSerializer):
    amount = AmountField(positive=True, label="Amount, USD", help_text="The reference is the payment's own.")


def settlement_ground(payload: book.Payload) -> Mapping[str, Any]:
    """No facts: what is owed moves with every conversion. It is looked at now, and again when it is booked."""
    if payload["amount"] != round(payload["amount"], USD_DECIMALS):
        raise InvalidSettlement(f"USD has at most {USD_DECIMALS} decimals", field="amount")
    owed = fees_payable()
    if payload["amount"] > owed:
        raise SettlementExceedsPayable(f"{owed.normalize():f} USD are owed for fees", payable=owed)
    return {}


FEE_SETTLEMENT = book.Kind(
    code="fee-settlement",
    app="conversion",
    title="a payment of fees",
    reasons={"invoice": "The provider's invoice", "statement": "The provider's statement of the month"},
    payload=SettlementPayload,
    subject=lambda _, reference: reference,  # the payment's own: it counts once
    ground=settlement_ground,
    entries=lambda payload: [settlement_entry(payload["amount"])],
    amounts=lambda payload: {"USD": payload["amount"]},
    carry_out=settle_fees,
)

# --- A fee rule ----------------------------------------------------------------------------------------------------

PROVIDER_MAX_LENGTH = 100


class FeeRulePayload(StrictSerializer):
    effective_from = InstantField(label="Holds from", help_text="A whole hour that has no rate yet.")
    provider = TextField(max_length=PROVIDER_MAX_LENGTH, label="Provider", help_text="Who is owed.")
    percentage = AmountField(label="Share of the USD", help_text="As a fraction: 0.01 is one percent.")
    fixed = AmountField(default=NOTHING, label="Fixed, USD", help_text="For each conversion.")
    minimum = AmountField(default=NOTHING, label="At least, USD", help_text="For each conversion.")


def fee_rule_ground(payload: book.Payload) -> Mapping[str, Any]:
    """The rules on both sides of the new one, and that no hour from then on has its terms already."""
    starts_at: datetime = payload["effective_from"]
    if not payload["percentage"] <= 1:
        raise InvalidFeeRule("the percentage is a fraction: 0.01 is one percent", field="percentage")
    if starts_at.replace(minute=0, second=0, microsecond=0) != starts_at:
        raise InvalidFeeRule("a rule begins with a whole hour", field="effective_from")
    for name in ("fixed", "minimum"):
        if payload[name] > FEE_LIMIT or payload[name] != round(payload[name], USD_DECIMALS):
            raise InvalidFeeRule(f"USD up to {FEE_LIMIT} with at most {USD_DECIMALS} decimals", field=name)
    if Rate.objects.filter(state=Rate.State.ACCEPTED, hour__gte=starts_at).exists():
        raise FeeRuleTooEarly("an hour from then on has its rate, and so its terms, already", field="effective_from")
    if FeeRule.objects.filter(effective_from=starts_at).exists():
        raise FeeRuleTooEarly("a rule begins then already", field="effective_from")
    before = FeeRule.objects.filter(effective_from__lt=starts_at).order_by("-effective_from").first()
    after = FeeRule.objects.filter(effective_from__gt=starts_at).order_by("effective_from").first()
    return {"before": before.pk if before else None, "after": after.pk if after else None}


def fee_rule_terms(rule: FeeRule | None) -> Mapping[str, Any]:
    if rule is None:
        return {}
    return {
        "provider": rule.provider,
        "share_of_the_usd": f"{rule.percentage.normalize():f}",
        "fixed_usd": f"{rule.fixed.normalize():f}",
        "at_least_usd": f"{rule.minimum.normalize():f}",
    }


def fee_rule_change(payload: book.Payload) -> book.Change:
    """What conversions cost from then on: by the rule in force so far, and by the new one."""
    before = FeeRule.objects.filter(effective_from__lt=payload["effective_from"]).order_by("-effective_from").first()
    return book.Change(fee_rule_terms(before), fee_rule_terms(FeeRule(**payload)))


def lock_fee_rules(_: book.Payload) -> None:
    """Nobody adds a rule until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT lock_fee_rules()")


FEE_RULE = book.Kind(
    code="fee-rule",
    app="conversion",
    title="a fee rule",
    reasons={"contract": "The provider's contract says so", "correction": "The rule in force is wrong"},
    payload=FeeRulePayload,
    subject=lambda payload, _: render_instant(payload["effective_from"]),
    ground=fee_rule_ground,
    change=fee_rule_change,
    lock=lock_fee_rules,
    carry_out=add_fee_rule,
)

# --- A rate in quarantine ------------------------------------------------------------------------------------------


class RatePayload(StrictSerializer):
    rate = StrictUUIDField()


def held_rate(payload: book.Payload) -> Rate:
    """Raises RateNotFound: no such rate in quarantine; RateAlreadyAccepted: its hour has another one by now."""
    held = Rate.objects.filter(pk=payload["rate"], state=Rate.State.QUARANTINED).first()
    if held is None:
        raise RateNotFound("there is no such rate in quarantine")
    accepted = Rate.objects.filter(hour=held.hour, state=Rate.State.ACCEPTED).first()
    if accepted is not None:
        raise RateAlreadyAccepted("the hour has its rate already", rate_id=accepted.pk)
    return held


def rate_ground(payload: book.Payload) -> Mapping[str, Any]:
    held = held_rate(payload)
    return {"hour": held.hour, "price": held.price}


def rate_change(payload: book.Payload) -> book.Change:
    """The price of the hour, beside the one that was accepted before it, and who waits for it."""
    held = held_rate(payload)
    before = Rate.objects.filter(state=Rate.State.ACCEPTED, hour__lt=held.hour).order_by("-hour").first()
    assert held.price is not None  # rate_has_price_unless_refused
    told = {
        "rate_of_the_hour": "none: the hour waits",
        "accepted_rate_before_it": f"{before.price.normalize():f}" if before and before.price else None,
        "players_who_wait_for_it": pending_players([held.hour]),
    }
    return book.Change(told, told | {"rate_of_the_hour": f"{held.price.normalize():f} USD for 1 DREAM"})


QUARANTINED_RATE = book.Kind(
    code="quarantined-rate",
    app="conversion",
    title="a rate that was held back",
    reasons={"confirmed": "The provider confirmed it", "market": "The market moved: other sources say the same"},
    payload=RatePayload,
    subject=lambda payload, _: str(payload["rate"]),
    ground=rate_ground,
    change=rate_change,
    carry_out=accept_held_rate,
)

book.register_kinds([FEE_SETTLEMENT, FEE_RULE, QUARANTINED_RATE])
book.register_reversible(["fee-settlement"])
