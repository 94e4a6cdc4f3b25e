"""The terms of each hour: its accepted rate, asked for where there is none yet, and the fee rule in force."""

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from conversion.errors import RateAlreadyAccepted, RateNotFound
from conversion.gateway import provider
from conversion.models import RAW_MAX_LENGTH, FeeRule, Rate
from conversion.quotes import MAX_DECIMALS, NoQuote, Quarantine, Quote, decimals, judge
from dreamland.lib.fields import AMOUNT_LIMIT

logger = logging.getLogger(__name__)
State = Rate.State


@dataclass(frozen=True, slots=True)
class Terms:
    """At what price the tokens won in an hour are converted, and what that costs us."""

    hour: datetime
    rate_id: UUID
    price: Decimal
    fee_rule_id: UUID
    percentage: Decimal
    fixed: Decimal


@dataclass(frozen=True, slots=True)
class Missing:
    """An hour that has no terms yet: why, and whether a person has to decide."""

    hour: datetime
    code: str
    quarantined: bool = False


def ensure_terms(hours: Collection[datetime], *, now: datetime) -> tuple[list[Terms], list[Missing]]:
    """The terms of each of `hours`; those that have no accepted rate are asked for, newest first, a limited number.

    Asks the network, and so must not be called inside a transaction. Never raises for what a provider does.
    """
    if connection.in_atomic_block:
        raise AssertionError("the network is not asked while a transaction is open")
    unrated = sorted(set(hours) - _accepted(hours).keys(), reverse=True)
    limit = settings.CONVERSION_FETCHES_PER_RUN
    missing = [gap for hour in unrated[:limit] if (gap := _ask(hour, now))]
    missing += [Missing(hour, "fetch-limit") for hour in unrated[limit:]]
    rates = _accepted(hours)  # read again: another process may have been faster, and then its rate counts for both
    terms, lawless = _with_fee_rules(rates.values())
    return terms, [gap for gap in missing if gap.hour not in rates] + lawless


def _accepted(hours: Collection[datetime]) -> dict[datetime, Rate]:
    found = Rate.objects.filter(state=State.ACCEPTED, hour__in=hours).only("id", "hour", "price")
    return {rate.hour: rate for rate in found}


def _with_fee_rules(rates: Iterable[Rate]) -> tuple[list[Terms], list[Missing]]:
    rules = list(FeeRule.objects.order_by("-effective_from"))
    terms, missing = [], []
    for rate in rates:
        rule = next((rule for rule in rules if rule.effective_from <= rate.hour), None)
        if rule is None or rate.price is None:  # an accepted rate has a price: rate_has_price_unless_refused
            missing.append(Missing(rate.hour, "no-fee-rule"))
        else:
            terms.append(Terms(rate.hour, rate.id, rate.price, rule.id, rule.percentage, rule.fixed))
    return terms, missing


def _ask(hour: datetime, now: datetime) -> Missing | None:
    """Asks the provider for the rate of an hour and keeps the answer as a fact. None where it was accepted."""
    asked = provider()
    try:
        quote = asked.fetch(hour)
    except NoQuote as error:
        logger.warning("no rate", extra={"hour": hour.isoformat(), "code": error.code, "provider": asked.name})
        if error.raw:
            _keep(Rate(hour=hour, provider=asked.name, state=State.REFUSED, reason=error.code, raw=error.raw))
        return Missing(hour, error.code)
    verdict = judge(quote, hour=hour, now=now, previous_price=_price_before(hour))
    if verdict is None:
        _keep(_fact(hour, quote, State.ACCEPTED))
        return None
    quarantined = isinstance(verdict, Quarantine)
    state = State.QUARANTINED if quarantined else State.REFUSED
    logger.warning(
        "rate %s", state.value, extra={"hour": hour.isoformat(), "code": verdict.code, "provider": asked.name}
    )
    _keep(_fact(hour, quote, state, verdict.code))
    return Missing(hour, verdict.code, quarantined)


def _fact(hour: datetime, quote: Quote, state: Rate.State, reason: str = "") -> Rate:
    possible = quote.price.is_finite() and 0 < quote.price < AMOUNT_LIMIT and decimals(quote.price) <= MAX_DECIMALS
    return Rate(
        hour=hour,
        price=quote.price if possible else None,
        provider=quote.provider,
        quoted_at=quote.quoted_at,
        raw=quote.raw,
        state=state,
        reason=reason,
    )


# An hour that has its accepted rate by now, or this very finding, keeps what it has. (The application's role may not
# write every column, and Django would name them all.)
KEEP = """
INSERT INTO conversion_rate (hour, price, provider, quoted_at, raw, state, reason) VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT DO NOTHING
"""


def _keep(fact: Rate) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            KEEP,
            [
                fact.hour,
                fact.price,
                fact.provider,
                fact.quoted_at,
                fact.raw[:RAW_MAX_LENGTH],
                fact.state,
                fact.reason,
            ],
        )


def _price_before(hour: datetime) -> Decimal | None:
    earlier = Rate.objects.filter(state=State.ACCEPTED, hour__lt=hour).order_by("-hour")
    return earlier.values_list("price", flat=True).first()


ACCEPT_HELD = """
INSERT INTO conversion_rate (hour, price, provider, quoted_at, raw, state, decides_id, decided_by_id)
SELECT hour, price, provider, quoted_at, raw, 'accepted', id, %s
FROM conversion_rate WHERE id = %s AND state = 'quarantined'
ON CONFLICT DO NOTHING
"""


@transaction.atomic(durable=True)
def accept_rate(*, rate_id: UUID, decided_by: int) -> UUID:
    """Lets a quarantined rate pass: writes it again as the accepted one of its hour, with the name of who decided.

    The hour is converted at the next tick. The same call twice does it once; returns the accepted rate's id.
    Raises RateNotFound, RateAlreadyAccepted (the hour has another rate by now).
    """
    with connection.cursor() as cursor:
        cursor.execute(ACCEPT_HELD, [decided_by, rate_id])
    held = Rate.objects.filter(pk=rate_id, state=State.QUARANTINED).first()
    if held is None:
        raise RateNotFound("there is no such rate in quarantine")
    standing = Rate.objects.get(hour=held.hour, state=State.ACCEPTED)
    if standing.decides_id != held.pk:
        raise RateAlreadyAccepted("the hour has its rate already", rate_id=standing.pk)
    return standing.pk
