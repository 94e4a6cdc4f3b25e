"""Answers with a player's own data: private, and not sent again while nothing changed (RFC 9110, sections 8.8, 13)."""

import hashlib
import json
from collections.abc import Collection
from functools import partial

from django.utils.http import parse_etags
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

ETAG_BYTES = 16


def own_data(response: Response, *, volatile: Collection[str] = ()) -> Response:
    """Marks an answer with a player's own data: no shared cache keeps it, and a private one asks before using it.

    The ETag is strong: the same bytes, the same tag. Members named in `volatile` change at every call without telling
    anything new (an `as_of`). An answer with such members has a weak ETag over all the others: two answers with the
    same tag mean the same and are not the same bytes, which is just what RFC 9110, section 8.8.1, calls weak.
    """
    response["Cache-Control"] = "private, no-cache"
    response.add_post_render_callback(partial(_tag, volatile=volatile))
    return response


def _tag(response: Response, *, volatile: Collection[str]) -> None:
    """Puts the ETag on a rendered answer, and empties it to a 304 where the caller has that already."""
    if volatile:
        lasting = {name: value for name, value in response.data.items() if name not in volatile}
        etag = f'W/"{_digest(json.dumps(lasting, default=str).encode())}"'
    else:
        etag = f'"{_digest(response.content)}"'
    response["ETag"] = etag
    request: Request = response.renderer_context["request"]  # type: ignore[attr-defined]  # missing in DRF's stubs
    if _has_already(request, etag):
        response.status_code = status.HTTP_304_NOT_MODIFIED
        response.content = b""
        del response["Content-Type"]


def _has_already(request: Request, etag: str) -> bool:
    """Whether If-None-Match names this ETag. The comparison is weak (RFC 9110, section 13.1.2)."""
    known = parse_etags(request.headers.get("If-None-Match", ""))
    return known == ["*"] or _opaque(etag) in map(_opaque, known)


def _opaque(etag: str) -> str:
    return etag.removeprefix("W/")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[: 2 * ETAG_BYTES]
