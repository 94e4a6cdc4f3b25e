"""What finance does about the conversion by hand: try an hour again, ask and decide about a rate, fee rules, paying
fees. Each is one existing service."""

from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from kombu.exceptions import OperationalError
from unfold.widgets import UnfoldAdminTextInputWidget

from conversion import oversight, pages
from conversion.controls import REASON_MAX_LENGTH
from conversion.models import ConversionRun, Rate, RateProposal
from conversion.runs import pending_players
from conversion.selectors import database_clock
from conversion.services import convert_hour, decide_rate, propose_rate_decision, settle_fees
from conversion.tasks import convert_due_hours_task
from dreamland.lib.columns import page_address
from dreamland.lib.deeds import Deed, only_for, perform
from dreamland.lib.errors import DomainError
from dreamland.lib.forms import choice, words
from dreamland.lib.pages import Facts, Notice

RETRY = "conversion.change_conversionrun"
PROPOSE, DECIDE = "conversion.add_rateproposal", "conversion.add_ratedecision"
SETTLE = "conversion.add_feesettlement"


class CannotRing(DomainError):
    """The broker is away, so no worker hears of it."""

    code = "unavailable"


class Because(forms.Form):
    reason = words("Because", max_length=REASON_MAX_LENGTH, lines=2)


class Decision(Because):
    field_order = ("word", "reason")
    word = choice("Decision", [("", "-"), ("approve", "Let it pass"), ("reject", "Refuse it")])


class Payment(forms.Form):
    amount = forms.DecimalField(
        label="Amount, USD",
        max_digits=28,
        decimal_places=8,
        min_value=Decimal("0.00000001"),
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
    )
    reference = words(
        "Reference", max_length=REASON_MAX_LENGTH, help_text="The bank's own; the same one twice is one payment."
    )


@only_for(RETRY)
def retry(request: HttpRequest, run_id: str) -> HttpResponse:
    """The hour once more: what the tick does, without waiting for it."""
    run = ConversionRun.objects.filter(pk=run_id).first()
    if run is None:
        raise Http404

    def again(_: dict[str, Any]) -> str:
        if pending_players([run.hour]) > settings.CONVERSION_PLAYERS_PER_CHUNK:
            try:
                convert_due_hours_task.apply_async(retry=False)
            except OperationalError as error:
                raise CannotRing("the broker does not answer; the tick will try this hour by itself") from error
            return "A worker was told. It converts every hour that is due."
        outcome = convert_hour(hour=run.hour, now=database_clock())
        if outcome.state == ConversionRun.State.DONE:
            return f"Converted: {outcome.conversions} conversions."
        return f"It still waits: {pages.why(outcome.reason)}."

    return perform(
        request,
        Deed(
            f"Try again: {pages.hour_text(run.hour)}",
            "Try it now",
            again,
            page_address("conversion_conversionrun", run.pk),
            path=[("Runs", reverse("admin:conversion_conversionrun_changelist"))],
            explain=[
                Facts([("State", run.state), ("Waits because", pages.why(run.reason))]),
                Notice("Twice does it once: what is converted stays as it is.", "info"),
            ],
        ),
    )


@only_for(PROPOSE)
def propose_rate(request: HttpRequest, rate_id: str) -> HttpResponse:
    """Asks that a rate in quarantine pass."""
    rate = Rate.objects.filter(pk=rate_id).first()
    if rate is None:
        raise Http404

    def ask(asked: dict[str, Any]) -> str:
        propose_rate_decision(rate_id=rate.pk, proposed_by=_person(request), reason=asked["reason"])
        return "Asked. Somebody else decides."

    return perform(
        request,
        Deed(
            f"Let the rate of {pages.hour_text(rate.hour)} pass?",
            "Ask for it",
            ask,
            page_address("conversion_rate", rate.pk),
            form=Because,
            path=[("Rates", reverse("admin:conversion_rate_changelist"))],
            explain=[Facts([("Price, USD for 1 DREAM", rate.price), ("Held back because", rate.reason)])],
        ),
    )


@only_for(DECIDE)
def decide(request: HttpRequest, proposal_id: str) -> HttpResponse:
    """Another person's word on it."""
    proposal = RateProposal.objects.select_related("rate", "proposed_by").filter(pk=proposal_id).first()
    if proposal is None:
        raise Http404
    rate = proposal.rate

    def say(asked: dict[str, Any]) -> str:
        approve = asked["word"] == "approve"
        decide_rate(proposal_id=proposal.pk, decided_by=_person(request), approve=approve, reason=asked["reason"])
        return "The rate passes; the next tick converts." if approve else "Refused; the provider is asked again."

    return perform(
        request,
        Deed(
            f"Rate of {pages.hour_text(rate.hour)}",
            "Decide",
            say,
            page_address("conversion_rate", rate.pk),
            form=Decision,
            path=[("Rates", reverse("admin:conversion_rate_changelist"))],
            explain=[
                Facts(
                    [
                        ("Price, USD for 1 DREAM", rate.price),
                        ("Held back because", rate.reason),
                        ("Asked by", proposal.proposed_by),
                        ("Because", proposal.reason),
                        ("Players who wait for it", pending_players([rate.hour])),
                    ]
                )
            ],
        ),
    )


@only_for(SETTLE)
def settle(request: HttpRequest) -> HttpResponse:
    """Books that fees were paid."""

    def pay(asked: dict[str, Any]) -> str:
        paid = settle_fees(amount=asked["amount"], reference=asked["reference"], posted_by=_person(request))
        return f"Booked: {paid.amount.normalize():f} USD, {paid.reference}."

    return perform(
        request,
        Deed(
            "Fees were paid",
            "Book the payment",
            pay,
            reverse("admin:conversion_feesettlement_changelist"),
            form=Payment,
            path=[("Fee settlements", reverse("admin:conversion_feesettlement_changelist"))],
            explain=[Facts([("Owed now, USD", oversight.fees_payable())])],
        ),
    )


def _person(request: HttpRequest) -> int:
    person = request.user.pk
    assert isinstance(person, int)
    return person
