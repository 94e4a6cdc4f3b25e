"""Anchors: where the links of the chain are kept outside the database, so that a chain that is made anew is found.

A file that only grows (LEDGER_ANCHOR_FILE), and object storage or whatever else can keep and give back a link: the
functions LEDGER_ANCHOR_HOOK and LEDGER_ANCHOR_READER. Each goes on by itself behind the last link that it holds, so one
that is away catches up later and holds up nobody. Source: docs/operations.md, "Anchoring".
"""

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings
from django.db import connection
from django.utils.module_loading import import_string

from dreamland.lib.durable import append_line
from ledger.models import REASON_MAX_LENGTH

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
TYPES = {field.name: int if field.type is int else str for field in fields(Link)}


def as_link(found: object) -> Link:
    """A link as an anchor gave it back. Raises ValueError for anything else."""
    if not isinstance(found, Mapping) or {name: type(value) for name, value in found.items()} != TYPES:
        raise ValueError("not a link")
    return Link(**found)


class AnchorUnavailable(OSError):
    """An anchor cannot be read or written now. Nothing is known to be wrong; nothing is proved either."""


class Anchor(Protocol):
    """One place outside the database. Both raise AnchorUnavailable."""

    @property
    def name(self) -> str:
        """What people know it by."""

    def read(self, after: int) -> dict[int, Link]:
        """The links behind number `after` that it holds; of two with one number the first counts."""

    def append(self, link: Link) -> None:
        """Keeps a link. It may be given one that it has already."""


@dataclass(frozen=True, slots=True)
class FileAnchor:
    """A line of JSON for each link, in a file that is only appended to."""

    name: str

    def read(self, after: int) -> dict[int, Link]:
        """A line that is cut off or was overwritten is no link."""
        links: dict[int, Link] = {}
        try:
            lines = Path(self.name).read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return links
        except OSError as error:
            raise AnchorUnavailable(str(error)) from error
        for line in lines:
            try:
                link = as_link(json.loads(line))
            except (ValueError, RecursionError):
                continue
            if link.number > after:
                links.setdefault(link.number, link)
        return links

    def append(self, link: Link) -> None:
        """Returns when it is on the disk."""
        path = Path(self.name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            append_line(path, json.dumps(asdict(link), sort_keys=True), mode=0o640)
        except OSError as error:
            raise AnchorUnavailable(str(error)) from error


@dataclass(frozen=True, slots=True)
class HookAnchor:
    """Two functions by their paths: `name` takes a link as a mapping, `reader` gives those behind a number."""

    name: str
    reader: str

    def read(self, after: int) -> dict[int, Link]:
        """What the reader gives."""
        links: dict[int, Link] = {}
        try:
            read: Callable[[int], Iterable[Mapping[str, Any]]] = import_string(self.reader)
            for link in map(as_link, read(after)):
                if link.number > after:
                    links.setdefault(link.number, link)
        except Exception as error:  # a hook is another's code, and any of its errors means the same
            raise AnchorUnavailable(f"{self.reader}: {error}") from error
        return links

    def append(self, link: Link) -> None:
        """Whatever the hook does with it."""
        try:
            write: Callable[[Mapping[str, Any]], None] = import_string(self.name)
            write(asdict(link))
        except Exception as error:
            raise AnchorUnavailable(f"{self.name}: {error}") from error


def anchors() -> list[Anchor]:
    """Those that the settings name."""
    named: list[Anchor] = []
    if settings.LEDGER_ANCHOR_FILE:
        named.append(FileAnchor(settings.LEDGER_ANCHOR_FILE))
    if settings.LEDGER_ANCHOR_HOOK:
        named.append(HookAnchor(settings.LEDGER_ANCHOR_HOOK, settings.LEDGER_ANCHOR_READER))
    return named


def stored_links(after: int = 0) -> list[Link]:
    """The links in the database behind number `after`, in order."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {LINK} FROM ledger_seal WHERE number > %s ORDER BY number", [after])
        return [Link(*row) for row in cursor.fetchall()]


def anchor_what_is_missing() -> None:
    """Gives each anchor the links behind the last one that it holds; one that is away does not keep the others waiting.

    How it went is noted for each (`AnchorHealth`). Raises AnchorUnavailable, at the end, where one was.
    """
    failed: list[AnchorUnavailable] = []
    named = anchors()
    for anchor in named:
        try:
            holds = _last_in(anchor)
            for link in stored_links(after=holds):
                anchor.append(link)
                holds = link.number
                logger.info("seal anchored", extra={**asdict(link), "anchor": anchor.name})
        except AnchorUnavailable as error:
            logger.error("an anchor is away", extra={"anchor": anchor.name, "reason": str(error)})
            _note(anchor, failed=str(error))
            failed.append(error)
        else:
            _note(anchor, holds=holds)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM ledger_anchorhealth WHERE anchor <> ALL(%s)", [[anchor.name for anchor in named]])
    if failed:
        raise failed[0]


NOTE = """
INSERT INTO ledger_anchorhealth AS health (anchor, holds, reached_at, failed_at, reason, failures)
VALUES (%(anchor)s, coalesce(%(holds)s, 0), CASE WHEN %(reason)s = '' THEN clock_timestamp() END,
        CASE WHEN %(reason)s <> '' THEN clock_timestamp() END, %(reason)s, (%(reason)s <> '')::int)
ON CONFLICT (anchor) DO UPDATE SET
    holds = coalesce(%(holds)s, health.holds),
    reached_at = coalesce(excluded.reached_at, health.reached_at),
    failed_at = coalesce(excluded.failed_at, health.failed_at),
    reason = excluded.reason,
    failures = CASE excluded.failures WHEN 0 THEN 0 ELSE health.failures + 1 END
"""


def _note(anchor: Anchor, *, holds: int | None = None, failed: str = "") -> None:
    reason = failed.replace("\x00", "\N{REPLACEMENT CHARACTER}")[:REASON_MAX_LENGTH]
    with connection.cursor() as cursor:
        cursor.execute(NOTE, {"anchor": anchor.name, "holds": holds, "reason": reason})


def _last_in(anchor: Anchor) -> int:
    """The number of the last link that an anchor holds. Its newest are asked for first: there may be very many."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(number), 0) FROM ledger_seal")
        (newest,) = cursor.fetchone()
    near = max(0, newest - settings.ANCHOR_LOOK_BACK)
    return max(anchor.read(near), default=0) or (max(anchor.read(0), default=0) if near else 0)


Anchored = Sequence[tuple[str, Mapping[int, Link]]]


def anchored_links() -> Anchored:
    """What every anchor holds, by its name. Raises AnchorUnavailable."""
    return [(anchor.name, anchor.read(0)) for anchor in anchors()]


def differences_from(anchored: Anchored) -> Iterator[tuple[str, str]]:
    """What an anchor and the database say otherwise: (seal, problem), oldest first.

    A seal that an anchor does not know is one too, once ANCHOR_GRACE has passed: one that is gone, moved or cut would
    otherwise agree with everything.
    """
    stored = {link.number: link for link in stored_links()}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT number FROM ledger_seal WHERE sealed_at < clock_timestamp() - make_interval(secs => %s)",
            [settings.ANCHOR_GRACE.total_seconds()],
        )
        due = {row[0] for row in cursor.fetchall()}
    for name, links in anchored:
        for number in sorted(links.keys() | (due - links.keys())):
            link, ours = links.get(number), stored.get(number)
            if link is None:
                yield f"seal {number}", f"not in the anchor {name}"
            elif ours is None:
                yield f"seal {number}", f"in the anchor {name}, and gone from the database"
            elif ours != link:
                yield f"seal {number}", f"digest {link.digest} in the anchor {name}, stored with {ours.digest}"
