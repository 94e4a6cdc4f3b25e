"""Files that were asked for, and tasks that failed."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from dreamland.lib.fields import ClockTimestamp, Uuid7


class Export(models.Model):
    """A list or a report that somebody asked for as a file. The row is the queue; what is past `expires_at` goes."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    what = models.TextField(help_text="The list: `app.model`.")
    query = models.TextField(blank=True, help_text="Its filters, as the address of the list says them.")
    file_format = models.TextField()
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)
    state = models.TextField(choices=State, db_default=State.QUEUED)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    rows = models.BigIntegerField(db_default=0)
    problem = models.TextField(db_default="", blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["asked_by", "-id"], name="export_by_person"),
            models.Index(fields=["id"], condition=Q(state__in=["queued", "running"]), name="export_unfinished"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running", "done", "failed"]), name="export_state_known"
            ),
            models.CheckConstraint(condition=Q(file_format__in=["csv", "xlsx"]), name="export_format_known"),
        ]

    def __str__(self) -> str:
        return f"{self.what} ({self.file_format})"


class ExportPart(models.Model):
    """A piece of the file, compressed."""

    export = models.ForeignKey(Export, models.CASCADE, related_name="parts")
    number = models.IntegerField()
    content = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["export", "number"], name="export_part_once")]

    def __str__(self) -> str:
        return f"{self.export_id} {self.number}"


class TaskFailure(models.Model):
    """A task that ended with an exception: which, when, and what and where it was. Its next tick tries again."""

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)
    task = models.TextField()
    task_id = models.TextField()
    problem = models.TextField()
    place = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "failed task"

    def __str__(self) -> str:
        return f"{self.task}: {self.problem}"
