"""The back-office itself: Django's admin site in unfold's look, with the pages of signing in."""

from typing import Any

from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST
from unfold.sites import UnfoldAdminSite

TOO_MANY_REQUESTS = 429


class BackOffice(UnfoldAdminSite):
    """Whoever is in it has shown a second factor: to every other session the person is anonymous (`sessions`)."""

    index_title = "Back-office"

    def get_urls(self) -> list[Any]:
        """The site's pages, with those of the second factor, which stand outside `admin_view`."""
        from dreamland.staff import views

        pages = [
            path("logout/", csrf_protect(never_cache(require_POST(sign_out))), name="logout"),
            path("second-factor/", views.verify, name="second_factor"),
            path("second-factor/set-up/", views.enrol, name="second_factor_enrol"),
            path("second-factor/replace/", self.admin_view(views.replace), name="second_factor_replace"),
            path("second-factor/codes/", self.admin_view(views.recovery_codes), name="second_factor_codes"),
            path("my-sign-in/", self.admin_view(views.my_sign_in), name="my_sign_in"),
        ]
        return [*pages, *super().get_urls()]

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The form of Django's admin; a password that is right begins the session's time."""
        from dreamland.staff.forms import SignInForm
        from dreamland.staff.sessions import begin

        self.login_form = SignInForm
        response: HttpResponse = super().login(request, extra_context)
        if request.method == "POST" and isinstance(response, HttpResponseRedirect):
            begin(request)
        throttled = getattr(getattr(response, "context_data", None) or {}, "get", lambda _: None)("form")
        if refusal := getattr(throttled, "throttled", None):
            response.status_code = TOO_MANY_REQUESTS
            response["Retry-After"] = str(refusal.extra["retry_after_seconds"])
        return response


def sign_out(request: HttpRequest) -> HttpResponse:
    """Ends the session, also one that has shown no second factor yet."""
    logout(request)
    return HttpResponseRedirect(reverse("admin:login"))
