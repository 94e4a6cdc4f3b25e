"""Proof: everything that can be derived is derived again, in one snapshot, and the first wrong row is named.

Each app registers the checks of its own facts; `manage.py verify_books` runs them all.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import connection, transaction


@dataclass(frozen=True, slots=True)
class Check:
    """One claim about the books. `sql` selects the rows that break it, as two texts: `subject` and `problem`."""

    name: str
    claim: str
    sql: str


@dataclass(frozen=True, slots=True)
class Finding:
    """How a check came out: how many rows break its claim, and the first of them in order of subject."""

    check: Check
    wrong_rows: int
    subject: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    """All findings, as of one snapshot of the database."""

    as_of: datetime
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


def verify() -> Verification:
    """Runs every registered check in one read-only snapshot. Must not be called inside a transaction."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute(f"SET LOCAL statement_timeout = {int(settings.VERIFY_STATEMENT_TIMEOUT_MS)}")
        cursor.execute("SELECT transaction_timestamp()")
        as_of = cursor.fetchone()[0]
        return Verification(as_of, tuple(_findings()))


def _findings() -> Iterator[Finding]:
    for check in registered_checks():
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT count(*) OVER (), subject, problem FROM ({check.sql}) AS wrong ORDER BY subject LIMIT 1"
            )
            row = cursor.fetchone()
        yield Finding(check, *row) if row else Finding(check, 0)
