"""Reading the journal as accountants do: entries with their lines, and what moved an account by day and hour."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection

from ledger.models import Account, JournalEntry
from ledger.selectors import trial_balance


@dataclass(frozen=True, slots=True)
class PostingFacts:
    """An amount that moved from the credit account to the debit account."""

    entry_id: UUID
    debit: str
    credit: str
    asset: str
    amount: Decimal


POSTINGS = """
SELECT posting.entry_id, posting.debit_id, posting.credit_id, posting.asset, posting.amount
FROM unnest(%s::uuid[], %s::uuid[]) AS wanted (holder, entry)
JOIN ledger_posting posting ON posting.holder = wanted.holder AND posting.entry_id = wanted.entry
ORDER BY posting.entry_id, posting.id
"""


def postings_of(entries: Iterable[JournalEntry]) -> dict[UUID, list[PostingFacts]]:
    """The postings of each of these entries, in order. One statement; by the index over holder and entry."""
    wanted = list(entries)
    found: dict[UUID, list[PostingFacts]] = {entry.id: [] for entry in wanted}
    with connection.cursor() as cursor:
        cursor.execute(POSTINGS, [[entry.holder for entry in wanted], [entry.id for entry in wanted]])
        for row in cursor.fetchall():
            found[row[0]].append(PostingFacts(*row))
    return found


def reversal_of(entry_id: UUID) -> UUID | None:
    """The entry that takes this one back, if there is one."""
    return JournalEntry.objects.filter(reverses=entry_id).values_list("id", flat=True).first()


@dataclass(frozen=True, slots=True)
class PeriodLine:
    """What a day or an hour moved on an account, and the balance after it, on the account's normal side."""

    starts_at: datetime
    debits: Decimal
    credits: Decimal
    running: Decimal


@dataclass(frozen=True, slots=True)
class AccountPeriods:
    """An account over a time, in days or hours: opening balance, what each moved, closing balance."""

    account: Account
    opening: Decimal
    lines: tuple[PeriodLine, ...]

    @property
    def closing(self) -> Decimal:
        return self.lines[-1].running if self.lines else self.opening


# Closed days come from their totals, what is open from the postings, so a year costs what a day costs.
DAYS = """
WITH frontier AS (
    SELECT coalesce(max(day) + 1, '-infinity'::date)::timestamp AT TIME ZONE 'UTC' AS instant
    FROM ledger_closedday WHERE closed_at IS NOT NULL
)
SELECT day::timestamp AT TIME ZONE 'UTC' AS starts, debits, credits FROM ledger_daytotal
WHERE account_id = %(account)s AND day >= (%(since)s::timestamptz AT TIME ZONE 'UTC')::date
  AND (day + 1)::timestamp AT TIME ZONE 'UTC' <= %(until)s::timestamptz
UNION ALL
SELECT date_trunc('day', entry.posted_at, 'UTC'),
       coalesce(sum(posting.amount) FILTER (WHERE posting.debit_id = %(account)s), 0),
       coalesce(sum(posting.amount) FILTER (WHERE posting.credit_id = %(account)s), 0)
FROM ledger_journalentry entry
JOIN ledger_posting posting ON posting.holder = entry.holder AND posting.entry_id = entry.id
WHERE entry.posted_at >= greatest(%(since)s::timestamptz, (SELECT instant FROM frontier))
  AND entry.posted_at < %(until)s::timestamptz
  AND %(account)s IN (posting.debit_id, posting.credit_id)
GROUP BY 1
ORDER BY 1
"""
HOURS = """
SELECT date_trunc('hour', entry.posted_at, 'UTC'),
       coalesce(sum(posting.amount) FILTER (WHERE posting.debit_id = %(account)s), 0),
       coalesce(sum(posting.amount) FILTER (WHERE posting.credit_id = %(account)s), 0)
FROM ledger_journalentry entry
JOIN ledger_posting posting ON posting.holder = entry.holder AND posting.entry_id = entry.id
WHERE entry.posted_at >= %(since)s::timestamptz AND entry.posted_at < %(until)s::timestamptz
  AND %(account)s IN (posting.debit_id, posting.credit_id)
GROUP BY 1 ORDER BY 1
"""
ENTRIES_BETWEEN = """
SELECT count(*) FROM (
    SELECT FROM ledger_journalentry WHERE posted_at >= %s AND posted_at < %s LIMIT %s
) AS found
"""


def account_by_day(*, account: str, since: datetime, until: datetime) -> AccountPeriods:
    """What each UTC day in [since, until) moved on an account. Both bounds are midnights, or `until` is not over yet.

    Raises Account.DoesNotExist.
    """
    return _periods(DAYS, account, since, until)


def account_by_hour(*, account: str, since: datetime, until: datetime) -> AccountPeriods:
    """What each hour in [since, until) moved on an account. Reads every posting of that time.

    Raises Account.DoesNotExist.
    """
    return _periods(HOURS, account, since, until)


def _periods(sql: str, code: str, since: datetime, until: datetime) -> AccountPeriods:
    account = Account.objects.get(code=code)
    opening = running = trial_balance(until=since).balance(code)
    with connection.cursor() as cursor:
        cursor.execute(sql, {"account": code, "since": since, "until": until})
        rows = cursor.fetchall()
    sign = 1 if account.normal_side == Account.Side.DEBIT else -1
    lines = []
    for starts_at, debits, credited in rows:
        running += sign * (debits - credited)
        lines.append(PeriodLine(starts_at, debits, credited, running))
    return AccountPeriods(account, opening, tuple(lines))


def has_more_entries(*, since: datetime, until: datetime, than: int) -> bool:
    """Whether more entries than that are dated in [since, until). Counts no further."""
    with connection.cursor() as cursor:
        cursor.execute(ENTRIES_BETWEEN, [since, until, than + 1])
        return bool(cursor.fetchone()[0] > than)
