"""The pages of the second factor: set it up, show it, replace it, make recovery codes; and one's own sign-in."""

from typing import Any
from urllib.parse import quote

import segno
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods

from dreamland.lib.api.limits import address_of
from dreamland.lib.api.request_id import request_id
from dreamland.lib.errors import DomainError
from dreamland.lib.trail.actor import acting
from dreamland.staff import factors
from dreamland.staff.errors import CodeRefused
from dreamland.staff.forms import CodeForm, ReasonForm
from dreamland.staff.models import SignIn
from dreamland.staff.records import record_sign_in
from dreamland.staff.sessions import admit, signed_in

PENDING_SEED = "pending_seed"  # in the session, until its first code is right
SHOWN_SIGN_INS = 10


def page(view: Any) -> Any:
    """What every one of these pages is: never cached, safe from forged posts, GET and POST alone."""
    return never_cache(csrf_protect(require_http_methods(["GET", "POST"])(view)))


@page
def verify(request: HttpRequest) -> HttpResponse:
    """Asks for the code of the device, or a recovery code; then the session opens what the person may see."""
    person = signed_in(request)
    if not person.is_authenticated:
        return HttpResponseRedirect(_login(request))
    if not factors.has_factor(person):
        return HttpResponseRedirect(_onward("admin:second_factor_enrol", request))
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            shown = factors.show_factor(user=person, code=form.cleaned_data["code"])
        except CodeRefused as refusal:
            _record(request, person, SignIn.Outcome.CODE_REFUSED)
            form.add_error("code", refusal.detail)
        else:
            used_up = shown.codes_left is not None
            _record(request, person, SignIn.Outcome.RECOVERY_CODE_USED if used_up else SignIn.Outcome.CODE_ACCEPTED)
            admit(request, shown.device)
            if used_up:
                messages.warning(
                    request, f"A recovery code was used; {shown.codes_left} are left. Set up a new device soon."
                )
            return HttpResponseRedirect(_next(request))
    return _render(request, "verify.html", "Second factor", form=form, person=person)


@page
def enrol(request: HttpRequest) -> HttpResponse:
    """Sets up the first device of a person who has none."""
    person = signed_in(request)
    if not person.is_authenticated:
        return HttpResponseRedirect(_login(request))
    if factors.has_factor(person):
        return HttpResponseRedirect(_onward("admin:second_factor", request))
    return _set_up(request, person, replaces=False)


@page
def replace(request: HttpRequest) -> HttpResponse:
    """Sets up another device in place of the one that was shown a moment ago."""
    return _set_up(request, request.user, replaces=True)


@page
def recovery_codes(request: HttpRequest) -> HttpResponse:
    """Makes new recovery codes and shows them, once."""
    if request.method != "POST":
        return _render(request, "make_codes.html", "New recovery codes")
    codes = factors.make_recovery_codes(user=request.user)
    _record(request, request.user, SignIn.Outcome.CODES_MADE)
    return _render(request, "codes.html", "Recovery codes", codes=codes, onward=reverse("admin:my_sign_in"))


@page
def my_sign_in(request: HttpRequest) -> HttpResponse:
    """One's own second factor, and who came in lately under one's name."""
    person: Any = request.user
    return _render(
        request,
        "my_sign_in.html",
        "Your sign-in",
        has_factor=factors.has_factor(person),
        codes_left=factors.codes_left(person),
        sign_ins=SignIn.objects.filter(user_id=person.pk).order_by("-id")[:SHOWN_SIGN_INS],
        idle_minutes=int(settings.STAFF_SESSION_IDLE.total_seconds() // 60),
        age_hours=int(settings.STAFF_SESSION_AGE.total_seconds() // 3600),
    )


@page
def reset(request: HttpRequest, person: User) -> HttpResponse:
    """Lets somebody who lost the device set up a new one; asked for by another person, with a reason."""
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        by: Any = request.user
        try:
            factors.reset_factor(user=person, by=User.objects.get(pk=by.pk), reason=form.cleaned_data["reason"])
        except DomainError as refusal:
            form.add_error(None, refusal.detail)
        else:
            messages.success(request, f"{person.get_username()} sets up a new device at the next sign-in.")
            return HttpResponseRedirect(reverse("admin:auth_user_change", args=[person.pk]))
    return _render(request, "reset.html", "Reset a second factor", form=form, person=person)


def _set_up(request: HttpRequest, person: Any, *, replaces: bool) -> HttpResponse:
    seed = request.session.get(PENDING_SEED) or factors.new_seed()
    request.session[PENDING_SEED] = seed
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            with acting(person.pk, request_id(request)):
                done = factors.enrol(user=person, seed=seed, code=form.cleaned_data["code"], replace=replaces)
        except DomainError as refusal:
            form.add_error("code", refusal.detail)
        else:
            del request.session[PENDING_SEED]
            _record(request, person, SignIn.Outcome.ENROLLED)
            admit(request, done.device)
            return _render(
                request, "codes.html", "Recovery codes", codes=done.recovery_codes, onward=_next(request), is_new=True
            )
    return _render(
        request,
        "enrol.html",
        "Set up your second factor",
        form=form,
        person=person,
        replaces=replaces,
        qr=_drawn(factors.qr_uri(person, seed)),
        secret=factors.readable_seed(seed),
    )


def _drawn(uri: str) -> SafeString:
    """The QR code as SVG inside the page: the secret goes to nobody's drawing service, and into no cache."""
    drawn: str = segno.make(uri, error="m").svg_inline(scale=5, border=2, dark="#111827", light="#ffffff")
    return mark_safe(drawn)  # noqa: S308  made by segno, of squares


def _record(request: HttpRequest, person: Any, outcome: SignIn.Outcome) -> None:
    record_sign_in(
        username=person.get_username(), outcome=outcome, address=address_of(request), request_id=request_id(request)
    )


def _render(request: HttpRequest, template: str, title: str, **context: Any) -> TemplateResponse:
    given = {
        **admin.site.each_context(request),
        "title": title,
        "next": _next(request),
        "is_inside": request.user.is_authenticated,
        **context,
    }
    return TemplateResponse(request, f"staff/{template}", given)


def _next(request: HttpRequest) -> str:
    """Where the person wanted to go, if that is here."""
    place = request.POST.get("next") or request.GET.get("next") or ""
    ours = url_has_allowed_host_and_scheme(place, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return place if ours else reverse("admin:index")


def _login(request: HttpRequest) -> str:
    return _onward("admin:login", request)


def _onward(name: str, request: HttpRequest) -> str:
    return f"{reverse(name)}?next={quote(_next(request))}"
