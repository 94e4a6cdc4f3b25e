"""A quarantined rate is let pass by two people (conversion.kinds): written again, as the accepted rate of its hour."""

from django.db import connection

from conversion.errors import REFUSALS, RateAlreadyAccepted
from dreamland.lib.errors import named_refusals
from ledger import book

ACCEPT_HELD = """
INSERT INTO conversion_rate
    (hour, price, provider, quoted_at, raw, state, failed_before, decides_id, decided_by_id)
SELECT hour, price, provider, quoted_at, raw, 'accepted', failed_before, id, %(by)s
FROM conversion_rate WHERE id = %(rate)s
ON CONFLICT DO NOTHING
RETURNING id
"""


def accept_held_rate(order: book.Order) -> book.Outcome:
    """The rate as the provider said it, to the letter; the hour is converted at the next tick.

    Raises RateAlreadyAccepted where the hour has another rate by now: then nothing was decided.
    """
    with named_refusals(REFUSALS), connection.cursor() as cursor:
        cursor.execute(ACCEPT_HELD, {"rate": order.payload["rate"], "by": order.decided_by})
        row = cursor.fetchone()
    if row is None:
        raise RateAlreadyAccepted("the hour has its rate already; nothing was decided")
    return book.Outcome(result={"rate": str(row[0])})
