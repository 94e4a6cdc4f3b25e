"""What is kept of signing in: who came in, how often somebody tried, whose lost device was reset by whom."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual

from dreamland.lib.fields import ClockTimestamp, Uuid7

REASON_MAX_LENGTH = 200


class SignIn(models.Model):
    """Somebody signed in, or was refused. `user` is empty where the name that was typed is nobody's: it is not kept,
    because people type passwords into the wrong field.
    """

    class Outcome(models.TextChoices):
        PASSWORD_ACCEPTED = "password-accepted", "password accepted"
        PASSWORD_REFUSED = "password-refused", "password refused"
        CODE_ACCEPTED = "code-accepted", "code accepted"
        CODE_REFUSED = "code-refused", "code refused"
        RECOVERY_CODE_USED = "recovery-code-used", "recovery code used"
        ENROLLED = "enrolled", "second factor set up"
        CODES_MADE = "codes-made", "new recovery codes"

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False)
    username = models.TextField()
    outcome = models.TextField(choices=Outcome)
    address = models.GenericIPAddressField(null=True)
    request_id = models.TextField()

    class Meta:
        verbose_name = "sign-in"
        default_permissions = ("view",)
        indexes = [models.Index(fields=["user", "id"], name="sign_in_by_user")]
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    outcome__in=[
                        "password-accepted",
                        "password-refused",
                        "code-accepted",
                        "code-refused",
                        "recovery-code-used",
                        "enrolled",
                        "codes-made",
                    ]
                ),
                name="sign_in_outcome_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.username or 'somebody'}: {self.get_outcome_display()}"


class SignInAttempts(models.Model):
    """How often one address, or one account, was tried in one window of time (dreamland.staff.throttle).

    `key` is a keyed digest: neither names nor addresses can be read from it.
    """

    pk = models.CompositePrimaryKey("key", "window_starts_at")
    key = models.TextField()
    window_starts_at = models.DateTimeField()
    attempts = models.IntegerField()

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["window_starts_at"], name="sign_in_attempts_by_time")]
        constraints = [models.CheckConstraint(condition=Q(attempts__gte=0), name="sign_in_attempts_not_negative")]

    def __str__(self) -> str:
        return f"{self.attempts} since {self.window_starts_at}"


class FactorReset(models.Model):
    """Somebody lost the device, and somebody else let him set up a new one."""

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False)
    reason = models.TextField()

    class Meta:
        verbose_name = "reset of a second factor"
        verbose_name_plural = "resets of second factors"
        default_permissions = ("view",)
        permissions = [("reset_second_factor", "Can reset the lost second factor of somebody else")]
        constraints = [
            models.CheckConstraint(condition=~Q(user=F("by")), name="factor_reset_by_another"),
            models.CheckConstraint(condition=Q(reason__regex=r"\S"), name="factor_reset_reason_said"),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("reason"), REASON_MAX_LENGTH), name="factor_reset_reason_length"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} by {self.by_id}"
