"""What stands around the conversion for whoever has to answer for it: the life of a run, the health of the providers,
and fees that were paid. Part of `conversion.models`.

Everything but a provider's health only arrives; sql/ says what PostgreSQL itself refuses.
"""

from django.conf import settings
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual

from dreamland.lib.fields import AmountField, ClockTimestamp, Uuid7, amount_constraints

REASON_MAX_LENGTH = 200


class RunTransition(models.Model):
    """A run moved from one state to another. A trigger on the run writes it, by whatever road the run moved."""

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    run = models.ForeignKey(
        "conversion.ConversionRun", models.PROTECT, related_name="transitions", db_index=False, db_constraint=False
    )
    from_state = models.TextField(blank=True, help_text="Empty where the run was opened.")
    to_state = models.TextField()
    cause = models.TextField(help_text="Why it waits; or: opened, begun, resumed, converted.")
    by_role = models.TextField(help_text="The database role that moved it.")
    at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["run", "id"], name="run_transition_by_run")]

    def __str__(self) -> str:
        return f"{self.from_state or 'nothing'} -> {self.to_state}: {self.cause}"


class ProviderHealth(models.Model):
    """How the last questions to a provider went: for people and for alarms. No money depends on it."""

    provider = models.TextField(primary_key=True)
    last_success_at = models.DateTimeField(null=True, blank=True)
    last_failure_at = models.DateTimeField(null=True, blank=True)
    last_failure_code = models.TextField(db_default="", blank=True)
    consecutive_failures = models.IntegerField(db_default=0)
    latency_ms = models.IntegerField(help_text="How long the last question took, with all its attempts.")

    class Meta:
        ordering = ["provider"]
        constraints = [
            models.CheckConstraint(
                condition=Q(consecutive_failures__gte=0, latency_ms__gte=0), name="provider_health_counts"
            )
        ]

    def __str__(self) -> str:
        return f"{self.provider}: {self.consecutive_failures} failures in a row"


class FeeSettlement(models.Model):
    """Fees that were paid to the provider: the fact behind one journal entry of Dreamland's own book."""

    entry = models.OneToOneField(
        "ledger.JournalEntry", models.PROTECT, primary_key=True, related_name="fee_settlement", db_constraint=False
    )
    reference = models.TextField(help_text="The payment, in the bank's or the provider's own words.")
    amount = AmountField()
    posted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
        help_text="Who asked; the request says who approved.",
    )
    settled_at = models.DateTimeField()

    class Meta:
        ordering = ["-settled_at"]
        permissions = [
            ("ask_fee_settlement", "Can ask for a payment of fees"),
            ("decide_fee_settlement", "Can decide about a payment of fees"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["reference"], name="settlement_reference_once"),
            models.CheckConstraint(
                condition=Q(LessThanOrEqual(Length("reference"), REASON_MAX_LENGTH), reference__regex=r"\S"),
                name="settlement_reference_said",
            ),
            *amount_constraints("settlement", "amount"),
            models.CheckConstraint(
                condition=Q(amount=Func(F("amount"), 8, function="round")), name="settlement_usd_precision"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reference}: {self.amount} USD"
