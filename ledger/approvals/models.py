"""Requests, what was decided about them, and what came of it. Part of `ledger.models`.

All three tables only grow, and each row is written once: the state of a request is what stands beside it. What
PostgreSQL itself refuses stands in sql/approval.sql.
"""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual

from dreamland.lib.fields import ClockTimestamp, CurrentTransaction, Uuid7, Xid8Field

WORD_MAX_LENGTH = 500
REFERENCE_MAX_LENGTH = 200
CODE_FORM = r"^[a-z][a-z-]{0,31}$"


def _person() -> "models.ForeignKey[models.Model, models.Model]":
    return models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )


class ApprovalRequest(models.Model):
    """What somebody asks to be done, word for word, with the ground on which it was asked.

    `subject` is what it is about; one request about a subject is open at a time, and where `is_once` none comes after
    an approved one. `plan` are the entries that it would post, to the last digit; null where they follow from what is
    there when it is approved, and empty where it posts none. `ground` is a digest of what the asker saw.
    """

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    kind = models.TextField()
    subject = models.TextField()
    attempt = models.IntegerField(help_text="1, and one more for each request about the subject before it.")
    is_once = models.BooleanField()
    payload = models.JSONField()
    plan = models.JSONField(null=True, blank=True)
    ground = models.TextField()
    reason_code = models.TextField()
    reference = models.TextField(help_text="The ticket, the invoice, the payment: where the reason can be looked up.")
    note = models.TextField(db_default="", blank=True)
    asked_by = _person()
    asked_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        permissions = [
            (f"{verb}_{kind}", f"Can {verb} {words}")
            for kind, words in [
                ("adjustment", "an adjustment of USD"),
                ("funding", "a funding with cash"),
                ("reversal", "a reversal of an entry made by hand"),
                ("reopening", "the reopening of a period"),
            ]
            for verb in ("ask", "decide")
        ]
        indexes = [
            models.Index(fields=["asked_by", "id"], name="approval_request_by_person"),
            models.Index(fields=["kind", "id"], name="approval_request_by_kind"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["kind", "subject", "attempt"], name="approval_request_attempt_once"),
            # What a decision refers to: it names who asked, and so can be kept from being the same person.
            models.UniqueConstraint(fields=["id", "asked_by"], name="approval_request_of_person"),
            models.CheckConstraint(condition=Q(kind__regex=CODE_FORM), name="approval_request_kind_form"),
            models.CheckConstraint(condition=Q(reason_code__regex=CODE_FORM), name="approval_request_reason_form"),
            models.CheckConstraint(condition=Q(ground__regex=r"^[0-9a-f]{64}$"), name="approval_request_ground_form"),
            models.CheckConstraint(
                condition=Q(LessThanOrEqual(Length("reference"), REFERENCE_MAX_LENGTH), reference__regex=r"\S"),
                name="approval_request_reference_said",
            ),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("note"), WORD_MAX_LENGTH), name="approval_request_note_length"
            ),
            models.CheckConstraint(condition=Q(expires_at__gt=F("asked_at")), name="approval_request_expires_later"),
            models.CheckConstraint(condition=Q(attempt__gte=1), name="approval_request_attempt_counts"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.reference}"


class ApprovalDecision(models.Model):
    """The one word on a request: approved or refused by another person, or withdrawn by who asked."""

    class Verdict(models.TextChoices):
        APPROVED = "approved"
        REFUSED = "refused"
        WITHDRAWN = "withdrawn"

    request = models.OneToOneField(
        ApprovalRequest, models.PROTECT, primary_key=True, related_name="decision", db_constraint=False
    )
    asked_by = _person()
    decided_by = _person()
    verdict = models.TextField(choices=Verdict)
    word = models.TextField(db_default="", blank=True)
    decided_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)
    transaction = Xid8Field(db_default=CurrentTransaction(), editable=False)

    class Meta:
        ordering = ["-decided_at"]
        indexes = [
            models.Index(fields=["transaction"], name="approval_decision_by_xid"),
            models.Index(fields=["decided_by", "decided_at"], name="approval_decision_by_person"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(Q(verdict="withdrawn"), Q(decided_by=F("asked_by")))
                | Q(Q(verdict__in=["approved", "refused"]), ~Q(decided_by=F("asked_by"))),
                name="approval_decision_by_another",
            ),
            models.CheckConstraint(
                condition=Q(verdict__in=["approved", "refused", "withdrawn"]), name="approval_decision_verdict_known"
            ),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("word"), WORD_MAX_LENGTH), name="approval_decision_word_length"
            ),
            models.CheckConstraint(
                condition=Q(verdict__in=["approved", "withdrawn"]) | Q(word__regex=r"\S"),
                name="approval_decision_refusal_says_why",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.request_id}: {self.verdict}"


class ApprovalOutcome(models.Model):
    """What an approved request came to, in the transaction that approved it: its entries, and what else it made."""

    request = models.OneToOneField(
        ApprovalDecision, models.PROTECT, primary_key=True, related_name="outcome", db_constraint=False
    )
    entry_ids = ArrayField(models.UUIDField())
    result = models.JSONField(default=dict, blank=True)
    carried_out_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)

    class Meta:
        ordering = ["-carried_out_at"]

    def __str__(self) -> str:
        return f"{self.request_id}: {len(self.entry_ids)} entries"
