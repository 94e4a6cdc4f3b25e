"""Proof: everything that can be derived is derived again, in one snapshot, and the first wrong row is named.

Each app registers the checks of its own facts; `manage.py verify_books` runs them all.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from ledger.models import VerificationRun

Mode = VerificationRun.Mode
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Check:
    """One claim about the books.

    `sql` selects the rows that break it, as two texts: `subject` and `problem`. `recent` does the same for what
    transactions from `%(since)s` (a transaction id) on could have broken; without it the whole is looked at every time.
    `find` yields (subject, problem) for what no SQL can see, given what `prepare` read before the snapshot was taken.
    """

    name: str
    claim: str
    sql: str = ""
    recent: str = ""
    find: Callable[[Any], Iterator[tuple[str, str]]] | None = None
    prepare: Callable[[], Any] | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """How a check came out: how many rows break its claim, and the first of them in order of subject."""

    check: Check
    wrong_rows: int
    subject: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    """All findings, as of one snapshot. `horizon`: what transactions below it wrote was all there to be looked at."""

    as_of: datetime
    horizon: str
    findings: tuple[Finding, ...]

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


def verify(*, since: str | None = None, progress: Callable[[Check], None] = lambda _: None) -> Verification:
    """Runs every registered check in one read-only snapshot, `progress` before each. Not inside a transaction.

    `since`: only what transactions from this id on could have broken, where a check knows how to look for that.
    """
    prepared = {check.name: check.prepare() for check in registered_checks() if check.prepare}
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute(f"SET LOCAL statement_timeout = {int(settings.VERIFY_STATEMENT_TIMEOUT_MS)}")
        cursor.execute("SELECT transaction_timestamp(), pg_snapshot_xmin(pg_current_snapshot())::text")
        as_of, horizon = cursor.fetchone()
        return Verification(as_of, horizon, tuple(_findings(since, prepared, progress)))


def _findings(since: str | None, prepared: Mapping[str, Any], progress: Callable[[Check], None]) -> Iterator[Finding]:
    for check in registered_checks():
        progress(check)
        yield _found(check, prepared.get(check.name)) if check.find else _selected(check, since)


def _selected(check: Check, since: str | None) -> Finding:
    recent = since is not None and check.recent
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) OVER (), subject, problem FROM ({check.recent if recent else check.sql}) AS wrong"
            " ORDER BY subject LIMIT 1",
            {"since": since} if recent else None,
        )
        row = cursor.fetchone()
    return Finding(check, *row) if row else Finding(check, 0)


def _found(check: Check, prepared: Any) -> Finding:
    assert check.find is not None
    wrong = list(check.find(prepared))
    return Finding(check, len(wrong), *wrong[0]) if wrong else Finding(check, 0)


def last_clean_horizon() -> str | None:
    """From where an incremental verification has to look; None where none was clean yet."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT horizon::text FROM ledger_verificationrun WHERE is_clean ORDER BY id DESC LIMIT 1")
        row = cursor.fetchone()
    return row[0] if row else None


def verify_and_record(mode: Mode, *, progress: Callable[[Check], None] = lambda _: None) -> Verification:
    """Verifies and keeps how it came out. Incremental: since the last clean one; full where there is none."""
    started = time.monotonic()
    since = last_clean_horizon() if mode == Mode.INCREMENTAL else None
    verification = verify(since=since, progress=progress)
    wrong = [finding for finding in verification.findings if finding.wrong_rows]
    VerificationRun.objects.create(
        mode=Mode.INCREMENTAL if since else Mode.FULL,
        as_of=verification.as_of,
        seconds=Decimal(round((time.monotonic() - started) * 1_000)) / 1_000,
        horizon=verification.horizon,
        is_clean=verification.clean,
        findings=[
            {"check": each.check.name, "rows": each.wrong_rows, "subject": each.subject, "problem": each.problem}
            for each in wrong
        ],
    )
    for finding in wrong:
        logger.error(
            "the books are wrong",
            extra={"check": finding.check.name, "subject": finding.subject, "problem": finding.problem},
        )
    return verification
