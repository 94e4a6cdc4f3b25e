"""Statements of the provider, their lines, how they differ from ours, and how each difference was resolved.

All four only arrive. Which differences a statement has is not for Python to say: PostgreSQL writes them with the
statement (sql/reconciliation.sql). Part of `conversion.models`.
"""

from django.conf import settings
from django.db import models
from django.db.models import F, Func, Q

from dreamland.lib.fields import (
    AMOUNT_LIMIT,
    AmountField,
    ClockTimestamp,
    CurrentTransaction,
    Uuid7,
    Xid8Field,
    amount_constraints,
)

USD_DECIMALS = 8
REFERENCE_FORM = r"^[A-Za-z0-9._:/-]{1,64}$"


def _usd(name: str, *fields: str) -> list[models.CheckConstraint]:
    """USD that may be nothing: not negative, below the limit, in whole 10^-8."""
    return [
        models.CheckConstraint(
            condition=Q(
                **{f"{field}__gte": 0, f"{field}__lt": AMOUNT_LIMIT},
                **{field: Func(F(field), USD_DECIMALS, function="round")},
            ),
            name=f"{name}_{field}_bounds",
        )
        for field in fields
    ]


class ProviderStatement(models.Model):
    """A provider's statement of the conversions of some hours, as its file said: once for each file and reference.

    `starts` and `ends` are hours, the second one not included; periods of one provider do not overlap. `digest` is the
    SHA-256 of the file.
    """

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    provider = models.TextField()
    reference = models.TextField(help_text="The statement's own number.")
    starts = models.DateTimeField()
    ends = models.DateTimeField()
    lines = models.BigIntegerField()
    tokens = AmountField()
    usd = AmountField()
    fees = AmountField()
    digest = models.BinaryField(max_length=32)
    imported_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    imported_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)
    transaction = Xid8Field(db_default=CurrentTransaction(), editable=False)

    class Meta:
        ordering = ["-id"]
        permissions = [
            ("ask_difference", "Can ask that a difference with the provider be resolved"),
            ("decide_difference", "Can decide how a difference with the provider is resolved"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["digest"], name="statement_file_once"),
            models.UniqueConstraint(fields=["provider", "reference"], name="statement_reference_once"),
            models.CheckConstraint(
                condition=Q(provider__regex=REFERENCE_FORM, reference__regex=REFERENCE_FORM), name="statement_names"
            ),
            models.CheckConstraint(condition=Q(starts__lt=F("ends")), name="statement_ends_after_start"),
            models.CheckConstraint(
                condition=Q(lines__gte=0, tokens__gte=0, tokens__lt=AMOUNT_LIMIT), name="statement_totals_bounds"
            ),
            *_usd("statement", "usd", "fees"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.reference}"


class StatementLine(models.Model):
    """One conversion that the provider tells of. `reference`: the id of ours that we gave it, if it is one of ours."""

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    statement = models.ForeignKey(
        ProviderStatement, models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    number = models.IntegerField(help_text="The line in the file.")
    reference = models.TextField()
    hour = models.DateTimeField(help_text="The hour of the run.")
    tokens = AmountField()
    usd = AmountField()
    fee = AmountField()

    class Meta:
        ordering = ["statement", "number"]
        indexes = [models.Index(fields=["reference"], name="statement_line_by_reference")]
        constraints = [
            models.UniqueConstraint(fields=["statement", "number"], name="statement_line_once"),
            models.CheckConstraint(
                condition=Q(number__gte=1, reference__regex=REFERENCE_FORM), name="statement_line_names"
            ),
            *amount_constraints("statement_line", "tokens"),
            *_usd("statement_line", "usd", "fee"),
        ]

    def __str__(self) -> str:
        return f"line {self.number}: {self.reference}"


class Difference(models.Model):
    """Where a statement and our conversions disagree. `fee_effect`: what we would owe more (less) if it is right."""

    class Kind(models.TextChoices):
        MISSING_THERE = "missing-there", "we have it, the provider does not"
        MISSING_HERE = "missing-here", "the provider has it, we do not"
        AMOUNT = "amount-differs", "tokens or USD differ"
        FEE = "fee-differs", "the fee differs"
        HOUR = "hour-differs", "the hour differs"
        DOUBLED = "doubled", "the provider has it more than once"

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    statement = models.ForeignKey(
        ProviderStatement, models.PROTECT, related_name="differences", db_index=False, db_constraint=False
    )
    kind = models.TextField(choices=Kind)
    line = models.ForeignKey(
        StatementLine, models.PROTECT, null=True, blank=True, related_name="+", db_index=False, db_constraint=False
    )
    conversion = models.ForeignKey(
        "conversion.Conversion",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    fee_effect = AmountField()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["statement", "kind", "line", "conversion"], nulls_distinct=False, name="difference_once"
            ),
            models.CheckConstraint(
                condition=Q(kind="missing-there", line__isnull=True, conversion__isnull=False)
                | Q(kind="missing-here", line__isnull=False, conversion__isnull=True)
                | Q(kind="doubled", line__isnull=False)
                | Q(
                    kind__in=["amount-differs", "fee-differs", "hour-differs"],
                    line__isnull=False,
                    conversion__isnull=False,
                ),
                name="difference_is_of_its_kind",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.line_id or self.conversion_id}"


class DifferenceResolution(models.Model):
    """Who is right about a difference, as two people decided. It is final: what was wrong comes in a later statement.

    Where the provider is right, `amount` is what we owe it more (below zero: less); `entry` books it unless it is 0.
    """

    class Right(models.TextChoices):
        PROVIDER = "provider", "the provider is right"
        US = "us", "we are right"

    difference = models.OneToOneField(
        Difference, models.PROTECT, primary_key=True, related_name="resolution", db_constraint=False
    )
    request = models.OneToOneField("ledger.ApprovalRequest", models.PROTECT, related_name="+", db_constraint=False)
    right = models.TextField(choices=Right)
    entry = models.OneToOneField(
        "ledger.JournalEntry", models.PROTECT, null=True, blank=True, related_name="+", db_constraint=False
    )
    amount = AmountField()
    resolved_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)

    class Meta:
        ordering = ["-resolved_at"]
        constraints = [
            models.CheckConstraint(condition=Q(right__in=["provider", "us"]), name="resolution_right_known"),
            models.CheckConstraint(
                condition=Q(entry__isnull=True, amount=0)
                | Q(Q(entry__isnull=False, amount__gt=-AMOUNT_LIMIT, amount__lt=AMOUNT_LIMIT), ~Q(amount=0)),
                name="resolution_amount_is_booked",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.difference_id}: {self.get_right_display()}"
