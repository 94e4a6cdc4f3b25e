"""Problems outside DRF: Django's own error answers, and the page behind a problem's `type`."""

import sys

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views import defaults
from django.views.decorators.http import require_safe

from dreamland.lib.api import limits
from dreamland.lib.api.catalogue import KINDS
from dreamland.lib.api.problems import outside_response, problem, problem_response

PATHS = ("/v1/", "/livez", "/readyz", "/metrics")  # who calls here reads JSON; the rest are people with a browser


def _is_for_programs(request: HttpRequest) -> bool:
    return request.path.startswith(PATHS)


def _told(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """An answer of the API that no view gave tells the limits too."""
    if request.path.startswith("/v1/"):
        limits.tell_stranger(request, response)
    return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """handler400."""
    if not _is_for_programs(request):
        return defaults.bad_request(request, exception)
    return _told(request, problem_response(problem("bad-request", "the request cannot be taken", request=request)))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """handler403."""
    if not _is_for_programs(request):
        return defaults.permission_denied(request, exception)
    return problem_response(problem("forbidden", "this is not yours to do", request=request))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """handler404."""
    if not _is_for_programs(request):
        return defaults.page_not_found(request, exception)
    return _told(request, problem_response(problem("not-found", "nothing is at this address", request=request)))


def server_error(request: HttpRequest) -> HttpResponseBase:
    """handler500. Tells what failed only where a caller can do something about it: 503, try again."""
    if not _is_for_programs(request):
        return defaults.server_error(request)
    unavailable = outside_response(sys.exc_info()[1], request)
    return unavailable or problem_response(problem("internal-error", "something failed on our side", request=request))


def method_not_allowed(request: HttpRequest, allowed: list[str]) -> HttpResponse:
    """The 405 of a plain Django view."""
    detail = f'Method "{request.method}" not allowed.'
    return problem_response(problem("method-not-allowed", detail, request=request), {"Allow": ", ".join(allowed)})


@require_safe
def problem_page(request: HttpRequest, code: str) -> HttpResponse:
    """What a problem's `type` resolves to: its meaning and what to do, for people."""
    kind = KINDS.get(code)
    if kind is None:
        return problem_response(problem("not-found", f'there is no problem "{code}"', request=request))
    return render(request, "contract/problem.html", {"code": code, "kind": kind})


@require_safe
def problem_pages(request: HttpRequest) -> HttpResponse:
    """All problems, for people."""
    return render(request, "contract/problems.html", {"kinds": KINDS})
