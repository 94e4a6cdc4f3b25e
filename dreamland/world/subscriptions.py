"""Subscribing one database to what another one publishes; ending it; seeing how it goes."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

POLL_SECONDS = 0.02
SLOT_SECONDS = 30.0


class NotReadyError(Exception):
    """A subscription did not get where it should within the time; the message says where it is."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """`name` is the subscription's and its slot's; `role` owns it, and so writes every row that comes."""

    name: str
    role: str
    publications: tuple[str, ...]


def subscribe(connection: psycopg.Connection[Any], subscription: Subscription, conninfo: str) -> None:
    """Begins: a copy of what is there, then the stream. `connection` is the owner's, outside a transaction.

    `conninfo` holds the reader's password, which PostgreSQL demands of subscriptions that no superuser owns.
    """
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(subscription.role)))
        try:
            cursor.execute(
                sql.SQL(
                    "CREATE SUBSCRIPTION {name} CONNECTION {conninfo} PUBLICATION {publications}"
                    " WITH (slot_name = {slot}, run_as_owner = true, failover = true, origin = none)"
                ).format(
                    name=sql.Identifier(subscription.name),
                    conninfo=sql.Literal(conninfo),
                    publications=sql.SQL(", ").join(map(sql.Identifier, subscription.publications)),
                    slot=sql.Literal(subscription.name),
                )
            )
        finally:
            cursor.execute("RESET ROLE")


def exists(connection: psycopg.Connection[Any], name: str) -> bool:
    return connection.execute("SELECT FROM pg_subscription WHERE subname = %s", [name]).fetchone() is not None


def reconnect(connection: psycopg.Connection[Any], name: str, conninfo: str) -> None:
    """Tells a subscription where its publisher is now, or with which password."""
    connection.execute(
        sql.SQL("ALTER SUBSCRIPTION {} CONNECTION {}").format(sql.Identifier(name), sql.Literal(conninfo))
    )


def unsubscribe(connection: psycopg.Connection[Any], publisher: psycopg.Connection[Any], name: str) -> None:
    """Ends a subscription and its slot, also where the two have lost each other."""
    if exists(connection, name):
        subscription = sql.Identifier(name)
        connection.execute(sql.SQL("ALTER SUBSCRIPTION {} DISABLE").format(subscription))
        connection.execute(sql.SQL("ALTER SUBSCRIPTION {} SET (slot_name = NONE)").format(subscription))
        connection.execute(sql.SQL("DROP SUBSCRIPTION {}").format(subscription))
    slot = "SELECT active FROM pg_replication_slots WHERE slot_name = %s"
    deadline = time.monotonic() + SLOT_SECONDS
    while row := publisher.execute(slot, [name]).fetchone():
        if not row[0]:
            publisher.execute("SELECT pg_drop_replication_slot(%s)", [name])
        elif time.monotonic() > deadline:
            raise NotReadyError(f"slot {name} is still in use")
        else:
            time.sleep(POLL_SECONDS)


NOT_COPIED = """
SELECT count(*) FROM pg_subscription_rel rel JOIN pg_subscription sub ON sub.oid = rel.srsubid
WHERE sub.subname = %s AND rel.srsubstate <> 'r'
"""


def wait_until_copied(connection: psycopg.Connection[Any], name: str, seconds: float) -> None:
    """Returns when the first copy of every table is there and the stream goes on from it. Raises NotReadyError."""
    deadline = time.monotonic() + seconds
    while left := _value(connection, NOT_COPIED, [name]):
        if time.monotonic() > deadline:
            raise NotReadyError(f"{name}: {left} tables are not copied yet; the server's log says why")
        time.sleep(POLL_SECONDS)


def wait_until_caught_up(
    publisher: psycopg.Connection[Any], name: str, seconds: float, *, position: str | None = None
) -> None:
    """Returns when the subscriber has confirmed everything up to now, or up to `position`. Raises NotReadyError.

    What is committed is flushed. Behind it PostgreSQL inserts notes of its own that may wait for seconds to be flushed,
    and nothing is sent before.
    """
    position = position or _value(publisher, "SELECT pg_current_wal_flush_lsn()::text", [])
    deadline = time.monotonic() + seconds
    behind = "SELECT confirmed_flush_lsn < %s::pg_lsn FROM pg_replication_slots WHERE slot_name = %s"
    while _value(publisher, behind, [position, name]) is not False:
        if time.monotonic() > deadline:
            raise NotReadyError(f"{name} is not at {position} yet")
        time.sleep(POLL_SECONDS)


def restart(connection: psycopg.Connection[Any], name: str) -> None:
    """A running worker does not hear of `ALTER ROLE ... SET`; a new one does."""
    subscription = sql.Identifier(name)
    connection.execute(sql.SQL("ALTER SUBSCRIPTION {} DISABLE").format(subscription))
    at_work = "SELECT count(pid) FROM pg_stat_subscription WHERE subname = %s"
    deadline = time.monotonic() + SLOT_SECONDS
    while _value(connection, at_work, [name]):  # enabled too soon, the old one would go on
        if time.monotonic() > deadline:
            raise NotReadyError(f"the worker of {name} does not end")
        time.sleep(POLL_SECONDS)
    connection.execute(sql.SQL("ALTER SUBSCRIPTION {} ENABLE").format(subscription))


def _value(connection: psycopg.Connection[Any], statement: str, parameters: Sequence[Any]) -> Any:
    row = connection.execute(statement.encode(), parameters).fetchone()
    return row[0] if row else None
