"""Asking and deciding in the browser: forms made from what a kind consists of, so that a kind that an app adds has its
pages at once; what would happen is shown before anything does (ledger.approval_pages)."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from rest_framework import serializers

from dreamland.lib.api.fields import AmountField as StrictAmount
from dreamland.lib.api.fields import InstantField as StrictInstant
from dreamland.lib.deeds import Deed, only_for, perform
from dreamland.lib.errors import DomainError
from dreamland.lib.forms import InstantField, choice, words
from dreamland.lib.pages import Block, Facts, Form, Notice, Page, render
from ledger.approval_pages import (
    found_request,
    label_of,
    looked_at,
    payload_facts,
    person_of,
    preview_blocks,
    request_address,
    requests_path,
    title_of,
)
from ledger.approvals import deciding
from ledger.approvals.kinds import Kind, kind_of, registered_kinds
from ledger.approvals.models import REFERENCE_MAX_LENGTH, WORD_MAX_LENGTH
from ledger.approvals.reading import preview
from ledger.approvals.rights import ASK, DECIDE
from ledger.models import Account

VIEW = "ledger.view_approvalrequest"
POSTING_LINES = 3  # that a form offers; more are for the command line
FIELD_MAX_LENGTH = 500
LOOK, CHANGE, DO = "look", "change", "ask"


def form_of(kind: Kind) -> type[forms.Form]:
    """The form of a kind: what it consists of, why, and where that can be looked up."""
    fields: dict[str, Any] = {}
    for name, field in kind.payload().fields.items():
        if isinstance(field, serializers.ListField):
            for line in range(1, POSTING_LINES + 1):
                fields |= _posting_line(line)
        else:
            fields[name] = _asked(name, field)
    fields["reason_code"] = choice("Because", [("", "-"), *kind.reasons.items()])
    fields["reference"] = words("Reference", max_length=REFERENCE_MAX_LENGTH, help_text="The ticket, invoice, payment.")
    fields["note"] = words("Note", max_length=WORD_MAX_LENGTH, required=False, lines=2)
    return type("Asked", (forms.Form,), fields)


def _posting_line(line: int) -> dict[str, Any]:
    codes = [("", "-"), *Account.objects.order_by("code").values_list("code", "name")]
    debit, credit = (choice(f"{side} {line}", codes) for side in ("Debit", "Credit"))
    debit.required = credit.required = False
    amount = words(f"Amount {line}", max_length=40, required=False)
    return {f"debit_{line}": debit, f"credit_{line}": credit, f"amount_{line}": amount}


def _asked(name: str, field: Any) -> forms.Field:
    label, is_needed = field.label or label_of(name), bool(field.required)
    hint = str(field.help_text or "")
    if isinstance(field, StrictInstant):
        return InstantField(label=label, required=is_needed, help_text=f"UTC. {hint}".strip())
    asked = words(label, max_length=FIELD_MAX_LENGTH, required=is_needed, help_text=hint)
    if isinstance(field, StrictAmount):
        asked.widget.attrs["inputmode"] = "decimal"
    return asked


def payload_of(kind: Kind, given: Mapping[str, Any]) -> dict[str, Any]:
    """What was typed, as the payload wants it: strings, and nothing where nothing was said."""
    payload: dict[str, Any] = {}
    for name, field in kind.payload().fields.items():
        if isinstance(field, serializers.ListField):
            lines = [{part: given[f"{part}_{n}"] for part in ("debit", "credit", "amount")} for n in _lines()]
            payload[name] = [line for line in lines if any(line.values())]
        elif given[name] not in (None, ""):
            value = given[name]
            payload[name] = value.isoformat() if hasattr(value, "isoformat") else value
    return payload


def _lines() -> Sequence[int]:
    return range(1, POSTING_LINES + 1)


@only_for()
def ask_page(request: HttpRequest, code: str) -> HttpResponse:
    """Asks in two steps: what it would do is shown before anybody is asked. Twice is one request."""
    kind = next((each for each in registered_kinds() if each.code == code), None)
    if kind is None:
        raise Http404
    if not request.user.has_perm(kind.permission(ASK)):
        raise PermissionDenied
    asked, step = form_of(kind), request.POST.get("step")
    form = asked(request.POST) if request.method == "POST" else asked(initial=request.GET.dict())
    if request.method == "POST" and step != CHANGE and form.is_valid():
        try:
            return ask_for(request, kind, form.cleaned_data) if step == DO else look(request, kind, form.cleaned_data)
        except DomainError as refused:
            form.add_error(None, f"{refused.detail[:1].upper()}{refused.detail[1:]}.")
    shown = Form(form, "Show what it would do", method="post", hidden={"step": LOOK})
    two = Notice("You ask, somebody else decides. Nothing is done before that.", "info")
    return render(request, Page(f"Ask for {kind.title}", [two, shown], path=requests_path()))


def look(request: HttpRequest, kind: Kind, given: Mapping[str, Any]) -> HttpResponse:
    """What it would do as of now, with the way on and the way back."""
    told = preview(kind=kind.code, payload=payload_of(kind, given))
    typed = {name: str(value) for name, value in request.POST.items() if name != "csrfmiddlewaretoken"}
    why = [("Because", kind.reasons[given["reason_code"]]), ("Reference", given["reference"]), ("Note", given["note"])]
    blocks: list[Block] = [
        Facts(payload_facts(told.payload), title="Asked for"),
        Facts([row for row in why if row[1]], title="Why"),
        *preview_blocks(told),
        Form(forms.Form(), "Ask for it", method="post", hidden=typed | {"step": DO}),
        Form(forms.Form(), "Change it", method="post", hidden=typed | {"step": CHANGE}),
    ]
    return render(request, Page(f"Ask for {kind.title}?", blocks, path=requests_path()))


def ask_for(request: HttpRequest, kind: Kind, given: Mapping[str, Any]) -> HttpResponse:
    """Asks, and leads to the request."""
    made = deciding.ask(
        kind=kind.code,
        payload=payload_of(kind, given),
        reason_code=given["reason_code"],
        reference=given["reference"],
        note=given["note"],
        asked_by=person_of(request),
    )
    messages.success(request, "Asked. Somebody else decides.")
    return HttpResponseRedirect(request_address(made.id))


# --- Deciding --------------------------------------------------------------------------------------------------------


class Word(forms.Form):
    word = words("A word", max_length=WORD_MAX_LENGTH, required=False, lines=2)


class Why(forms.Form):
    word = words("Because", max_length=WORD_MAX_LENGTH, lines=2)


def _decision(request: HttpRequest, request_id: UUID, verb: str, form: type[forms.Form], danger: bool) -> HttpResponse:
    told = found_request(request_id)
    own = verb == "withdraw"
    may = told.asked_by == request.user.pk if own else request.user.has_perm(kind_of(told.kind).permission(DECIDE))
    if not may:
        raise PermissionDenied

    def say(given: dict[str, Any]) -> str:
        by = {"withdrawn_by" if own else "decided_by": person_of(request)}
        decided = getattr(deciding, verb)(request_id=told.id, word=given["word"], **by)
        return f"{title_of(told.kind)}: {decided.state}."

    explain: list[Block] = [
        Facts([("What", title_of(told.kind)), ("Asked by", told.asker), ("Reference", told.reference)])
    ]
    explain.append(Facts(payload_facts(told.payload), title="Asked for"))
    if verb == "approve" and told.state == "open":
        explain += looked_at(told)
    return perform(
        request,
        Deed(
            f"{verb.capitalize()}: {kind_of(told.kind).title}",
            verb.capitalize(),
            say,
            request_address(told.id),
            explain=explain,
            form=form,
            path=requests_path(),
            danger=danger,
        ),
    )


@only_for(VIEW)
def approve(request: HttpRequest, request_id: UUID) -> HttpResponse:
    """Another person's yes: done at once, as of now, and once."""
    return _decision(request, request_id, "approve", Word, danger=False)


@only_for(VIEW)
def refuse(request: HttpRequest, request_id: UUID) -> HttpResponse:
    """Another person's no, with its reason."""
    return _decision(request, request_id, "refuse", Why, danger=True)


@only_for(VIEW)
def withdraw(request: HttpRequest, request_id: UUID) -> HttpResponse:
    """The asker's own no."""
    return _decision(request, request_id, "withdraw", Word, danger=True)
