"""Lists of the back-office that are read by their key: nothing is counted and nothing is skipped over.

A page costs the same at the first row and at the millionth. A list is ordered by its admin's `keyset` and by nothing
else, so that an index gives the order (`dreamland.lib.admin.ReadOnlyAdmin`).
"""

import json
from collections.abc import Sequence
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.http import HttpRequest
from unfold.views import ChangeList

from dreamland.lib.pages import list_doors_of

AFTER, BEFORE = "after", "before"


class KeysetChangeList(ChangeList):
    """A page of a list: the rows after or before a key. `older` and `newer` lead on, and are empty at the ends."""

    model_admin: Any  # a dreamland.lib.admin.ListPage, which imports this module

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        given = request.GET.copy()
        self.after, self.before = (given.pop(name, [""])[-1] for name in (AFTER, BEFORE))
        request.GET = given  # type: ignore[assignment]  # what is left are filters
        self.older = self.newer = ""
        super().__init__(request, *args, **kwargs)
        self.title = str(self.opts.verbose_name_plural)
        filters = request.GET.urlencode()
        exports = self.model_admin.export_doors(f"?{filters}" if filters else "")
        self.doors = [*exports, *self.model_admin.list_doors(request), *list_doors_of(request, self.model._meta.label)]

    def get_ordering(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> list[Any]:
        """The keyset: the address has no say in it."""
        return list(self.model_admin.get_keyset(request))

    def get_results(self, request: HttpRequest) -> None:
        keyset, size = self.model_admin.get_keyset(request), self.list_per_page
        rows = self.queryset
        if cursor := self.before or self.after:
            rows = rows.filter(beyond(self.model, keyset, cursor, backwards=bool(self.before)))
        if self.before:
            rows = rows.order_by(*turned(keyset))
        found = list(rows[: size + 1])
        more, page = len(found) > size, found[:size]
        if self.before:
            page.reverse()
        if page and (more or self.before):
            self.older = self.get_query_string({AFTER: key_of(page[-1], keyset)})
        if page and (self.after or (self.before and more)):
            self.newer = self.get_query_string({BEFORE: key_of(page[0], keyset)})
        self.result_list = self.model_admin.complete_page(page)
        self.result_count = self.full_result_count = len(page)
        self.show_full_result_count = self.show_admin_actions = self.can_show_all = self.multi_page = False
        self.paginator = self.model_admin.get_paginator(request, page, size)


def turned(keyset: Sequence[str]) -> list[str]:
    """The same order from the other end."""
    return [name[1:] if name.startswith("-") else f"-{name}" for name in keyset]


def key_of(row: models.Model, keyset: Sequence[str]) -> str:
    """Where a row stands in the order of `keyset`, as text for an address."""
    return json.dumps([str(getattr(row, name.lstrip("-"))) for name in keyset])


def beyond(model: type[models.Model], keyset: Sequence[str], cursor: str, *, backwards: bool) -> Q:
    """The rows that follow `cursor` in the order of `keyset`, or come before it. All its fields go in one direction.

    Raises IncorrectLookupParameters for a cursor that no page gave out.
    """
    names = [name.lstrip("-") for name in keyset]
    try:
        values = [_field(model, name).to_python(value) for name, value in zip(names, json.loads(cursor), strict=True)]
    except (ValueError, TypeError, ValidationError) as error:
        raise IncorrectLookupParameters(error) from error
    word = "lt" if keyset[0].startswith("-") != backwards else "gt"
    wanted = Q(**{f"{names[-1]}__{word}": values[-1]})
    for name, value in reversed(list(zip(names[:-1], values[:-1], strict=True))):
        # The first part lets an index find the place; the second one is the order.
        wanted = Q(**{f"{name}__{word}e": value}) & (Q(**{f"{name}__{word}": value}) | wanted)
    return wanted


def _field(model: type[models.Model], name: str) -> Any:
    """The field of that name; of a foreign key, what it refers to."""
    field: Any = model._meta.pk if name == "pk" else model._meta.get_field(name.removesuffix("_id"))
    return field.target_field if field.is_relation else field
