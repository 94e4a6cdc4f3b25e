"""How the hourly conversion gets on, and what it costs Dreamland."""

from collections.abc import Iterable

from django.conf import settings
from django.db import connection
from prometheus_client.core import Metric

from conversion.models import ConversionRun
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
NEVER = -1


def readings() -> Iterable[Metric]:
    """Runs by state, hours that wait, time since a run was finished, and fees. Four statements."""
    limit = settings.METRICS_HOURS_COUNTED
    waiting = due_hours(until=database_clock(), fresh=limit, troubled=limit)
    with connection.cursor() as cursor:
        cursor.execute(RUNS)
        runs = {state: totals for state, *totals in cursor.fetchall()}
        cursor.execute(PAID, [book.HOUSE])
        (others,) = cursor.fetchone()
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
