"""Files, failed tasks and the schedule in the back-office."""

import logging
from tempfile import TemporaryFile
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    PeriodicTasks,
    SolarSchedule,
)
from kombu.exceptions import OperationalError

from dreamland.backoffice import exports
from dreamland.backoffice.lists import NotExportable, sheet_of, snapshot
from dreamland.backoffice.models import Export, TaskFailure
from dreamland.backoffice.tasks import make_exports_task
from dreamland.lib.admin import ReadOnlyAdmin, state
from dreamland.lib.columns import BAD, GOOD, NEWS, WAITS
from dreamland.lib.deeds import Deed, only_for, perform
from dreamland.lib.errors import DomainError
from dreamland.lib.exporting import FORMATS, write_xlsx
from dreamland.lib.pages import Block, Door, Facts, Label, Notice

MENU = "Operations"
COLOURS = {"queued": WAITS, "running": NEWS, "done": GOOD, "failed": BAD}
SWITCH = "django_celery_beat.change_periodictask"
REFRESH_SECONDS = 3
log = logging.getLogger(__name__)

for kind in (ClockedSchedule, CrontabSchedule, IntervalSchedule, SolarSchedule, PeriodicTask):
    if admin.site.is_registered(kind):
        admin.site.unregister(kind)


@admin.register(Export)
class ExportAdmin(ReadOnlyAdmin):
    """Everybody sees his own files and nobody else's: who may see a list is asked when it is written down."""

    menu, icon, menu_order = MENU, "download", 90
    list_display = ["asked_at", "what", "query", "file_format", state("state", COLOURS), "rows", "expires_at"]
    empty_text = "Every list can be exported: the button is above it. Large files wait here."

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_staff)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Export]:
        own: QuerySet[Export] = super().get_queryset(request).filter(asked_by=request.user.pk)
        return own

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        return [
            path("new/<str:what>/<str:file_format>/", guarded(new_export), name="backoffice_export_new"),
            path("<uuid:export_id>/file/", guarded(download), name="backoffice_export_file"),
            *super().get_urls(),
        ]

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        answer = super().changeform_view(request, *args, **kwargs)
        page = getattr(answer, "context_data", {}).get("page")
        if page is not None and page.subtitle:
            answer["Refresh"] = str(REFRESH_SECONDS)
        return answer

    def page_title(self, row: Export) -> str:
        return f"Export of {row.what}"

    def page_subtitle(self, row: Export) -> str:
        waits = row.state in {Export.State.QUEUED, Export.State.RUNNING}
        return "This page looks again by itself until the file is there." if waits else ""

    def blocks(self, request: HttpRequest, row: Export) -> list[Block]:
        blocks: list[Block] = [
            Facts(
                [
                    ("State", Label(row.state, COLOURS[row.state])),
                    ("Rows so far" if row.finished_at is None else "Rows", row.rows),
                    ("Filters", row.query or "none"),
                    ("Format", row.file_format),
                    ("Asked at", row.asked_at),
                    ("Begun", row.started_at),
                    ("Finished", row.finished_at),
                    ("Goes at", row.expires_at),
                ]
            )
        ]
        if row.problem:
            blocks.insert(0, Notice(f"It failed: {row.problem}.", "danger"))
        return blocks

    def doors(self, request: HttpRequest, row: Export) -> list[Door]:
        if row.state != Export.State.DONE:
            return []
        return [Door("Download", reverse("admin:backoffice_export_file", args=[row.pk]), icon="download", is_main=True)]


@only_for(methods=("GET",))
def new_export(request: HttpRequest, what: str, file_format: str) -> HttpResponse:
    """A list as a file: at once where it is small, else by a worker. Reading it is all that this needs."""
    person, query = _person(request), request.GET.urlencode()
    if file_format not in FORMATS:
        raise Http404
    try:
        if exports.fits_at_once(what, query, person):
            return _at_once(what, query, file_format, person)
        export_id = exports.ask_for_export(what=what, query=query, file_format=file_format, person=person)
    except NotExportable as error:
        raise Http404 from error
    except DomainError as refused:
        messages.error(request, f"{refused.detail}.")
        return HttpResponseRedirect(reverse("admin:backoffice_export_changelist"))
    try:
        make_exports_task.apply_async(retry=False)
    except OperationalError:
        log.warning("no broker to ring for an export: the next tick makes it")
    return HttpResponseRedirect(reverse("admin:backoffice_export_change", args=[export_id]))


def _at_once(what: str, query: str, file_format: str, person: User) -> HttpResponse:
    sheet = sheet_of(what, query, person)
    name = f"{what.replace('.', '-')}-{timezone.now():%Y%m%dT%H%M%SZ}.{file_format}"
    if file_format == "csv":
        lines = StreamingHttpResponse(exports.streamed(sheet), content_type=FORMATS["csv"])
        lines["Content-Disposition"] = f'attachment; filename="{name}"'
        return lines  # type: ignore[return-value]  # Django's views may return either
    file = TemporaryFile()  # noqa: SIM115  # FileResponse closes it
    with snapshot():
        write_xlsx([sheet], file)
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename=name, content_type=FORMATS["xlsx"])  # type: ignore[return-value]


@only_for(methods=("GET", "HEAD"))
def download(request: HttpRequest, export_id: str) -> HttpResponse:
    """The file, for whoever asked for it, until it expires."""
    export = Export.objects.filter(
        pk=export_id, asked_by=_person(request), state=Export.State.DONE, expires_at__gt=timezone.now()
    ).first()
    if export is None:
        raise Http404
    if not rows_still_visible(export):
        raise PermissionDenied
    answer = StreamingHttpResponse(exports.pieces(export), content_type=FORMATS[export.file_format])
    name = f"{export.what.replace('.', '-')}-{export.finished_at:%Y%m%dT%H%M%SZ}.{export.file_format}"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer  # type: ignore[return-value]


def rows_still_visible(export: Export) -> bool:
    """Whether whoever asked may still see the list: rights may have gone since."""
    label, _, model = export.what.rpartition(".")
    return bool(export.asked_by.has_perm(f"{label}.view_{model}"))


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


@admin.register(TaskFailure)
class TaskFailureAdmin(ReadOnlyAdmin):
    menu, icon, menu_order = MENU, "error", 20
    list_display = ["at", "task", "problem", "place"]
    empty_text = "No task has failed. What failed stands here for thirty days; its next tick tries again by itself."

    def page_title(self, row: TaskFailure) -> str:
        return f"Failed: {row.task}"


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(ReadOnlyAdmin):
    """The schedule is the settings' (beat writes them here at every start); whether a task is on is a person's."""

    menu, icon, menu_order = MENU, "event_repeat", 10
    keyset = ("name",)
    list_display = ["name", "task", "crontab", state("switch", {"on": GOOD, "off": BAD}), "last_run_at"]
    list_select_related = ["crontab", "interval"]
    empty_text = "Beat writes its schedule here when it starts."

    def get_urls(self) -> list[URLPattern]:
        return [
            path(
                "<int:task_id>/switch/",
                self.admin_site.admin_view(switch),
                name="django_celery_beat_periodictask_switch",
            ),
            *super().get_urls(),
        ]

    def complete_page(self, rows: list[PeriodicTask]) -> list[PeriodicTask]:
        for row in rows:
            row.switch = "on" if row.enabled else "off"  # type: ignore[attr-defined]
        return rows

    def page_title(self, row: PeriodicTask) -> str:
        return str(row.name)

    def blocks(self, request: HttpRequest, row: PeriodicTask) -> list[Block]:
        return [
            Facts(
                [
                    ("Task", row.task),
                    ("When", str(row.crontab or row.interval or "-")),
                    ("Switch", Label("on", GOOD) if row.enabled else Label("off", BAD)),
                    ("Last sent", row.last_run_at),
                    ("Times sent", row.total_run_count),
                    ("A message expires after seconds", row.expire_seconds),
                ]
            )
        ]

    def doors(self, request: HttpRequest, row: PeriodicTask) -> list[Door]:
        if not request.user.has_perm(SWITCH):
            return []
        address = reverse("admin:django_celery_beat_periodictask_switch", args=[row.pk])
        return [Door("Switch off" if row.enabled else "Switch on", address, icon="power_settings_new")]


@only_for(SWITCH)
def switch(request: HttpRequest, task_id: int) -> HttpResponse:
    """A task of the schedule on or off, by what it was when the page was opened: a stale page changes nothing."""
    task = PeriodicTask.objects.filter(pk=task_id).first()
    if task is None:
        raise Http404
    wanted = not task.enabled

    def turn(_: dict[str, Any]) -> str:
        PeriodicTask.objects.filter(pk=task_id).update(enabled=wanted)
        PeriodicTasks.update_changed()  # type: ignore[no-untyped-call]
        return f"{task.name} is {'on' if wanted else 'off'}."

    return perform(
        request,
        Deed(
            f"{'Switch on' if wanted else 'Switch off'}: {task.name}",
            "Switch on" if wanted else "Switch off",
            turn,
            reverse("admin:django_celery_beat_periodictask_changelist"),
            path=[("Schedule", reverse("admin:django_celery_beat_periodictask_changelist"))],
            explain=[Notice("While it is off nothing is lost: what is due stands in the database.", "info")],
            danger=not wanted,
        ),
    )
