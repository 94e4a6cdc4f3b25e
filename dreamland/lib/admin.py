"""Bases of the back-office pages."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.utils import label_for_field, lookup_field, unquote
from django.core.exceptions import FieldDoesNotExist, PermissionDenied
from django.core.paginator import Paginator
from django.db import models
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.text import capfirst
from unfold.admin import ModelAdmin

from dreamland.lib.columns import amount, identifier, page_address, state
from dreamland.lib.exporting import FORMATS
from dreamland.lib.pages import Block, Door, Facts, Link, Page, doors_of, render
from dreamland.lib.paging import KeysetChangeList

__all__ = ["ListPage", "ReadOnly", "ReadOnlyAdmin", "amount", "identifier", "state"]


class ReadOnly:
    """Shows and never changes: what is written comes from services alone."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


class ListPage(ModelAdmin):
    """A list that is fast however many rows there are: read by its key, never counted, searched by whole ids.

    `keyset` is its order: fields that are unique together, all upwards or all downwards ("-"), with an index.
    `search_ids` are fields with an index that hold UUIDs. `empty_text` says why a list may be empty.
    """

    keyset: Sequence[str] = ("-pk",)
    search_ids: Sequence[str] = ()
    empty_text = ""
    # Whether it may leave the house as a file, without which columns, and which of them are added up (by the asset).
    exports = False
    export_hides: Sequence[str] = ()
    export_totals: Sequence[str] = ()
    export_totals_by = ""
    links_filter_by: Sequence[str] = ()  # what addresses of other pages may ask for, beside the filters
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    change_list_template = "backoffice/change_list.html"

    def lookup_allowed(self, lookup: str, value: str, request: Any = None) -> bool:
        return lookup in self.links_filter_by or bool(super().lookup_allowed(lookup, value, request))

    def get_keyset(self, request: HttpRequest) -> Sequence[str]:
        """The order of the list, which a filter may need to change."""
        return self.keyset

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return tuple(self.get_keyset(request))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return KeysetChangeList

    def complete_page(self, rows: list[Any]) -> list[Any]:
        """The rows of a page, with what else its columns show: in a fixed number of statements."""
        return rows

    def list_doors(self, request: HttpRequest) -> list[Door]:
        """Buttons above the list."""
        return []

    def export_doors(self, filters: str) -> list[Door]:
        """The list with these filters as a file."""
        if not self.exports:
            return []
        return [
            Door(name.upper(), f"{reverse('admin:backoffice_export_new', args=[self.opts.label_lower, name])}{filters}")
            for name in FORMATS
        ]

    def get_paginator(self, request: HttpRequest, queryset: Any, per_page: int, *args: Any, **kwargs: Any) -> Any:
        """Only ever of one page that was read: a list never counts."""
        return Paginator(queryset if isinstance(queryset, list) else [], per_page)

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return tuple(self.search_fields) or tuple(self.search_ids)

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Any], search_term: str
    ) -> tuple[models.QuerySet[Any], bool]:
        if not self.search_ids:
            return super().get_search_results(request, queryset, search_term)
        words = search_term.split()
        return (self.search(queryset, words) if words else queryset), False

    def search(self, queryset: models.QuerySet[Any], words: Sequence[str]) -> models.QuerySet[Any]:
        """The rows that the words name. Words that are no id name none."""
        wanted = as_uuid(words[0]) if len(words) == 1 else None
        if wanted is None:
            return queryset.none()
        found = Q()
        for field in self.search_ids:
            found |= Q(**{field: wanted})
        return queryset.filter(found)


class ReadOnlyAdmin(ReadOnly, ListPage):  # type: ignore[misc]  # unfold over Django's stubs
    """A list and a page of rows that nobody edits."""

    actions = None

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """The page of a row; there is no form in it, and no other method than reading."""
        only_looks(request)
        if object_id is None:
            raise PermissionDenied
        no_key_has_nul(object_id)
        row = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        if row is None:
            raise Http404
        return render(request, self.page(request, row))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        only_looks(request)
        return super().changelist_view(request, extra_context)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        only_looks(request)
        no_key_has_nul(object_id)
        answer: HttpResponse = super().history_view(request, object_id, extra_context)
        return answer

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        raise PermissionDenied

    def page(self, request: HttpRequest, row: Any) -> Page:
        """What stands on the page of a row."""
        return Page(
            title=self.page_title(row),
            blocks=self.blocks(request, row),
            path=self.path(),
            subtitle=self.page_subtitle(row),
            doors=[*self.doors(request, row), *doors_of(request, row)],
        )

    def path(self) -> list[tuple[str, str]]:
        """The way to the pages of this list."""
        return [(str(capfirst(self.opts.verbose_name_plural)), reverse(list_address(self.model)))]

    def page_title(self, row: Any) -> str:
        return f"{capfirst(self.opts.verbose_name)} {row.pk}"

    def page_subtitle(self, row: Any) -> str:
        return ""

    def blocks(self, request: HttpRequest, row: Any) -> list[Block]:
        """Every field of the row; apps say it better where people come often."""
        shown: Sequence[Any] = self.fields or [field.name for field in self.opts.concrete_fields]
        return [Facts([self._fact(name, row) for name in shown])]

    def _fact(self, name: str, row: Any) -> tuple[str, Any]:
        try:
            field: Any = self.opts.get_field(name)
        except FieldDoesNotExist:  # a column that the admin makes
            *_, value = lookup_field(name, row, self)
            return str(label_for_field(name, self.model, self)).capitalize(), value
        value = getattr(row, field.attname)
        if field.is_relation and value is not None:
            model = field.related_model._meta
            text = getattr(row, field.name) if model.app_label == "auth" else value
            value = Link(text, page_address(f"{model.app_label}_{model.model_name}", value))
        return str(capfirst(field.verbose_name)), value

    def doors(self, request: HttpRequest, row: Any) -> list[Door]:
        """Buttons that lead on from the row."""
        return []


def only_looks(request: HttpRequest) -> None:
    """Refuses every method that is not reading."""
    if request.method not in {"GET", "HEAD"}:
        raise PermissionDenied


def no_key_has_nul(object_id: str) -> None:
    """404 for what PostgreSQL could not even compare with a key."""
    if "\x00" in unquote(object_id):
        raise Http404


def list_address(model: type[models.Model]) -> str:
    """The name of the address of a model's list."""
    return f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"


def as_uuid(text: str) -> UUID | None:
    """The id that the text is, if it is one."""
    try:
        return UUID(text)
    except ValueError:
        return None
