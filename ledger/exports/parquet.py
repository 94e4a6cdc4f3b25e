"""Parquet: one row for each posting, amounts as decimal128(38, 18), control totals in the file's metadata."""

import json
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any, BinaryIO
from uuid import UUID

from dreamland.lib.console import plain
from dreamland.lib.fields import AMOUNT_DECIMALS, AMOUNT_DIGITS
from ledger.exports.reader import Journal
from ledger.exports.rows import COLUMNS, rows

ROWS_PER_GROUP = 20_000
TOTALS_KEY = "dreamland.totals"


def write(journal: Journal, out: BinaryIO) -> None:
    """Writes row groups of ROWS_PER_GROUP postings. Raises ImportError without pyarrow (the extra `parquet`)."""
    import pyarrow as arrow  # type: ignore[import-untyped]
    from pyarrow.parquet import ParquetWriter  # type: ignore[import-untyped]

    special = {
        "posted_at": arrow.timestamp("us", tz="UTC"),
        "posted_by": arrow.int64(),
        "amount": arrow.decimal128(AMOUNT_DIGITS, AMOUNT_DECIMALS),
    }
    totals = json.dumps(journal.totals.as_document(), default=plain)
    schema = arrow.schema(
        [arrow.field(name, special.get(name, arrow.string())) for name in COLUMNS], metadata={TOTALS_KEY: totals}
    )
    with ParquetWriter(out, schema, compression="zstd") as writer:
        for group in _groups(journal):
            columns = [list(column) for column in zip(*group, strict=True)]
            writer.write_batch(
                arrow.record_batch(
                    [arrow.array(column, field.type) for column, field in zip(columns, schema, strict=True)],
                    schema=schema,
                )
            )


def _groups(journal: Journal) -> Iterator[list[tuple[Any, ...]]]:
    every = chain.from_iterable(map(rows, journal.entries()))
    while group := [
        tuple(str(value) if isinstance(value, UUID) else value for value in row)
        for row in islice(every, ROWS_PER_GROUP)
    ]:
        yield group
