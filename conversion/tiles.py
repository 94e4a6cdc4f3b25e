"""Figures of the conversion for the first page: what waits and why, the last hour, rates and fees over time."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection
from django.urls import reverse

from conversion.models import ConversionRun, Rate
from conversion.pages import hour_text, why
from conversion.runs import due_hours
from conversion.selectors import database_clock
from dreamland.lib.columns import listing, page_address
from dreamland.lib.tiles import BAD, GOOD, WAITS, Chart, Series, Tile

HOURS_DRAWN = 48
RATE_HOURS_DRAWN = 168
DAYS_DRAWN = 30
HELD_BACK = """
SELECT count(*) FROM conversion_rate held
WHERE held.state = 'quarantined'
  AND NOT EXISTS (SELECT FROM conversion_rate taken WHERE taken.hour = held.hour AND taken.state = 'accepted')
"""
FEE_SHARE = """
SELECT date_trunc('day', hour, 'UTC'), sum(fees), sum(usd) FROM conversion_conversionrun
WHERE hour >= %s GROUP BY 1 ORDER BY 1
"""


def tiles() -> Iterator[Tile]:
    """Hours that wait, what the last one did, rates held back, questions that nobody decided."""
    runs = reverse("admin:conversion_conversionrun_changelist")
    limit = settings.METRICS_HOURS_COUNTED
    waiting = due_hours(until=database_clock(), fresh=limit, troubled=limit)
    first = ConversionRun.objects.filter(hour__in=waiting[:1]).first()
    reason = f"The oldest: {hour_text(waiting[0])}" if waiting else "Every hour that is over is converted."
    if first and first.reason:
        reason += f", {why(first.reason)}"
    yield Tile(
        "Hours waiting",
        len(waiting),
        page_address("conversion_conversionrun", first.pk) if first else runs,
        note=reason.rstrip(".") + ".",
        colour=GOOD if not waiting else WAITS if len(waiting) <= 2 else BAD,
        order=10,
    )
    last = ConversionRun.objects.filter(state=ConversionRun.State.DONE).order_by("-hour").first()
    if last:
        yield Tile(
            "The last hour",
            last.usd,
            page_address("conversion_conversionrun", last.pk),
            note=f"{hour_text(last.hour)}: {last.conversions:,} conversions of {last.tokens.normalize():f} DREAM.",
            unit="USD",
            order=11,
        )
    with connection.cursor() as cursor:
        cursor.execute(HELD_BACK)
        (held,) = cursor.fetchone()
    yield Tile(
        "Rates held back",
        held,
        listing("conversion_rate", state__exact="quarantined"),
        note="Two people decide." if held else "No rate waits for people.",
        colour=BAD if held else GOOD,
        order=12,
    )


def charts() -> Iterator[Chart]:
    """Conversions and the rate by hour, and what fees cost by day: one row an hour is read."""
    now = database_clock()
    runs = reverse("admin:conversion_conversionrun_changelist")
    latest = list(ConversionRun.objects.order_by("-hour")[:HOURS_DRAWN])[::-1]
    labels = [f"{run.hour:%m-%d %H:00}" for run in latest]
    yield Chart(
        "Tokens converted by hour",
        "bar",
        labels,
        [Series("DREAM", [run.tokens for run in latest])],
        runs,
        note=f"The latest {HOURS_DRAWN} runs, UTC.",
        order=10,
    )
    yield Chart(
        "Dollars by hour",
        "bar",
        labels,
        [
            Series("To players, USD", [run.usd for run in latest]),
            Series("Fees, USD", [run.fees for run in latest], "third"),
        ],
        runs,
        note=f"The latest {HOURS_DRAWN} runs, UTC.",
        order=11,
    )
    rates = Rate.objects.filter(state=Rate.State.ACCEPTED, hour__gte=now - timedelta(hours=RATE_HOURS_DRAWN))
    prices: list[tuple[Any, Any]] = list(rates.order_by("hour").values_list("hour", "price"))
    yield Chart(
        "Rate",
        "line",
        [f"{hour:%m-%d %H:00}" for hour, _ in prices],
        [Series("USD for 1 DREAM", [price for _, price in prices])],
        listing("conversion_rate", state__exact="accepted"),
        note="Accepted rates of the last seven days, UTC.",
        order=30,
    )
    with connection.cursor() as cursor:
        cursor.execute(FEE_SHARE, [now - timedelta(days=DAYS_DRAWN)])
        days = cursor.fetchall()
    yield Chart(
        "Fees as a share of the dollars",
        "line",
        [f"{day:%m-%d}" for day, _, _ in days],
        [Series("Percent", [_percent(fees, usd) for _, fees, usd in days], "third")],
        reverse("admin:conversion_feerule_changelist"),
        note="By day of the wins, UTC. Dreamland bears them.",
        order=31,
    )


def _percent(part: Decimal, whole: Decimal) -> Decimal | None:
    return round(part / whole * 100, 4) if whole else None
