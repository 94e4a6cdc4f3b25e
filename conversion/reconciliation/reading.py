"""What the provider's statements and ours disagree about, for people and for alarms."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from conversion.models import Difference


@dataclass(frozen=True, slots=True)
class StatementFacts:
    """A statement that was imported. `open`: how many of its differences nobody has resolved."""

    id: UUID
    provider: str
    reference: str
    starts: datetime
    ends: datetime
    lines: int
    usd: Decimal
    fees: Decimal
    our_fees: Decimal
    imported_at: datetime
    differences: int
    open: int


@dataclass(frozen=True, slots=True)
class DifferenceFacts:
    """One difference with what each side says; None where a side says nothing. `line`: in the statement's file.

    `right`: who was right as two people decided, `provider` or `us`; None while it is open.
    """

    id: UUID
    provider: str
    statement: str
    kind: str
    reference: str
    line: int | None
    their_hour: datetime | None
    their_tokens: Decimal | None
    their_usd: Decimal | None
    their_fee: Decimal | None
    our_hour: datetime | None
    our_tokens: Decimal | None
    our_usd: Decimal | None
    our_fee: Decimal | None
    fee_effect: Decimal
    right: str | None


OURS = """
SELECT coalesce(sum(line.fee), 0) FROM conversion_conversionrun run
JOIN conversion_conversion line ON line.run_id = run.id
JOIN conversion_feerule rule ON rule.id = line.fee_rule_id AND rule.provider = statement.provider
WHERE run.hour >= statement.starts AND run.hour < statement.ends
"""
OPEN = "NOT EXISTS (SELECT FROM conversion_differenceresolution done WHERE done.difference_id = difference.id)"
STATEMENTS = f"""
SELECT statement.id, provider, reference, starts, ends, lines, usd, fees, ({OURS}), imported_at,
       count(difference.id), count(difference.id) FILTER (WHERE {OPEN})
FROM conversion_providerstatement statement
LEFT JOIN conversion_difference difference ON difference.statement_id = statement.id
GROUP BY statement.id ORDER BY imported_at DESC LIMIT %s
"""


def statements(*, limit: int) -> tuple[StatementFacts, ...]:
    """The latest statements, newest first."""
    with connection.cursor() as cursor:
        cursor.execute(STATEMENTS, [limit])
        return tuple(StatementFacts(*row) for row in cursor.fetchall())


DIFFERENCES = f"""
SELECT difference.id, statement.provider, statement.reference, difference.kind,
       coalesce(line.reference, ours.entry_id::text), line.number, line.hour, line.tokens, line.usd, line.fee,
       run.hour, ours.tokens, ours.usd, ours.fee, difference.fee_effect, resolution."right"
FROM conversion_difference difference
LEFT JOIN conversion_differenceresolution resolution ON resolution.difference_id = difference.id
JOIN conversion_providerstatement statement ON statement.id = difference.statement_id
LEFT JOIN conversion_statementline line ON line.id = difference.line_id
LEFT JOIN conversion_conversion ours ON ours.entry_id = difference.conversion_id
LEFT JOIN conversion_conversionrun run ON run.id = ours.run_id
WHERE (%(all)s OR {OPEN})
  AND (%(statement)s::text IS NULL OR %(statement)s IN (statement.reference, statement.id::text))
  AND (%(kind)s::text IS NULL OR difference.kind = %(kind)s)
  AND (%(id)s::uuid IS NULL OR difference.id = %(id)s)
ORDER BY difference.id DESC LIMIT %(limit)s
"""


def differences(
    *,
    statement: str | None = None,
    kind: str | None = None,
    include_resolved: bool = False,
    difference_id: UUID | None = None,
    limit: int,
) -> tuple[DifferenceFacts, ...]:
    """Differences that are open, newest first; of one statement (its reference or id), of one kind, or one."""
    given: dict[str, Any] = {
        "all": include_resolved,
        "statement": statement,
        "kind": kind,
        "id": difference_id,
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(DIFFERENCES, given)
        return tuple(DifferenceFacts(*row) for row in cursor.fetchall())


OPEN_BY_KIND = f"SELECT kind, count(*) FROM conversion_difference difference WHERE {OPEN} GROUP BY kind"


def open_differences() -> dict[str, int]:
    """How many differences of each kind nobody has resolved; 0 where there are none."""
    with connection.cursor() as cursor:
        cursor.execute(OPEN_BY_KIND)
        found = dict(cursor.fetchall())
    return {kind: found.get(kind, 0) for kind in Difference.Kind.values}
