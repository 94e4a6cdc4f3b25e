"""What people do in the back-office: a page that says what will happen, a form, and one service behind the button.

The page never writes; the service does, and its refusals come back as sentences on the same page.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import wraps
from io import BytesIO
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.text import slugify

from dreamland.lib.errors import DomainError
from dreamland.lib.exporting import FORMATS, Sheet, csv_lines, write_xlsx
from dreamland.lib.pages import Block, Door, Form, Page, Table, render

View = Callable[..., HttpResponse]
FILE = "file"  # in the address of a report: its tables in that format


@dataclass(frozen=True, slots=True)
class Deed:
    """A deed: what it is called, what it will do, what it asks, and where its way leads afterwards.

    `do` calls a service with what was asked and returns a sentence to show there, or an answer of its own.
    """

    title: str
    button: str
    do: Callable[[dict[str, Any]], str | HttpResponse]
    back: str
    explain: Sequence[Block] = ()
    form: type[forms.Form] = forms.Form
    initial: Mapping[str, Any] = field(default_factory=dict)
    path: Sequence[tuple[str, str]] = ()
    danger: bool = False


def perform(request: HttpRequest, deed: Deed) -> HttpResponse:
    """Shows the deed, or does it. A refusal is shown where it was asked, and nothing was written."""
    form = deed.form(initial=dict(deed.initial))
    if request.method == "POST":
        form = deed.form(request.POST)
        if form.is_valid():
            try:
                outcome = deed.do(form.cleaned_data)
            except DomainError as refused:
                form.add_error(None, f"{refused.detail[:1].upper()}{refused.detail[1:]}.")
            else:
                if isinstance(outcome, HttpResponse):
                    return outcome
                messages.success(request, outcome)
                return HttpResponseRedirect(deed.back)
    asked = Form(form, deed.button, method="post", danger=deed.danger)
    return render(request, Page(deed.title, [*deed.explain, asked], path=deed.path))


def only_for(*permissions: str, methods: Sequence[str] = ("GET", "HEAD", "POST")) -> Callable[[View], View]:
    """The view for those who have every one of these permissions, by these methods; 403 for everybody else."""

    def guarded(view: View) -> View:
        @wraps(view)
        def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method not in methods or not request.user.has_perms(permissions):
                raise PermissionDenied
            if any("\x00" in str(each) for each in kwargs.values()):  # PostgreSQL could not even compare it with a key
                raise Http404
            return view(request, *args, **kwargs)

        return shown

    return guarded


def with_files(request: HttpRequest, page: Page) -> Page:
    """The page with doors to its tables as files."""
    asked = request.GET.copy()
    doors = list(page.doors)
    for name in FORMATS:
        asked[FILE] = name
        doors.append(Door(name.upper(), f"?{asked.urlencode()}", icon="download"))
    return replace(page, doors=doors)


def tables_file(request: HttpRequest, page: Page) -> HttpResponse | None:
    """The tables of a page as a file, where one was asked for."""
    file_format = request.GET.get(FILE)
    if file_format not in FORMATS:
        return None
    facts = {"Report": page.title, "About": page.subtitle, "Written at": timezone.now(), "Times": "UTC"}
    sheets = [
        Sheet(block.title or page.title, block.headers, [*block.rows, *([block.totals] if block.totals else [])], facts)
        for block in page.blocks
        if isinstance(block, Table)
    ]
    answer = HttpResponse(content_type=FORMATS[file_format])
    if file_format == "csv":
        answer.write("\r\n".join("".join(csv_lines(sheet)) for sheet in sheets))
    else:
        file = BytesIO()
        write_xlsx(sheets, file)
        answer.write(file.getvalue())
    answer["Content-Disposition"] = f'attachment; filename="{slugify(page.title)}.{file_format}"'
    return answer


def reading(*permissions: str) -> Callable[[Callable[..., Page]], View]:
    """A page that is only looked at, for those who have these permissions."""

    def shown(page: Callable[..., Page]) -> View:
        @only_for(*permissions, methods=("GET", "HEAD"))
        def view(request: HttpRequest, **arguments: Any) -> HttpResponse:
            shown = page(request, **arguments)
            return tables_file(request, shown) or render(request, with_files(request, shown))

        return view

    return shown
