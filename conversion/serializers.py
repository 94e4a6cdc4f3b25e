"""What callers get about conversions (docs/api.md, "Shapes")."""

from typing import Any

from rest_framework import serializers

from dreamland.lib.api.fields import AmountField, DayField, InstantField


class UsdLineOut(serializers.Serializer[Any]):
    """The wins of one hour and one of the player's days, as USD. `day` and `hour` are when they were won."""

    id = serializers.UUIDField()
    day = DayField()
    hour = InstantField()
    tokens = AmountField()
    rate = AmountField()
    usd = AmountField()
    converted_at = InstantField()
