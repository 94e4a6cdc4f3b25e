"""Proof: everything that can be derived is derived again, in one snapshot, and the first wrong row is named.

Each app registers the checks of its own facts; `manage.py verify_books` runs them all. What came of it is kept
(ledger/verification_records.py).
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction

# What an incremental verification looks at: the entries of transactions from the last clean one's horizon on. Nothing
# of money changes without an entry, so what they touch is all that honest work can have broken since.
SINCE = "WHERE transaction >= %(since)s::xid8"
RECENT_ENTRIES = f"(SELECT * FROM ledger_journalentry {SINCE})"


@dataclass(frozen=True, slots=True)
class Frontier:
    """How far a clean verification saw: all that transactions below `transaction` wrote, at `as_of`."""

    transaction: str
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Check:
    """One claim about the books.

    `sql` selects the rows that break it, as two texts: `subject` and `problem`. `recent` narrows it down to what
    transactions from `%(since)s` (a transaction id) on could have broken, after `%(since_time)s`: the conditions that
    stand in for the names in braces, where a full verification has nothing. Without it the whole is looked at every
    time. `find` yields (subject, problem) for what no SQL can see, given what `prepare` read before the snapshot.
    """

    name: str
    claim: str
    sql: str = ""
    recent: Mapping[str, str] = field(default_factory=dict)
    find: Callable[[Any], Iterator[tuple[str, str]]] | None = None
    prepare: Callable[[], Any] | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """How a check came out: how many rows break its claim, and the first of them in order of subject."""

    check: Check
    wrong_rows: int
    subject: str = ""
    problem: str = ""
    seconds: float = 0.0  # that it took


@dataclass(frozen=True, slots=True)
class Verification:
    """All findings, as of one snapshot. `horizon`: what transactions below it wrote was all there to be looked at.

    `since`: only what came behind this frontier was looked at; None: everything was.
    """

    as_of: datetime
    horizon: str
    findings: tuple[Finding, ...]
    since: Frontier | None = None

    @property
    def clean(self) -> bool:
        return not any(finding.wrong_rows for finding in self.findings)


_checks: dict[str, Check] = {}


def register_checks(checks: Iterable[Check]) -> None:
    """Adds checks to what `verify` runs; a name that is known is replaced."""
    for check in checks:
        _checks[check.name] = check


def registered_checks() -> tuple[Check, ...]:
    """Every check, in the order of registration: the books first, then what stands on them."""
    return tuple(_checks.values())


def verify(
    *,
    since: Frontier | None = None,
    workers: int = 1,
    progress: Callable[[Check], None] = lambda _: None,
) -> Verification:
    """Runs every registered check in one read-only snapshot, `progress` before each. Not inside a transaction.

    `since`: only what came behind this frontier could have broken, where a check knows how to look for that. `workers`:
    how many connections share the checks, and the snapshot; `progress` is then called from their threads.
    """
    prepared = {check.name: check.prepare() for check in registered_checks() if check.prepare}
    with _snapshot() as snapshot, connection.cursor() as cursor:
        cursor.execute("SELECT transaction_timestamp(), pg_snapshot_xmin(pg_current_snapshot())::text")
        as_of, horizon = cursor.fetchone()
        left = iter(registered_checks())
        taking = threading.Lock()
        findings: dict[str, Finding] = {}

        def work() -> None:
            while True:
                with taking:
                    check = next(left, None)
                    if check is None:
                        return
                    progress(check)
                findings[check.name] = _finding(check, since, prepared.get(check.name))

        def help_along() -> None:
            try:
                with _snapshot(snapshot):
                    work()
            finally:
                connection.close()

        with ThreadPoolExecutor(workers) as pool:
            helpers = [pool.submit(help_along) for _ in range(workers - 1)]
            work()
            for helper in helpers:
                helper.result()
        return Verification(as_of, horizon, tuple(findings[check.name] for check in registered_checks()), since)


@contextmanager
def _snapshot(shared: str | None = None) -> Iterator[str]:
    """A transaction that only reads, in a snapshot of its own or in one that another exported; gives its name."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        if shared:
            cursor.execute(f"SET TRANSACTION SNAPSHOT '{shared}'")
        limit = int(settings.VERIFY_STATEMENT_TIMEOUT_MS)
        cursor.execute(f"SET LOCAL statement_timeout = {limit}")
        # Whoever exported the snapshot waits here for the others.
        cursor.execute(f"SET LOCAL idle_in_transaction_session_timeout = {limit}")
        cursor.execute(f"SET LOCAL work_mem = '{int(settings.VERIFY_WORK_MEMORY_MIB)}MB'")
        if not shared:
            cursor.execute("SELECT pg_export_snapshot()")
            (shared,) = cursor.fetchone()
        yield str(shared)


def _finding(check: Check, since: Frontier | None, prepared: Any) -> Finding:
    started = time.monotonic()
    finding = _found(check, prepared) if check.find else _selected(check, since)
    return replace(finding, seconds=round(time.monotonic() - started, 3))


def _selected(check: Check, since: Frontier | None) -> Finding:
    sql: str = check.sql
    parameters: dict[str, Any] | None = None
    if since is not None and check.recent:
        sql = sql.replace("%", "%%").format(**check.recent)
        parameters = {"since": since.transaction, "since_time": since.as_of}
    elif check.recent:
        sql = sql.format(**dict.fromkeys(check.recent, ""))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) OVER (), subject, problem FROM ({sql}) AS wrong ORDER BY subject LIMIT 1", parameters
        )
        row = cursor.fetchone()
    return Finding(check, *row) if row else Finding(check, 0)


def _found(check: Check, prepared: Any) -> Finding:
    assert check.find is not None
    wrong = list(check.find(prepared))
    return Finding(check, len(wrong), *wrong[0]) if wrong else Finding(check, 0)
