"""Closing hours for the centre: control totals in the stream that carries the rows themselves."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction


def close_hours(*, span: timedelta | None = None, margin: timedelta | None = None) -> tuple[datetime, ...]:
    """Fences every hour that is over and closes those that nobody can add to any more; when the closed ones began.

    Correct under transactions that commit late: such an hour waits, and those behind it. Safe twice, and by several
    processes at once; each hour is a transaction of its own. Empty hours are closed too: the centre counts them.
    """
    lengths: list[Any] = [span or settings.CLOSING_SPAN, settings.CLOSING_MARGIN if margin is None else margin]
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SELECT world_fence_hours(%s, %s)", lengths)
    closed: list[datetime] = []
    while True:
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {int(settings.VERIFY_STATEMENT_TIMEOUT_MS)}")
            cursor.execute("SELECT world_close_next_hour()")
            starts = cursor.fetchone()[0]
        if starts is None:
            return tuple(closed)
        closed.append(starts)


def give_beat() -> int:
    """Tells the centre that the region lives, and returns the beat's number."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SELECT world_give_beat()")
        number: int = cursor.fetchone()[0]
    return number
