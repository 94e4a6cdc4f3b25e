"""Everything that is kept about one player, table by table: for who asks what is known about him (docs/privacy.md).

Each app says in `data_classes.py` which of its tables hold rows about players: OF_PLAYER gives the condition, LEFT_OUT
the columns that are not told, each with the reason, and KEPT what stays when a player is erased, with the reason.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from importlib import import_module
from importlib.util import find_spec
from typing import Any
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.db import connection
from psycopg import sql

Row = Mapping[str, Any]


def _said(name: str) -> Iterator[tuple[str, str]]:
    """What the apps say under this name, one after the other."""
    for config in apps.get_app_configs():
        if find_spec(f"{config.name}.data_classes") is not None:
            yield from getattr(import_module(f"{config.name}.data_classes"), name, {}).items()


def _with_reasons(name: str) -> dict[str, str]:
    return {path: reason for reason, paths in _said(name) for path in paths.split()}


def tables_of_players() -> dict[str, str]:
    """The tables that hold rows about players, each with its condition on `player`."""
    return dict(_said("OF_PLAYER"))


def of_others() -> dict[str, str]:
    """Tables about persons that are no players, or in which no row is about one; each with the reason."""
    return _with_reasons("OF_OTHERS")


def left_out() -> dict[str, str]:
    """Columns of those tables that an export does not tell, each with the reason."""
    return _with_reasons("LEFT_OUT")


def kept() -> dict[str, str]:
    """Columns about a person that stay when a player is erased, each with the reason."""
    return _with_reasons("KEPT")


def rows_about(player_id: UUID) -> Iterator[tuple[str, Iterator[Row]]]:
    """Each table with its rows about the player, in key order; the caller's transaction, one table after the other."""
    silent = left_out()
    for table, condition in sorted(tables_of_players().items()):
        yield table, _rows(table, condition, player_id, {path for path in silent if path.startswith(f"{table}.")})


def _rows(table: str, condition: str, player_id: UUID, silent: set[str]) -> Iterator[Row]:
    # The condition is ours, from the code; what is asked for goes as a parameter.
    statement = sql.SQL("SELECT * FROM {} WHERE {} ORDER BY 1").format(sql.Identifier(table), sql.SQL(condition))
    with connection.chunked_cursor() as cursor:
        cursor.cursor.itersize = settings.EXPORT_CHUNK_ROWS
        cursor.execute(statement, {"player": player_id})
        names = [column.name for column in cursor.description]
        for row in cursor:
            yield {
                name: portable(value) for name, value in zip(names, row, strict=True) if f"{table}.{name}" not in silent
            }


def portable(value: Any) -> Any:
    """A value in JSON: amounts as decimal strings, instants in RFC 3339, bytes in hexadecimal."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, UUID):
        return str(value)
    return value
