"""Rates in a world: the centre asks for them, and regions wait until what it accepted has come."""

from datetime import datetime, timedelta

from django.conf import settings

from conversion.quotes import HOUR, NoQuote, Quote
from conversion.rates import Missing, accepted_rates, fetch_rate


class CentreRates:
    """The rate provider of a region: the centre asks, and what it accepts comes by replication. Until then, none."""

    name = "centre"

    def fetch(self, hour: datetime) -> Quote:
        raise NoQuote("not-arrived-yet", unreachable=True)


def publish_rates(*, now: datetime) -> tuple[Missing, ...]:
    """At the centre: asks for the rate of each hour that is over and has none, newest first; those still without.

    Looks back as far as a win may be late. Not inside a transaction: it uses the network.
    """
    latest = now.replace(minute=0, second=0, microsecond=0) - HOUR
    count = settings.CONVERSION_LATE_WINDOW // timedelta(hours=1)
    hours = [latest - number * HOUR for number in range(count)]
    known = accepted_rates(hours)
    wanted = [hour for hour in hours if hour not in known][: settings.CONVERSION_FETCHES_PER_RUN]
    return tuple(missing for hour in wanted if (missing := fetch_rate(hour=hour, now=now)))
