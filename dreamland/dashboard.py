"""The first page and the menu of the back-office: what the apps register, put together."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.text import capfirst

from dreamland.lib import tiles
from dreamland.lib.admin import list_address

MENUS = ("Books", "Corrections", "Conversion", "Players and wins", "Operations", "People")
PEOPLE, OTHER = "People", "More"
ICON = "table_rows"


def show(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the first page shows to this person (UNFOLD: DASHBOARD_CALLBACK)."""
    context |= {
        "title": "Overview",
        "as_of": timezone.now(),
        "tiles": tiles.tiles(request),
        "charts": tiles.charts(request),
    }
    return context


def style(request: HttpRequest) -> str:
    """Our style sheet (UNFOLD: STYLES)."""
    return static("dreamland/backoffice.css")


def icon(request: HttpRequest) -> str:
    """Our mark in the tab of a browser (UNFOLD: SITE_FAVICONS)."""
    return static("dreamland/icon.svg")


def menu(request: HttpRequest) -> list[dict[str, Any]]:
    """Every list that this person may see, under the menu that its admin names (UNFOLD: SIDEBAR)."""
    reports = reverse("admin:ledger_account_trialbalance")
    found: dict[str, list[tuple[int, dict[str, Any]]]] = {name: [] for name in (*MENUS, OTHER)}
    for model, page in admin.site._registry.items():
        if not page.has_module_permission(request) or not page.has_view_permission(request):
            continue
        section = getattr(page, "menu", None) or (PEOPLE if model._meta.app_label == "auth" else OTHER)
        entry = {
            "title": capfirst(model._meta.verbose_name_plural),
            "icon": getattr(page, "icon", ICON),
            "link": (address := reverse(list_address(model))),
            "active": request.path.startswith(address) and not request.path.startswith(reports),
        }
        found.setdefault(section, []).append((getattr(page, "menu_order", 100), entry))
    if request.user.has_perm("ledger.view_account"):
        active = request.path.startswith(reports)
        entry = {"title": "Trial balance", "icon": "balance", "link": reports, "active": active}
        found["Books"].append((25, entry))
    first = {"items": [{"title": "Overview", "icon": "dashboard", "link": reverse("admin:index")}]}
    sections = (
        {"title": name, "separator": True, "items": [entry for _, entry in sorted(entries, key=_place)]}
        for name, entries in found.items()
        if entries
    )
    return [first, *sections]


def _place(entry: tuple[int, dict[str, Any]]) -> tuple[int, str]:
    return entry[0], str(entry[1]["title"])
