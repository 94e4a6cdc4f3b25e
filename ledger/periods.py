"""Closing periods, and opening them again: entries dated before the lock date are final."""

from datetime import datetime

from django.db import connection

from dreamland.lib.errors import named_refusals
from ledger.errors import REFUSALS


def close_period(*, ends_at: datetime, closed_by: int | None = None) -> None:
    """Makes every entry dated before `ends_at` final. Waits for the writers that are still at one.

    Raises PeriodClosed unless the period is over by the database's clock and ends later than the last closed one.
    """
    with named_refusals(REFUSALS), connection.cursor() as cursor:
        cursor.execute("INSERT INTO ledger_periodclose (ends_at, closed_by_id) VALUES (%s, %s)", [ends_at, closed_by])


def lock_date() -> datetime | None:
    """Entries dated before it are final; None where no period was ever closed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT ends_at FROM ledger_periodclose ORDER BY closed_at DESC LIMIT 1")
        row = cursor.fetchone()
    return row[0] if row else None
