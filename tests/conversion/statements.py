"""A provider that keeps books of its own, and writes a statement of them."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User

from conversion.reconciliation.importing import Imported, import_statement
from conversion.services import convert_hour
from tests.conversion.helpers import HOUR, OVER, win
from tests.factories import players
from tests.sql import run

HEADER = "reference,hour,tokens,usd,fee"
Row = tuple[str, str, str, str, str]


def told(hour: datetime) -> str:
    return hour.strftime("%Y-%m-%dT%H:00:00Z")


def an_hour(count: int = 3, *, hour: datetime = HOUR) -> list[Row]:
    """Converts an hour of so many players, and gives what an honest provider would say of it."""
    for number, player in enumerate(players(count), start=1):
        win(player, str(number), at=hour)
    convert_hour(hour=hour, now=hour + timedelta(hours=1))
    return ours(hour)


def ours(hour: datetime = HOUR) -> list[Row]:
    """What we have of a run's hour."""
    found = run(
        "SELECT entry_id::text, line.tokens::text, line.usd::text, fee::text FROM conversion_conversion line"
        " JOIN conversion_conversionrun run ON run.id = run_id WHERE run.hour = %s ORDER BY line.tokens, entry_id",
        [hour],
    )
    return [(entry, told(hour), tokens, usd, fee) for entry, tokens, usd, fee in found]


def provider() -> str:
    """Whom our fee rule owes."""
    return str(run("SELECT provider FROM conversion_feerule ORDER BY effective_from DESC LIMIT 1")[0][0])


def a_file(
    rows: Iterable[Sequence[str]],
    *,
    reference: str = "2026-11",
    starts: datetime = HOUR,
    ends: datetime = OVER,
    by: str | None = None,
    total: str | None = None,
) -> bytes:
    """A statement's file; `total` instead of the right last line."""
    rows = list(rows)
    sums = [sum((Decimal(row[place]) for row in rows), Decimal(0)) for place in (2, 3, 4)]
    last = f"total,{len(rows)}," + ",".join(f"{each:f}" for each in sums) if total is None else total
    first = f"statement,{by or provider()},{reference},{told(starts)},{told(ends)}"
    return "".join(f"{line}\n" for line in [first, HEADER, *(",".join(row) for row in rows), last]).encode()


def finance(name: str = "clerk") -> int:
    person, _ = User.objects.get_or_create(username=name)
    return person.pk


def imported(rows: Iterable[Sequence[str]], **parts: Any) -> Imported:
    return import_statement(content=a_file(rows, **parts), imported_by=finance())


def with_(row: Row, **changed: str) -> Row:
    """A row with some of its fields changed."""
    fields = dict(zip(HEADER.split(","), row, strict=True)) | changed
    reference, hour, tokens, usd, fee = fields.values()
    return reference, hour, tokens, usd, fee
