"""The doorbell of the conversion: the message is a tick, and the database decides what is due."""

import logging

from celery import shared_task

from conversion.selectors import database_clock
from conversion.services import convert_due_hours

logger = logging.getLogger(__name__)


@shared_task(name="conversion.convert_due_hours")
def convert_due_hours_task() -> None:
    """Converts what is due by the database's clock. Twice does it once, and a lost tick is made up by the next."""
    reports = convert_due_hours(now=database_clock())
    logger.info(
        "conversion tick",
        extra={
            "done": len(reports.done),
            "waiting": [f"{run.hour.isoformat()} {run.reason}" for run in reports.waiting],
        },
    )
