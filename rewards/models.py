"""Games and their keys, players, the day's allowance, wins (docs/data-model.md).

Triggers and foreign keys that hold at once stand in sql/. Wins are written by `rewards.services` and by nothing else.
"""

from decimal import Decimal

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual

from dreamland.lib.fields import (
    AMOUNT_DECIMALS,
    AMOUNT_LIMIT,
    AmountField,
    ClockTimestamp,
    Uuid7,
    amount_constraints,
)
from ledger import book
from rewards.personal_models import Erasure, KeyEpoch, PlayerKey, Profile

__all__ = [
    "REASON_MAX_LENGTH",
    "REFERENCE_MAX_LENGTH",
    "Allowance",
    "Erasure",
    "Game",
    "GameKey",
    "KeyEpoch",
    "OverCap",
    "Player",
    "PlayerKey",
    "Profile",
    "Scope",
    "Void",
    "Win",
]

REFERENCE_MAX_LENGTH = 200
REASON_MAX_LENGTH = 200


class OverCap(models.TextChoices):
    """What becomes of a win that exceeds what is left of the player's day."""

    REJECT = "reject", "The whole win is refused"
    CLIP = "clip", "What is left is credited, the rest is forfeited"


class Game(models.Model):
    """A game that may report wins."""

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    slug = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    over_cap = models.TextField(
        choices=OverCap,
        db_default=OverCap.REJECT,
        help_text="What becomes of a win over the cap; from the next win on.",
    )
    created_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.CheckConstraint(condition=Q(over_cap__in=["reject", "clip"]), name="game_over_cap_known"),
        ]

    def __str__(self) -> str:
        return self.slug


class Scope(models.TextChoices):
    """What a game key may do."""

    PLAYERS_WRITE = "players:write"
    PLAYERS_READ = "players:read"
    WINS_WRITE = "wins:write"
    WINS_READ = "wins:read"


class GameKey(models.Model):
    """A game server's credential. The secret is shown once; only its SHA-256 is kept."""

    id = models.CharField(primary_key=True, max_length=16)
    game = models.ForeignKey(Game, models.PROTECT, related_name="keys")
    secret_sha256 = models.BinaryField(max_length=32)
    scopes = ArrayField(models.TextField(choices=Scope))
    created_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="To the minute.")

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(condition=Q(scopes__contained_by=Scope.values), name="game_key_scopes_known"),
        ]

    def __str__(self) -> str:
        return self.id


class Player(models.Model):
    """Somebody who plays, under the id that Dreamland's identity service gave. Nothing personal stands here."""

    class Status(models.TextChoices):
        ACTIVE = "active"
        SUSPENDED = "suspended"
        CLOSED = "closed"
        MOVING = "moving"
        MOVED = "moved"
        ERASED = "erased"

    id = models.UUIDField(primary_key=True)
    timezone = models.CharField(max_length=64, help_text="IANA name; it decides when the player's day begins.")
    status = models.CharField(max_length=16, choices=Status, default=Status.ACTIVE)
    region = models.TextField(
        db_default="", blank=True, help_text="Where a player who moves is going, and who moved lives. Empty: here."
    )
    created_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)

    class Meta:
        ordering = ["-created_at"]
        permissions = [
            ("export_player", "Can export everything about a player"),
            ("erase_player", "Can erase a player"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["active", "suspended", "closed", "moving", "moved", "erased"]),
                name="player_status_known",
            ),
            models.CheckConstraint(
                condition=Q(Q(status__in=["moving", "moved"]), Q(region__regex=r"^[a-z]{2,8}$"))
                | Q(~Q(status__in=["moving", "moved"]), Q(region="")),
                name="player_region_where_moved",
            ),
            models.CheckConstraint(
                condition=~Q(status="erased") | Q(timezone="UTC"), name="player_erased_lives_nowhere"
            ),
            # The house's own book can be nobody's.
            models.CheckConstraint(condition=~Q(id=book.HOUSE), name="player_is_not_house"),
        ]

    def __str__(self) -> str:
        return str(self.id)


class Allowance(models.Model):
    """What a player may win on one local day. The day's bounds are stored as instants: [starts_at, ends_at).

    Opened with the first win of the day. `won` follows the wins by trigger (sql/win.sql); `won <= cap` is the cap.
    """

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    player = models.ForeignKey(Player, models.PROTECT, related_name="allowances", db_index=False, db_constraint=False)
    day = models.DateField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    cap = AmountField()
    carried = AmountField(
        db_default=Decimal(0), help_text="Of `won`: what was won in the region that the player came from."
    )
    won = AmountField(db_default=Decimal(0))

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["player", "day"], name="allowance_one_for_a_day"),
            *amount_constraints("allowance", "cap"),
            models.CheckConstraint(condition=Q(won__gte=0, won__lte=F("cap")), name="allowance_cap"),
            models.CheckConstraint(condition=Q(carried__gte=0, carried__lte=F("won")), name="allowance_carried_is_won"),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="allowance_day_has_length"),
        ]

    def __str__(self) -> str:
        return f"{self.player_id} {self.day}: {self.won} of {self.cap}"


class Win(models.Model):
    """A player won an amount of DREAM in a game at a time: the fact behind one journal entry.

    `amount` is what was credited; what was asked for is `amount + forfeited`, so that it cannot be less. After it is
    written only two things happen to it, each once: it is converted, and it is voided.
    """

    entry = models.OneToOneField(
        "ledger.JournalEntry", models.PROTECT, primary_key=True, related_name="win", db_constraint=False
    )
    player = models.ForeignKey(Player, models.PROTECT, related_name="wins", db_index=False, db_constraint=False)
    game = models.ForeignKey(Game, models.PROTECT, related_name="wins", db_index=False, db_constraint=False)
    reference = models.CharField(max_length=REFERENCE_MAX_LENGTH)
    amount = AmountField()
    forfeited = AmountField(db_default=Decimal(0), help_text="What the day had no room for, where the game clips.")
    won_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    key = models.ForeignKey(
        GameKey,
        models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
        help_text="The key that reported it. Empty where none was needed.",
    )
    allowance = models.ForeignKey(Allowance, models.PROTECT, related_name="wins", db_index=False, db_constraint=False)
    converted_by = models.ForeignKey(
        "ledger.JournalEntry", models.PROTECT, null=True, related_name="+", db_index=False, db_constraint=False
    )
    voided_by = models.ForeignKey(
        "ledger.JournalEntry", models.PROTECT, null=True, related_name="+", db_index=False, db_constraint=False
    )

    class Meta:
        indexes = [
            models.Index(fields=["player", "allowance", "entry"], name="win_by_day"),
            # The queue of the conversion: what it takes leaves this index.
            models.Index(
                fields=["player", "won_at"],
                condition=Q(converted_by__isnull=True, voided_by__isnull=True),
                name="win_pending",
            ),
            # What a leaked key reported. Entries of one key grow at the end of its part: it costs next to nothing.
            models.Index(fields=["key", "entry"], condition=Q(key__isnull=False), name="win_by_key"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["player", "game", "reference"], name="win_reference_once"),
            *amount_constraints("win", "amount"),
            models.CheckConstraint(
                condition=Q(forfeited__gte=0, forfeited__lt=AMOUNT_LIMIT), name="win_forfeited_bounds"
            ),
            models.CheckConstraint(
                condition=Q(forfeited=Func(F("forfeited"), AMOUNT_DECIMALS, function="round")),
                name="win_forfeited_precision",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reference}: {self.amount} DREAM"


class Void(models.Model):
    """A win was taken back, once and for good: why, when and by whom. The fact behind the reversal of its entry.

    Asked for by a game (`key`), by one of the staff (`user`), or at the shell (neither). Writing it marks the win
    (sql/void.sql).
    """

    entry = models.OneToOneField(
        "ledger.JournalEntry", models.PROTECT, primary_key=True, related_name="void", db_constraint=False
    )
    win = models.OneToOneField(Win, models.PROTECT, related_name="void", db_constraint=False)
    player = models.ForeignKey(Player, models.PROTECT, related_name="voids", db_index=False, db_constraint=False)
    reason = models.TextField()
    voided_at = models.DateTimeField()
    key = models.ForeignKey(
        GameKey, models.PROTECT, null=True, blank=True, related_name="+", db_index=False, db_constraint=False
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )

    class Meta:
        constraints = [
            # What the win's own foreign key refers to: a win is voided by a void of that very win.
            models.UniqueConstraint(fields=["win", "entry"], name="void_of_win"),
            models.CheckConstraint(condition=Q(reason__regex=r"\S"), name="void_reason_said"),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("reason"), REASON_MAX_LENGTH), name="void_reason_length"
            ),
            models.CheckConstraint(condition=Q(key__isnull=True) | Q(user__isnull=True), name="void_by_one_at_most"),
        ]

    def __str__(self) -> str:
        return f"{self.win_id}: {self.reason}"
