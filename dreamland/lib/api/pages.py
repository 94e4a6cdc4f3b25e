"""Keyset pages: stable while rows arrive, and as cheap at the end of a list as at its start."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from django.conf import settings
from django.core import signing
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from dreamland.lib.api.errors import InvalidCursor
from dreamland.lib.api.fields import CountField, StrictSerializer

Row = TypeVar("Row")


class PageQuery(StrictSerializer):
    """`?limit=` and `?cursor=` of every list."""

    limit = CountField(min_value=1, max_value=settings.API_MAX_PAGE_SIZE, default=settings.API_PAGE_SIZE)
    cursor = serializers.CharField(default=None)


def read_cursor(cursor: str | None, *, of: str) -> list[str] | None:
    """The position that a cursor of the list `of` stands for; None for the start. Raises InvalidCursor.

    Cursors are signed and name their list, so that one of another list or player is refused and none can be made up.
    They hold no time: the same page has the same cursor, and so the same ETag.
    """
    if cursor is None:
        return None
    try:
        position: list[str] = signing.Signer(salt=f"cursor:{of}").unsign_object(cursor)
    except signing.BadSignature as error:
        raise InvalidCursor("this cursor was not given out for this list") from error
    return position


def write_cursor(position: list[str], *, of: str) -> str:
    """The cursor of the list `of` that stands for `position`."""
    return signing.Signer(salt=f"cursor:{of}").sign_object(position)


def page(
    request: Request,
    rows: Sequence[Row],
    *,
    limit: int,
    render: Callable[[Sequence[Row]], Any],
    cursor_after: Callable[[Row], str],
) -> Response:
    """Answers `{items, next_cursor}` and, where there is more, `Link: <...>; rel="next"` (RFC 8288).

    `rows` has up to `limit` + 1 rows, the last of which only tells that there is more; `render` makes the items.
    """
    items = rows[:limit]
    cursor = cursor_after(items[-1]) if len(rows) > limit else None
    response = Response({"items": render(items), "next_cursor": cursor})
    if cursor is not None:
        address = replace_query_param(request.build_absolute_uri(), "cursor", cursor)
        response["Link"] = f'<{address}>; rel="next"'
    return response
