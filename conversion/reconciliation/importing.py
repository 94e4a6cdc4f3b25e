"""Imports a statement of the provider, and says how it differs from ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection, transaction

from conversion.errors import REFUSALS, StatementConflict
from conversion.models import ProviderStatement
from conversion.reconciliation.parsing import Line, ParsedStatement, parse_statement
from dreamland.lib.arrays import numbers, texts
from dreamland.lib.errors import named_refusals
from dreamland.lib.races import try_again

LINES_PER_INSERT = 5_000


@dataclass(frozen=True, slots=True)
class Imported:
    """A statement in the database. `differences` counts them by kind, resolved ones too; `is_new`: by this call."""

    id: UUID
    provider: str
    reference: str
    starts: datetime
    ends: datetime
    lines: int
    tokens: Decimal
    usd: Decimal
    fees: Decimal
    differences: Mapping[str, int]
    is_new: bool


def import_statement(*, content: bytes, imported_by: int) -> Imported:
    """Imports the file of a statement, all of it or nothing, and matches it with ours in the same transaction.

    The same file twice is one import. `imported_by`: the person who answers for it.

    Raises InvalidStatement (with `problems`), StatementConflict (the statement was imported with other content),
    StatementOverlaps (another one tells of some of these hours), StatementTooEarly (an hour of it is not converted).
    Source: docs/reconciliation.md.
    """
    parsed = parse_statement(content)
    imported: Imported = try_again(
        lambda: _import(parsed, imported_by), lost_races={"statement_file_once", "statement_reference_once"}
    )
    return imported


ADD = """
INSERT INTO conversion_providerstatement
    (provider, reference, starts, ends, lines, tokens, usd, fees, digest, imported_by_id)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id
"""
ADD_LINES = """
INSERT INTO conversion_statementline (statement_id, number, reference, hour, tokens, usd, fee)
SELECT %s, * FROM unnest(%s::int[], %s::text[], %s::timestamptz[], %s::numeric[], %s::numeric[], %s::numeric[])
"""


@transaction.atomic(durable=True)
def _import(parsed: ParsedStatement, imported_by: int) -> Imported:
    standing = ProviderStatement.objects.filter(provider=parsed.provider, reference=parsed.reference).first()
    if standing is not None:
        if bytes(standing.digest) != parsed.digest:
            raise StatementConflict("the statement was imported before, with other content", statement_id=standing.pk)
        return _told(parsed, standing.pk, is_new=False)
    with named_refusals(REFUSALS), connection.cursor() as cursor:
        cursor.execute(
            ADD,
            [*_head(parsed), parsed.digest, imported_by],
        )
        (statement_id,) = cursor.fetchone()
        for start in range(0, len(parsed.lines), LINES_PER_INSERT):
            cursor.execute(ADD_LINES, [statement_id, *_columns(parsed.lines[start : start + LINES_PER_INSERT])])
        cursor.execute("SET CONSTRAINTS statement_is_matched IMMEDIATE")
    return _told(parsed, statement_id, is_new=True)


def _head(parsed: ParsedStatement) -> tuple[str, str, datetime, datetime, int, Decimal, Decimal, Decimal]:
    """The statement without its lines: provider, reference, period, number of lines, and the three sums."""
    return (
        parsed.provider,
        parsed.reference,
        parsed.starts,
        parsed.ends,
        len(parsed.lines),
        parsed.tokens,
        parsed.usd,
        parsed.fees,
    )


def _columns(lines: Sequence[Line]) -> list[str]:
    return [
        numbers(line.number for line in lines),
        texts([line.reference for line in lines]),
        texts([line.hour for line in lines]),
        numbers(line.tokens for line in lines),
        numbers(line.usd for line in lines),
        numbers(line.fee for line in lines),
    ]


COUNTED = "SELECT kind, count(*) FROM conversion_difference WHERE statement_id = %s GROUP BY kind ORDER BY kind"


def _told(parsed: ParsedStatement, statement_id: UUID, *, is_new: bool) -> Imported:
    with connection.cursor() as cursor:
        cursor.execute(COUNTED, [statement_id])
        differences = dict(cursor.fetchall())
    return Imported(statement_id, *_head(parsed), differences, is_new)
