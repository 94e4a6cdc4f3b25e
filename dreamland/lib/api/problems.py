"""Every refusal and every failure as one shape: problem+json (RFC 9457)."""

import json
import logging
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from django.conf import settings
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.settings import api_settings

from dreamland.lib.api.catalogue import KINDS
from dreamland.lib.api.fields import render_amount, render_instant
from dreamland.lib.api.parsing import HOPS
from dreamland.lib.api.request_id import request_id
from dreamland.lib.errors import DomainError, Elsewhere

CONTENT_TYPE = "application/problem+json"
ERRORS_IN_A_PROBLEM = 100  # a body can be wrong in more ways than anyone wants to read

# What DRF calls its refusals, and what we call them.
DRF_CODES = {
    "not_authenticated": "not-authenticated",
    "authentication_failed": "not-authenticated",
    "permission_denied": "forbidden",
    "not_found": "not-found",
    "method_not_allowed": "method-not-allowed",
    "not_acceptable": "not-acceptable",
    "unsupported_media_type": "unsupported-media-type",
    "throttled": "rate-limited",
    "parse_error": "malformed-json",
}

log = logging.getLogger(__name__)

Problem = dict[str, Any]


def problem(code: str, detail: str, *, request: HttpRequest | Request, **members: Any) -> Problem:
    """The problem of that code, as it goes into an answer; `members` are its further members, rendered.

    Source: RFC 9457, section 3.
    """
    kind = KINDS[code]
    return {
        "type": f"/v1/problems/{code}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "code": code,
        "request_id": request_id(request),
        **{name: _rendered(value) for name, value in members.items()},
    }


def domain_problem(error: DomainError, *, request: HttpRequest | Request) -> Problem:
    """What a refused use case looks like. A `field` in its facts becomes a pointer."""
    code = error.code if error.code in KINDS else "invalid"
    members = dict(error.extra)
    if field := members.pop("field", None):
        members["errors"] = [{"pointer": f"/{field}", "code": error.code, "detail": error.detail}]
    return problem(code, error.detail, request=request, **members)


def validation_problem(error: exceptions.ValidationError, *, request: HttpRequest | Request, root: str = "") -> Problem:
    """Everything that is wrong with the values sent, each with a JSON pointer (RFC 6901) below `root`.

    Where all of it is one amount or one time, the problem itself says so; else its code is `invalid`.
    """
    errors = [
        {"pointer": pointer, "code": code, "detail": detail} for pointer, code, detail in _flat(error.detail, root)
    ]
    codes = {item["code"] for item in errors}
    code = codes.pop() if codes in ({"invalid-amount"}, {"invalid-time"}) else "invalid"
    detail = errors[0]["detail"] if len(errors) == 1 else f"{len(errors)} values are wrong"
    return problem(code, detail, request=request, errors=errors[:ERRORS_IN_A_PROBLEM])


def problem_response(content: Problem, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """The answer that carries a problem."""
    response = HttpResponse(json.dumps(content), status=content["status"], content_type=CONTENT_TYPE)
    response["Cache-Control"] = "no-store"
    if content["status"] == KINDS["unavailable"].status:
        response["Retry-After"] = str(settings.API_RETRY_AFTER_SECONDS)
    for name, value in (headers or {}).items():
        response[name] = value
    return response


def exception_handler(error: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """DRF's EXCEPTION_HANDLER. None for what is our own mistake: Django logs it, and handler500 answers."""
    request: Request = context["request"]
    if isinstance(error, Elsewhere):
        return _elsewhere(error, request)
    if isinstance(error, DomainError):
        return problem_response(domain_problem(error, request=request))
    if isinstance(error, exceptions.ValidationError):
        return problem_response(validation_problem(error, request=request))
    if isinstance(error, exceptions.APIException):
        return _drf_response(error, request)
    return outside_response(error, request)


def _elsewhere(error: Elsewhere, request: Request) -> HttpResponse:
    """308 to where the same call is answered: method and body go along (RFC 9110, section 15.4.9).

    Once only: a call that was redirected already, or whose region has no address, is misdirected (section 15.5.20).
    """
    region = str(error.extra.get("region", ""))
    address = settings.REGIONS.get(region)
    if address is None or HOPS in request.query_params:
        return problem_response(problem("misdirected", error.detail, request=request, region=region))
    query = request.query_params.copy()
    query[HOPS] = "1"
    headers = {"Location": f"{address}{request.path}?{query.urlencode()}"}
    return problem_response(domain_problem(error, request=request), headers)


def outside_response(error: BaseException | None, request: HttpRequest | Request) -> HttpResponse | None:
    """The answer to what Django, the database or the network raised; None for a mistake of ours."""
    if isinstance(error, Http404):
        return problem_response(problem("not-found", "nothing is at this address", request=request))
    if isinstance(error, PermissionDenied):
        return problem_response(problem("forbidden", "this is not yours to do", request=request))
    if isinstance(error, SuspiciousOperation | BadRequest):
        return problem_response(problem("bad-request", "the request cannot be taken", request=request))
    if is_unavailable(error):
        log.warning("unavailable: %s", error, exc_info=error)
        return problem_response(problem("unavailable", "the service cannot answer just now", request=request))
    return None


def is_unavailable(error: BaseException | None) -> bool:
    """Whether the database was away, out of connections, too slow, or read-only; the same call may work later."""
    if isinstance(error, OperationalError | InterfaceError):  # also: pool, lock and statement timeouts, deadlocks
        return True
    return isinstance(error, DatabaseError) and isinstance(error.__cause__, psycopg.errors.ReadOnlySqlTransaction)


def _drf_response(error: exceptions.APIException, request: Request) -> HttpResponse | None:
    given = error.get_codes()
    code = given if isinstance(given, str) and given in KINDS else DRF_CODES.get(error.default_code)
    if code is None:
        return None
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    return problem_response(problem(code, str(error.detail), request=request), headers)


def _flat(detail: Any, pointer: str) -> Iterator[tuple[str, str, str]]:
    """DRF's nested error detail as (pointer, code, text)."""
    if isinstance(detail, Mapping):
        for key, value in detail.items():
            own = key == api_settings.NON_FIELD_ERRORS_KEY
            step = "" if own else "/" + str(key).replace("~", "~0").replace("/", "~1")
            yield from _flat(value, pointer + step)
    elif isinstance(detail, list | tuple):
        for item in detail:
            yield from _flat(item, pointer)
    else:
        yield pointer, str(getattr(detail, "code", "invalid")).replace("_", "-"), str(detail)


def _rendered(value: Any) -> Any:
    match value:
        case Decimal():
            return render_amount(value)
        case datetime():
            return render_instant(value)
        case date():
            return value.isoformat()
        case UUID():
            return str(value)
    return value
