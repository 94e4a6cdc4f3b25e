"""Bases of the back-office pages."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from dreamland.lib.console import money


class ReadOnly:
    """Shows and never changes: what is written comes from services alone."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


class ReadOnlyAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]  # unfold over Django's stubs
    """A list and a page of rows that nobody edits; fast however many there are, so it never counts them all."""

    list_per_page = 50
    show_full_result_count = False
    actions = None


def amount(field: str, description: str | None = None) -> Callable[[Any], str]:
    """A column that shows an amount exactly: at least two decimals, and no row of zeros behind the last digit."""

    @admin.display(description=description or field.replace("_", " "), ordering=field)
    def shown(row: Any) -> str:
        value = getattr(row, field)
        return "-" if value is None else money(value, 2)

    return shown
