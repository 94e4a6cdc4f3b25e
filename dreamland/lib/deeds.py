"""What people do in the back-office: a page that says what will happen, a form, and one service behind the button.

The page never writes; the service does, and its refusals come back as sentences on the same page.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from dreamland.lib.errors import DomainError
from dreamland.lib.pages import Block, Form, Page, render

View = Callable[..., HttpResponse]


@dataclass(frozen=True, slots=True)
class Deed:
    """A deed: what it is called, what it will do, what it asks, and where its way leads afterwards.

    `do` calls a service with what was asked and returns a sentence to show there, or an answer of its own.
    """

    title: str
    button: str
    do: Callable[[dict[str, Any]], str | HttpResponse]
    back: str
    explain: Sequence[Block] = ()
    form: type[forms.Form] = forms.Form
    initial: Mapping[str, Any] = field(default_factory=dict)
    path: Sequence[tuple[str, str]] = ()
    danger: bool = False


def perform(request: HttpRequest, deed: Deed) -> HttpResponse:
    """Shows the deed, or does it. A refusal is shown where it was asked, and nothing was written."""
    form = deed.form(initial=dict(deed.initial))
    if request.method == "POST":
        form = deed.form(request.POST)
        if form.is_valid():
            try:
                outcome = deed.do(form.cleaned_data)
            except DomainError as refused:
                form.add_error(None, f"{refused.detail[:1].upper()}{refused.detail[1:]}.")
            else:
                if isinstance(outcome, HttpResponse):
                    return outcome
                messages.success(request, outcome)
                return HttpResponseRedirect(deed.back)
    asked = Form(form, deed.button, method="post", danger=deed.danger)
    return render(request, Page(deed.title, [*deed.explain, asked], path=deed.path))


def only_for(*permissions: str, methods: Sequence[str] = ("GET", "HEAD", "POST")) -> Callable[[View], View]:
    """The view for those who have every one of these permissions, by these methods; 403 for everybody else."""

    def guarded(view: View) -> View:
        @wraps(view)
        def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method not in methods or not request.user.has_perms(permissions):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return shown

    return guarded


def reading(*permissions: str) -> Callable[[Callable[..., Page]], View]:
    """A page that is only looked at, for those who have these permissions."""

    def shown(page: Callable[..., Page]) -> View:
        @only_for(*permissions, methods=("GET", "HEAD"))
        def view(request: HttpRequest, **arguments: Any) -> HttpResponse:
            return render(request, page(request, **arguments))

        return view

    return shown
