"""Hears of tasks that fail and writes them down, so that finance sees them without a log."""

import logging
from traceback import extract_tb
from types import TracebackType
from typing import Any

from celery.signals import task_failure
from django.db import DatabaseError

log = logging.getLogger(__name__)


@task_failure.connect
def note_failure(
    sender: Any = None,
    task_id: str = "",
    exception: BaseException | None = None,
    traceback: TracebackType | None = None,
    **_: Any,
) -> None:
    """One row for each failed task. Without a database there is the log line alone."""
    from dreamland.backoffice.models import TaskFailure

    try:
        TaskFailure.objects.create(
            task=getattr(sender, "name", str(sender)),
            task_id=task_id,
            problem=f"{type(exception).__name__}: {exception}"[:500],
            place=_place(traceback),
        )
    except DatabaseError as error:
        log.warning("a failed task is not written down: %s", type(error).__name__)


def _place(trace: TracebackType | None) -> str:
    """The file and line where it was raised."""
    frames = extract_tb(trace) if trace else []
    return f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
