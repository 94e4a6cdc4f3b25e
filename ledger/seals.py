"""Seals: a chain of digests over the journal, made off the request path and anchored outside the database.

A seal that only the database knows can be made anew by whoever changes the database (ledger/anchors.py).
"""

import logging
from dataclasses import asdict

from django.conf import settings
from django.db import connection, transaction

from ledger.anchors import LINK, Link, anchor_what_is_missing

logger = logging.getLogger(__name__)


def seal_journal() -> tuple[Link, ...]:
    """Seals everything that can gain no predecessor any more, and anchors it; the links made by this call.

    Off the request path, safe twice and by several processes at once. A link whose anchoring failed or was cut off by a
    crash is anchored by the next call. Raises AnchorUnavailable where an anchor is away; the seals are made even so.
    """
    made: list[Link] = []
    while True:
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute(f"SELECT {LINK} FROM seal_journal(%s)", [settings.SEAL_ENTRIES])
            row = cursor.fetchone()
        if row is None:
            break
        made.append(Link(*row))
        logger.info("journal sealed", extra=asdict(made[-1]))
    anchor_what_is_missing()
    return tuple(made)
