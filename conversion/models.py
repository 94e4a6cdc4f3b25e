"""Rates, fee rules, hourly runs and their conversions (docs/data-model.md).

Triggers and foreign keys that hold at once stand in sql/. Everything here is written by `conversion.services` and by
nothing else; a rate, a fee rule and a conversion are never changed once they are written.
"""

from django.conf import settings
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual

from conversion.controls import FeeSettlement, ProviderHealth, RunTransition
from conversion.reconciliation.models import Difference, DifferenceResolution, ProviderStatement, StatementLine
from dreamland.lib.fields import AMOUNT_LIMIT, AmountField, ClockTimestamp, Uuid7, amount_constraints

__all__ = [
    "Conversion",
    "ConversionRun",
    "Difference",
    "DifferenceResolution",
    "FeeRule",
    "FeeSettlement",
    "ProviderHealth",
    "ProviderStatement",
    "Rate",
    "RunTransition",
    "StatementLine",
    "VoidedConversion",
]

BASE = "DREAM"
QUOTE = "USD"
USD_DECIMALS = 8
FEE_LIMIT = 1_000  # USD for each conversion: more is a typing error
RAW_MAX_LENGTH = 4_000
REASON_FORM = r"^[a-z-]{0,40}$"
FAILED_FORM = r"^([a-z0-9_.-]{1,40} [a-z-]{1,40}(, |$)){0,10}$"


class Rate(models.Model):
    """One answer for one hour: the price of a DREAM in USD, who said it, when, and what we made of it.

    At most one accepted rate for an hour. What was refused or quarantined is kept for finance, each finding once for an
    hour. A quarantined rate that a person lets pass is written again as an accepted one, which names both.
    """

    class State(models.TextChoices):
        ACCEPTED = "accepted"
        REFUSED = "refused"
        QUARANTINED = "quarantined"

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    hour = models.DateTimeField()
    base = models.TextField(db_default=BASE)
    quote = models.TextField(db_default=QUOTE)
    price = AmountField(null=True, blank=True, help_text="Empty where the answer held no amount that can be.")
    provider = models.TextField()
    quoted_at = models.DateTimeField(null=True, blank=True, help_text="The provider's own time.")
    fetched_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)
    raw = models.TextField(db_default="", blank=True, help_text="What the provider answered, word for word.")
    state = models.TextField(choices=State)
    reason = models.TextField(db_default="", blank=True)
    failed_before = models.TextField(
        db_default="",
        blank=True,
        help_text="Providers that were asked first and could not be reached, and why: `http timeout`.",
    )
    decides = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="+", db_index=False, db_constraint=False
    )
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )

    class Meta:
        ordering = ["-hour", "-fetched_at"]
        permissions = [
            ("ask_quarantined_rate", "Can ask that a quarantined rate pass"),
            ("decide_quarantined_rate", "Can decide about a quarantined rate"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["hour"], condition=Q(state="accepted"), name="rate_one_accepted_for_hour"),
            # A provider that answers the same nonsense at every tick fills one row, not a table.
            models.UniqueConstraint(
                fields=["hour", "provider", "reason", "price"],
                condition=~Q(state="accepted"),
                nulls_distinct=False,
                name="rate_finding_once",
            ),
            *amount_constraints("rate", "price"),
            models.CheckConstraint(condition=Q(base=BASE, quote=QUOTE), name="rate_pair_known"),
            models.CheckConstraint(
                condition=Q(state__in=["accepted", "refused", "quarantined"]), name="rate_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state="refused") | Q(price__isnull=False, quoted_at__isnull=False),
                name="rate_has_price_unless_refused",
            ),
            models.CheckConstraint(
                condition=Q(Q(state="accepted"), Q(reason="")) | Q(~Q(state="accepted"), ~Q(reason="")),
                name="rate_reason_unless_accepted",
            ),
            models.CheckConstraint(condition=Q(reason__regex=REASON_FORM), name="rate_reason_form"),
            models.CheckConstraint(condition=LessThanOrEqual(Length("raw"), RAW_MAX_LENGTH), name="rate_raw_length"),
            models.CheckConstraint(condition=Q(failed_before__regex=FAILED_FORM), name="rate_failed_before_form"),
            models.CheckConstraint(
                condition=Q(decides__isnull=True, decided_by__isnull=True)
                | Q(state="accepted", decides__isnull=False, decided_by__isnull=False),
                name="rate_decision_names_both",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%dT%H:%MZ} {self.price} ({self.state})"


class FeeRule(models.Model):
    """What a conversion costs us: a share of its USD and a fixed part, and not less than a minimum.

    A rule holds from its instant until the next one begins. The rule of a conversion is the one in force at the hour of
    its wins.
    """

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    effective_from = models.DateTimeField(unique=True)
    provider = models.TextField()
    percentage = AmountField(help_text="As a fraction: 0.01 is one percent.")
    fixed = AmountField(help_text="USD for each conversion.")
    minimum = AmountField(db_default=0, help_text="USD that a conversion costs at least.")
    created_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)
    request = models.ForeignKey(
        "ledger.ApprovalRequest",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
        help_text="By which it came. Empty for the first rule, and for rules that came from the centre.",
    )

    class Meta:
        ordering = ["-effective_from"]
        permissions = [("ask_fee_rule", "Can ask for a fee rule"), ("decide_fee_rule", "Can decide about a fee rule")]
        constraints = [
            models.CheckConstraint(
                condition=Q(percentage__gte=0, percentage__lte=1), name="fee_rule_percentage_bounds"
            ),
            models.CheckConstraint(
                condition=Q(percentage=Func(F("percentage"), 18, function="round")),
                name="fee_rule_percentage_precision",
            ),
            models.CheckConstraint(condition=Q(fixed__gte=0, fixed__lte=FEE_LIMIT), name="fee_rule_fixed_bounds"),
            models.CheckConstraint(
                condition=Q(fixed=Func(F("fixed"), USD_DECIMALS, function="round")), name="fee_rule_fixed_precision"
            ),
            models.CheckConstraint(condition=Q(minimum__gte=0, minimum__lte=FEE_LIMIT), name="fee_rule_minimum_bounds"),
            models.CheckConstraint(
                condition=Q(minimum=Func(F("minimum"), USD_DECIMALS, function="round")),
                name="fee_rule_minimum_precision",
            ),
        ]

    def __str__(self) -> str:
        terms = f"{self.percentage} + {self.fixed} USD, at least {self.minimum} USD"
        return f"{terms}, from {self.effective_from:%Y-%m-%dT%H:%MZ}"


class ConversionRun(models.Model):
    """The conversion of one UTC hour: the queue's state, and what came of it. `done` is final."""

    class State(models.TextChoices):
        DUE = "due"
        AWAITING_RATE = "awaiting_rate"
        RATE_QUARANTINED = "rate_quarantined"
        RUNNING = "running"
        DONE = "done"

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    hour = models.DateTimeField(unique=True)
    state = models.TextField(choices=State, db_default=State.DUE)
    reason = models.TextField(db_default="", blank=True, help_text="Why it waits; empty while nothing is wrong.")
    waits_for = models.DateTimeField(null=True, blank=True, help_text="The hour whose rate is missing.")
    started_at = models.DateTimeField(null=True, blank=True, help_text="The latest attempt.")
    finished_at = models.DateTimeField(null=True, blank=True)
    conversions = models.BigIntegerField(db_default=0)
    tokens = AmountField(db_default=0)
    usd = AmountField(db_default=0)
    fees = AmountField(db_default=0)

    class Meta:
        ordering = ["-hour"]
        indexes = [models.Index(fields=["hour"], condition=~Q(state="done"), name="run_unfinished")]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["due", "awaiting_rate", "rate_quarantined", "running", "done"]),
                name="run_state_known",
            ),
            models.CheckConstraint(condition=Q(reason__regex=REASON_FORM), name="run_reason_form"),
            models.CheckConstraint(
                condition=Q(Q(state="done"), Q(finished_at__isnull=False, reason=""))
                | Q(~Q(state="done"), Q(finished_at__isnull=True)),
                name="run_finished_when_done",
            ),
            models.CheckConstraint(
                condition=Q(
                    conversions__gte=0,
                    tokens__gte=0,
                    tokens__lt=AMOUNT_LIMIT,
                    usd__gte=0,
                    usd__lt=AMOUNT_LIMIT,
                    fees__gte=0,
                    fees__lt=AMOUNT_LIMIT,
                ),
                name="run_totals_bounds",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%dT%H:%MZ} ({self.state})"


class Conversion(models.Model):
    """A player's wins of one hour and one local day, turned into USD by one run: the fact behind one journal entry.

    `hour` and `day` are those of the wins, not of the run: a local midnight inside an hour makes two lines, and a late
    win has the rate of its own hour.
    """

    entry = models.OneToOneField(
        "ledger.JournalEntry", models.PROTECT, primary_key=True, related_name="conversion", db_constraint=False
    )
    run = models.ForeignKey(ConversionRun, models.PROTECT, related_name="lines", db_index=False, db_constraint=False)
    player = models.ForeignKey(
        "rewards.Player", models.PROTECT, related_name="conversions", db_index=False, db_constraint=False
    )
    hour = models.DateTimeField()
    day = models.DateField()
    rate = models.ForeignKey(Rate, models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    fee_rule = models.ForeignKey(FeeRule, models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    tokens = AmountField()
    usd = AmountField()
    fee = AmountField()
    recovered = AmountField(db_default=0, help_text="What of the USD went to pay what the player owed us.")
    converted_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["player", "day", "hour", "entry"], name="conversion_usd_history")]
        constraints = [
            models.UniqueConstraint(fields=["run", "player", "hour", "day"], name="conversion_line_once"),
            *amount_constraints("conversion", "tokens"),
            models.CheckConstraint(condition=Q(usd__gt=0, usd__lt=AMOUNT_LIMIT), name="conversion_usd_bounds"),
            models.CheckConstraint(
                condition=Q(usd=Func(F("usd"), USD_DECIMALS, function="round")), name="conversion_usd_precision"
            ),
            models.CheckConstraint(condition=Q(fee__gte=0, fee__lt=AMOUNT_LIMIT), name="conversion_fee_bounds"),
            models.CheckConstraint(
                condition=Q(fee=Func(F("fee"), USD_DECIMALS, function="round")), name="conversion_fee_precision"
            ),
            models.CheckConstraint(
                condition=Q(recovered__gte=0, recovered__lte=F("usd")), name="conversion_recovered_bounds"
            ),
            models.CheckConstraint(
                condition=Q(recovered=Func(F("recovered"), USD_DECIMALS, function="round")),
                name="conversion_recovered_precision",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tokens} DREAM = {self.usd} USD"


class VoidedConversion(models.Model):
    """What a converted win had become, taken back because the win was voided: the fact behind one journal entry.

    `usd` is the win's share of its conversion; of it `owed` was no longer in the wallet, and the player owes it.
    `day` and `hour` are the conversion's (docs/decisions/0007).
    """

    entry = models.OneToOneField(
        "ledger.JournalEntry", models.PROTECT, primary_key=True, related_name="voided_conversion", db_constraint=False
    )
    conversion = models.ForeignKey(
        Conversion, models.PROTECT, related_name="voided", db_index=False, db_constraint=False
    )
    win = models.OneToOneField("rewards.Win", models.PROTECT, related_name="voided_conversion", db_constraint=False)
    player = models.ForeignKey("rewards.Player", models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    hour = models.DateTimeField()
    day = models.DateField()
    tokens = AmountField()
    usd = AmountField()
    owed = AmountField()
    voided_at = models.DateTimeField()

    class Meta:
        permissions = [
            ("ask_void_of_many", "Can ask for a void of wins"),
            ("decide_void_of_many", "Can decide about a void of wins"),
        ]
        indexes = [models.Index(fields=["player", "day", "hour", "entry"], name="voided_usd_history")]
        constraints = [
            *amount_constraints("voided_conversion", "tokens"),
            models.CheckConstraint(condition=Q(usd__gte=0, usd__lt=AMOUNT_LIMIT), name="voided_conversion_usd_bounds"),
            models.CheckConstraint(
                condition=Q(usd=Func(F("usd"), USD_DECIMALS, function="round")), name="voided_conversion_usd_precision"
            ),
            models.CheckConstraint(condition=Q(owed__gte=0, owed__lte=F("usd")), name="voided_conversion_owed_bounds"),
            models.CheckConstraint(
                condition=Q(owed=Func(F("owed"), USD_DECIMALS, function="round")),
                name="voided_conversion_owed_precision",
            ),
        ]

    def __str__(self) -> str:
        return f"-{self.tokens} DREAM = -{self.usd} USD"
