"""What conversions cost us: the rules that say so, and paying the provider. One person asks for either; it is carried
out when another one approves (conversion.kinds)."""

from decimal import Decimal

from django.db import connection

from conversion.errors import REFUSALS
from dreamland.lib.errors import named_refusals
from ledger import book

ADD_RULE = """
INSERT INTO conversion_feerule (effective_from, provider, percentage, fixed, minimum, request_id)
VALUES (%(effective_from)s, %(provider)s, %(percentage)s, %(fixed)s, %(minimum)s, %(request)s) RETURNING id
"""


def add_fee_rule(order: book.Order) -> book.Outcome:
    """Adds the rule that holds from its instant, a whole hour, until the next one begins.

    `percentage` is a fraction (0.01 is one percent), `fixed` and `minimum` are USD for each conversion. Holes and
    overlaps cannot be said: a rule has no end of its own.

    Raises InvalidFeeRule, FeeRuleTooEarly (an hour from then on has its rate already, or a rule begins then).
    """
    with named_refusals(REFUSALS), connection.cursor() as cursor:
        cursor.execute(ADD_RULE, {**order.payload, "request": order.request_id})
        return book.Outcome(result={"fee_rule": str(cursor.fetchone()[0])})


SETTLE = """
INSERT INTO conversion_feesettlement (entry_id, reference, amount, posted_by_id, settled_at) VALUES (%s, %s, %s, %s, %s)
"""


def settlement_entry(amount: Decimal) -> book.Entry:
    """`amount` USD of the fees owed, paid out of cash."""
    return book.Entry(book.HOUSE, "fee-settlement", (book.Posting("usd:fees-payable", "usd:cash", amount),))


def settle_fees(order: book.Order) -> book.Outcome:
    """Books that fees were paid. A reference is one payment.

    House accounts keep no running balance. PostgreSQL lets settlements wait for each other and adds up what is owed
    before each (sql/fee_settlement.sql), so two of them cannot pay the same fees; conversions go on meanwhile.

    Raises SettlementExceedsPayable, SettlementConflict (the reference was settled before), InvalidSettlement.
    """
    [receipt] = book.post([order.signed(settlement_entry(order.payload["amount"]))])
    with named_refusals(REFUSALS), connection.cursor() as cursor:
        cursor.execute(
            SETTLE, [receipt.entry_id, order.reference, order.payload["amount"], order.asked_by, receipt.posted_at]
        )
    return book.Outcome((receipt.entry_id,))
