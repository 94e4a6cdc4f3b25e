"""Bases of the back-office pages."""

from typing import Any

from django.db import models
from django.http import HttpRequest
from unfold.admin import ModelAdmin


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
