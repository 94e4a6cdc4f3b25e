"""Asking the providers for the rate of an hour, in the order of RATE_PROVIDERS.

The next provider is asked only where the one before could not be reached, and the rate says so (`Rate.failed_before`).
An answer that is refused or quarantined ends the asking: that the provider and we disagree about the price is what
somebody has to look at, and another provider's price would hide it (docs/operations.md, "The rate API").
"""

import logging
import time
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from django.db import connection

from conversion.gateway import providers
from conversion.models import Rate
from conversion.quotes import NoQuote, Provider, Quarantine, Quote, judge

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking for the rate of an hour. `code` is why it is not accepted; empty where it is."""

    hour: datetime
    provider: str
    code: str
    raw: str = ""
    quote: Quote | None = None
    quarantined: bool = False
    failed_before: str = ""


def ask(hour: datetime, *, now: datetime, record: bool = True) -> Answer:
    """The first answer to be had. With `record` the health of who was asked is noted; nothing else is written.

    Uses the network, and so must not be called inside a transaction. Never raises for what a provider does.
    """
    if connection.in_atomic_block:
        raise AssertionError("the network is not asked while a transaction is open")
    failed: list[str] = []
    for provider in providers():
        answer, unreachable = _ask_one(provider, hour, now, record)
        last = replace(answer, failed_before=", ".join(failed))
        if not unreachable:
            break
        failed.append(f"{provider.name} {answer.code}")
    return last


def _ask_one(provider: Provider, hour: datetime, now: datetime, record: bool) -> tuple[Answer, bool]:
    """The answer of one provider, and whether it could not be reached."""
    started = time.monotonic()
    try:
        answer, unreachable = _judged(provider.fetch(hour), hour, now), False
    except NoQuote as error:
        answer, unreachable = Answer(hour, provider.name, error.code, error.raw), error.unreachable
    if answer.code:
        facts = {"hour": hour.isoformat(), "code": answer.code, "provider": provider.name}
        logger.warning("no rate that can be accepted", extra=facts)
    if record:
        _note_health(provider.name, answer, latency_ms=int((time.monotonic() - started) * 1000))
    return answer, unreachable


def _judged(quote: Quote, hour: datetime, now: datetime) -> Answer:
    verdict = judge(quote, hour=hour, now=now, previous_price=_price_before(hour))
    code = verdict.code if verdict else ""
    return Answer(hour, quote.provider, code, quote.raw, quote, isinstance(verdict, Quarantine))


def _price_before(hour: datetime) -> Decimal | None:
    earlier = Rate.objects.filter(state=Rate.State.ACCEPTED, hour__lt=hour).order_by("-hour")
    return earlier.values_list("price", flat=True).first()


NOTE_HEALTH = """
INSERT INTO conversion_providerhealth AS health
    (provider, last_success_at, last_failure_at, last_failure_code, consecutive_failures, latency_ms)
SELECT %(provider)s, CASE WHEN code = '' THEN clock_timestamp() END, CASE WHEN code <> '' THEN clock_timestamp() END,
       code, CASE WHEN code = '' THEN 0 ELSE 1 END, %(latency_ms)s
FROM (SELECT %(code)s::text AS code) AS answer
ON CONFLICT (provider) DO UPDATE SET
    last_success_at = coalesce(excluded.last_success_at, health.last_success_at),
    last_failure_at = coalesce(excluded.last_failure_at, health.last_failure_at),
    last_failure_code = coalesce(nullif(excluded.last_failure_code, ''), health.last_failure_code),
    consecutive_failures = CASE excluded.consecutive_failures WHEN 0 THEN 0 ELSE health.consecutive_failures + 1 END,
    latency_ms = excluded.latency_ms
"""


def _note_health(provider: str, answer: Answer, *, latency_ms: int) -> None:
    """A quarantined answer is a healthy one: the provider has done its part."""
    code = "" if answer.quarantined else answer.code
    with connection.cursor() as cursor:
        cursor.execute(NOTE_HEALTH, {"provider": provider, "code": code, "latency_ms": latency_ms})
