"""What callers send and what they get: different classes (docs/openapi.yaml)."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from rest_framework import serializers
from rest_framework.fields import SkipField

from dreamland.lib.api.fields import (
    AmountField,
    DayField,
    EachByItself,
    InstantField,
    ProblemField,
    StrictSerializer,
    StrictUUIDField,
    TextField,
)
from dreamland.lib.api.pages import PageQuery
from rewards.models import REASON_MAX_LENGTH, REFERENCE_MAX_LENGTH, Player
from rewards.profile_values import (
    COUNTRY,
    COUNTRY_LENGTH,
    EMAIL,
    EMAIL_MAX_LENGTH,
    NAME_MAX_LENGTH,
    country_value,
    email_value,
    name_value,
)
from rewards.selectors import PlayerFacts, WinFacts

TIMEZONE_MAX_LENGTH = 64


def checked(rule: Callable[[str], str]) -> Callable[[str], None]:
    """A rule of `profile_values` as a validator, so that everything that is wrong is told at once."""

    def validate(value: str) -> None:
        rule(value)

    return validate


class ProfileIn(StrictSerializer):
    """What is known about the person, all of it: it replaces what was known before. It says at least one thing."""

    says_something = True

    name = TextField(
        required=False,
        max_length=NAME_MAX_LENGTH,
        validators=[checked(name_value)],
        help_text="As the person writes it; kept in Unicode NFC",
    )
    email = TextField(
        required=False,
        max_length=EMAIL_MAX_LENGTH,
        pattern=EMAIL,
        validators=[checked(email_value)],
        help_text="An address in ASCII; its domain is kept in lower case",
    )
    country = TextField(
        required=False,
        max_length=COUNTRY_LENGTH,
        pattern=COUNTRY,
        validators=[checked(country_value)],
        help_text="Of residence: ISO 3166-1 alpha-2",
    )


class ProfileOut(serializers.Serializer[Any]):
    """What is known about the person. What was not said is null."""

    name = serializers.CharField(allow_null=True)
    email = serializers.CharField(allow_null=True)
    country = serializers.CharField(allow_null=True)

    def get_attribute(self, instance: PlayerFacts) -> Any:
        """From the `profile` of the context; left out where nobody put one there: players are known without it."""
        if "profile" not in self.context:
            raise SkipField
        return self.context["profile"]


class PlayerIn(StrictSerializer):
    """What registers a player or changes one. A profile that is not spoken of stays; null removes it."""

    timezone = TextField(max_length=TIMEZONE_MAX_LENGTH, help_text="IANA name; it decides when the player's day begins")
    profile = ProfileIn(required=False, allow_null=True)


class PlayerOut(serializers.Serializer[Any]):
    """A player. `profile` is there for the player himself and for nobody else; null where there is none."""

    id = serializers.UUIDField()
    timezone = serializers.CharField()
    status = serializers.ChoiceField(choices=Player.Status.choices)
    created_at = InstantField()
    profile = ProfileOut(required=False, allow_null=True)


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
    """What a win became."""

    hour = InstantField()
    rate = AmountField()
    usd = AmountField()
    converted_at = InstantField()

    def get_attribute(self, instance: WinFacts) -> Any:
        """From the `conversions` of the context, by the win's id: conversions are not known down here."""
        return self.context.get("conversions", {}).get(instance.id)


class VoidOut(serializers.Serializer[Any]):
    """Why and when a win was taken back."""

    reason = serializers.CharField()
    voided_at = InstantField()


class VoidIn(StrictSerializer):
    """Why a win is taken back."""

    reason = TextField(max_length=REASON_MAX_LENGTH)


class WinOut(serializers.Serializer[Any]):
    """A win. `conversion` and `void` are null until there is one.

    `amount` was credited. Where the game clips, `requested` is what it asked for and `forfeited` what the day had no
    room for.
    """

    id = serializers.UUIDField()
    reference = serializers.CharField()
    player_id = serializers.UUIDField()
    game = serializers.CharField()
    amount = AmountField()
    requested = AmountField(required=False)
    forfeited = AmountField(required=False)
    won_at = InstantField()
    recorded_at = InstantField()
    day = DayField()
    state = serializers.ChoiceField(choices=["pending", "converted", "voided"])
    conversion = ConversionOut(read_only=True, allow_null=True)
    void = VoidOut(read_only=True, allow_null=True)

    def to_representation(self, instance: WinFacts) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(instance)
        if not instance.clips and not instance.forfeited:
            del shown["requested"], shown["forfeited"]
        return shown


class ResultOut(serializers.Serializer[Any]):
    """What one win of a batch got: what it would have got alone. `win` for 200 and 201, else `problem`."""

    status = serializers.IntegerField(min_value=200, max_value=599)
    win = WinOut(required=False)
    problem = ProblemField(required=False)


class BatchOut(serializers.Serializer[Any]):
    """A result for each win, in order."""

    results = ResultOut(many=True)


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
    usd_owed = AmountField()
    as_of = InstantField()
