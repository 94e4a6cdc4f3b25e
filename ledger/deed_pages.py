"""What finance does about the books by hand: make a period final. Corrections are requests that two people carry."""

from typing import Any

from django import forms
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from dreamland.lib.deeds import Deed, only_for, perform
from dreamland.lib.forms import InstantField
from dreamland.lib.pages import Facts, Label, Notice, instant_text
from ledger.book import close_period, lock_date
from ledger.models import VerificationRun

CLOSE = "ledger.add_periodclose"


class PeriodEnd(forms.Form):
    ends_at = InstantField(label="Entries before", required=True, help_text="UTC; usually the first of a month, 00:00")


@only_for(CLOSE)
def close(request: HttpRequest) -> HttpResponse:
    """Makes every entry dated before an instant final."""
    last = VerificationRun.objects.order_by("-id").first()
    facts: list[tuple[str, Any]] = [("Closed so far until", lock_date() or "nothing is closed")]
    if last:
        facts.append(("Last verification", Label("clean", "success") if last.is_clean else Label("wrong", "danger")))
        facts.append(("As of", last.as_of))

    def end(asked: dict[str, Any]) -> str:
        with transaction.atomic(durable=True):
            close_period(ends_at=asked["ends_at"], closed_by=request.user.pk)
        return f"Entries before {instant_text(asked['ends_at'])} are final."

    return perform(
        request,
        Deed(
            "Close a period",
            "Close it",
            end,
            reverse("admin:ledger_periodclose_changelist"),
            form=PeriodEnd,
            path=[("Period closes", reverse("admin:ledger_periodclose_changelist"))],
            explain=[
                Facts(facts),
                Notice(
                    "Nothing can be dated into a closed period any more. Later corrections are dated later.", "warning"
                ),
            ],
            danger=True,
        ),
    )
