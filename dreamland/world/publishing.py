"""Making a database publish what the contract says, and nothing else: role, column grants, publications, the guard.

Statements are returned and run in one transaction by whoever owns the database. The same again changes nothing.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from dreamland.world.contract import Publication, Table
from dreamland.world.digest import hour_totals

GUARD = (Path(__file__).parent / "setup" / "publication_guard.sql").read_text()


def publish(
    connection: psycopg.Connection[Any], publications: Sequence[Publication], *, reader: str, password: str
) -> None:
    """Lets the role `reader` read the published columns by logical replication, and publishes them.

    In one transaction: rows written meanwhile are published by the old list or by the new one. A table whose list has
    changed leaves its publication and comes back in the same transaction, which loses nothing.
    """
    with connection.transaction():
        _make_reader(connection, reader, password)
        connection.execute(GUARD)
        for publication in publications:
            for table in publication.tables:
                _grant(connection, reader, table)
            _allow(connection, publication)
        for publication in publications:
            _publish(connection, publication)
        _forget_others(connection, publications)


def _make_reader(connection: psycopg.Connection[Any], reader: str, password: str) -> None:
    if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [reader]).fetchone() is None:
        connection.execute(sql.SQL("CREATE ROLE {} NOINHERIT").format(sql.Identifier(reader)))
    role = sql.Identifier(reader)
    connection.execute(
        sql.SQL("ALTER ROLE {} LOGIN REPLICATION CONNECTION LIMIT 12 PASSWORD {}").format(role, sql.Literal(password))
    )
    connection.execute(sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {}").format(role))
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(role))


def _grant(connection: psycopg.Connection[Any], reader: str, table: Table) -> None:
    """The first copy is made by SELECT as the reader: the columns are enough."""
    columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
    connection.execute(
        sql.SQL("GRANT SELECT ({}) ON {} TO {}").format(columns, sql.Identifier(table.name), sql.Identifier(reader))
    )


def _allow(connection: psycopg.Connection[Any], publication: Publication) -> None:
    """Adds to what the guard lets pass; what an older contract allowed is forgotten at the end."""
    connection.cursor().executemany(
        "INSERT INTO publication_contract (publication, operations, table_name, column_name) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (publication, table_name, column_name) DO UPDATE SET operations = excluded.operations",
        [(publication.name, publication.operations, *column) for column in _columns(publication)],
    )


def _columns(publication: Publication) -> list[tuple[str, str]]:
    return [(table.name, column) for table in publication.tables for column in table.columns]


def _forget_others(connection: psycopg.Connection[Any], publications: Sequence[Publication]) -> None:
    wanted = [(publication.name, *column) for publication in publications for column in _columns(publication)]
    connection.execute(
        "DELETE FROM publication_contract WHERE (publication, table_name, column_name) NOT IN"
        " (SELECT * FROM unnest(%s::text[], %s::text[], %s::text[]))",
        [list(column) for column in zip(*wanted, strict=True)],
    )


PUBLISHED = "SELECT tablename, attnames::text[], rowfilter FROM pg_publication_tables WHERE pubname = %s"


def _publish(connection: psycopg.Connection[Any], publication: Publication) -> None:
    name = sql.Identifier(publication.name)
    if connection.execute("SELECT FROM pg_publication WHERE pubname = %s", [publication.name]).fetchone() is None:
        connection.execute(
            sql.SQL("CREATE PUBLICATION {} WITH (publish = {}, publish_via_partition_root = true)").format(
                name, sql.Literal(publication.operations)
            )
        )
    now = {row[0]: (set(row[1]), bool(row[2])) for row in connection.execute(PUBLISHED, [publication.name])}
    wanted = {table.name: (set(table.columns), bool(table.rows)) for table in publication.tables}
    for stale in [table for table, lists in now.items() if wanted.get(table) != lists]:
        connection.execute(sql.SQL("ALTER PUBLICATION {} DROP TABLE {}").format(name, sql.Identifier(stale)))
    for table in publication.tables:
        if now.get(table.name) == wanted[table.name]:
            continue
        columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
        rows = sql.SQL(" WHERE ({})").format(sql.SQL(table.rows)) if table.rows else sql.SQL("")
        connection.execute(
            sql.SQL("ALTER PUBLICATION {} ADD TABLE {} ({}){}").format(name, sql.Identifier(table.name), columns, rows)
        )


def publish_facts(connection: psycopg.Connection[Any], facts: Publication, *, reader: str, password: str) -> None:
    """What a region publishes, with the function that counts its hours by the same list of columns."""
    with connection.transaction():
        publish(connection, [facts], reader=reader, password=password)
        connection.execute(hour_totals(facts, central=False).encode())
