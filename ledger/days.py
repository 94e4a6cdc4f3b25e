"""Closing the books of a UTC day: its totals are counted once nothing can be added to it any more."""

from datetime import date

from django.db import connection, transaction


def close_days() -> tuple[date, ...]:
    """Fences every day that is over and counts those that nobody can add to any more; the days closed by this call.

    Correct under transactions that commit late: such a day waits (docs/data-model.md, "Closed days"). Safe twice, and
    by several processes at once. Each day is a transaction of its own.
    """
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SELECT fence_days()")
    closed: list[date] = []
    while True:
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute("SELECT close_next_day()")
            day = cursor.fetchone()[0]
        if day is None:
            return tuple(closed)
        closed.append(day)
