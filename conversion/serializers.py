"""What callers get about conversions (docs/openapi.yaml)."""

from typing import Any

from rest_framework import serializers

from dreamland.lib.api.fields import AmountField, DayField, InstantField


class UsdLineOut(serializers.Serializer[Any]):
    """The wins of one hour and one of the player's days, as USD; or the void of one of them, with a minus.

    `day` and `hour` are when they were won. `owed` is what the line added to what the player owes: less than nothing
    where a conversion paid some of it off.
    """

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=["conversion", "void"])
    day = DayField()
    hour = InstantField()
    tokens = AmountField(signed=True)
    rate = AmountField()
    usd = AmountField(signed=True)
    owed = AmountField(signed=True)
    converted_at = InstantField()
