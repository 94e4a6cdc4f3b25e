"""Seals: a chain of digests over the journal, also kept where nobody who falsifies the database can reach.

A seal that only the database knows can be made anew by whoever changes the database. So each one is anchored: one line
appended to LEDGER_ANCHOR_FILE and one line in the log, and whatever LEDGER_ANCHOR_HOOK does with it (object storage
with a retention lock, another company's clock). Verification compares the chain with the file.
"""

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils.module_loading import import_string

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Link:
    """A seal as it is anchored. `digest` in hexadecimal; `ends` is the first transaction id behind it."""

    number: int
    hash_version: int
    starts: str
    ends: str
    entries: int
    digest: str


LINK = "number, hash_version, starts::text, ends::text, entries, encode(digest, 'hex')"


def seal_journal() -> tuple[Link, ...]:
    """Seals everything that can gain no predecessor any more, and anchors it; the links made by this call.

    Off the request path, safe twice and by several processes at once. A link whose anchoring failed or was cut off by a
    crash is anchored by the next call.
    """
    made: list[Link] = []
    while True:
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute(f"SELECT {LINK} FROM seal_journal(%s)", [settings.SEAL_ENTRIES])
            row = cursor.fetchone()
        if row is None:
            break
        made.append(Link(*row))
    anchor_what_is_missing()
    return tuple(made)


def anchor_what_is_missing() -> None:
    """Appends to the anchor every link behind the last one that it holds."""
    anchored = max(anchored_links(), default=0)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {LINK} FROM ledger_seal WHERE number > %s ORDER BY number", [anchored])
        for row in cursor.fetchall():
            anchor(Link(*row))


def anchor(link: Link) -> None:
    """Makes one link known outside the database."""
    line = json.dumps(asdict(link), sort_keys=True)
    if settings.LEDGER_ANCHOR_FILE:
        path = Path(settings.LEDGER_ANCHOR_FILE)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
        try:
            # What a crash cut off stays a line of its own, which is no link; the new one begins below it.
            os.write(descriptor, f"\n{line}\n".encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    logger.info("journal sealed", extra=asdict(link))
    if settings.LEDGER_ANCHOR_HOOK:
        hook: Callable[[Mapping[str, Any]], None] = import_string(settings.LEDGER_ANCHOR_HOOK)
        hook(asdict(link))


def anchored_links() -> dict[int, Link]:
    """The links in the anchor file by number; the first line of a number counts. A line cut off by a crash is none."""
    links: dict[int, Link] = {}
    if not settings.LEDGER_ANCHOR_FILE or not Path(settings.LEDGER_ANCHOR_FILE).exists():
        return links
    for line in Path(settings.LEDGER_ANCHOR_FILE).read_text(encoding="utf-8").splitlines():
        try:
            link = Link(**json.loads(line))
        except (ValueError, TypeError):
            continue
        links.setdefault(link.number, link)
    return links


def differences_from(anchored: Mapping[int, Link]) -> Iterator[tuple[str, str]]:
    """What the anchor and the database say otherwise: (seal, problem), oldest first.

    A seal that the anchor does not know is one too, once ANCHOR_GRACE has passed: a file that is gone, moved or cut
    would otherwise agree with everything.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {LINK} FROM ledger_seal")
        stored = {row[0]: Link(*row) for row in cursor.fetchall()}
        cursor.execute(
            "SELECT number FROM ledger_seal WHERE sealed_at < clock_timestamp() - make_interval(secs => %s)",
            [settings.ANCHOR_GRACE.total_seconds()],
        )
        due = {row[0] for row in cursor.fetchall()} if settings.LEDGER_ANCHOR_FILE else set()
    for number in sorted(anchored.keys() | (due - anchored.keys())):
        if number not in anchored:
            yield f"seal {number}", f"not in the anchor {settings.LEDGER_ANCHOR_FILE}"
        elif number not in stored:
            yield f"seal {number}", "anchored, and gone from the database"
        elif stored[number] != anchored[number]:
            link = anchored[number]
            yield f"seal {number}", f"anchored with digest {link.digest}, stored with {stored[number].digest}"
