"""Making databases a world, wherever they are: the same statements on one machine and in production.

Each function takes connections of the databases' owners, in autocommit, and is safe twice. `conninfo` is how the other
end's server reaches a database, as the reader: it may be another address than ours, and holds the reader's password.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import psycopg

from dreamland.world import centre, publishing, reference, subscriptions
from dreamland.world.contract import FACTS, REFERENCE, Publication
from dreamland.world.subscriptions import Subscription

Connection = psycopg.Connection[Any]
ANALYTICS_READER = "analytics_reader"
REFERENCE_READER = "reference_reader"
COPY_SECONDS = 3_600.0


class NotFitError(Exception):
    """A server cannot be part of a world as it is set up; the message says why."""


def facts_of(region: str) -> Subscription:
    """The centre's subscription to a region."""
    return Subscription(f"facts_{region}", centre.receiver(region), (FACTS.name,))


def publish_reference(connection: Connection, regions: Sequence[str], *, password: str) -> None:
    """At the centre: games, chart of accounts, fee rules and rates, for the regions."""
    reference.add_settlement_accounts(connection, regions)
    publishing.publish(connection, REFERENCE, reader=REFERENCE_READER, password=password)


def publish_facts(connection: Connection, *, password: str, facts: Publication = FACTS) -> None:
    """In a region: what it tells the centre, and to whom."""
    publishing.publish_facts(connection, facts, reader=ANALYTICS_READER, password=password)


def take_reference(connection: Connection, region: str, conninfo: str, *, seconds: float = COPY_SECONDS) -> None:
    """In a region: reference data comes from the centre from now on. Raises NotFreshError, NotReadyError."""
    incoming = reference.subscription(region)
    if subscriptions.exists(connection, incoming.name):
        subscriptions.reconnect(connection, incoming.name, conninfo)
        return
    reference.adopt(connection)
    subscriptions.subscribe(connection, incoming, conninfo)
    subscriptions.wait_until_copied(connection, incoming.name, seconds)


def take_facts(connection: Connection, region: str, conninfo: str, *, seconds: float = COPY_SECONDS) -> None:
    """At the centre: a region's facts come from now on, those of before first. Raises NotReadyError."""
    outgoing = facts_of(region)
    if subscriptions.exists(connection, outgoing.name):
        subscriptions.reconnect(connection, outgoing.name, conninfo)
        return
    with centre.copying(connection, FACTS, region):  # the first copy needs more than the stream
        subscriptions.subscribe(connection, outgoing, conninfo)
        subscriptions.wait_until_copied(connection, outgoing.name, seconds)


@dataclass(frozen=True, slots=True)
class Place:
    """A database: its owner's URL, and how the servers of the others reach it, without user and password."""

    url: str = field(repr=False)
    seen_as: Mapping[str, str]

    def conninfo(self, reader: str, password: str, name: str) -> str:
        return psycopg.conninfo.make_conninfo(
            **self.seen_as, user=reader, password=password, application_name=f"{reader}_of_{name}"
        )


@dataclass(frozen=True, slots=True)
class Passwords:
    """Of the two roles that read by replication."""

    analytics_reader: str = field(repr=False)
    reference_reader: str = field(repr=False)


def connect_all(
    *, centre_place: Place, analytics_url: str, regions: Mapping[str, Place], passwords: Passwords
) -> Iterator[str]:
    """Brings roles, publications, tables and subscriptions everywhere to what the contract says; tells each step.

    Raises NotFitError before anything is changed; NotFreshError, NotReadyError, psycopg's errors. Where it stopped, the
    next call goes on.
    """
    with ExitStack() as stack:

        def connect(url: str) -> Connection:
            return stack.enter_context(psycopg.connect(url, autocommit=True, connect_timeout=10))

        at_centre, analytics = connect(centre_place.url), connect(analytics_url)
        cells = {name: connect(place.url) for name, place in regions.items()}
        for name, connection in {"the centre": at_centre, "analytics": analytics, **cells}.items():
            _assert_fit(name, connection)
        publish_reference(at_centre, list(regions), password=passwords.reference_reader)
        yield "the centre publishes its reference data"
        centre.make_schema(analytics, FACTS, list(regions))
        yield "analytics has its tables"
        from_centre = centre_place.conninfo(REFERENCE_READER, passwords.reference_reader, "centre")
        for name, cell in cells.items():
            take_reference(cell, name, from_centre)
            yield f"{name} takes reference data from the centre"
            publish_facts(cell, password=passwords.analytics_reader)
            take_facts(analytics, name, regions[name].conninfo(ANALYTICS_READER, passwords.analytics_reader, name))
            yield f"the centre takes the facts of {name}"


def _assert_fit(name: str, connection: Connection) -> None:
    if connection.info.server_version < 180000:
        raise NotFitError(f"{name}: PostgreSQL 18 or later is needed")
    level = connection.execute("SHOW wal_level").fetchone()
    if level != ("logical",):
        raise NotFitError(f"{name}: wal_level is {level and level[0]}, and has to be logical")
