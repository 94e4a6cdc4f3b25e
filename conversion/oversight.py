"""Reading what finance and engineers watch: rates and their providers, the life of runs, fees. Nothing here writes."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection

from conversion.runs import pending_players


@dataclass(frozen=True, slots=True)
class Health:
    """How the last questions to a provider of rates went. `latency_ms` is how long the last one took in all."""

    provider: str
    last_success_at: datetime | None
    last_failure_at: datetime | None
    last_failure_code: str
    consecutive_failures: int
    latency_ms: int


def provider_health() -> tuple[Health, ...]:
    """Every provider that was ever asked, by name."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT provider, last_success_at, last_failure_at, last_failure_code, consecutive_failures, latency_ms"
            " FROM conversion_providerhealth ORDER BY provider"
        )
        return tuple(Health(*row) for row in cursor.fetchall())


def fees_payable() -> Decimal:
    """USD that Dreamland owes for conversions: fees less settlements, and less what was reversed of either."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT conversion_fees_payable()")
        return Decimal(cursor.fetchone()[0])


FEES_BY_PROVIDER = """
SELECT rule.provider, sum(line.fee) FROM conversion_conversion line
JOIN conversion_feerule rule ON rule.id = line.fee_rule_id
WHERE line.hour >= coalesce(%s::timestamptz, '-infinity') AND line.hour < coalesce(%s::timestamptz, 'infinity')
GROUP BY rule.provider ORDER BY rule.provider
"""


def fees_by_provider(*, since: datetime | None = None, until: datetime | None = None) -> dict[str, Decimal]:
    """USD of fees by the provider that the fee rules name, of the hours won in. Reads every such conversion."""
    with connection.cursor() as cursor:
        cursor.execute(FEES_BY_PROVIDER, [since, until])
        return dict(cursor.fetchall())


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: what it has converted so far, and who still has something pending of its own hour."""

    conversions: int
    tokens: Decimal
    usd: Decimal
    players_left: int


PROGRESS = """
SELECT count(line.entry_id), coalesce(sum(line.tokens), 0), coalesce(sum(line.usd), 0)
FROM conversion_conversionrun run LEFT JOIN conversion_conversion line ON line.run_id = run.id
WHERE run.hour = %s
"""


def run_progress(hour: datetime) -> Progress:
    """How far the run of that hour is, counted now; the totals of the run itself are counted when an attempt ends."""
    with connection.cursor() as cursor:
        cursor.execute(PROGRESS, [hour])
        conversions, tokens, usd = cursor.fetchone()
    return Progress(conversions, tokens, usd, players_left=pending_players([hour]))


@dataclass(frozen=True, slots=True)
class Transition:
    """A step in the life of a run."""

    from_state: str
    to_state: str
    cause: str
    by_role: str
    at: datetime


def run_transitions(hour: datetime, *, limit: int = 100) -> tuple[Transition, ...]:
    """The latest steps of the run of that hour, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT from_state, to_state, cause, by_role, at FROM ("
            "  SELECT step.* FROM conversion_runtransition step"
            "  JOIN conversion_conversionrun run ON run.id = step.run_id WHERE run.hour = %s"
            "  ORDER BY step.id DESC LIMIT %s) latest ORDER BY id",
            [hour, limit],
        )
        return tuple(Transition(*row) for row in cursor.fetchall())


@dataclass(frozen=True, slots=True)
class RateFacts:
    """One answer of a provider and what was made of it."""

    id: UUID
    hour: datetime
    price: Decimal | None
    state: str
    reason: str
    provider: str
    failed_before: str
    quoted_at: datetime | None
    fetched_at: datetime
    decides: UUID | None


RATES = """
SELECT rate.id, rate.hour, rate.price, rate.state, rate.reason, rate.provider, rate.failed_before, rate.quoted_at,
       rate.fetched_at, rate.decides_id
FROM conversion_rate rate
WHERE rate.hour = coalesce(%s::timestamptz, rate.hour)
ORDER BY rate.hour DESC, rate.fetched_at DESC LIMIT %s
"""


def rates(*, hour: datetime | None = None, limit: int) -> tuple[RateFacts, ...]:
    """What the providers said, newest hour first: of one hour, or of all; at most `limit`."""
    with connection.cursor() as cursor:
        cursor.execute(RATES, [hour, limit])
        return tuple(RateFacts(*row) for row in cursor.fetchall())


@dataclass(frozen=True, slots=True)
class FeeRuleFacts:
    """A fee rule and the time it holds: from its instant until the next one's."""

    effective_from: datetime
    effective_until: datetime | None
    provider: str
    percentage: Decimal
    fixed: Decimal
    minimum: Decimal


def fee_rules() -> tuple[FeeRuleFacts, ...]:
    """Every fee rule, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT effective_from, lead(effective_from) OVER (ORDER BY effective_from), provider, percentage, fixed,"
            " minimum FROM conversion_feerule ORDER BY effective_from"
        )
        return tuple(FeeRuleFacts(*row) for row in cursor.fetchall())
