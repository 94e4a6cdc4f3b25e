"""Problems outside DRF: Django's own error answers, and the views that are no ApiViewSet."""

import re
import sys
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views import defaults

from dreamland.lib.api import limits
from dreamland.lib.api.problems import outside_response, problem, problem_response

View = ParamSpec("View")

SAFE_METHODS = ("GET", "HEAD")
# Who calls here reads JSON; the rest are people with a browser.
FOR_PROGRAMS = re.compile(r"/+(v1|livez|readyz|metrics)(/|$)")
CONTRACT = re.compile(r"/+v1(/|$)")


def _is_for_programs(request: HttpRequest) -> bool:
    return FOR_PROGRAMS.match(request.path) is not None


def _told(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """An answer of the API that no ApiViewSet gave tells the limits too. A caller who is known was counted before."""
    if not CONTRACT.match(request.path):
        return response
    known: str | None = getattr(getattr(request, "auth", None), "kind", None)  # DRF leaves it on Django's request
    if known is None:
        limits.tell_stranger(request, response)
    else:
        limits.tell(response, known, ())
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
    return _told(request, problem_response(problem("forbidden", "this is not yours to do", request=request)))


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
    failed = problem("internal-error", "something failed on our side", request=request)
    return _told(request, unavailable or problem_response(failed))


def read_only(
    view: Callable[Concatenate[HttpRequest, View], HttpResponse],
) -> Callable[Concatenate[HttpRequest, View], HttpResponse]:
    """A plain view for GET and HEAD. Any other method is a 405 with a problem: Django's own has an empty body."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: View.args, **kwargs: View.kwargs) -> HttpResponse:
        if request.method in SAFE_METHODS:
            return _told(request, view(request, *args, **kwargs))
        refusal = problem("method-not-allowed", f'Method "{request.method}" not allowed.', request=request)
        return _told(request, problem_response(refusal, {"Allow": ", ".join(SAFE_METHODS)}))

    guarded.csrf_exempt = True  # type: ignore[attr-defined]  # nothing to forge; and the 405 comes before a CSRF page
    return guarded
