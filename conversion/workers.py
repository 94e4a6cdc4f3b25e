"""Several processes at one run, each at players of its own (`manage.py convert --workers`).

Nothing of Django is imported up here: the processes are started afresh, and this module is what they load first.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from conversion.runs import KeyRange, RunFacts


@contextmanager
def helping(count: int, progress: Callable[[int], None]) -> "Iterator[Callable[[RunFacts, Sequence[KeyRange]], None]]":
    """`count` processes that take key ranges of a run until none is left. What one of them leaves, because it had
    trouble or was killed, the caller's own pass over everybody takes up."""
    from django.db import connection

    # A forked process would share this one's connection to the database.
    with ProcessPoolExecutor(
        count, mp_context=get_context("spawn"), initializer=_prepare, initargs=(connection.settings_dict["NAME"],)
    ) as pool:

        def help_with(run: "RunFacts", ranges: "Sequence[KeyRange]") -> None:
            tasks = [pool.submit(_convert, run.id, first, last) for first, last in ranges]
            for task in tasks:
                progress(task.result())

        yield help_with


def _prepare(database: str) -> None:
    import django

    django.setup()
    from django.db import connection

    connection.settings_dict["NAME"] = database


def _convert(run_id: UUID, first: UUID, last: UUID) -> int:
    """How many players were passed."""
    from conversion.services import convert_range

    passed: list[int] = []
    convert_range(run_id=run_id, first=first, last=last, progress=passed.append)
    return sum(passed)
