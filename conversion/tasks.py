"""The doorbell of the conversion: the message is a tick, and the database decides what is due."""

import logging
from collections.abc import Sequence
from uuid import UUID

from celery import shared_task
from django.conf import settings
from kombu.exceptions import OperationalError

from conversion.selectors import database_clock
from conversion.services import RunFacts, convert_due_hours, convert_range

logger = logging.getLogger(__name__)


@shared_task(name="conversion.convert_due_hours")
def convert_due_hours_task() -> None:
    """Converts what is due by the database's clock. Twice does it once, and a lost tick is made up by the next."""
    reports = convert_due_hours(now=database_clock(), helpers=ring_for_help)
    logger.info(
        "conversion tick",
        extra={
            "done": len(reports.done),
            "waiting": [f"{run.hour.isoformat()} {run.reason}" for run in reports.waiting],
        },
    )


@shared_task(name="conversion.convert_range")
def convert_range_task(run_id: str, first: str, last: str) -> None:
    """Helps the tick with the players from `first` to `last` of a run.

    Twice, late or lost makes no difference: the tick passes over everybody itself, and settles the run.
    """
    convert_range(run_id=UUID(run_id), first=UUID(first), last=UUID(last))


def ring_for_help(run: RunFacts, ranges: Sequence[tuple[UUID, UUID]]) -> None:
    """Sends a message for each range but the last one, where the tick itself begins."""
    try:
        for first, last in ranges[:-1]:
            convert_range_task.apply_async(
                args=(str(run.id), str(first), str(last)),
                expires=settings.CONVERSION_HELP_EXPIRES_SECONDS,
                retry=False,
            )
    except OperationalError:
        logger.warning("no broker to call for help: the tick converts alone", exc_info=True)
