"""Reading the books: balances, statements, trial balance. Nothing here writes."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.db import connection

from dreamland.lib.arrays import uuids
from ledger.errors import StatementTooLong
from ledger.models import Account

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class TrialBalanceLine:
    """One account: what was debited, what was credited, and the balance on its normal side."""

    account: str
    name: str
    asset: str
    kind: str
    normal_side: str
    debits: Decimal
    credits: Decimal

    @property
    def balance(self) -> Decimal:
        return self.debits - self.credits if self.normal_side == Account.Side.DEBIT else self.credits - self.debits


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """Every account of the chart, in order of code, as of one instant of the database's clock."""

    as_of: datetime
    lines: tuple[TrialBalanceLine, ...]

    def totals(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Debits and credits of each asset; in books that balance the two are equal."""
        totals: dict[str, tuple[Decimal, Decimal]] = {}
        for line in self.lines:
            debited, credited = totals.get(line.asset, (ZERO, ZERO))
            totals[line.asset] = (debited + line.debits, credited + line.credits)
        return totals

    def balance(self, account: str) -> Decimal:
        """The balance of one account on its normal side. Raises KeyError for an unknown code."""
        return {line.account: line.balance for line in self.lines}[account]


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One posting as the account sees it. `movement` and `running` count on the account's normal side."""

    posted_at: datetime
    entry_id: UUID
    kind: str
    memo: str
    counterpart: str
    movement: Decimal
    running: Decimal


@dataclass(frozen=True, slots=True)
class Statement:
    """An account over a time: opening balance, its lines oldest first, closing balance."""

    account: str
    asset: str
    holder: UUID | None
    since: datetime | None
    until: datetime | None
    opening: Decimal
    lines: tuple[StatementLine, ...]

    @property
    def closing(self) -> Decimal:
        return self.lines[-1].running if self.lines else self.opening


# For another app's statement that needs a wallet in its own snapshot: the share of `{holder}` in the held account
# `{account}`, both expressions of that statement; null where nothing was ever posted.
SHARE = "(SELECT amount FROM ledger_balance AS share WHERE share.holder = {holder} AND share.account_id = {account})"

# The held accounts, and what stands in them, in one round trip.
SHARES = """
SELECT NULL::uuid, code, 0 FROM ledger_account WHERE held
UNION ALL
SELECT holder, account_id, amount FROM ledger_balance WHERE holder = ANY(%s::uuid[])
"""


def balances(holders: Iterable[UUID]) -> dict[UUID, dict[str, Decimal]]:
    """Each holder's share of each held account; zero where nothing was ever posted. One statement."""
    wanted = list(holders)
    with connection.cursor() as cursor:
        cursor.execute(SHARES, [uuids(wanted)])
        rows = cursor.fetchall()
    held = [account for holder, account, _ in rows if holder is None]
    shares: dict[UUID, dict[str, Decimal]] = {holder: dict.fromkeys(held, ZERO) for holder in wanted}
    for holder, account, amount in rows:
        if holder is not None:
            shares[holder][account] = amount
    return shares


# Closed days from their totals, the rest from the postings: the cost does not grow with the history.
TRIAL_BALANCE = """
WITH frontier AS (
    SELECT max(day) AS day FROM ledger_closedday
    WHERE closed_at IS NOT NULL
      AND (%(until)s::timestamptz IS NULL OR (day + 1)::timestamp AT TIME ZONE 'UTC' <= %(until)s::timestamptz)
), tail AS MATERIALIZED (
    SELECT posting.debit_id, posting.credit_id, sum(posting.amount) AS amount
    FROM ledger_journalentry entry
    JOIN ledger_posting posting ON posting.holder = entry.holder AND posting.entry_id = entry.id
    WHERE entry.posted_at >= coalesce((SELECT (day + 1)::timestamp AT TIME ZONE 'UTC' FROM frontier), '-infinity')
      AND (%(until)s::timestamptz IS NULL OR entry.posted_at < %(until)s::timestamptz)
    GROUP BY 1, 2
), moved AS (
    SELECT account_id AS code, debits, credits FROM ledger_daytotal WHERE day <= (SELECT day FROM frontier)
    UNION ALL SELECT debit_id, amount, 0 FROM tail
    UNION ALL SELECT credit_id, 0, amount FROM tail
)
SELECT statement_timestamp(), account.code, account.name, account.asset, account.kind, account.normal_side,
       coalesce(sum(moved.debits), 0), coalesce(sum(moved.credits), 0)
FROM ledger_account account LEFT JOIN moved USING (code)
GROUP BY account.code
ORDER BY account.code
"""


def trial_balance(*, until: datetime | None = None) -> TrialBalance:
    """All accounts as of now, or with the entries dated before `until`: closed days from totals, then the postings."""
    with connection.cursor() as cursor:
        cursor.execute(TRIAL_BALANCE, {"until": until})
        rows = cursor.fetchall()
    return TrialBalance(as_of=until or rows[0][0], lines=tuple(TrialBalanceLine(*row[1:]) for row in rows))


STATEMENT = """
SELECT entry.posted_at, entry.id, entry.kind, entry.memo,
       CASE WHEN posting.debit_id = account.code THEN posting.credit_id ELSE posting.debit_id END,
       CASE WHEN (posting.debit_id = account.code) = (account.normal_side = 'debit')
            THEN posting.amount ELSE -posting.amount END AS movement
FROM ledger_account account
JOIN ledger_posting posting ON account.code IN (posting.debit_id, posting.credit_id)
JOIN ledger_journalentry entry ON entry.id = posting.entry_id AND entry.holder = posting.holder
WHERE account.code = %(account)s
"""
OF_HOLDER = " AND entry.holder = %(holder)s::uuid"
SINCE = " AND entry.posted_at >= %(since)s::timestamptz"
UNTIL = " AND entry.posted_at < %(until)s::timestamptz"
# What a holder's share was: what it is, less what moved it since. The cost is that of the tail, however long the
# history before it. One statement, and so one snapshot, whatever commits meanwhile.
OPENING_OF_SHARE = f"""
SELECT coalesce((SELECT amount FROM ledger_balance WHERE holder = %(holder)s AND account_id = %(account)s), 0)
     - coalesce((SELECT sum(movement) FROM ({STATEMENT}{OF_HOLDER}{SINCE}) AS tail), 0)
"""
# A holder's part of an account that has no shares, like what was issued to him: nothing keeps it, so it is added up.
OPENING_OF_PART = (
    f"SELECT coalesce(sum(movement), 0) FROM ({STATEMENT}{OF_HOLDER} AND entry.posted_at < %(since)s) AS t"
)


def statement(
    *, account: str, holder: UUID | None, since: datetime | None = None, until: datetime | None = None
) -> Statement:
    """What moved an account (`holder`: one holder's share of it; None: everybody's) in [since, until).

    Raises StatementTooLong over STATEMENT_MAX_LINES lines, Account.DoesNotExist for an unknown code.
    """
    known = Account.objects.get(code=account)
    limit = settings.STATEMENT_MAX_LINES
    asked = {"account": account, "holder": holder, "since": since, "until": until, "limit": limit + 1}
    lines_sql = STATEMENT + (OF_HOLDER if holder else "") + (SINCE if since else "") + (UNTIL if until else "")
    opening = ZERO
    with connection.cursor() as cursor:
        if since is not None and holder is None:
            opening = trial_balance(until=since).balance(account)
        elif since is not None:
            cursor.execute(OPENING_OF_SHARE if known.held else OPENING_OF_PART, asked)
            opening = cursor.fetchone()[0]
        cursor.execute(f"{lines_sql} ORDER BY entry.posted_at, entry.id, posting.id LIMIT %(limit)s", asked)
        rows = cursor.fetchall()
    if len(rows) > limit:
        raise StatementTooLong(f"the statement has more than {limit} lines; ask for a shorter time", limit=limit)
    running, lines = opening, []
    for posted_at, entry_id, kind, memo, counterpart, movement in rows:
        running += movement
        lines.append(StatementLine(posted_at, entry_id, kind, memo, counterpart, movement, running))
    return Statement(account, known.asset, holder, since, until, opening, tuple(lines))


def last_posted_at(holder: UUID, *, asset: str) -> datetime | None:
    """When something of that asset last moved in the holder's book; None where nothing ever did."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT max(entry.posted_at) FROM ledger_posting posting"
            " JOIN ledger_journalentry entry ON entry.holder = posting.holder AND entry.id = posting.entry_id"
            " WHERE posting.holder = %s AND posting.asset = %s",
            [holder, asset],
        )
        found: datetime | None = cursor.fetchone()[0]
    return found
