"""The records of the audit trail. PostgreSQL writes the one kind, and lets nobody change either (sql/)."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual

from dreamland.lib.fields import ClockTimestamp, CurrentTransaction, Uuid7, Xid8Field

REASON_MAX_LENGTH = 200


class Change(models.Model):
    """A row of configuration or rights was made, changed or removed: the whole row before and after.

    Written by the trigger on the row's table, whatever road the change took. `user_id` is whom the application said to
    act for (dreamland.lib.trail.actor); it is empty for migrations, commands and whoever came by another road. It
    refers to nobody: a record outlives what it tells of. `by_role` is the role that was logged in to the database.
    """

    class Operation(models.TextChoices):
        INSERT = "insert", "added"
        UPDATE = "update", "changed"
        DELETE = "delete", "removed"
        TRUNCATE = "truncate", "emptied"

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)
    transaction = Xid8Field(db_default=CurrentTransaction(), editable=False)
    table = models.TextField(db_column="table_name")
    operation = models.TextField(choices=Operation)
    row_id = models.TextField()
    old = models.JSONField("before", null=True)
    new = models.JSONField("after", null=True)
    user_id = models.BigIntegerField(null=True)
    username = models.TextField()
    by_role = models.TextField()
    request_id = models.TextField()

    class Meta:
        verbose_name = "change of configuration or rights"
        verbose_name_plural = "changes of configuration and rights"
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["table", "row_id"], name="change_by_row"),
            models.Index(fields=["user_id"], condition=Q(user_id__isnull=False), name="change_by_user"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(operation="insert", old__isnull=True, new__isnull=False)
                | Q(operation="update", old__isnull=False, new__isnull=False)
                | Q(operation="delete", old__isnull=False, new__isnull=True)
                | Q(operation="truncate", old__isnull=True, new__isnull=True),
                name="change_has_its_sides",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.table} {self.row_id} {self.get_operation_display()}"


class Look(models.Model):
    """Somebody of the staff was shown personal data: who, whose, what, why, on which page and when."""

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False)
    username = models.TextField()
    subject = models.UUIDField(help_text="Whose data it is: the id of the player.")
    what = models.TextField()
    reason = models.TextField()
    place = models.TextField()
    request_id = models.TextField()

    class Meta:
        verbose_name = "look at personal data"
        verbose_name_plural = "looks at personal data"
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["subject", "id"], name="look_by_subject"),
            models.Index(fields=["user", "id"], name="look_by_user"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(reason__regex=r"\S"), name="look_reason_said"),
            models.CheckConstraint(condition=Q(what__regex=r"\S"), name="look_what_said"),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("reason"), REASON_MAX_LENGTH),
                name="look_reason_length",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.username} at {self.what} of {self.subject}"
