"""Filters of the back-office's lists. Each is for a column with an index; none reads a table to find its choices."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db import models
from django.http import HttpRequest
from unfold.contrib.filters.admin import RangeDateTimeFilter


class InstantRange(RangeDateTimeFilter):
    """From an instant up to, not including, another, in UTC; a date without a time is its midnight."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = f"{self.title}, UTC"

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        bounds = {"from": "gte", "to": "lt"}
        wanted = {
            f"{self.parameter_name}__{lookup}": instant
            for side, lookup in bounds.items()
            if (instant := self._instant(side)) is not None
        }
        return queryset.filter(**wanted)

    def _instant(self, side: str) -> datetime | None:
        day, time = (self.used_parameters.get(f"{self.parameter_name}_{side}_{part}") for part in (0, 1))
        if not day:
            return None
        try:
            return datetime.fromisoformat(f"{day}T{time or '00:00'}").replace(tzinfo=UTC)
        except ValueError as error:
            raise IncorrectLookupParameters(error) from error


class WhetherSet(admin.FieldListFilter):
    """Rows that have a value there; by a partial index, so that rare ones are found at once."""

    named = chosen_as = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = self.named

    def expected_parameters(self) -> list[str | None]:
        return [f"{self.field_path}__isnull"]

    def choices(self, changelist: Any) -> Iterator[Any]:
        name = f"{self.field_path}__isnull"
        chosen = self.used_parameters.get(name)
        yield {"selected": not chosen, "query_string": changelist.get_query_string(remove=[name]), "display": "All"}
        yield {
            "selected": bool(chosen),
            "query_string": changelist.get_query_string({name: "False"}),
            "display": self.chosen_as,
        }

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        name = f"{self.field_path}__isnull"
        chosen = self.used_parameters.get(name)
        return queryset.filter(**{name: False}) if chosen else queryset
