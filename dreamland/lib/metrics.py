"""Metrics in Prometheus' text format: what this process has counted, and figures read from the database on scrape.

Figures are floats to Prometheus: good for an alarm, and no account of money. Source: docs/operations.md, "Metrics".
"""

import hmac
import ipaddress
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from django.conf import settings
from django.db import Error, connection, transaction
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dreamland.lib.api import limits
from dreamland.lib.api.handlers import read_only
from dreamland.lib.api.problems import problem, problem_response

Reading = Callable[[], Iterable[Metric]]

# A scrape must never wait for a proxy's word: who came through one is not on this machine, whatever the address says.
FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA")
BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

log = logging.getLogger(__name__)

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)
REQUESTS = Counter(
    "dreamland_requests", "Calls answered, by route and status.", ["method", "route", "status"], registry=REGISTRY
)
REQUEST_SECONDS = Histogram(
    "dreamland_request_seconds",
    "Time to the answer of a call.",
    ["method", "route"],
    buckets=BUCKETS_SECONDS,
    registry=REGISTRY,
)


class DatabaseFigures(Collector):
    """Runs the readings of the apps (settings.METRICS_READINGS), at most once in METRICS_CACHE_SECONDS.

    Each reading is a transaction of its own that may only read, within METRICS_STATEMENT_TIMEOUT_MS a statement: one
    that takes too long is left out and named, and the others are there. Where the database is away, only that is told.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read_at_seconds: float | None = None
        self._figures: list[Metric] = []

    def collect(self) -> Iterable[Metric]:
        """The figures, read now or a moment ago. Two scrapes at once read them once."""
        with self._lock:
            now_seconds = time.monotonic()
            read_at_seconds = self._read_at_seconds
            if read_at_seconds is None or now_seconds - read_at_seconds >= settings.METRICS_CACHE_SECONDS:
                self._figures, self._read_at_seconds = self._read(), time.monotonic()
            return list(self._figures)

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering must not ask the database."""
        return []

    def forget(self) -> None:
        """Makes the next scrape read."""
        self._read_at_seconds = None

    def _read(self) -> list[Metric]:
        up = GaugeMetricFamily("dreamland_database_up", "1 if the database answered, else 0.")
        failed = GaugeMetricFamily(
            "dreamland_reading_failed", "1 where the figures of a reading took too long or failed.", labels=["reading"]
        )
        figures: list[Metric] = []
        is_up = True
        for name in settings.METRICS_READINGS:
            reading: Reading = import_string(name)
            try:
                figures += _within_limits(reading)
            except Error as error:
                log.warning("figures could not be read", extra={"reading": name}, exc_info=error)
                failed.add_metric([name], 1)
                if getattr(error.__cause__, "sqlstate", None) is None:  # no answer at all: the next one would wait too
                    is_up = False
                    break
            else:
                failed.add_metric([name], 0)
        up.add_metric([], int(is_up))
        return [up, *([failed, *figures] if is_up else [])]


def _within_limits(reading: Reading) -> list[Metric]:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute(f"SET LOCAL statement_timeout = {int(settings.METRICS_STATEMENT_TIMEOUT_MS)}")
        return list(reading())


class LimitStore(Collector):
    """How often a call passed uncounted by the rate limits because their store was away."""

    def collect(self) -> Iterable[Metric]:
        """One counter."""
        yield CounterMetricFamily(
            "dreamland_rate_limit_store_unavailable",
            "Calls that passed uncounted because the store of the rate limits was away.",
            value=limits.unavailable.total,
        )


FIGURES = DatabaseFigures()
REGISTRY.register(FIGURES)
REGISTRY.register(LimitStore())


def gauge(
    name: str, help_text: str, values: Iterable[tuple[Sequence[str], object]], labels: Sequence[str] = ()
) -> Metric:
    """A figure with a value for each combination of labels; a Decimal or an int becomes what Prometheus can carry."""
    family = GaugeMetricFamily(f"dreamland_{name}", help_text, labels=labels)
    for own, value in values:
        family.add_metric(own, value)  # type: ignore[arg-type]  # whatever float() takes
    return family


@read_only
def metrics(request: HttpRequest) -> HttpResponse:
    """GET /metrics: the text, for whom it is meant (`may_read`). Answers also where the database is away."""
    if not may_read(request):
        if settings.METRICS_TOKEN:
            challenge = {"WWW-Authenticate": 'Bearer realm="metrics"'}
            return problem_response(
                problem("not-authenticated", "metrics need their token", request=request), challenge
            )
        return problem_response(problem("forbidden", "metrics are read on this machine only", request=request))
    return HttpResponse(
        generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"}
    )


def may_read(request: HttpRequest) -> bool:
    """With METRICS_TOKEN: who brings it as bearer. Without: who calls from this machine, and not through a proxy."""
    if settings.METRICS_TOKEN:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        return kind.lower() == "bearer" and hmac.compare_digest(token.encode(), settings.METRICS_TOKEN.encode())
    if any(name in request.META for name in FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
