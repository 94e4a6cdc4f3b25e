"""What conversions cost us: the rules that say so, and paying the provider."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection, transaction

from conversion.errors import REFUSALS, SettlementConflict
from conversion.models import FeeSettlement
from dreamland.lib.errors import named_refusals
from dreamland.lib.races import try_again
from ledger import book

ADD_RULE = """
INSERT INTO conversion_feerule (effective_from, provider, percentage, fixed, minimum)
VALUES (%s, %s, %s, %s, %s) RETURNING id
"""


@transaction.atomic(durable=True)
def add_fee_rule(
    *,
    effective_from: datetime,
    provider: str,
    percentage: Decimal,
    fixed: Decimal = Decimal(0),
    minimum: Decimal = Decimal(0),
) -> UUID:
    """Adds the rule that holds from `effective_from`, a whole hour, until the next one begins; returns its id.

    `percentage` is a fraction (0.01 is one percent), `fixed` and `minimum` are USD for each conversion. Holes and
    overlaps cannot be said: a rule has no end of its own.

    Raises InvalidFeeRule, FeeRuleTooEarly (an hour from then on has its rate already, or a rule begins then).
    """
    with named_refusals(REFUSALS), connection.cursor() as cursor:
        cursor.execute(ADD_RULE, [effective_from, provider, percentage, fixed, minimum])
        return UUID(str(cursor.fetchone()[0]))


@dataclass(frozen=True, slots=True)
class Settlement:
    """Fees that were paid: the entry that says so."""

    entry_id: UUID
    reference: str
    amount: Decimal
    settled_at: datetime


def settle_fees(*, amount: Decimal, reference: str, posted_by: int) -> Settlement:
    """Books that `amount` USD of the fees owed were paid out of cash. The same reference twice is one payment.

    House accounts keep no running balance. PostgreSQL lets settlements wait for each other and adds up what is owed
    before each (sql/fee_settlement.sql), so two of them cannot pay the same fees; conversions go on meanwhile.

    Raises SettlementExceedsPayable, SettlementConflict (the reference was settled with another amount),
    InvalidSettlement, and `book.InvalidPosting` for an amount that cannot be.
    """
    paid: Settlement = try_again(
        lambda: _settle(amount, reference, posted_by), lost_races={"settlement_reference_once"}
    )
    return paid


SETTLE = """
INSERT INTO conversion_feesettlement (entry_id, reference, amount, posted_by_id, settled_at) VALUES (%s, %s, %s, %s, %s)
"""


@transaction.atomic(durable=True)
def _settle(amount: Decimal, reference: str, posted_by: int) -> Settlement:
    standing = FeeSettlement.objects.filter(reference=reference).first()
    if standing is not None:
        if standing.amount != amount:
            raise SettlementConflict("the reference was settled with another amount", amount=standing.amount)
        return Settlement(standing.pk, standing.reference, standing.amount, standing.settled_at)
    payment = book.Entry(
        holder=book.HOUSE,
        kind="fee-settlement",
        postings=(book.Posting("usd:fees-payable", "usd:cash", amount),),
        posted_by=posted_by,
        metadata={"reference": reference},
    )
    [receipt] = book.post([payment])
    with named_refusals(REFUSALS), connection.cursor() as cursor:
        cursor.execute(SETTLE, [receipt.entry_id, reference, amount, posted_by, receipt.posted_at])
    return Settlement(receipt.entry_id, reference, amount, receipt.posted_at)
