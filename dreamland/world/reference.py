"""Reference data: written at the centre, read everywhere. A region's own database refuses to write it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from dreamland.world.contract import REFERENCE
from dreamland.world.subscriptions import Subscription

GUARD = (Path(__file__).parent / "setup" / "reference_guard.sql").read_text()
RECEIVER = "reference_receiver"
TABLES = {table.name: publication.operations for publication in REFERENCE for table in publication.tables}


class NotFreshError(Exception):
    """The database has books already: its reference data cannot be exchanged for the centre's."""


def subscription(region: str) -> Subscription:
    """The region's subscription to the centre."""
    return Subscription(f"reference_{region}", RECEIVER, tuple(publication.name for publication in REFERENCE))


def adopt(connection: psycopg.Connection[Any]) -> None:
    """Makes a freshly migrated database take its reference data from the centre: empties the tables that migrations
    have filled, lets the receiver write them, and refuses everybody else.

    Raises NotFreshError where there are postings or keys already.
    """
    with connection.transaction():
        row = connection.execute(
            "SELECT EXISTS (SELECT FROM ledger_journalentry) OR EXISTS (SELECT FROM rewards_gamekey)"
        ).fetchone()
        if row is None or row[0]:
            raise NotFreshError("this database has books or keys; only an empty one can join a world")
        connection.execute(
            "SET LOCAL session_replication_role = replica"
        )  # no trigger, no foreign key: as the receiver
        for table in reversed(TABLES):
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
        connection.execute("SET LOCAL session_replication_role = origin")
        if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [RECEIVER]).fetchone() is None:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(RECEIVER)))
        role, database = sql.Identifier(RECEIVER), sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("GRANT pg_create_subscription TO {}").format(role))
        connection.execute(sql.SQL("GRANT CONNECT, CREATE ON DATABASE {} TO {}").format(database, role))
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(role))
        for table, operations in TABLES.items():
            connection.execute(
                sql.SQL("GRANT SELECT, {} ON {} TO {}").format(sql.SQL(operations), sql.Identifier(table), role)
            )
        connection.execute(GUARD.encode())


def add_settlement_accounts(connection: psycopg.Connection[Any], regions: Sequence[str]) -> None:
    """At the centre: an account for what regions owe each other, one for each region, in the chart of all of them."""
    connection.cursor().executemany(
        "INSERT INTO ledger_account (code, name, asset, kind, normal_side, held)"
        " VALUES ('settlement:' || %s, 'Owed by the region ' || %s, 'USD', 'asset', 'debit', false)"
        " ON CONFLICT (code) DO NOTHING",
        [(region, region) for region in regions],
    )
