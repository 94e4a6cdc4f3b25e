"""The books: accounts, journal entries, postings, balances, closed periods (docs/data-model.md).

What a CHECK or an index can say stands here. Triggers and foreign keys stand in sql/: Django can only make foreign
keys that are deferred to COMMIT, and these must hold at once. Nothing here is ever written by hand: `ledger.book` is
the door.
"""

import uuid

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual

from dreamland.lib.fields import AmountField, ClockTimestamp, CurrentTransaction, Uuid7, Xid8Field, amount_constraints
from ledger.approvals.models import ApprovalDecision, ApprovalOutcome, ApprovalRequest

__all__ = [
    "HOUSE",
    "MEMO_MAX_LENGTH",
    "Account",
    "ApprovalDecision",
    "ApprovalOutcome",
    "ApprovalRequest",
    "Balance",
    "ClosedDay",
    "DayTotal",
    "JournalEntry",
    "PeriodClose",
    "Posting",
    "Seal",
    "VerificationRun",
]

# Dreamland's own book: the holder of every entry that belongs to no player.
HOUSE = uuid.UUID("00000000-0000-7000-8000-000000000000")
MEMO_MAX_LENGTH = 500
REASON_MAX_LENGTH = 200


class Account(models.Model):
    """A line of the chart of accounts. A small reference table: it changes by migration."""

    class Asset(models.TextChoices):
        DREAM = "DREAM", "DREAM"
        USD = "USD", "USD"

    class Kind(models.TextChoices):
        ASSET = "asset"
        LIABILITY = "liability"
        EQUITY = "equity"
        INCOME = "income"
        EXPENSE = "expense"

    class Side(models.TextChoices):
        DEBIT = "debit"
        CREDIT = "credit"

    code = models.TextField(primary_key=True)
    name = models.TextField()
    asset = models.TextField(choices=Asset)
    kind = models.TextField(choices=Kind)
    normal_side = models.TextField(choices=Side)
    held = models.BooleanField(help_text="A control account: its balance is the sum of its holders' shares.")

    class Meta:
        ordering = ["code"]
        constraints = [
            models.UniqueConstraint(fields=["code", "asset"], name="account_code_asset_unique"),
            models.CheckConstraint(condition=Q(code__regex=r"^[a-z][a-z-]*:[a-z][a-z-]*$"), name="account_code_form"),
            models.CheckConstraint(condition=Q(asset__in=["DREAM", "USD"]), name="account_asset_known"),
            models.CheckConstraint(
                condition=Q(kind__in=["asset", "expense"], normal_side="debit")
                | Q(kind__in=["liability", "equity", "income"], normal_side="credit"),
                name="account_normal_side_follows_kind",
            ),
            # Posting's CHECKs know a player's account by its name, so that they need no look-up.
            models.CheckConstraint(
                condition=Q(held=True, code__startswith="player:") | Q(Q(held=False), ~Q(code__startswith="player:")),
                name="account_held_is_players",
            ),
        ]

    def __str__(self) -> str:
        return self.code


class JournalEntry(models.Model):
    """One event in one holder's book: whole when its transaction commits, never changed afterwards."""

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    holder = models.UUIDField()
    kind = models.TextField()
    memo = models.TextField(default="", blank=True)
    # The transaction gets its id before the clock is read (defaults are evaluated in this order): whoever is dated
    # before an instant had his id before it, on which the closing of days rests (ledger/days.py).
    transaction = Xid8Field(db_default=CurrentTransaction(), editable=False)
    posted_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)
    posted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    reverses = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="reversals", db_index=False, db_constraint=False
    )
    metadata = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name_plural = "journal entries"
        indexes = [
            models.Index(fields=["holder", "posted_at"], name="journal_entry_of_holder"),
            models.Index(fields=["transaction"], name="journal_entry_by_transaction"),
            BrinIndex(fields=["posted_at"], autosummarize=True, pages_per_range=32, name="journal_entry_by_time"),
            models.Index(fields=["posted_by"], condition=Q(posted_by__isnull=False), name="journal_entry_by_person"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["reverses"], condition=Q(reverses__isnull=False), name="journal_entry_reversed_once"
            ),
            models.CheckConstraint(condition=Q(kind__regex=r"^[a-z][a-z-]{0,31}$"), name="journal_entry_kind_form"),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("memo"), MEMO_MAX_LENGTH), name="journal_entry_memo_length"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class Posting(models.Model):
    """One amount of one asset, moved from a credit account to a debit account: it cannot be written unbalanced.

    The asset is bound to both accounts by composite foreign keys (sql/posting.sql). `holder` repeats the entry's: it is
    the key to shard by.
    """

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    entry = models.ForeignKey(
        JournalEntry, models.PROTECT, related_name="postings", db_index=False, db_constraint=False
    )
    holder = models.UUIDField()
    debit = models.ForeignKey(Account, models.PROTECT, related_name="+", db_constraint=False, db_index=False)
    credit = models.ForeignKey(Account, models.PROTECT, related_name="+", db_constraint=False, db_index=False)
    asset = models.TextField(choices=Account.Asset)
    amount = AmountField()

    class Meta:
        indexes = [models.Index(fields=["holder", "entry"], name="posting_by_holder")]
        constraints = [
            *amount_constraints("posting", "amount"),
            models.CheckConstraint(
                condition=~Q(asset="USD") | Q(amount=Func(F("amount"), 8, function="round")),
                name="posting_usd_precision",
            ),
            models.CheckConstraint(condition=~Q(debit=F("credit")), name="posting_two_accounts"),
        ]

    def __str__(self) -> str:
        return f"{self.debit_id} / {self.credit_id} {self.amount} {self.asset}"


class Balance(models.Model):
    """A holder's share of a control account. Only the trigger on postings writes it (sql/balance.sql)."""

    pk = models.CompositePrimaryKey("holder", "account_id")
    holder = models.UUIDField()
    account = models.ForeignKey(Account, models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    amount = AmountField()
    # By how much the last posting moved it: the upsert needs the signed figure beside a proposed row that is legal.
    movement = AmountField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount__gte=0), name="balance_amount_not_negative"),
            models.CheckConstraint(condition=Q(amount__lt=models.Value("Infinity")), name="balance_amount_is_number"),
        ]

    def __str__(self) -> str:
        return f"{self.holder} {self.account_id} {self.amount}"


class PeriodClose(models.Model):
    """Entries dated before `ends_at` of the last row (by `closed_at`) are final: none can be added any more.

    A row moves this date forward, once the period is over; or back, by an approved request.
    """

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    ends_at = models.DateTimeField()
    request = models.ForeignKey(
        ApprovalRequest,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
        help_text="By which the lock date moved back.",
    )
    closed_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)
    closed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ["-closed_at"]

    def __str__(self) -> str:
        return f"closed until {self.ends_at.isoformat()}"


class ClosedDay(models.Model):
    """A UTC day that is over and counted. `fence`: every transaction that could have dated an entry into it is older.

    Fenced once the day is over; closed, with its totals, once no transaction older than the fence is still at work.
    """

    day = models.DateField(primary_key=True)
    fence = Xid8Field()
    closed_at = models.DateTimeField(null=True)
    entries = models.BigIntegerField(null=True)

    class Meta:
        ordering = ["-day"]
        constraints = [
            models.CheckConstraint(
                # Said of nulls, too: `entries >= 0` alone is unknown for one, and a CHECK takes what is unknown.
                condition=Q(closed_at__isnull=True, entries__isnull=True)
                | Q(closed_at__isnull=False, entries__isnull=False, entries__gte=0),
                name="closed_day_is_counted",
            ),
        ]

    def __str__(self) -> str:
        return str(self.day)


class DayTotal(models.Model):
    """What a closed day debited and credited to an account, over all holders."""

    pk = models.CompositePrimaryKey("day_id", "account_id")
    day = models.ForeignKey(
        ClosedDay, models.PROTECT, db_column="day", related_name="totals", db_index=False, db_constraint=False
    )
    account = models.ForeignKey(Account, models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    debits = AmountField()
    credits = AmountField()

    def __str__(self) -> str:
        return f"{self.day_id} {self.account_id}"


class Seal(models.Model):
    """A link of the chain over the journal: a digest of every entry whose transaction lies in [starts, ends).

    Numbers have no gap. `digest` covers the link before it (docs/data-model.md, "Seals").
    """

    number = models.BigIntegerField(primary_key=True)
    hash_version = models.SmallIntegerField()
    starts = Xid8Field()
    ends = Xid8Field()
    entries = models.BigIntegerField()
    digest = models.BinaryField(max_length=32)
    sealed_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)

    class Meta:
        ordering = ["-number"]
        constraints = [models.CheckConstraint(condition=Q(number__gte=1, entries__gte=1), name="seal_holds_entries")]

    def __str__(self) -> str:
        return f"seal {self.number}"


class AnchorHealth(models.Model):
    """How far a place outside the database has the seals, and how it went the last time: for people and for alarms.

    No proof depends on it: what an anchor holds is asked of the anchor.
    """

    anchor = models.TextField(primary_key=True, help_text="The path of a file, or of the function that writes.")
    holds = models.BigIntegerField(help_text="The number of the last seal that it is known to hold.")
    reached_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    reason = models.TextField(blank=True, help_text="Why it was away; empty where it was not.")
    failures = models.IntegerField(help_text="In a row.")

    class Meta:
        ordering = ["anchor"]
        constraints = [
            models.CheckConstraint(condition=Q(holds__gte=0, failures__gte=0), name="anchor_health_counts"),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("reason"), REASON_MAX_LENGTH), name="anchor_health_reason_length"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.anchor}: up to seal {self.holds}"


class VerificationRun(models.Model):
    """A verification of the books, and how it came out. `horizon`: entries of older transactions were in it."""

    class Mode(models.TextChoices):
        FULL = "full"
        INCREMENTAL = "incremental"

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    mode = models.TextField(choices=Mode)
    as_of = models.DateTimeField()
    seconds = models.DecimalField(max_digits=12, decimal_places=3)
    horizon = Xid8Field()
    is_clean = models.BooleanField()
    findings = models.JSONField()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(mode__in=["full", "incremental"]), name="verification_mode_known")
        ]

    def __str__(self) -> str:
        return f"{self.mode} {self.as_of.isoformat()}"
