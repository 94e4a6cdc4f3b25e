"""A player's days as instants. Pure arithmetic: no clock, no database (docs/edge-cases.md, "Days").

A day is the half-open time [starts_at, ends_at) under a calendar date. Days of one player never overlap and their dates
only grow. So 23- and 25-hour days, zones without a midnight and zones with odd offsets follow by themselves, and
whoever changes his time zone gets no day twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from rewards.errors import InvalidTimezone

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Day:
    """A player's calendar date and the instants between which it lies."""

    date: date
    starts_at: datetime
    ends_at: datetime

    def __contains__(self, instant: datetime) -> bool:
        return self.starts_at <= instant < self.ends_at


@cache
def zone_names() -> frozenset[str]:
    """The names a player may have: those of the IANA time zone database."""
    return frozenset(available_timezones() - {"localtime", "Factory"})


def zone(name: str) -> ZoneInfo:
    """The time zone of that name. Raises InvalidTimezone."""
    if name not in zone_names():
        raise InvalidTimezone(f"{name[:64]!r} is no time zone of the IANA database", field="timezone")
    return ZoneInfo(name)


def first_instant(day: date, zone: ZoneInfo) -> datetime:
    """When `day` begins in `zone`, in UTC.

    Where the clock skips midnight, fold=0 reads 00:00 with the offset from before the gap, which is the very instant of
    the change; where midnight comes twice, it is the first one (PEP 495).
    """
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


def local_day(instant: datetime, zone: ZoneInfo) -> Day:
    """The day of the calendar of `zone` that `instant` lies in."""
    day = instant.astimezone(zone).date()
    while instant >= first_instant(day + ONE_DAY, zone):  # a clock set back over midnight shows yesterday's date again
        day += ONE_DAY
    return Day(day, first_instant(day, zone), first_instant(day + ONE_DAY, zone))


def day_of(instant: datetime, zone: ZoneInfo, opened: Sequence[Day]) -> Day:
    """The player's day that `instant` lies in: one of `opened` (his days around it, oldest first), or the one to open.

    A day to open is the local one, fitted between its neighbours: its date lies strictly between theirs, and next to a
    neighbouring date it begins or ends where the neighbour does, so that no time is left without a day.
    """
    before = after = None
    for day in opened:
        if instant in day:
            return day
        if day.ends_at <= instant:
            before = day
        elif after is None:
            after = day
    local = local_day(instant, zone)
    day_date = local.date
    if before and day_date <= before.date:
        day_date = before.date + ONE_DAY
    if after and day_date >= after.date:
        day_date = after.date - ONE_DAY
    starts_at, ends_at = first_instant(day_date, zone), first_instant(day_date + ONE_DAY, zone)
    if before:
        touches = day_date == before.date + ONE_DAY
        starts_at = before.ends_at if touches else max(starts_at, before.ends_at)
    if after:
        touches = day_date == after.date - ONE_DAY
        ends_at = after.starts_at if touches else min(ends_at, after.starts_at)
    return Day(day_date, starts_at, ends_at)
