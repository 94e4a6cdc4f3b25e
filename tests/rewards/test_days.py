"""The day rules as pure arithmetic: every zone, every edge, and nobody gets a day twice."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.days import Day, day_of, first_instant, local_day, zone, zone_names
from rewards.errors import InvalidTimezone
from rewards.selectors import DATES_APART

ZONES = sorted(zone_names())
HOUR = timedelta(hours=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("name", "instant", "day", "starts_at", "hours"),
    [
        ("UTC", "2026-11-20T10:00Z", "2026-11-20", "2026-11-20T00:00Z", 24),
        ("Asia/Kathmandu", "2026-11-20T18:14:59Z", "2026-11-20", "2026-11-19T18:15Z", 24),
        ("Asia/Kathmandu", "2026-11-20T18:15Z", "2026-11-21", "2026-11-20T18:15Z", 24),
        ("Europe/Berlin", "2026-03-29T10:00Z", "2026-03-29", "2026-03-28T23:00Z", 23),
        ("Europe/Berlin", "2026-10-25T10:00Z", "2026-10-25", "2026-10-24T22:00Z", 25),
        # No midnight: at 00:00 the clock shows 01:00.
        ("Asia/Beirut", "2026-03-29T10:00Z", "2026-03-29", "2026-03-28T22:00Z", 23),
        ("America/Havana", "2026-03-08T10:00Z", "2026-03-08", "2026-03-08T05:00Z", 23),
        # Midnight twice: at 01:00 the clock shows 00:00 again; the day begins with the first.
        ("America/Havana", "2026-11-01T10:00Z", "2026-11-01", "2026-11-01T04:00Z", 25),
        # Half an hour of summer time.
        ("Australia/Lord_Howe", "2026-10-04T10:00Z", "2026-10-04", "2026-10-03T13:30Z", 23.5),
        ("Pacific/Kiritimati", "2026-11-20T09:59:59Z", "2026-11-20", "2026-11-19T10:00Z", 24),
        ("Pacific/Chatham", "2026-11-20T10:00Z", "2026-11-20", "2026-11-19T10:15Z", 24),
        # Samoa left out 30 December 2011.
        ("Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29", "2011-12-29T10:00Z", 24),
        ("Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31", "2011-12-30T10:00Z", 24),
        # The clock went back over midnight, to yesterday's date: the new day goes on.
        ("America/St_Johns", "2010-11-07T02:45Z", "2010-11-07", "2010-11-07T02:30Z", 25),
    ],
)
def test_a_local_day_lies_between_the_instants_of_its_zone(
    name: str, instant: str, day: str, starts_at: str, hours: float
) -> None:
    found = local_day(at(instant), ZoneInfo(name))
    assert found == Day(date.fromisoformat(day), at(starts_at), at(starts_at) + hours * HOUR)


INSTANTS = st.datetimes(at("2001-01-01"), at("2035-12-31"), timezones=st.just(UTC))


@given(INSTANTS, st.sampled_from(ZONES))
def test_every_instant_lies_in_exactly_one_local_day_of_every_zone(instant: datetime, name: str) -> None:
    day = local_day(instant, ZoneInfo(name))
    assert instant in day
    assert local_day(day.starts_at, ZoneInfo(name)).starts_at == day.starts_at
    assert local_day(day.ends_at, ZoneInfo(name)).starts_at == day.ends_at


@given(INSTANTS, st.sampled_from(ZONES))
def test_the_first_instant_of_a_date_shows_that_date_and_the_one_before_does_not(instant: datetime, name: str) -> None:
    day = local_day(instant, ZoneInfo(name))
    assert first_instant(day.date, ZoneInfo(name)).astimezone(ZoneInfo(name)).date() == day.date
    assert (day.starts_at - timedelta(microseconds=1)).astimezone(ZoneInfo(name)).date() < day.date


MOVES = st.lists(
    st.tuples(st.integers(min_value=0, max_value=96 * 60), st.sampled_from(ZONES)), min_size=1, max_size=40
)


@given(INSTANTS, MOVES)
def test_whoever_hops_between_zones_wins_late_and_early_has_days_in_order_and_no_day_twice(
    start: datetime, moves: list[tuple[int, str]]
) -> None:
    opened: list[Day] = []
    for minutes, name in moves:
        instant = start + timedelta(minutes=minutes)
        day = day_of(instant, ZoneInfo(name), opened)
        assert instant in day
        if day not in opened:
            opened = sorted([*opened, day], key=lambda known: known.starts_at)
        for earlier, later in pairwise(opened):
            assert earlier.ends_at <= later.starts_at
            assert earlier.date < later.date
        assert all(abs(day.ends_at.date() - day.date) < DATES_APART for day in opened)  # reading looks no further


@given(INSTANTS, st.lists(st.sampled_from(ZONES), min_size=24 * 14, max_size=24 * 14))
def test_hopping_every_hour_for_two_weeks_gains_at_most_two_days(start: datetime, names: list[str]) -> None:
    opened: list[Day] = []
    for hour, name in enumerate(names):
        day = day_of(start + hour * HOUR, ZoneInfo(name), opened)
        if day not in opened:
            opened.append(day)
        assert abs(day.ends_at.date() - day.date) < DATES_APART
    assert len(opened) <= 14 + 3  # both ends cut a day, and the dates on Earth span three


def test_three_dates_on_earth_are_not_three_caps() -> None:
    """At 10:30 UTC it is yesterday in Midway, today in Berlin and tomorrow in Kiritimati."""
    instant = at("2026-11-20T10:30Z")
    opened = [day_of(instant, ZoneInfo("Pacific/Midway"), [])]
    for name in ("Europe/Berlin", "Pacific/Kiritimati"):
        assert day_of(instant, ZoneInfo(name), opened) == opened[0]


def test_a_new_zone_counts_from_the_next_day_which_begins_where_the_last_one_ended() -> None:
    tokyo = local_day(at("2026-11-20T10:00Z"), ZoneInfo("Asia/Tokyo"))
    los_angeles = day_of(tokyo.ends_at, ZoneInfo("America/Los_Angeles"), [tokyo])
    assert los_angeles == Day(date(2026, 11, 21), tokyo.ends_at, at("2026-11-22T08:00Z"))


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "localtime", "utc ", "../etc/passwd", "Europe/berlin", "+02:00"])
def test_a_name_that_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(InvalidTimezone):
        zone(name)
