"""`book.post` in bulk beside guard-free roads for the same rows, and what reads the books beside a plain sum.

The floor's tables are those of the ledger with their columns, defaults and indexes, and with no CHECK, foreign key or
trigger; its balances do not move. Binary COPY, rows given to psycopg as Python values, is the fastest road there is
into PostgreSQL; `INSERT .. SELECT FROM unnest` is the fastest that is one statement.
"""

import json
import random
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from tests.bench import harness
from tests.bench.harness import Report, Side, query

if TYPE_CHECKING:
    from ledger.book import Entry

PLAYERS = 20_000
CALLS = 3  # in a round
ROUNDS = 5
FUNDS = Decimal(1_000_000)
READ_POSTINGS = 200_000
READ_ROUNDS = 3
STATEMENTS = 200  # of one player each, in a round
COPY_PROMISE = 0.35

GUARD_FREE_TABLES = """
CREATE SCHEMA free;
CREATE TABLE free.entry (LIKE ledger_journalentry INCLUDING DEFAULTS INCLUDING INDEXES INCLUDING STORAGE);
CREATE TABLE free.posting (LIKE ledger_posting INCLUDING DEFAULTS INCLUDING INDEXES INCLUDING STORAGE);
"""
UNNEST = """
WITH entries AS (
    INSERT INTO free.entry (id, holder, kind, memo, metadata)
    SELECT id, holder, kind, '', '{}' FROM unnest(%s::uuid[], %s::uuid[], %s::text[]) AS entry (id, holder, kind)
)
INSERT INTO free.posting (entry_id, holder, debit_id, credit_id, asset, amount)
SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::numeric[])
"""


def measure(report: Report) -> None:
    """Posting first; then the trial balance, a statement and the verification."""
    measure_posting(report)
    if report.sizes([READ_POSTINGS]):
        measure_reading(report)


def measure_posting(report: Report) -> None:
    """10,000 wins of one posting, 5,000 conversions of three, holders in key order."""
    harness.fresh()
    query(GUARD_FREE_TABLES)
    players = funded_players()
    for entries, legs, make in ((10_000, 1, wins), (5_000, 3, conversions)):
        if not report.sizes([entries]):
            continue
        for name, road in (("COPY", by_copy), ("unnest", by_unnest)):
            report.add(
                harness.in_turns(
                    f"book.post against guard-free {name}",
                    partial(posted, make, players, entries, by_book),
                    partial(posted, make, players, entries, road),
                    size=entries,
                    size_unit="entries of a posting" if legs == 1 else f"entries of {legs} postings",
                    unit="postings/s",
                    rounds=ROUNDS,
                    promise=COPY_PROMISE if name == "COPY" else None,
                )
            )


def funded_players() -> list[UUID]:
    """Players in key order who have tokens enough for everything that follows."""
    chance = random.Random(PLAYERS)
    players = sorted(UUID(int=chance.getrandbits(128), version=4) for _ in range(PLAYERS))
    for first in range(0, PLAYERS, 10_000):
        by_book(wins(players[first : first + 10_000], FUNDS))
    query("VACUUM ANALYZE")
    return players


def wins(holders: Sequence[UUID], amount: Decimal = Decimal("0.123456789012345678")) -> "list[Entry]":
    from ledger import book

    postings = (book.Posting("dream:issued", "player:dream", amount),)
    return [book.Entry(holder=holder, kind="win", postings=postings) for holder in holders]


def conversions(holders: Sequence[UUID]) -> "list[Entry]":
    from ledger import book

    postings = (
        book.Posting("player:dream", "dream:redeemed", Decimal("0.123456789012345678")),
        book.Posting("usd:rewards-expense", "player:usd", Decimal("0.01851852")),
        book.Posting("usd:conversion-fees", "usd:fees-payable", Decimal("0.00092593")),
    )
    return [book.Entry(holder=holder, kind="conversion", postings=postings) for holder in holders]


def posted(
    make: "Callable[[Sequence[UUID]], list[Entry]]",
    players: Sequence[UUID],
    count: int,
    road: "Callable[[list[Entry]], None]",
) -> Side:
    """So many entries of players drawn by lot, CALLS times; the clock runs from the Python values to the commit."""
    chance = random.Random()
    seconds, postings = 0.0, 0
    python_before = 0.0
    python = 0.0
    with harness.cpu(postgres=harness.postgres_pid()) as used:
        for _ in range(CALLS):
            entries = make(sorted(chance.sample(players, count)))
            python_before, began = time.process_time(), time.perf_counter()
            road(entries)
            seconds += time.perf_counter() - began
            python += time.process_time() - python_before
            postings += sum(len(entry.postings) for entry in entries)
    used["python"] = python
    return Side(postings, seconds, used)


def by_book(entries: "list[Entry]") -> None:
    from django.db import transaction

    from ledger import book

    with transaction.atomic(durable=True):
        book.post(entries)


def by_copy(entries: "list[Entry]") -> None:
    from django.db import connection, transaction

    with transaction.atomic(durable=True), connection.connection.cursor() as cursor:
        with cursor.copy("COPY free.entry (id, holder, kind, memo, metadata) FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["uuid", "uuid", "text", "text", "jsonb"])
            for entry in entries:
                copy.write_row((entry.id, entry.holder, entry.kind, entry.memo, nothing()))
        with cursor.copy(
            "COPY free.posting (entry_id, holder, debit_id, credit_id, asset, amount) FROM STDIN (FORMAT binary)"
        ) as copy:
            copy.set_types(["uuid", "uuid", "text", "text", "text", "numeric"])
            for entry in entries:
                for posting in entry.postings:
                    copy.write_row(
                        (entry.id, entry.holder, posting.debit, posting.credit, asset(posting.debit), posting.amount)
                    )


def by_unnest(entries: "list[Entry]") -> None:
    from django.db import transaction

    from dreamland.lib.arrays import numbers, texts, uuids

    rows = [(entry, posting) for entry in entries for posting in entry.postings]
    with transaction.atomic(durable=True):
        query(
            UNNEST,
            [
                uuids(entry.id for entry in entries),
                uuids(entry.holder for entry in entries),
                texts([entry.kind for entry in entries]),
                uuids(entry.id for entry, _ in rows),
                uuids(entry.holder for entry, _ in rows),
                texts([posting.debit for _, posting in rows]),
                texts([posting.credit for _, posting in rows]),
                texts([asset(posting.debit) for _, posting in rows]),
                numbers(posting.amount for _, posting in rows),
            ],
        )


def asset(account: str) -> str:
    return "USD" if account.startswith(("usd:", "player:usd")) else "DREAM"


def nothing() -> Any:
    from psycopg.types.json import Jsonb

    return Jsonb({}, dumps=json.dumps)


# --- Reading ---------------------------------------------------------------------------------------------------------


def measure_reading(report: Report) -> None:
    """Trial balance (everything still in the open tail, then everything in closed days), statements, verification."""
    from ledger import book
    from tests.bench import verification

    harness.fresh()
    verification.fill_and_seal(READ_POSTINGS)
    [(rows,)] = query("SELECT count(*) FROM ledger_posting")
    players = [player for (player,) in query("SELECT id FROM rewards_player ORDER BY random() LIMIT %s", [STATEMENTS])]
    [(of_player,)] = query("SELECT count(*) / (SELECT count(*) FROM rewards_player) FROM ledger_posting")

    def add(name: str, size: int, work: Callable[[], object], floor: Callable[[], object], times: int = 1) -> None:
        report.add(
            harness.in_turns(
                name,
                partial(repeated, work, size * times),
                partial(repeated, floor, size * times),
                size=size,
                size_unit="postings",
                unit="postings/s",
                rounds=READ_ROUNDS,
            )
        )

    def whole_sum() -> None:
        query("SELECT sum(amount) FROM ledger_posting")

    def clean() -> None:
        assert not any(finding.wrong_rows for finding in book.verify().findings)

    def statements() -> None:
        for player in players:
            assert book.statement(account="player:dream", holder=player).lines

    def player_sums() -> None:
        for player in players:
            query("SELECT sum(amount) FROM ledger_posting WHERE holder = %s", [player])

    add("trial balance, all of it open, against a plain sum", rows, book.trial_balance, whole_sum)
    add("statement of a player against a plain sum", of_player, statements, player_sums, STATEMENTS)
    add("verification against a plain sum", rows, clean, whole_sum)
    close()
    add("trial balance, all of it closed, against a plain sum", rows, book.trial_balance, whole_sum)


def repeated(work: Callable[[], object], operations: int) -> Side:
    before, began = time.process_time(), time.perf_counter()
    with harness.cpu(postgres=harness.postgres_pid()) as used:
        work()
    took = time.perf_counter() - began
    used["python"] = time.process_time() - before
    return Side(operations, took, used)


def close() -> None:
    """Dates the entries back, as only the owner of a database can, and closes their days."""
    from ledger.days import close_days

    query("SET session_replication_role = replica")
    query("UPDATE ledger_journalentry SET posted_at = posted_at - interval '3 days'")
    query("SET session_replication_role = DEFAULT")
    query("VACUUM ANALYZE")
    assert close_days()
