"""What a session of the staff opens: nothing at all until a second factor was shown, and nothing after its time.

`request.user` is the person only where the session is of age and has shown the factor; everybody else is anonymous
to every view, of the back-office and of the API alike. Only the pages of the second factor look at `signed_in`.
"""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import django_otp
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

SIGNED_IN_AT, SEEN_AT, SHOWN_AT = "signed_in_at", "seen_at", "factor_shown_at"
TOUCH_SECONDS = 60  # a session is written at most so often because it is used

# Of the back-office's pages those that somebody reaches who has given a password and no second factor yet.
BEFORE_THE_FACTOR = {"login", "logout", "second_factor", "second_factor_enrol"}
# What is asked for again before these pages open, if it was shown longer ago than STAFF_FACTOR_FRESH.
NEEDS_FRESH_FACTOR = {
    "admin:auth_user_add",
    "admin:auth_user_change",
    "admin:auth_user_password_change",
    "admin:auth_group_add",
    "admin:auth_group_change",
    "admin:auth_group_delete",
    "admin:password_change",
    "admin:second_factor_replace",
    "admin:second_factor_codes",
    "admin:auth_user_reset_second_factor",
    "admin:ledger_approvalrequest_approve",
    "admin:ledger_periodclose_close",
    "admin:rewards_game_newkey",
    "admin:rewards_game_policy",
    "admin:rewards_gamekey_rotate",
    "admin:rewards_player_person",
    "admin:rewards_player_find",
    "admin:rewards_player_export",
    "admin:rewards_player_erase",
}


def begin(request: HttpRequest) -> None:
    """The password was right: the session's time begins."""
    now_seconds = int(time.time())
    request.session[SIGNED_IN_AT] = request.session[SEEN_AT] = now_seconds


def admit(request: HttpRequest, device: Any) -> None:
    """The second factor was shown: the session goes on under a new key, and opens what the person may see."""
    request.user = signed_in(request)
    django_otp.login(request, device)
    request.session[SHOWN_AT] = int(time.time())
    request.session.cycle_key()


def signed_in(request: HttpRequest) -> Any:
    """Who gave a password in this session, with or without a second factor; else, and after its time, anonymous."""
    return getattr(request, "_signed_in", request.user)


def has_shown_factor(user: Any) -> bool:
    """Whether the session of this user has shown a second factor, or needs none."""
    return not settings.STAFF_SECOND_FACTOR or bool(user.is_verified())


def is_fresh(request: HttpRequest) -> bool:
    """Whether the second factor was shown within STAFF_FACTOR_FRESH: what decides over money or rights asks for it."""
    if not settings.STAFF_SECOND_FACTOR:
        return True
    shown_at = request.session.get(SHOWN_AT, 0)
    return bool(time.time() - shown_at <= settings.STAFF_FACTOR_FRESH.total_seconds())


class StaffSessionMiddleware:
    """Stands after the middlewares that say whose session it is (Django's) and by which device (django-otp's)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given: Any = request.user
        request._signed_in = SimpleLazyObject(lambda: _of_age(request, given))  # type: ignore[attr-defined]
        request.user = SimpleLazyObject(lambda: _admitted(request))  # type: ignore[assignment]
        response = self.get_response(request)
        if response.status_code < 400 and request.session.accessed:
            _touch(request)
        return response

    def process_view(
        self, request: HttpRequest, _view: object, _arguments: object, _named: object
    ) -> HttpResponse | None:
        """Sends who has given a password to the second factor, and who needs it fresh to show it again."""
        match = request.resolver_match
        if match is None or "admin" not in match.namespaces or match.url_name in BEFORE_THE_FACTOR:
            return None
        person = signed_in(request)
        if not person.is_authenticated:
            return None  # the site's own door sends strangers to the login
        if has_shown_factor(person) and (match.view_name not in NEEDS_FRESH_FACTOR or is_fresh(request)):
            return None
        place = request.get_full_path() if request.method == "GET" else reverse("admin:index")
        return HttpResponseRedirect(f"{reverse('admin:second_factor')}?{urlencode({'next': place})}")


def _of_age(request: HttpRequest, given: Any) -> Any:
    """The user of the session, unless it is older, or was left alone for longer, than it may be."""
    if not given.is_authenticated:
        return given
    now = time.time()
    age_seconds = now - request.session.get(SIGNED_IN_AT, 0)
    idle_seconds = now - request.session.get(SEEN_AT, 0)
    if age_seconds > settings.STAFF_SESSION_AGE.total_seconds():
        return AnonymousUser()
    return AnonymousUser() if idle_seconds > settings.STAFF_SESSION_IDLE.total_seconds() else given


def _admitted(request: HttpRequest) -> Any:
    person = signed_in(request)
    return person if person.is_authenticated and has_shown_factor(person) else AnonymousUser()


def _touch(request: HttpRequest) -> None:
    now_seconds = int(time.time())
    seen_at = request.session.get(SEEN_AT)
    if seen_at is not None and now_seconds - seen_at >= TOUCH_SECONDS and signed_in(request).is_authenticated:
        request.session[SEEN_AT] = now_seconds
