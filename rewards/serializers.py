"""What callers send and what they get: different classes (docs/api.md, "Shapes")."""

from typing import Any

from django.conf import settings
from rest_framework import serializers

from dreamland.lib.api.fields import (
    AmountField,
    DayField,
    EachByItself,
    InstantField,
    StrictSerializer,
    StrictUUIDField,
    TextField,
)
from dreamland.lib.api.pages import PageQuery
from rewards.models import REFERENCE_MAX_LENGTH, Player
from rewards.selectors import WinFacts

TIMEZONE_MAX_LENGTH = 64


class PlayerIn(StrictSerializer):
    """What registers a player or changes one."""

    timezone = TextField(max_length=TIMEZONE_MAX_LENGTH, help_text="IANA name; it decides when the player's day begins")


class PlayerOut(serializers.Serializer[Any]):
    """A player."""

    id = serializers.UUIDField()
    timezone = serializers.CharField()
    status = serializers.ChoiceField(choices=Player.Status.choices)
    created_at = InstantField()


class WinIn(StrictSerializer):
    """A claim: this player won this amount at that time. `reference` is the game's own name for it."""

    reference = TextField(max_length=REFERENCE_MAX_LENGTH)
    player_id = StrictUUIDField()
    amount = AmountField(positive=True)
    won_at = InstantField()


class BatchIn(StrictSerializer):
    """Wins, each of which is taken or refused by itself."""

    wins = EachByItself(child=WinIn(), max_length=settings.WINS_PER_BATCH)


class ConversionOut(serializers.Serializer[Any]):
    """What a win became, from the `conversions` of the context by the win's id: conversions are not known down here."""

    hour = InstantField()
    rate = AmountField()
    usd = AmountField()
    converted_at = InstantField()

    def get_attribute(self, instance: WinFacts) -> Any:
        return self.context.get("conversions", {}).get(instance.id)


class VoidOut(serializers.Serializer[Any]):
    """Why and when a win was taken back."""

    reason = serializers.CharField()
    voided_at = InstantField()


class WinOut(serializers.Serializer[Any]):
    """A win. `conversion` and `void` are null until there is one."""

    id = serializers.UUIDField()
    reference = serializers.CharField()
    player_id = serializers.UUIDField()
    game = serializers.CharField()
    amount = AmountField()
    won_at = InstantField()
    recorded_at = InstantField()
    day = DayField()
    state = serializers.ChoiceField(choices=["pending", "converted", "voided"])
    conversion = ConversionOut(read_only=True, allow_null=True)
    void = VoidOut(read_only=True, allow_null=True, default=None)


class WinsQuery(PageQuery):
    """The wins of one of the player's days."""

    day = DayField(or_today=True, default=None)


class StatsOut(serializers.Serializer[Any]):
    """A player's day and wallet in one snapshot."""

    day = DayField()
    timezone = serializers.CharField()
    resets_at = InstantField()
    cap = AmountField()
    tokens_won_today = AmountField()
    tokens_remaining_today = AmountField()
    usd_balance = AmountField()
    as_of = InstantField()
