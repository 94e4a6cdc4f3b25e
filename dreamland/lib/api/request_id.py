"""One id for each request: in the answer, in every log line, in every problem."""

import re
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request

from dreamland.lib.ids import uuid7

HEADER = "X-Request-ID"
WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{1,128}")
KEY = "dreamland.request_id"


def request_id(request: HttpRequest | Request) -> str:
    """The id of this request: the caller's where it is well-formed, else a new UUIDv7. The same at every call."""
    meta = request.META
    if KEY not in meta:
        given = meta.get("HTTP_X_REQUEST_ID", "")
        meta[KEY] = given if WELL_FORMED.fullmatch(given) else str(uuid7())
    return str(meta[KEY])


class RequestIdMiddleware:
    """Puts the id on every answer and into the context of every log line. Stands first, so that nothing escapes it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        identifier = request_id(request)
        # Cleared at the start of the next request and not at the end of this one, so that what Django logs about the
        # answer, outside all middleware, has the id too.
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=identifier)
        response = self.get_response(request)
        response[HEADER] = identifier
        return response
