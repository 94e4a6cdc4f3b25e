"""The doorbells of the books: each task asks the database what there is to do, and twice does it once."""

from celery import shared_task
from django.conf import settings

from ledger.days import close_days
from ledger.seals import seal_journal
from ledger.verification_records import verify_what_is_due


@shared_task(name="ledger.close_books")
def close_books_task() -> None:
    """Counts the days that are over and seals what is new."""
    close_days()
    seal_journal()


# A full verification of a long history takes its time; the limits stay below the broker's visibility timeout.
@shared_task(
    name="ledger.verify_books",
    soft_time_limit=settings.VERIFY_TASK_SOFT_LIMIT_SECONDS,
    time_limit=settings.VERIFY_TASK_SOFT_LIMIT_SECONDS + 60,
)
def verify_books_task() -> None:
    """Verifies what is new since the last clean verification, once a day everything, and keeps what it found."""
    verify_what_is_due()
