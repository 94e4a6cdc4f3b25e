"""The hourly conversion, and what finance decides about it. Celery, `manage.py convert` and the admin all come here."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings

from conversion import runs
from conversion.errors import HourNotOver, NotAnHour
from conversion.lots import convert_lots
from conversion.quotes import HOUR
from conversion.rates import accept_rate, ensure_terms
from conversion.runs import RunFacts
from dreamland.lib.logs import with_ids

logger = logging.getLogger(__name__)

__all__ = ["RunFacts", "RunReports", "accept_rate", "convert_due_hours", "convert_hour"]


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


def convert_due_hours(*, now: datetime) -> RunReports:
    """Converts every hour that is over at `now` and has no finished run, oldest first; safe twice, late, in parallel.

    Counts from the first run or the oldest pending win, so that a gap is filled and an empty hour is closed. Tries at
    most CONVERSION_HOURS_PER_TICK new hours and CONVERSION_RETRIES_PER_TICK that waited before: a call that leaves some
    is followed by another. One hour's trouble stops no other hour.
    """
    due = runs.due_hours(
        until=now - settings.CONVERSION_SETTLE_DELAY,
        fresh=settings.CONVERSION_HOURS_PER_TICK,
        troubled=settings.CONVERSION_RETRIES_PER_TICK,
    )
    return RunReports(tuple(convert_hour(hour=hour, now=now) for hour in due))


@with_ids("hour")
def convert_hour(*, hour: datetime, now: datetime) -> RunFacts:
    """Converts the UTC hour that begins at `hour`: its pending wins, and the late ones that fall to it (`runs`).

    Each win at the rate of the hour it was won in. The run is done after one whole pass in which every such hour had
    its rate; else it says which hour it waits for and why, while the others are converted. What commits during the
    pass is the next run's. A run that is done stays as it is.

    Raises NotAnHour, HourNotOver.
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
    trouble = convert_lots(run=run, terms=terms)
    outcome = runs.settle(run, missing=missing, trouble=trouble)
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
