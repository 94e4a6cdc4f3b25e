"""The analytics database at the centre: the published tables, one partition for each region, and the views over them.

The receiver says whose a row is: each region's rows are written by a role of its own, whose setting `dreamland.region`
is the default of the column `region`, and which may write into that region's partitions and no others. So a region
cannot claim to be another one, and a role without the setting can write nothing.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from dreamland.world.contract import Publication, Table
from dreamland.world.digest import hour_totals

DATABASE = "analytics"
VIEWS = (Path(__file__).parent / "setup" / "centre_views.sql").read_text()
# How the centre finds the rows of an hour and of an entry.
INDEXES = {
    "ledger_journalentry": "region, posted_at",
    "ledger_posting": "region, entry_id",
}
# Columns of the centre's own: when a row came.
ARRIVALS = ("world_hourclose", "world_beat")


def receiver(region: str) -> str:
    """The role that writes a region's rows."""
    return f"receiver_{region}"


def make_schema(connection: psycopg.Connection[Any], publication: Publication, regions: Sequence[str]) -> None:
    """Makes what is missing of tables, columns, partitions, functions, views and receivers. Nothing is ever dropped.

    A new region is one more name in `regions`; a new column of the contract is added here before any region has it.
    """
    with connection.transaction():
        for table in publication.tables:
            _make_table(connection, table)
            for region in regions:
                _make_partition(connection, table, region)
        connection.execute(hour_totals(publication, central=True).encode())
        connection.execute(VIEWS.encode())
        for region in regions:
            _make_receiver(connection, publication, region)


def _make_table(connection: psycopg.Connection[Any], table: Table) -> None:
    columns: list[sql.Composable] = [
        sql.SQL("{} {}{}").format(
            sql.Identifier(column), sql.SQL(kind), sql.SQL("" if column in table.nullable else " NOT NULL")
        )
        for column, kind in table.columns.items()
        if column not in table.undigested
    ]
    if table.name in ARRIVALS:
        columns.append(sql.SQL("arrived_at timestamptz NOT NULL DEFAULT clock_timestamp()"))
    name, key = sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, table.key))
    connection.execute(
        sql.SQL(
            "CREATE TABLE IF NOT EXISTS {} (region text NOT NULL DEFAULT current_setting('dreamland.region'), {},"
            " PRIMARY KEY (region, {})) PARTITION BY LIST (region)"
        ).format(name, sql.SQL(", ").join(columns), key)
    )
    for column in sorted(table.undigested):  # came later: rows from before have none
        connection.execute(
            sql.SQL("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {} {}").format(
                name, sql.Identifier(column), sql.SQL(table.columns[column])
            )
        )
    if columns_of_index := INDEXES.get(table.name):
        connection.execute(
            sql.SQL("CREATE INDEX IF NOT EXISTS {} ON {} ({})").format(
                sql.Identifier(f"{table.name}_by_region"), name, sql.SQL(columns_of_index)
            )
        )


def partition(table: Table, region: str) -> str:
    """The table that holds a region's rows."""
    return f"{table.name}_{region}"


def _make_partition(connection: psycopg.Connection[Any], table: Table, region: str) -> None:
    connection.execute(
        sql.SQL("CREATE TABLE IF NOT EXISTS {} PARTITION OF {} FOR VALUES IN ({})").format(
            sql.Identifier(partition(table, region)), sql.Identifier(table.name), sql.Literal(region)
        )
    )


def _make_receiver(connection: psycopg.Connection[Any], publication: Publication, region: str) -> None:
    """The role may log in, because an apply worker does so in its name; it has no password, and pg_hba refuses it."""
    role = sql.Identifier(receiver(region))
    if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [receiver(region)]).fetchone() is None:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
    database = sql.Identifier(connection.info.dbname)
    connection.execute(
        sql.SQL("ALTER ROLE {} IN DATABASE {} SET dreamland.region = {}").format(role, database, sql.Literal(region))
    )
    connection.execute(sql.SQL("GRANT pg_create_subscription TO {}").format(role))
    connection.execute(sql.SQL("GRANT CONNECT, CREATE ON DATABASE {} TO {}").format(database, role))
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(role))
    for table in publication.tables:
        connection.execute(
            sql.SQL("GRANT SELECT, INSERT ON {} TO {}").format(sql.Identifier(partition(table, region)), role)
        )


@contextmanager
def copying(connection: psycopg.Connection[Any], publication: Publication, region: str) -> Iterator[None]:
    """Inside, the region's receiver may write through the partitioned tables, as the first copy does.

    The stream afterwards writes into the region's own partitions and needs no more than those; so who had got hold of
    the receiver's name could reach no other region.
    """
    tables = sql.SQL(", ").join(sql.Identifier(table.name) for table in publication.tables)
    role = sql.Identifier(receiver(region))
    connection.execute(sql.SQL("GRANT INSERT ON {} TO {}").format(tables, role))
    try:
        yield
    finally:
        connection.execute(sql.SQL("REVOKE INSERT ON {} FROM {}").format(tables, role))
