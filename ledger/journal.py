"""Writing the journal: posting entries, reversing them, locking shares. `ledger.book` is the door to it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from typing import Any
from uuid import UUID

from django.db import connection

from dreamland.lib.arrays import numbers, texts, uuids
from dreamland.lib.errors import named_refusals
from dreamland.lib.ids import uuid7
from dreamland.lib.instants import instant, microseconds
from ledger.errors import REFUSALS, EntryNotFound
from ledger.selectors import balances


@dataclass(frozen=True, slots=True)
class Posting:
    """`amount` of one asset from the `debit` account to the `credit` account (codes of the chart of accounts)."""

    debit: str
    credit: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Entry:
    """One event in the book of `holder` (a player's id, or HOUSE). `posted_by` is the id of the user who asked."""

    holder: UUID
    kind: str
    postings: tuple[Posting, ...]
    memo: str = ""
    id: UUID = field(default_factory=uuid7)
    posted_by: int | None = None
    reverses: UUID | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that an entry stands in the journal once the transaction commits; dated by the database's clock."""

    entry_id: UUID
    holder: UUID
    posted_at: datetime


@dataclass(frozen=True, slots=True)
class Facts:
    """What the caller writes beside its entries, in the same statement: each write by its name, and their parameters.

    A write may join `entries (id, posted_at)`, the entries as they arrive. The writes are part of the text that
    PostgreSQL prepares, so they are constant; what varies is a parameter.
    """

    writes: Mapping[str, str]
    parameters: Sequence[Any]

    def sql(self) -> str:
        """The writes as further parts of a WITH clause."""
        return "".join(f", {name} AS ({write})" for name, write in self.writes.items())


@dataclass(frozen=True, slots=True)
class Premise:
    """What must hold where entries are written, read by the statement that writes them: a `SELECT` of one row, or none.

    It may lock what it reads. The insert of Facts may join it as `premise`. A constant text, like theirs.
    """

    select: str
    parameters: Sequence[Any]


# One statement, and so one round trip, for one entry or ten thousand. The asset of a posting is its debit account's;
# the composite foreign key of the credit account then refuses a mix. An unknown account has the asset '' and is refused
# by the same key. All guards run after both inserts.
POST = """
entries AS (
    INSERT INTO ledger_journalentry (id, holder, kind, memo, posted_by_id, reverses_id, metadata)
    SELECT id, holder, kind, memo, posted_by, reverses, metadata::jsonb
    FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::int[], %s::uuid[], %s::text[])
        AS entry (id, holder, kind, memo, posted_by, reverses, metadata)
    WHERE {holds}
    RETURNING id, posted_at
), postings AS (
    INSERT INTO ledger_posting (entry_id, holder, debit_id, credit_id, asset, amount)
    SELECT entry, holder, debit, credit, coalesce(account.asset, ''), amount
    FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::numeric[])
        WITH ORDINALITY AS posting (entry, holder, debit, credit, amount, place)
    LEFT JOIN ledger_account account ON account.code = debit
    WHERE {holds}
    ORDER BY place
)
"""
NOTHING = Facts({}, ())
ALWAYS = "WITH" + POST.format(holds="true")
WHERE_IT_HOLDS = POST.format(holds="EXISTS (SELECT FROM premise)")
RECEIPTS = f"SELECT array_agg({microseconds('posted_at')} ORDER BY id) FROM entries"
LOCK_BALANCES = """
SELECT holder FROM ledger_balance WHERE holder = ANY(%s::uuid[]) ORDER BY holder, account_id FOR NO KEY UPDATE
"""


def post(entries: Iterable[Entry], *, beside: Facts = NOTHING) -> tuple[Receipt, ...]:
    """Writes entries with their postings, all or none, and moves the balances; and what the caller has `beside` them.

    One statement however many entries; rows go in holder order, which fixes the order of locks. Receipts come in the
    order of `entries`. Without entries nothing is written, nothing beside them either.

    Raises InvalidPosting, InsufficientFunds, PeriodClosed, AlreadyReversed: the caller's transaction is then lost.
    Source: docs/data-model.md, "The books".
    """
    given = list(entries)
    if not given:
        return ()
    [instants] = post_and_tell(given, beside=beside, told=RECEIPTS)
    return _receipts(given, instants)


def post_and_tell(entries: Iterable[Entry], *, beside: Facts, told: str) -> tuple[Any, ...]:
    """As `post`, for a caller who needs no receipts but one row of what the facts return: `told`, a constant `SELECT`
    over them by their names. There is at least one entry."""
    if not connection.in_atomic_block:
        raise AssertionError("entries are posted inside the transaction of the use case that they belong to")
    with named_refusals(REFUSALS), connection.cursor() as cursor:
        cursor.execute(f"{ALWAYS}{beside.sql()} {told}", [*_columns(list(entries)), *beside.parameters])
        row: tuple[Any, ...] = cursor.fetchone()
    return row


def post_where(
    entries: Iterable[Entry], *, premise: Premise, beside: Facts
) -> tuple[tuple[Receipt, ...], tuple[Any, ...]] | None:
    """Writes entries, and the facts beside them, where the premise holds: one statement, which is its own transaction.

    Receipts as `post` gives them, and the row of the premise; all of it is committed. None where the premise does not
    hold: nothing was written, no lock is held. Inside a transaction it is refused, since there `post` is what is meant.

    Raises what `post` raises.
    """
    given = list(entries)
    if connection.in_atomic_block:
        raise AssertionError("this is a transaction by itself")
    with named_refusals(REFUSALS), connection.cursor() as cursor:
        cursor.execute(
            f"WITH premise AS MATERIALIZED ({premise.select}), {WHERE_IT_HOLDS}{beside.sql()}"
            f" SELECT ({RECEIPTS}), premise.* FROM premise",
            [*premise.parameters, *_columns(given), *beside.parameters],
        )
        row = cursor.fetchone()
    return (_receipts(given, row[0]), row[1:]) if row else None


def _columns(entries: Sequence[Entry]) -> list[str]:
    """The parameters of POST."""
    _assert_postable(entries)
    ordered = sorted(entries, key=lambda entry: (entry.holder.int, entry.id.int))
    postings = [(entry, posting) for entry in ordered for posting in entry.postings]
    return [
        uuids(entry.id for entry in ordered),
        uuids(entry.holder for entry in ordered),
        texts([entry.kind for entry in ordered]),
        texts([entry.memo for entry in ordered]),
        texts([entry.posted_by for entry in ordered]),
        texts([entry.reverses for entry in ordered]),
        texts([json.dumps(dict(entry.metadata)) if entry.metadata else "{}" for entry in ordered]),
        uuids(entry.id for entry, _ in postings),
        uuids(entry.holder for entry, _ in postings),
        texts([posting.debit for _, posting in postings]),
        texts([posting.credit for _, posting in postings]),
        numbers(posting.amount for _, posting in postings),
    ]


def _receipts(entries: Sequence[Entry], instants: Sequence[int]) -> tuple[Receipt, ...]:
    """In the order of `entries`; `instants` come by id."""
    posted_at = dict(zip(sorted((entry.id for entry in entries), key=attrgetter("int")), instants, strict=True))
    return tuple(Receipt(entry.id, entry.holder, instant(posted_at[entry.id])) for entry in entries)


def _assert_postable(entries: Sequence[Entry]) -> None:
    """Catches what only our own code can get wrong, before the database sees it."""
    for entry in entries:
        if not entry.postings:
            raise AssertionError(f"entry {entry.id} has no posting")
        for posting in entry.postings:
            if type(posting.amount) is not Decimal:
                raise AssertionError(f"an amount is a Decimal, not {posting.amount!r}")


def reversals(
    entry_ids: Iterable[UUID], *, memo: str, kind: str = "reversal", posted_by: int | None = None
) -> tuple[Entry, ...]:
    """The entries that take these back, debit and credit swapped; not posted yet.

    For whoever posts them together with others: one statement takes the locks of all of them in order. Raises
    EntryNotFound.
    """
    wanted = list(entry_ids)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT entry_id, holder, debit_id, credit_id, amount FROM ledger_posting"
            " WHERE (holder, entry_id) IN (SELECT holder, id FROM ledger_journalentry WHERE id = ANY(%s::uuid[]))"
            " ORDER BY entry_id, id",
            [wanted],
        )
        rows = cursor.fetchall()
    mirrored = {
        entry_id: [(holder, Posting(credit, debit, amount)) for _, holder, debit, credit, amount in group]
        for entry_id, group in groupby(rows, key=lambda row: row[0])
    }
    if missing := [entry_id for entry_id in wanted if entry_id not in mirrored]:
        raise EntryNotFound(f"there is no journal entry {missing[0]}")
    return tuple(
        Entry(
            holder=mirrored[entry_id][0][0],
            kind=kind,
            postings=tuple(posting for _, posting in mirrored[entry_id]),
            memo=memo,
            posted_by=posted_by,
            reverses=entry_id,
        )
        for entry_id in wanted
    )


def lock_balances(holders: Iterable[UUID]) -> dict[UUID, dict[str, Decimal]]:
    """Each holder's shares, as `balances` tells them; nobody else moves them until the caller's transaction ends.

    For whoever posts by what a share holds. Rows are locked in key order, as `post` does. A holder who never had any
    share has nothing to lock.
    """
    wanted = sorted(set(holders))
    with connection.cursor() as cursor:
        cursor.execute(LOCK_BALANCES, [uuids(wanted)])
    return balances(wanted)  # a statement of its own: one that waits for a lock still sees what it saw before
