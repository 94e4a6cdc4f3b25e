"""`python -m tests.bench.data_types [ROWS]`: what the column types cost that we took, beside those that we did not.

Amounts: the same random amounts as plain numeric with our CHECKs, numeric(38,18), bigint in units of 10^-8, and double
precision. Keys: UUIDv7, UUIDv4 and bigint identity, each as the primary key of the same table. Time and metadata: the
same values as timestamptz, text and bigint, and as jsonb, json and text. Every table is filled as `book.post` does, by
unnest() in one statement for each batch, on a PostgreSQL of its own with fsync on; WAL is what the server says it wrote.
Medians of three rounds, in turns. docs/data-types.md quotes it.
"""

import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from tests.bench.harness import attach, query, say

ROWS = 500_000
BATCH = 10_000
ROUNDS = 3
SEED = 20_261_121
EXACT = "CHECK (amount > 0 AND amount < 1e20), CHECK (amount = round(amount, 18))"


@dataclass
class Candidate:
    """One way to keep the same values: the column, how it is sent, and what it came to."""

    name: str
    column: str
    array: str
    value: Callable[[Any], Any] = lambda given: given
    check: str = ""
    seconds: list[float] = field(default_factory=list)
    wal: list[int] = field(default_factory=list)
    sum_seconds: list[float] = field(default_factory=list)
    size: int = 0
    index_size: int = 0
    said: str = ""


AMOUNTS = [
    Candidate("numeric with our CHECKs", "amount numeric NOT NULL", "numeric", check=f", {EXACT}"),
    Candidate("numeric, unchecked", "amount numeric NOT NULL", "numeric"),
    Candidate("numeric(38,18)", "amount numeric(38,18) NOT NULL", "numeric"),
    Candidate("bigint of 10^-8", "amount bigint NOT NULL", "bigint", lambda amount: int(amount.scaleb(8))),
    Candidate("double precision", "amount double precision NOT NULL", "float8", float),
]
KEYS = [
    Candidate("UUIDv7", "id uuid PRIMARY KEY DEFAULT uuidv7()", ""),
    Candidate("UUIDv4", "id uuid PRIMARY KEY DEFAULT gen_random_uuid()", ""),
    Candidate("bigint identity", "id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY", ""),
]
TIMES = [
    Candidate("timestamptz", "at timestamptz NOT NULL", "timestamptz"),
    Candidate("text, RFC 3339", "at text NOT NULL", "text", lambda at: at.isoformat()),
    Candidate("bigint, microseconds", "at bigint NOT NULL", "bigint", lambda at: round(at.timestamp() * 1e6)),
]
METADATA = [
    Candidate("jsonb", "metadata jsonb NOT NULL", "text"),
    Candidate("json", "metadata json NOT NULL", "text"),
    Candidate("text", "metadata text NOT NULL", "text"),
]


def main() -> int:
    """Measures all four and prints a table for each."""
    attach()
    from tests import databases

    rows = int(sys.argv[1].replace("_", "")) if len(sys.argv) > 1 else ROWS
    chance = random.Random(SEED)
    with databases.maintenance() as server:
        databases.drop(server, "bench_data_types")
        server.execute("CREATE DATABASE bench_data_types")
    databases.use("bench_data_types")
    say(f"{rows:,} rows, {BATCH:,} to a statement, median of {ROUNDS} rounds")
    # Amounts as players win them: a few tokens, with all 18 decimals for half of them and 2 for the rest.
    amounts = [
        Decimal(chance.randint(1, 5 * 10**18)).scaleb(-18)
        if chance.random() < 0.5
        else Decimal(chance.randint(1, 500)) / 100
        for _ in range(rows)
    ]
    measure("amounts", AMOUNTS, amounts, total="sum(amount)::text")
    exact = sum(amounts)
    for candidate in AMOUNTS:
        off = Decimal(candidate.said or 0) / (10**8 if "bigint" in candidate.name else 1) - exact
        candidate.said = "exact" if off == 0 else f"off by {off:.1E}"
    report(AMOUNTS, rows)
    measure("keys", KEYS, [None] * rows, total="count(*)::text")
    report(KEYS, rows)
    start = datetime(2026, 11, 21, tzinfo=UTC)
    measure(
        "times",
        TIMES,
        [start + timedelta(microseconds=chance.randint(0, 10**12)) for _ in range(rows)],
        total="max(at)::text",
    )
    report(TIMES, rows)
    texts = [f'{{"match": "{uuid4()}", "level": {number % 50}}}' for number in range(rows)]
    measure("metadata", METADATA, texts, total="max(metadata::jsonb ->> 'match')")
    report(METADATA, rows)
    databases.use("postgres")
    with databases.maintenance() as server:
        databases.drop(server, "bench_data_types")
    return 0


def measure(name: str, candidates: Sequence[Candidate], values: list[Any], *, total: str) -> None:
    """Fills and adds up a table of each candidate, in turns, and leaves the last round's sizes."""
    prepared = {each.name: [each.value(value) for value in values] for each in candidates}
    for _ in range(ROUNDS):
        for each in candidates:
            query("DROP TABLE IF EXISTS t")
            query(f"CREATE TABLE t (filler bigint NOT NULL, {each.column}{each.check})")
            query("CHECKPOINT")
            ((before,),) = query("SELECT pg_current_wal_lsn()::text")
            began = time.perf_counter()
            for start in range(0, len(values), BATCH):
                fill(each, prepared[each.name][start : start + BATCH])
            each.seconds.append(time.perf_counter() - began)
            ((wal, size, index_size),) = query(
                "SELECT pg_current_wal_lsn() - %s::pg_lsn, pg_relation_size('t'), pg_indexes_size('t')", [before]
            )
            each.wal.append(int(wal))
            each.size, each.index_size = size, index_size
            query("VACUUM ANALYZE t")
            began = time.perf_counter()
            ((each.said,),) = query(f"SELECT {total} FROM t")
            each.sum_seconds.append(time.perf_counter() - began)
    say(
        f"\n| {name} | rows/s | MB | index MB | WAL MB | {total.split('::', maxsplit=1)[0]} ms | |\n|---|---|---|---|---|---|---|"
    )


def fill(candidate: Candidate, batch: list[Any]) -> None:
    if not candidate.array:
        query("INSERT INTO t (filler) SELECT * FROM generate_series(1, %s)", [len(batch)])
        return
    column, column_type = candidate.column.split()[:2]
    cast = f"::{column_type}" if column_type in {"json", "jsonb"} else ""
    query(
        f"INSERT INTO t (filler, {column}) SELECT 1, value{cast} FROM unnest(%s::{candidate.array}[]) AS value", [batch]
    )


def report(candidates: Sequence[Candidate], rows: int) -> None:
    for each in candidates:
        say(
            f"| {each.name} | {rows / statistics.median(each.seconds):,.0f} | {each.size / 1e6:.1f} "
            f"| {each.index_size / 1e6:.1f} | {statistics.median(each.wal) / 1e6:.0f} "
            f"| {statistics.median(each.sum_seconds) * 1_000:.0f} | {each.said if len(each.said) < 30 else ''} |"
        )


if __name__ == "__main__":
    sys.exit(main())
