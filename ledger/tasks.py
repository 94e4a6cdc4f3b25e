"""The doorbells of the books: each task asks the database what there is to do, and twice does it once."""

from celery import shared_task

from ledger.days import close_days
from ledger.seals import seal_journal
from ledger.verification import Mode, verify_and_record


@shared_task(name="ledger.close_books")
def close_books_task() -> None:
    """Counts the days that are over and seals what is new."""
    close_days()
    seal_journal()


@shared_task(name="ledger.verify_books")
def verify_books_task() -> None:
    """Verifies what is new since the last clean verification, and keeps what it found."""
    verify_and_record(Mode.INCREMENTAL)
