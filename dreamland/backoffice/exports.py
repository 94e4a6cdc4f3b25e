"""Files of lists: small ones at once, large ones by a worker, kept for a day for whoever asked.

The row is the queue and the message is a doorbell: a message that is lost is made up for by the next tick.
"""

import logging
import zlib
from collections.abc import Iterator
from tempfile import TemporaryFile
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Q
from django.utils import timezone

from dreamland.backoffice.lists import NotExportable, list_page, rows_of, sheet_of, snapshot
from dreamland.backoffice.models import Export, ExportPart, TaskFailure
from dreamland.lib.errors import DomainError
from dreamland.lib.exporting import FORMATS, Sheet, csv_lines, write_xlsx

State = Export.State
logger = logging.getLogger(__name__)


class TooManyExports(DomainError):
    """This person waits for others already."""

    code = "rate-limited"


def fits_at_once(what: str, query: str, person: User) -> bool:
    """Whether the list has no more rows than are sent at once. Looks no further than that. Raises NotExportable."""
    limit = settings.EXPORT_DIRECT_ROWS
    return not rows_of(what, query, person)[limit : limit + 1].exists()


def streamed(sheet: Sheet) -> Iterator[str]:
    """The sheet as CSV, read while it is sent, as of one instant."""
    with snapshot():
        yield from csv_lines(sheet)


def ask_for_export(*, what: str, query: str, file_format: str, person: User) -> UUID:
    """Puts a file on the queue; returns its id. Raises NotExportable, TooManyExports."""
    list_page(what)
    if file_format not in FORMATS:
        raise NotExportable("there is no such format")
    waiting = Export.objects.filter(asked_by=person, state__in=[State.QUEUED, State.RUNNING]).count()
    if waiting >= settings.EXPORTS_PER_PERSON:
        raise TooManyExports(f"you wait for {waiting} files already")
    return Export.objects.create(what=what, query=query, file_format=file_format, asked_by=person).pk


def make_exports() -> int:
    """Makes every file that waits, oldest first, and forgets what is past its time; how many were made."""
    now = timezone.now()
    Export.objects.filter(expires_at__lte=now).delete()
    TaskFailure.objects.filter(at__lte=now - settings.TASK_FAILURES_KEPT).delete()
    given_up = Q(state=State.RUNNING, started_at__lte=now - settings.EXPORT_GIVEN_UP_AFTER)
    made = 0
    for export_id in (
        Export.objects.filter(Q(state=State.QUEUED) | given_up).order_by("id").values_list("pk", flat=True)
    ):
        made += make_export(export_id=export_id)
    return made


def make_export(*, export_id: UUID) -> bool:
    """Makes one file, if nobody else does. Trouble is written on the row, and no half of a file is left."""
    now = timezone.now()
    free = Q(state=State.QUEUED) | Q(state=State.RUNNING, started_at__lte=now - settings.EXPORT_GIVEN_UP_AFTER)
    if not Export.objects.filter(free, pk=export_id).update(state=State.RUNNING, started_at=now, rows=0):
        return False
    export = Export.objects.select_related("asked_by").get(pk=export_id)
    export.parts.all().delete()
    person: User = export.asked_by
    try:
        if not person.is_active:
            raise NotExportable("whoever asked has left")
        sheet = sheet_of(export.what, export.query, person)
        beside = connection.copy()  # what is written commits while the snapshot is still being read
        try:
            with snapshot():
                _write(export, sheet, beside)
        finally:
            beside.close()
    except DomainError as refused:
        _end(export_id, State.FAILED, problem=refused.detail)
    except Exception as error:  # whatever it was, the row must not say "running" for ever
        logger.exception("an export failed")
        _end(export_id, State.FAILED, problem=type(error).__name__)
        raise
    else:
        _end(export_id, State.DONE, rows=sheet.count)
    return True


def _write(export: Export, sheet: Sheet, beside: BaseDatabaseWrapper) -> None:
    keep = _Keeper(export.pk, sheet, beside)
    if export.file_format == "csv":
        for line in csv_lines(sheet):
            keep.add(line.encode())
        keep.flush()
        return
    with TemporaryFile() as file:
        write_xlsx([sheet], file)
        file.seek(0)
        while piece := file.read(settings.EXPORT_PART_BYTES):
            keep.add(piece)
        keep.flush()


class _Keeper:
    """Keeps a file in pieces, and says on its row how far it is."""

    def __init__(self, export_id: UUID, sheet: Sheet, beside: BaseDatabaseWrapper) -> None:
        self.export_id, self.sheet, self.beside = export_id, sheet, beside
        self.number, self.piece = 0, bytearray()

    def add(self, content: bytes) -> None:
        self.piece += content
        if len(self.piece) >= settings.EXPORT_PART_BYTES:
            self.flush()

    def flush(self) -> None:
        if not self.piece:
            return
        self.number += 1
        with self.beside.cursor() as cursor:
            cursor.execute(
                "INSERT INTO backoffice_exportpart (export_id, number, content) VALUES (%s, %s, %s)",
                [self.export_id, self.number, zlib.compress(bytes(self.piece), 6)],
            )
            cursor.execute("UPDATE backoffice_export SET rows = %s WHERE id = %s", [self.sheet.count, self.export_id])
        self.piece.clear()


def _end(export_id: UUID, state: str, *, rows: int = 0, problem: str = "") -> None:
    now = timezone.now()
    if state == State.FAILED:
        ExportPart.objects.filter(export=export_id).delete()
    Export.objects.filter(pk=export_id).update(
        state=state, finished_at=now, expires_at=now + settings.EXPORT_KEPT, rows=rows, problem=problem
    )


def pieces(export: Export) -> Iterator[bytes]:
    """The file, piece by piece."""
    for content in export.parts.order_by("number").values_list("content", flat=True).iterator(chunk_size=1):
        yield zlib.decompress(bytes(content))
