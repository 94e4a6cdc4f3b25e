"""What a region writes for the centre: closed hours, beats, what players did under names that nobody knows.

All of it is written by functions of the database (sql/hours.sql) and never changed. Where REGION is not set, it stays
empty.
"""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from dreamland.lib.fields import AmountField, ClockTimestamp, Uuid7, Xid8Field


class HourFence(models.Model):
    """An hour that is over. Every transaction that could have dated an entry into it is older than `fence`."""

    starts_at = models.DateTimeField(primary_key=True)
    ends_at = models.DateTimeField()
    fence = Xid8Field()

    class Meta:
        ordering = ["-starts_at"]
        constraints = [models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="hour_fence_has_length")]

    def __str__(self) -> str:
        return self.starts_at.isoformat()


class HourClose(models.Model):
    """What an hour wrote, counted once nobody could add to it: rows and digest of each published table, and what moved
    on each account.

    Numbers have no gap; `chain` is the SHA-256 over the chain before it and everything here (docs/infrastructure.md).
    """

    number = models.BigIntegerField(primary_key=True)
    starts_at = models.DateTimeField(unique=True)
    ends_at = models.DateTimeField()
    totals = models.JSONField()
    chain = models.TextField()
    closed_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)

    class Meta:
        ordering = ["-number"]
        constraints = [models.CheckConstraint(condition=Q(number__gte=1), name="hour_close_number_from_one")]

    def __str__(self) -> str:
        return f"{self.number}: {self.starts_at.isoformat()}"


class Beat(models.Model):
    """A sign of life, by which the centre knows how far behind it is. Numbers have no gap."""

    number = models.BigIntegerField(primary_key=True)
    beat_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)

    class Meta:
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"{self.number} at {self.beat_at.isoformat()}"


class PlayerReference(models.Model):
    """Under which random name the centre knows a player. The row is the only link between the two; it never leaves.

    Erasing a player deletes it: then the name at the centre, in its backups too, is nobody's.
    """

    player = models.OneToOneField(
        "rewards.Player", models.CASCADE, primary_key=True, related_name="+", db_constraint=False
    )
    reference = models.UUIDField(unique=True)

    def __str__(self) -> str:
        return str(self.reference)


class Activity(models.Model):
    """What a player did in an hour, under his random name: wins and tokens recorded, USD converted."""

    pk = models.CompositePrimaryKey("hour", "reference")
    hour = models.DateTimeField()
    reference = models.UUIDField()
    wins = models.IntegerField()
    tokens = AmountField()
    usd = AmountField()

    class Meta:
        verbose_name_plural = "activity"

    def __str__(self) -> str:
        return f"{self.hour.isoformat()} {self.reference}"


class Move(models.Model):
    """A player leaves this region for another one. What goes along is kept until the other region has it."""

    class State(models.TextChoices):
        BEGUN = "begun", "Wins are refused, what is pending is being converted"
        DEPARTED = "departed", "Balances are on their way"
        DONE = "done", "The other region has it all"

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    player = models.ForeignKey("rewards.Player", models.PROTECT, related_name="+", db_constraint=False)
    region = models.TextField(help_text="Where the player goes.")
    state = models.TextField(choices=State, db_default=State.BEGUN)
    luggage = models.JSONField(null=True, help_text="What the other region needs, until it has it.")
    begun_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)
    begun_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["player"], condition=~Q(state="done"), name="move_one_at_a_time"),
            models.CheckConstraint(
                condition=Q(state="departed", luggage__isnull=False)
                | Q(Q(state__in=["begun", "done"]), Q(luggage__isnull=True)),
                name="move_luggage_while_departed",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.player_id} to {self.region}: {self.state}"


class Transfer(models.Model):
    """One end of a move: a player left this region, or came to it. The centre sees both, or one that is on its way."""

    class Direction(models.TextChoices):
        OUT = "out"
        IN = "in"

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    transfer = models.UUIDField(help_text="The move, by the same id at both ends.")
    direction = models.TextField(choices=Direction)
    other_region = models.TextField()
    entry = models.ForeignKey(
        "ledger.JournalEntry", models.PROTECT, null=True, related_name="+", db_index=False, db_constraint=False
    )
    at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["transfer", "direction"], name="transfer_each_end_once"),
            models.CheckConstraint(condition=Q(direction__in=["out", "in"]), name="transfer_direction_known"),
        ]

    def __str__(self) -> str:
        return f"{self.transfer} {self.direction}"
