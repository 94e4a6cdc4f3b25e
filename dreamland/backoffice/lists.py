"""A list of the back-office as a sheet: its rows with these filters, for whoever may see it, every value exact."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.auth.models import User
from django.contrib.messages.storage.cookie import CookieStorage
from django.db import connection, models, transaction
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone
from django.utils.text import capfirst

from dreamland.lib.admin import ListPage, list_address
from dreamland.lib.errors import DomainError
from dreamland.lib.exporting import Sheet
from dreamland.lib.fields import Xid8Field


class NotExportable(DomainError):
    """There is no such list, it may not leave the house, or this person may not see it."""

    code = "not-found"


class TooManyRows(DomainError):
    """More rows than one file may have."""

    code = "invalid"


@contextmanager
def snapshot() -> Iterator[None]:
    """Everything read inside is as of one instant."""
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute(f"SET LOCAL statement_timeout = {int(settings.EXPORT_STATEMENT_TIMEOUT_MS)}")
        yield


def list_page(label: str) -> ListPage:
    """The admin of a list that may be exported. Raises NotExportable."""
    try:
        page = admin.site._registry.get(apps.get_model(label))
    except (LookupError, ValueError):
        page = None
    if not isinstance(page, ListPage) or not page.exports:
        raise NotExportable("there is no such list to export")
    return page


def rows_of(label: str, query: str, person: User) -> models.QuerySet[Any]:
    """The rows of the list, filtered and searched as its page would. Raises NotExportable."""
    page = list_page(label)
    request = RequestFactory().get(f"{reverse(list_address(page.model))}?{query}")
    request.user = person
    request._messages = CookieStorage(request)  # type: ignore[attr-defined]  # a search that is refused says so
    if not page.has_view_permission(request):
        raise NotExportable("there is no such list to export")
    try:
        found: models.QuerySet[Any] = page.get_changelist_instance(request).queryset
    except IncorrectLookupParameters as error:
        raise NotExportable("the filters of the list are none") from error
    return found


def sheet_of(label: str, query: str, person: User) -> Sheet:
    """The whole list as a sheet; its rows are read when they are written, inside `snapshot`. Raises NotExportable."""
    page = list_page(label)
    rows = rows_of(label, query, person)
    fields = [field for field in page.opts.concrete_fields if _leaves(page, field)]
    users = dict(User.objects.values_list("pk", "username"))
    people = {place for place, field in enumerate(fields) if field.related_model is User}

    def read() -> Iterator[list[Any]]:
        found = rows.select_related(None).values_list(*(field.attname for field in fields))
        for count, row in enumerate(found.iterator(chunk_size=settings.EXPORT_CHUNK_ROWS), start=1):
            if count > settings.EXPORT_MAX_ROWS:
                raise TooManyRows(f"a file has at most {settings.EXPORT_MAX_ROWS:,} rows; narrow the filters")
            yield [users.get(value) if place in people else value for place, value in enumerate(row)]

    title = str(capfirst(page.opts.verbose_name_plural or label))
    return Sheet(
        title=title,
        headers=[
            field.name if field.is_relation and field.related_model is User else field.attname for field in fields
        ],
        rows=read(),
        facts={
            "List": title,
            "Filters": query or "none",
            "As of": timezone.now(),
            "Times": "UTC",
            "Exported by": person.get_username(),
        },
        adds_up=page.export_totals,
        totals_by=page.export_totals_by,
    )


def _leaves(page: ListPage, field: Any) -> bool:
    """Whether a column is in files: digests, secrets' hashes and transaction ids are not."""
    return not isinstance(field, models.BinaryField | Xid8Field) and field.name not in page.export_hides
