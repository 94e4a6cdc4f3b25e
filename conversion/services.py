"""The hourly conversion, and what finance decides about it. Celery, `manage.py convert` and the admin all come here."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError

from conversion import runs
from conversion.errors import HourNotOver, NotAnHour, PostConditionFailed
from conversion.passes import Progress, convert_lots, unheard
from conversion.quotes import HOUR
from conversion.rates import ensure_terms, fetch_rate, known_terms
from conversion.runs import KeyRange, RunFacts
from dreamland.lib.errors import DomainError
from dreamland.lib.logs import with_ids

logger = logging.getLogger(__name__)

__all__ = [
    "RunFacts",
    "RunReports",
    "convert_due_hours",
    "convert_hour",
    "convert_range",
    "due_hours",
    "fetch_rate",
]

# Asks others to convert these key ranges of the run: processes that it waits for, or messages that may get lost.
Helpers = Callable[[RunFacts, Sequence[KeyRange]], None]
# What stops a run when it is not one player's trouble: the books refuse, or what was written does not add up.
BROKEN = (PostConditionFailed, DomainError, IntegrityError)


@dataclass(frozen=True, slots=True)
class RunReports:
    """How each attempted hour came out, oldest first."""

    runs: tuple[RunFacts, ...]

    @property
    def done(self) -> tuple[RunFacts, ...]:
        return tuple(run for run in self.runs if run.state == runs.State.DONE)

    @property
    def waiting(self) -> tuple[RunFacts, ...]:
        return tuple(run for run in self.runs if run.state != runs.State.DONE)


def due_hours(*, now: datetime) -> list[datetime]:
    """The hours that the next call of `convert_due_hours` would try, oldest first."""
    return runs.due_hours(
        until=now - settings.CONVERSION_SETTLE_DELAY,
        fresh=settings.CONVERSION_HOURS_PER_TICK,
        troubled=settings.CONVERSION_RETRIES_PER_TICK,
    )


def convert_due_hours(*, now: datetime, helpers: Helpers | None = None) -> RunReports:
    """Converts every hour that is over at `now` and has no finished run, oldest first; safe twice, late, in parallel.

    Counts from the first run or the oldest pending win, so that a gap is filled and an empty hour is closed. Tries at
    most CONVERSION_HOURS_PER_TICK new hours and CONVERSION_RETRIES_PER_TICK that waited before: a call that leaves some
    is followed by another. One hour's trouble stops no other hour; an hour whose books do not add up is raised when
    the others have had their turn.
    """
    reports: list[RunFacts] = []
    broken: list[Exception] = []
    for hour in due_hours(now=now):
        try:
            reports.append(convert_hour(hour=hour, now=now, helpers=helpers))
        except BROKEN as error:
            broken.append(error)
    if broken:
        raise broken[0]
    return RunReports(tuple(reports))


@with_ids("hour")
def convert_hour(
    *, hour: datetime, now: datetime, helpers: Helpers | None = None, progress: Progress = unheard
) -> RunFacts:
    """Converts the UTC hour that begins at `hour`: its pending wins, and the late ones that fall to it (`runs`).

    Each win at the rate of the hour it was won in. The run is done after one whole pass in which every such hour had
    its rate; else it says which hour it waits for and why, while the others are converted. What commits during the
    pass is the next run's. A run that is done stays as it is.

    Where there are more players than CONVERSION_PLAYERS_PER_RANGE, `helpers` may take ranges of them; whatever they do
    not, this call does itself, so the outcome is the same without them. `progress` hears of players passed.

    Raises NotAnHour, HourNotOver; PostConditionFailed and what the books refuse where it is not one player's trouble:
    the run then stays unfinished, with the reason `does-not-add-up`.
    """
    hour = hour.astimezone(UTC)
    if hour != hour.replace(minute=0, second=0, microsecond=0):
        raise NotAnHour("a UTC hour is named by the instant that it begins at", hour=hour)
    if hour + HOUR > now:
        raise HourNotOver("an hour is converted when it is over", hour=hour)
    run = runs.begin(hour)
    if run.state == runs.State.DONE:
        return run
    terms, missing = ensure_terms(runs.win_hours(hour), now=now)
    try:
        ranges = runs.key_ranges([each.hour for each in terms])
        if helpers and len(ranges) > 1:
            helpers(run, ranges)
        # From the other end than the helpers, so that they meet late.
        trouble = convert_lots(run=run, terms=terms, ranges=reversed(ranges), progress=progress)
        outcome = runs.settle(run, missing=missing, trouble=trouble)
    except BROKEN:
        runs.break_off(run)
        logger.exception("a run was broken off: its books do not add up")
        raise
    logger.info(
        "hour converted" if outcome.state == runs.State.DONE else "hour waits",
        extra={
            "hour": hour.isoformat(),
            "state": outcome.state,
            "reason": outcome.reason,
            "conversions": outcome.conversions,
            "tokens": str(outcome.tokens),
            "usd": str(outcome.usd),
            "fees": str(outcome.fees),
        },
    )
    return outcome


@with_ids("run_id")
def convert_range(*, run_id: UUID, first: UUID, last: UUID, progress: Progress = unheard) -> str:
    """Converts the players from `first` to `last`, both included, of a run that somebody else leads and will settle.

    Only what has its rate by now. Twice or at the same time does it once, and nothing where the run is finished or
    unknown. Returns the trouble, as `convert_lots` does.
    """
    run = runs.read(run_id)
    if run is None or run.state == runs.State.DONE:
        return ""
    terms, _ = known_terms(runs.win_hours(run.hour))
    return convert_lots(run=run, terms=terms, ranges=[(first, last)], progress=progress)
