"""What verifications found, kept: where the next incremental one begins, and how long ago the books were proved."""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection

from ledger.models import VerificationRun
from ledger.verification import Check, Frontier, Verification, verify

Mode = VerificationRun.Mode
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class VerificationRecord:
    """How a verification came out. `age`: by the database's clock, when this was read; `seconds`: that it took.

    `findings`: a dict for each broken claim with `check`, `rows`, and of the first wrong row `subject` and `problem`.
    """

    mode: str
    as_of: datetime
    age: timedelta
    seconds: Decimal
    is_clean: bool
    findings: tuple[dict[str, Any], ...]


LATEST = """
SELECT run.mode, run.as_of, clock_timestamp() - run.as_of, run.seconds, run.is_clean, run.findings::text
FROM (VALUES ('full'), ('incremental')) AS wanted (mode)
CROSS JOIN LATERAL (
    SELECT * FROM ledger_verificationrun WHERE mode = wanted.mode ORDER BY id DESC LIMIT 1
) run
ORDER BY run.mode
"""


def latest_verifications() -> dict[str, VerificationRecord]:
    """The latest verification of each mode, `full` and `incremental`; one that never ran is missing. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(LATEST)
        rows = cursor.fetchall()
    return {
        mode: VerificationRecord(mode, as_of, age, seconds, is_clean, tuple(json.loads(findings)))
        for mode, as_of, age, seconds, is_clean, findings in rows
    }


LAST_CLEAN = """
SELECT run.horizon::text, run.as_of FROM ledger_verificationrun run
WHERE run.is_clean AND NOT EXISTS (
    SELECT FROM ledger_verificationrun later WHERE later.id > run.id AND later.mode = 'full' AND NOT later.is_clean
)
ORDER BY run.id DESC LIMIT 1
"""


def last_clean() -> Frontier | None:
    """From where an incremental verification has to look; None where none was clean yet.

    None too after a full one that found something: it lies where a quick look cannot see, and must not be forgotten.
    """
    with connection.cursor() as cursor:
        cursor.execute(LAST_CLEAN)
        row = cursor.fetchone()
    return Frontier(*row) if row else None


def verify_and_record(
    mode: Mode, *, workers: int = 1, progress: Callable[[Check], None] = lambda _: None
) -> Verification:
    """Verifies and keeps how it came out. Incremental: since the last clean one; full where `last_clean` has none."""
    started = time.monotonic()
    since = last_clean() if mode == Mode.INCREMENTAL else None
    verification = verify(since=since, workers=workers, progress=progress)
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


def verify_what_is_due() -> Verification:
    """What is new, every time; everything, where the last full verification is VERIFY_FULL_EVERY old."""
    full = latest_verifications().get(Mode.FULL)
    is_due = full is None or full.age >= settings.VERIFY_FULL_EVERY
    return verify_and_record(Mode.FULL if is_due else Mode.INCREMENTAL, workers=settings.VERIFY_WORKERS)
