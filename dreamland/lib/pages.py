"""What a page of the back-office is made of: facts, tables and doors to other pages. Typed values, so that a table can
be shown, exported and tested alike.

Apps say what stands on a page; how it looks is said once, in templates/backoffice/.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import singledispatch
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from dreamland.lib.columns import amount_text, identifier_text


@dataclass(frozen=True, slots=True)
class Link:
    """A value that leads somewhere. Without an address it is only the value."""

    value: Any
    address: str = ""


@dataclass(frozen=True, slots=True)
class Label:
    """A word with a colour that means something: one of `dreamland.lib.columns`, or grey."""

    text: str
    colour: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Named values, one below the other."""

    rows: Sequence[tuple[str, Any]]
    title: str = ""
    kind: str = field(default="facts", init=False)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headers. `numbers` are the headers whose columns stand on the right; `totals` is a last row.

    `empty` says why there are no rows; `note` stands below and says what a reader should know.
    """

    headers: Sequence[str]
    rows: Iterable[Sequence[Any]]
    title: str = ""
    numbers: Sequence[str] = ()
    totals: Sequence[Any] = ()
    empty: str = "Nothing here."
    note: str = ""
    kind: str = field(default="table", init=False)

    @property
    def columns(self) -> list[tuple[str, bool]]:
        return [(header, header in self.numbers) for header in self.headers]

    @property
    def shown_rows(self) -> list[list[tuple[str, bool, Any]]]:
        """Each cell with its header and whether it is a number: on a phone a row stands as a list."""
        return [list(self._cells(row)) for row in self.rows]

    @property
    def shown_totals(self) -> list[tuple[str, bool, Any]]:
        return list(self._cells(self.totals))

    def _cells(self, row: Sequence[Any]) -> Iterable[tuple[str, bool, Any]]:
        return ((header, header in self.numbers, cell) for header, cell in zip(self.headers, row, strict=False))


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence that must not be overlooked: "success", "info", "warning" or "danger"."""

    text: str
    colour: str = "info"
    kind: str = field(default="notice", init=False)


@dataclass(frozen=True, slots=True)
class Form:
    """A form that asks what to show (`get`) or does something (`post`)."""

    form: Any
    button: str
    method: str = "get"
    title: str = ""
    danger: bool = False
    hidden: Mapping[str, str] = field(default_factory=dict)
    action: str = ""
    kind: str = field(default="form", init=False)


@dataclass(frozen=True, slots=True)
class Door:
    """A button that leads to another page."""

    text: str
    address: str
    icon: str = ""
    is_main: bool = False


Block = Facts | Table | Notice | Form


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its title, the way there (text, address), its blocks and its doors."""

    title: str
    blocks: Sequence[Block]
    path: Sequence[tuple[str, str]] = ()
    doors: Sequence[Door] = ()
    subtitle: str = ""


def render(request: HttpRequest, page: Page, status: int = 200) -> HttpResponse:
    """The page inside the back-office."""
    context = {**admin.site.each_context(request), "title": page.title, "subtitle": page.subtitle, "page": page}
    request.current_app = admin.site.name
    return TemplateResponse(request, "backoffice/page.html", context, status=status)


@singledispatch
def cell_text(value: Any) -> str | SafeString:
    """A value as people read it on a page."""
    return str(value)


@cell_text.register
def _(value: str) -> str | SafeString:
    return value or _nothing()


@cell_text.register
def _(value: None) -> SafeString:
    return _nothing()


@cell_text.register
def _(value: Link) -> str | SafeString:
    inside = cell_text(value.value)
    return format_html('<a class="bo-link" href="{}">{}</a>', value.address, inside) if value.address else inside


@cell_text.register
def _(value: Label) -> SafeString:
    return format_html('<span class="bo-label bo-{}">{}</span>', value.colour or "plain", value.text)


@cell_text.register
def _(value: bool) -> str:
    return "Yes" if value else "No"


@cell_text.register
def _(value: int) -> str:
    return f"{value:,}"


@cell_text.register
def _(value: datetime) -> SafeString:
    return format_html('<time datetime="{}">{}</time>', value.isoformat(), instant_text(value))


cell_text.register(Decimal, amount_text)
cell_text.register(UUID, identifier_text)


def _nothing() -> SafeString:
    return format_html('<span class="bo-none">{}</span>', "-")


def instant_text(instant: datetime) -> str:
    """An instant as people of many zones read it: UTC, and says so."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


# --- What other apps add to a page: the ledger has never heard of wins --------------------------------------------

Behind = Callable[[UUID, UUID], Iterable[tuple[str, Any]]]
Doors = Callable[[HttpRequest, Any], Iterable[Door]]
ListDoors = Callable[[HttpRequest], Iterable[Door]]
_behind: list[Behind] = []
_list_doors: dict[str, list[ListDoors]] = {}
_doors: dict[str, list[Doors]] = {}


def register_behind(facts: Behind) -> None:
    """Adds to what is told of the business fact behind a journal entry: `facts(entry id, holder)` names them."""
    if facts not in _behind:
        _behind.append(facts)


def behind(entry_id: UUID, holder: UUID) -> list[tuple[str, Any]]:
    """The business facts behind an entry, by whatever app knows them."""
    return [fact for facts in _behind for fact in facts(entry_id, holder)]


def register_doors(label: str, doors: Doors) -> None:
    """Adds doors to the page of each row of a model (`app.Model`), for whoever may go through them."""
    known = _doors.setdefault(label, [])
    if doors not in known:
        known.append(doors)


def register_list_doors(label: str, doors: ListDoors) -> None:
    """Adds doors above the list of a model (`app.Model`), for whoever may go through them."""
    known = _list_doors.setdefault(label, [])
    if doors not in known:
        known.append(doors)


def list_doors_of(request: HttpRequest, label: str) -> list[Door]:
    """The doors that apps added above the list of a model."""
    return [door for doors in _list_doors.get(label, ()) for door in doors(request)]


def doors_of(request: HttpRequest, row: Any) -> list[Door]:
    """The doors that apps added to the page of this row."""
    return [door for doors in _doors.get(row._meta.label, ()) for door in doors(request, row)]
