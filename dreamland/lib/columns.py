"""Columns of the back-office's lists: amounts, ids and states look the same on every page."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from dreamland.lib.console import money

Column = Callable[[Any], Any]

# What a word in a column of states tells: colours mean the same everywhere.
GOOD, WAITS, BAD, NEWS = "success", "warning", "danger", "info"
# How a request that two people carry stands.
REQUEST_COLOURS = {
    "open": WAITS,
    "approved": GOOD,
    "refused": BAD,
    "withdrawn": NEWS,
    "expired": NEWS,
    "stale": BAD,
}


def amount(field: str, description: str | None = None) -> Column:
    """A column that shows an amount exactly: at least two decimals, and no row of zeros behind the last digit."""

    @admin.display(description=description or field.replace("_", " "), ordering=field)
    def shown(row: Any) -> str:
        return amount_text(getattr(row, field))

    shown.__name__ = f"amount_{field}"  # the style sheet sets such columns to the right
    return shown


def amount_text(value: Any) -> SafeString:
    """An amount for a page: exact, point under point, red below zero, a dash where there is none."""
    if value is None:
        return format_html('<span class="bo-none">{}</span>', "-")
    return format_html('<span class="bo-amount{}">{}</span>', " bo-minus" if value < 0 else "", money(value, 2))


def identifier(field: str, page: str = "", description: str | None = None) -> Column:
    """A column of UUIDs, shortened, whole when pointed at; `page` (`app_model`) is whose page they lead to."""

    @admin.display(description=description or field.removesuffix("_id").replace("_", " "), ordering=field)
    def shown(row: Any) -> SafeString:
        return identifier_text(getattr(row, field), page)

    shown.__name__ = f"id_{field}"
    return shown


def identifier_text(value: Any, page: str = "") -> SafeString:
    """An id for a page: its first and last characters, whole when pointed at, and a link where it has a page."""
    if value is None:
        return format_html('<span class="bo-none">{}</span>', "-")
    text = str(value)
    short = f"{text[:8]}…{text[-4:]}" if len(text) > 16 else text
    address = page_address(page, value)
    if not address:
        return format_html('<span class="bo-id" title="{}">{}</span>', text, short)
    return format_html('<a class="bo-id bo-link" title="{}" href="{}">{}</a>', text, address, short)


def page_address(page: str, key: Any) -> str:
    """Where the page of a row is; `page` is `app_model`. Empty where there is none."""
    try:
        return reverse(f"admin:{page}_change", args=[key]) if page else ""
    except NoReverseMatch:
        return ""


def listing(model: str, **filters: Any) -> str:
    """A list with a search or filters; `model` is `app_model`."""
    return f"{reverse(f'admin:{model}_changelist')}?{urlencode(filters)}"


def state(field: str, colours: Mapping[str, str], description: str | None = None) -> Column:
    """A column of words with a colour each; a word without one is grey."""

    @display(description=description or field.replace("_", " "), ordering=field, label=dict(colours))
    def shown(row: Any) -> str:
        return str(getattr(row, field))

    shown.__name__ = f"state_{field}"
    column: Column = shown
    return column
