"""What is kept about persons, apart from players, books and wins, and sealed (docs/privacy.md).

Written by `rewards.profiles`, `rewards.vault_keys` and `rewards.erasing`, and by nothing else; triggers stand in
sql/profile.sql and sql/erasure.sql.
"""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Length
from django.db.models.lookups import Exact, GreaterThanOrEqual, LessThanOrEqual

from dreamland.lib.fields import ClockTimestamp

EPOCH_MAX_LENGTH = 200  # a key service calls its keys by long names
INDEX_BYTES = 32
BASIS_MAX_LENGTH = 200
SEALED_BYTES_AT_LEAST = 12 + 16  # the nonce and the tag of AES-GCM: what is shorter is no ciphertext


def _long_enough(table: str, column: str) -> models.CheckConstraint:
    return models.CheckConstraint(
        condition=GreaterThanOrEqual(Length(column), SEALED_BYTES_AT_LEAST), name=f"{table}_{column}_is_sealed"
    )


class KeyEpoch(models.Model):
    """A key-encryption key as the database knows it: by name. The key itself is elsewhere (dreamland.lib.vault)."""

    name = models.TextField(primary_key=True)
    first_used_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)
    destroyed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(name__regex=rf"^.{{1,{EPOCH_MAX_LENGTH}}}$"), name="key_epoch_name_length"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class PlayerKey(models.Model):
    """A player's own data key, wrapped. Without it, what is sealed about the player is noise."""

    player = models.OneToOneField(
        "rewards.Player", models.PROTECT, primary_key=True, related_name="+", db_constraint=False
    )
    epoch = models.ForeignKey(KeyEpoch, models.PROTECT, related_name="+", db_constraint=False)
    wrapped = models.BinaryField()

    class Meta:
        constraints = [_long_enough("player_key", "wrapped")]

    def __str__(self) -> str:
        return f"key of {self.player_id}"


class Profile(models.Model):
    """Name, e-mail and country of a player, sealed under the player's key."""

    player = models.OneToOneField(
        "rewards.Player", models.PROTECT, primary_key=True, related_name="+", db_constraint=False
    )
    format = models.SmallIntegerField(help_text="How the sealed bytes are read; they are bound to it.")
    sealed = models.BinaryField()
    email_index = models.BinaryField(null=True, help_text="Keyed digest of the e-mail, under the epoch of the key.")
    changed_at = models.DateTimeField(db_default=ClockTimestamp())

    class Meta:
        indexes = [
            models.Index(fields=["email_index"], condition=Q(email_index__isnull=False), name="profile_by_email")
        ]
        constraints = [
            _long_enough("profile", "sealed"),
            models.CheckConstraint(
                condition=Q(email_index__isnull=True) | Q(Exact(Length("email_index"), INDEX_BYTES)),
                name="profile_email_index_length",
            ),
        ]

    def __str__(self) -> str:
        return f"profile of {self.player_id}"


class Erasure(models.Model):
    """A player was erased: when, by whom, and what has to be kept on which basis until when. Never changed.

    Writing it is the deed: sql/erasure.sql destroys profile and key with it. What is kept is a profile again, the
    minimum under a key of its own.
    """

    player = models.OneToOneField(
        "rewards.Player", models.PROTECT, primary_key=True, related_name="+", db_constraint=False
    )
    erased_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)
    erased_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
        help_text="Empty where it was done at the shell, or again after a restore.",
    )
    basis = models.TextField(db_default="", blank=True, help_text="The law that asks for what is kept.")
    retain_until = models.DateField(null=True, blank=True, help_text="The last day on which it is kept.")

    class Meta:
        ordering = ["-erased_at"]
        indexes = [
            models.Index(fields=["retain_until"], condition=Q(retain_until__isnull=False), name="erasure_retained")
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(basis="", retain_until__isnull=True) | Q(basis__regex=r"\S", retain_until__isnull=False),
                name="erasure_keeps_on_a_basis",
            ),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("basis"), BASIS_MAX_LENGTH), name="erasure_basis_length"
            ),
        ]

    def __str__(self) -> str:
        return f"erasure of {self.player_id}"
