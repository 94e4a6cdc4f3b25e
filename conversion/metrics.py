"""How the hourly conversion gets on, and what it costs Dreamland."""

from collections.abc import Iterable
from datetime import datetime

from django.conf import settings
from django.db import connection
from prometheus_client.core import Metric

from conversion.models import ConversionRun
from conversion.oversight import provider_health
from conversion.reconciliation.reading import open_differences
from conversion.runs import due_hours
from conversion.selectors import database_clock
from dreamland.lib.metrics import gauge
from ledger import book

# One row an hour: nine thousand a year.
RUNS = """
SELECT state, count(*), coalesce(sum(tokens), 0), coalesce(sum(usd), 0), coalesce(sum(fees), 0),
       coalesce(extract(epoch FROM clock_timestamp() - max(finished_at)), -1)
FROM conversion_conversionrun GROUP BY state
"""
# Fees stand in players' books, where finding them would be a scan; the runs add them up. What else moved the account
# (we paid the provider) stands in Dreamland's own book, which is small and has an index.
PAID = """
SELECT coalesce(sum(CASE WHEN credit_id = 'usd:fees-payable' THEN amount ELSE -amount END), 0)
FROM ledger_posting WHERE holder = %s AND 'usd:fees-payable' IN (debit_id, credit_id)
"""
# What players hold in USD, less what they owe, against the facts behind it. What came of conversions: the runs, and
# the lines of those that are still at it, less what voids took back (a debt that a conversion pays moves both sides).
# What came otherwise: entries of people, and reversals, which have indexes; a void's own reversal moves DREAM only.
# Nothing here reads what wins and conversions wrote in the past: it grows with players, hours, voids and corrections.
USD_IMBALANCE = """
SELECT (SELECT coalesce(sum(CASE account_id WHEN 'player:usd' THEN amount ELSE -amount END), 0)
        FROM ledger_balance WHERE account_id IN ('player:usd', 'player:usd-owed'))
     - (SELECT coalesce(sum(usd), 0) FROM conversion_conversionrun WHERE state = 'done')
     - (SELECT coalesce(sum(line.usd), 0) FROM conversion_conversionrun run
        JOIN conversion_conversion line ON line.run_id = run.id WHERE run.state <> 'done')
     + (SELECT coalesce(sum(usd), 0) FROM conversion_voidedconversion)
     - (SELECT coalesce(sum(CASE WHEN starts_with(posting.credit_id, 'player:') THEN posting.amount ELSE 0 END
                            - CASE WHEN starts_with(posting.debit_id, 'player:') THEN posting.amount ELSE 0 END), 0)
        FROM ledger_journalentry entry
        JOIN ledger_posting posting ON posting.holder = entry.holder AND posting.entry_id = entry.id
        WHERE (entry.posted_by_id IS NOT NULL OR entry.reverses_id IS NOT NULL)
          AND entry.kind NOT IN ('conversion', 'conversion-void', 'void') AND posting.asset = 'USD')
"""
NEVER = -1
MILLISECONDS = 1_000


def readings() -> Iterable[Metric]:
    """Runs by state, hours that wait, fees, whether players hold the USD of the facts, providers. Seven statements."""
    limit = settings.METRICS_HOURS_COUNTED
    now = database_clock()
    waiting = due_hours(until=now, fresh=limit, troubled=limit)
    with connection.cursor() as cursor:
        cursor.execute(RUNS)
        runs = {state: totals for state, *totals in cursor.fetchall()}
        cursor.execute(PAID, [book.HOUSE])
        (others,) = cursor.fetchone()
        cursor.execute(USD_IMBALANCE)
        (imbalance,) = cursor.fetchone()
    counts = [((state,), runs.get(state, (0,))[0]) for state in ConversionRun.State.values]
    yield gauge("conversion_runs", "Runs by state.", counts, ["state"])
    yield gauge("conversion_hours_waiting", "Hours that are over and not converted.", [((), len(waiting))])
    *_, since_seconds = runs.get(ConversionRun.State.DONE, (NEVER,))
    yield gauge("conversion_last_finished_seconds", "Time since a run was finished; -1: never.", [((), since_seconds)])
    for place, name, text in (
        (1, "converted_tokens", "DREAM converted so far."),
        (2, "converted_usd", "USD that they became."),
        (3, "conversion_fees_usd", "Fees of the conversions, which Dreamland bears."),
    ):
        yield gauge(name, text, [((), sum(totals[place] for totals in runs.values()))])
    payable = sum(totals[3] for totals in runs.values()) + others
    yield gauge("fees_payable_usd", "Fees owed to the provider of the conversion.", [((), payable)])
    yield gauge(
        "usd_imbalance",
        "USD that players hold less what they owe, less what conversions, voids and people gave them; not 0: an alarm.",
        [((), imbalance)],
    )
    yield gauge(
        "reconciliation_open_differences",
        "Differences with the provider's statements that nobody has resolved.",
        [((kind,), count) for kind, count in open_differences().items()],
        ["kind"],
    )
    yield from _providers(now)


def _providers(now: datetime) -> Iterable[Metric]:
    """How the last questions to the providers of rates went."""
    known = provider_health()
    yield gauge(
        "rate_provider_failures",
        "Questions in a row that a provider of rates did not answer.",
        [((each.provider,), each.consecutive_failures) for each in known],
        ["provider"],
    )
    yield gauge(
        "rate_provider_last_success_seconds",
        "Time since a provider of rates answered; -1: never.",
        [((each.provider,), _seconds_since(each.last_success_at, now)) for each in known],
        ["provider"],
    )
    yield gauge(
        "rate_provider_last_failure_seconds",
        "Time since a provider of rates did not answer, and why; absent where it always did.",
        [
            ((each.provider, each.last_failure_code), _seconds_since(each.last_failure_at, now))
            for each in known
            if each.last_failure_at
        ],
        ["provider", "reason"],
    )
    yield gauge(
        "rate_provider_latency_seconds",
        "How long the last question to a provider of rates took, with all its attempts.",
        [((each.provider,), each.latency_ms / MILLISECONDS) for each in known],
        ["provider"],
    )


def _seconds_since(instant: datetime | None, now: datetime) -> float:
    return NEVER if instant is None else (now - instant).total_seconds()
