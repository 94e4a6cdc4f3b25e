"""Column types and the database's own defaults: amounts, transaction ids, UUIDv7, the clock."""

from decimal import Decimal
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Func, Q

AMOUNT_DIGITS = 38
AMOUNT_DECIMALS = 18
AMOUNT_LIMIT = Decimal(10) ** (AMOUNT_DIGITS - AMOUNT_DECIMALS)


class AmountField(models.DecimalField):  # type: ignore[type-arg]
    """An exact amount: 20 digits before the point and 18 after it, in a NUMERIC column without a type modifier.

    NUMERIC(38,18) rounds what does not fit before any CHECK can see it. A plain NUMERIC keeps every digit, so that the
    column's CHECK refuses an over-precise amount (docs/decisions/0002). Every column of this type carries that CHECK.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_digits"], kwargs["decimal_places"] = AMOUNT_DIGITS, AMOUNT_DECIMALS
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> tuple[str, str, Any, Any]:
        name, _, args, kwargs = super().deconstruct()
        del kwargs["max_digits"], kwargs["decimal_places"]
        return name, "dreamland.lib.fields.AmountField", args, kwargs

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "numeric"

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:
        return self.to_python(value)  # DecimalField would quantize here, and so round in silence


class Xid8Field(models.Field):  # type: ignore[type-arg]
    """A full transaction id of PostgreSQL (xid8): it never wraps around."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "xid8"


class Uuid7(Func):
    function = "uuidv7"
    template = "%(function)s()"
    output_field = models.UUIDField()


class ClockTimestamp(Func):
    """The database's clock at this instant; now() would be the start of the transaction."""

    function = "clock_timestamp"
    template = "%(function)s()"
    output_field = models.DateTimeField()


class CurrentTransaction(Func):
    function = "pg_current_xact_id"
    template = "%(function)s()"
    output_field = Xid8Field()


def amount_constraints(prefix: str, field: str) -> list[models.CheckConstraint]:
    """CHECKs, named after `prefix` and `field`: exact at 18 decimals, and in (0, 10^20).

    Two-sided, because NaN is larger than every number.
    """
    return [
        models.CheckConstraint(
            condition=Q(**{f"{field}__gt": 0, f"{field}__lt": AMOUNT_LIMIT}), name=f"{prefix}_{field}_bounds"
        ),
        models.CheckConstraint(
            condition=Q(**{field: Func(F(field), AMOUNT_DECIMALS, function="round")}),
            name=f"{prefix}_{field}_precision",
        ),
    ]
