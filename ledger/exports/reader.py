"""The journal as every format reads it: one snapshot, oldest entry first, a few rows in memory at a time."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from ledger.exports.totals import ZERO, Moved, Selection, Totals, account_totals
from ledger.models import Account

__all__ = ["ExportedEntry", "ExportedPosting", "Journal", "JournalDiffersError", "Selection", "snapshot"]

ROWS_PER_FETCH = 2_000  # postings that travel at once, and so about what is in memory
OPENING = "opening-balances"  # the kind of the entry that stands for all before `since`


class JournalDiffersError(AssertionError):
    """The entries that were read do not add up to what the database says of the same snapshot."""


@dataclass(frozen=True, slots=True)
class ExportedPosting:
    """A posting as it is exported. One of opening balances has no id."""

    id: UUID | None
    debit: str
    credit: str
    asset: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class ExportedEntry:
    """An entry as it is exported, whole. `metadata` is JSON text. Opening balances have no id."""

    id: UUID | None
    holder: UUID | None
    kind: str
    memo: str
    posted_at: datetime
    posted_by: int | None
    reverses: UUID | None
    metadata: str
    postings: tuple[ExportedPosting, ...]


SELECTED = """
(%(holder)s::uuid IS NULL OR entry.holder = %(holder)s::uuid)
AND (%(until)s::timestamptz IS NULL OR entry.posted_at < %(until)s::timestamptz)
"""
WITHIN = "(%(since)s::timestamptz IS NULL OR entry.posted_at >= %(since)s::timestamptz)"
JOINED = (
    "ledger_journalentry entry JOIN ledger_posting posting"
    " ON posting.holder = entry.holder AND posting.entry_id = entry.id"
)
# Counted without the postings: an entry that has none is missed by the rows below, and so noticed.
ENTRIES = f"SELECT count(*) FROM ledger_journalentry entry WHERE {SELECTED} AND {WITHIN}"
MOVED = f"""
SELECT debit_id, credit_id, coalesce(sum(amount) FILTER (WHERE NOT {WITHIN}), 0),
       coalesce(sum(amount) FILTER (WHERE {WITHIN}), 0), count(*) FILTER (WHERE {WITHIN})
FROM {JOINED} WHERE {SELECTED} GROUP BY 1, 2
"""
ROWS = f"""
SELECT entry.id, entry.holder, entry.kind, entry.memo, entry.posted_at, entry.posted_by_id, entry.reverses_id,
       entry.metadata::text, posting.id, posting.debit_id, posting.credit_id, posting.asset, posting.amount
FROM {JOINED} WHERE {SELECTED} AND {WITHIN}
ORDER BY entry.posted_at, entry.id, posting.id
"""
OF_ENTRY = 8  # columns of ROWS that tell of the entry


class Journal:
    """One selection of the journal in one snapshot. `entries` is read once, to its end."""

    def __init__(self, selection: Selection) -> None:
        asked = {"since": selection.since, "until": selection.until, "holder": selection.holder}
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")  # the first statement: it takes the snapshot
            (read_at,) = cursor.fetchone()
            cursor.execute(ENTRIES, asked)
            (entries,) = cursor.fetchone()
            cursor.execute(MOVED, asked)
            rows = cursor.fetchall()
        moved = [Moved(*row[:4]) for row in rows]
        self.totals = Totals(
            selection=selection,
            as_of=min(selection.until or read_at, read_at),
            entries=entries,
            postings=sum(row[4] for row in rows),
            accounts=account_totals(Account.objects.all(), moved),
        )
        self._asked = asked
        self._expected = {(debit, credit): within for debit, credit, _, within, count in rows if count}
        self._opening = opening_postings(moved, {line.account: line.asset for line in self.totals.accounts})
        self._moved: dict[tuple[str, str], Decimal] = {}
        self._entries = self._postings = 0

    def entries(self) -> Iterator[ExportedEntry]:
        """Opening balances where the selection begins at an instant, then every selected entry by (posted_at, id)."""
        since, holder = self.totals.selection.since, self.totals.selection.holder
        if since and self._opening:
            yield ExportedEntry(None, holder, OPENING, "opening balances", since, None, None, "{}", self._opening)
        with connection.chunked_cursor() as cursor:
            cursor.cursor.itersize = ROWS_PER_FETCH
            cursor.execute(ROWS, self._asked)
            for _, rows in groupby(cursor, key=itemgetter(0)):
                entry = _entry(list(rows))
                self._tally(entry)
                yield entry

    def _tally(self, entry: ExportedEntry) -> None:
        self._entries += 1
        self._postings += len(entry.postings)
        for posting in entry.postings:
            pair = (posting.debit, posting.credit)
            self._moved[pair] = self._moved.get(pair, ZERO) + posting.amount

    def assert_complete(self) -> None:
        """Raises JournalDiffersError unless what `entries` gave adds up to the totals."""
        read = (self._entries, self._postings, self._moved)
        expected = (self.totals.entries, self.totals.postings, self._expected)
        if read != expected:
            raise JournalDiffersError(f"read {read} where the database counts {expected}")


def _entry(rows: list[tuple[Any, ...]]) -> ExportedEntry:
    facts = [*rows[0][:OF_ENTRY], tuple(ExportedPosting(*row[OF_ENTRY:]) for row in rows)]
    return ExportedEntry(*facts)


def opening_postings(moved: Iterable[Moved], assets: Mapping[str, str]) -> tuple[ExportedPosting, ...]:
    """What passed between each two accounts before, net, in order of code.

    Accounts are never matched that did not meet: a fee would seem to touch a player.
    """
    passed = {(pair.debit, pair.credit): pair.before for pair in moved}
    nets = {pair: amount - passed.get(pair[::-1], ZERO) for pair, amount in sorted(passed.items())}
    return tuple(
        ExportedPosting(None, debit, credit, assets[debit], net) for (debit, credit), net in nets.items() if net > 0
    )


@contextmanager
def snapshot(selection: Selection) -> Iterator[Journal]:
    """The selected journal, as one REPEATABLE READ snapshot shows it. Must not be called inside a transaction."""
    limit = int(settings.VERIFY_STATEMENT_TIMEOUT_MS)
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            # Sorting a long journal takes a while, and so does whoever reads at the other end of a pipe.
            cursor.execute(f"SET LOCAL statement_timeout = {limit}")
            cursor.execute(f"SET LOCAL idle_in_transaction_session_timeout = {limit}")
            cursor.execute("SET LOCAL cursor_tuple_fraction = 1")  # every row will be read: plan for the last one
        yield Journal(selection)
