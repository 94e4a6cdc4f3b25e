"""Values as the contract has them: what is not exactly right is refused, never repaired (docs/openapi.yaml)."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from django.core.exceptions import ValidationError as DjangoValidationError
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

S = TypeVar("S", bound=serializers.BaseSerializer[Any])
AMOUNT = re.compile(r"(0|[1-9][0-9]{0,19})(\.[0-9]{1,18})?")
INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
CONTROL_CHARACTER = re.compile(r"[\x01-\x1f\x7f-\x9f]")  # Unicode's category Cc, but for NUL, which DRF refuses itself
CANONICAL_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def render_amount(amount: Decimal) -> str:
    """The one spelling of an amount: no exponent, no trailing zeros, "0" for zero. Exact at any precision."""
    text = format(amount, "f")  # normalize() would round to the context's 28 digits
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def render_instant(instant: datetime) -> str:
    """RFC 3339 in UTC with Z."""
    if instant.tzinfo is None:
        raise AssertionError("an instant has a time zone")
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


class AmountField(serializers.Field[Decimal, Any, str, Any]):
    """An exact amount: a decimal string with at most 20 digits before the point and 18 after it.

    A JSON number is refused, however round: another JSON library would have made it a float. `positive` refuses zero;
    `signed` tells that an answer may have a minus, which is never taken.
    """

    def __init__(self, *, positive: bool = False, signed: bool = False, **kwargs: Any) -> None:
        self.positive = positive
        self.signed = signed
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> Decimal:
        if not isinstance(data, str):
            raise ValidationError("an amount is a decimal string, not a JSON number", code="invalid-amount")
        if not AMOUNT.fullmatch(data):
            raise ValidationError(
                'an amount is a decimal string such as "1.25", with at most 20 digits before the point and 18 after it',
                code="invalid-amount",
            )
        amount = Decimal(data)
        if self.positive and not amount:
            raise ValidationError("the amount is more than zero", code="invalid-amount")
        return amount

    def to_representation(self, value: Decimal) -> str:
        return render_amount(value)


class InstantField(serializers.Field[datetime, Any, str, Any]):
    """An instant: RFC 3339 date-time, capital T and Z, seconds and an explicit offset, microseconds at most.

    A seventh digit of the fraction is refused and not cut off: PostgreSQL keeps six, and two different times would
    become the same win.
    """

    def to_internal_value(self, data: Any) -> datetime:
        try:
            if isinstance(data, str) and INSTANT.fullmatch(data):
                return datetime.fromisoformat(data).astimezone(UTC)
        except (ValueError, OverflowError):  # 30 February; an offset that leads out of the years 1 to 9999
            pass
        raise ValidationError(
            'a time is RFC 3339 with an explicit offset, to the microsecond: "2026-11-20T10:00:00.123Z"',
            code="invalid-time",
        )

    def to_representation(self, value: datetime) -> str:
        return render_instant(value)


class DayField(serializers.Field[date | None, Any, str, Any]):
    """A calendar day, YYYY-MM-DD. With `or_today` also the word "today", which becomes None: only the player knows."""

    def __init__(self, *, or_today: bool = False, **kwargs: Any) -> None:
        self.or_today = or_today
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> date | None:
        if self.or_today and data == "today":
            return None
        try:
            if isinstance(data, str) and DAY.fullmatch(data):
                return date.fromisoformat(data)
        except ValueError:
            pass
        raise ValidationError(
            'a day is "today" or YYYY-MM-DD' if self.or_today else "a day is YYYY-MM-DD", "invalid-time"
        )

    def to_representation(self, value: date | None) -> str:
        return value.isoformat() if value else "today"


class StrictUUIDField(serializers.UUIDField):
    """A UUID in its canonical form: lower case, with hyphens (RFC 9562, section 4)."""

    def to_internal_value(self, data: Any) -> UUID:
        if not isinstance(data, str) or not CANONICAL_UUID.fullmatch(data):
            raise ValidationError("an id is a UUID in lower case with hyphens", code="invalid")
        return UUID(data)


def refuse_control_characters(text: str) -> None:
    """Raises ValidationError for a control character (Unicode category Cc): never meant, and it forges log lines."""
    if CONTROL_CHARACTER.search(text):
        raise DjangoValidationError("control characters are not allowed", code="control-characters")


class TextField(serializers.CharField):
    """Text kept as it was sent, untrimmed. A number is no text. NUL and lone surrogates are refused by DRF itself.

    With a `pattern`, which allows no control character, the whole text has that form.
    """

    def __init__(self, *, max_length: int, pattern: re.Pattern[str] | None = None, **kwargs: Any) -> None:
        self.pattern = pattern
        super().__init__(max_length=max_length, trim_whitespace=False, **kwargs)
        self.validators.append(refuse_control_characters)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise ValidationError("this is a string", code="invalid")
        if self.pattern is not None and not self.pattern.fullmatch(data):
            raise ValidationError(f"this has the form {self.pattern.pattern}", code="invalid")
        return data


class CountField(serializers.IntegerField):
    """A whole number in a query: ASCII digits without sign, padding or leading zero."""

    PATTERN: ClassVar[re.Pattern[str]] = re.compile(r"0|[1-9][0-9]{0,8}")

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, str) or not self.PATTERN.fullmatch(data):
            raise ValidationError("this is a whole number", code="invalid")
        return int(data)


class ProblemField(serializers.JSONField):
    """A problem inside another answer (problems.problem)."""


class StrictSerializer(serializers.Serializer[Any]):
    """A serializer that refuses what it does not know, by name, together with everything else that is wrong.

    `says_something`: whether an object without any member is refused too.
    """

    says_something: ClassVar[bool] = False

    default_error_messages: ClassVar[dict[str, Any]] = {"invalid": "this is a JSON object"}

    def to_internal_value(self, data: Any) -> Any:
        unknown: dict[str, Any] = {}
        if isinstance(data, Mapping):
            unknown = {
                name: [ErrorDetail("there is no such field", code="unknown-field")]
                for name in data
                if name not in self.fields
            }
        try:
            value = super().to_internal_value(data)
        except ValidationError as error:
            wrong = error.detail if isinstance(error.detail, dict) else {}
            raise ValidationError({**wrong, **unknown}) from None
        if unknown:
            raise ValidationError(unknown)
        if self.says_something and not value:
            raise ValidationError("this says nothing", code="invalid")
        return value


@cache
def shared(serializer_class: type[S]) -> S:
    """One serializer of that class for the process, for `run_validation` and `to_representation`, which keep nothing.

    Making one copies all its fields: that was a tenth of a call's time (docs/performance.md).
    """
    return serializer_class()


class EachByItself(serializers.ListSerializer[Any]):
    """A list in which a bad item does not spoil the others: its place holds the ValidationError."""

    default_error_messages: ClassVar[dict[str, Any]] = {"not_a_list": "this is a JSON array"}

    def run_child_validation(self, data: Any) -> Any:
        try:
            return super().run_child_validation(data)
        except ValidationError as error:
            return error
