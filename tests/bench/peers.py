"""Other ledgers in the same PostgreSQL, recording the same double entry: a house account and a player's.

django-hordak and django-ledger come from PyPI into an environment of their own below .local/bench, with the settings of
`peer_settings`: prepared statements and a lasting connection, as Dreamland has; accounts, entity and ledger are loaded
before the clock starts. What is called is what their documentation tells: `Account.transfer_to`, and `commit_txs` with
posting. Neither knows a way to record many entries but one after the other, so in bulk they do that in one transaction.

The third is a ledger in SQL functions, written here after the published description of pgledger (accounts with a
balance and a version, transfers, two entries for each with the balance before and after; one function call locks both
accounts in order and does it all): no Python but one `SELECT`. Where one side of every entry is the same house account,
all of them wait for its row; Dreamland's house accounts keep no running balance.

Ours is a whole win, with its day, cap, idempotency and every guard; and `book.post` in bulk.
"""

import random
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from uuid import UUID

from tests.bench import harness, wins
from tests.bench.drivers import Work, drive
from tests.bench.environments import python_with
from tests.bench.harness import Report, Side, query

PACKAGES = ("django-hordak==2.0.0", "django-ledger==0.8.5", "django>=5.2,<5.3", "psycopg[binary]>=3.3,<3.4")
PLAYERS = 200
CONNECTIONS = (1, 8)
SECONDS = 3.0
ROUNDS = 3
BULK = 1_000
POSTED = 10_000
BULK_PROMISE = 40.0


@dataclass(frozen=True)
class Peer:
    """An app of PyPI: the module that drives it, and how many times faster ours should be."""

    name: str
    app: str
    module: str
    promise: float


PEERS = (
    Peer("django-hordak", "hordak", "tests.bench.peer_hordak", 2.0),
    Peer("django-ledger", "django_ledger", "tests.bench.peer_ledger", 10.0),
)


def measure(report: Report) -> None:
    """Single entries on 1 and 8 connections, then many at once."""
    python = python_with("peers", PACKAGES)
    for peer in PEERS:
        make(peer, python)
    wins.prepare()
    query(FUNCTIONS)
    for connections in report.sizes(CONNECTIONS):
        for peer in PEERS:
            report.add(
                harness.in_turns(
                    f"a win against an entry of {peer.name}",
                    partial(drive, "tests.bench.wins:one_win", processes=connections, seconds=SECONDS),
                    partial(peer_drive, peer, "one", python, processes=connections),
                    size=connections,
                    size_unit="processes",
                    unit="entries/s",
                    rounds=ROUNDS,
                    promise=peer.promise,
                )
            )
        for name, work in (
            ("a win", "tests.bench.wins:one_win"),
            ("book.post of an entry", "tests.bench.peers:one_post"),
        ):
            report.add(
                harness.in_turns(
                    f"{name} against a ledger in SQL functions, one house account",
                    partial(drive, work, processes=connections, seconds=SECONDS),
                    partial(drive, "tests.bench.peers:one_transfer", processes=connections, seconds=SECONDS),
                    size=connections,
                    size_unit="processes",
                    unit="entries/s",
                    rounds=ROUNDS,
                    promise=1.0 if connections > 1 else None,
                )
            )
    if report.sizes([POSTED]):
        measure_bulk(report, python)


def measure_bulk(report: Report, python: str) -> None:
    floors: list[tuple[str, Callable[[], Side], float | None]] = [
        (f"many entries of {peer.name}", partial(peer_drive, peer, "many", python, size=BULK), BULK_PROMISE)
        for peer in PEERS
    ]
    floors += [
        ("django-hordak's rows by bulk_create", partial(peer_drive, PEERS[0], "in_bulk", python, size=BULK), None),
        (
            "many transfers of a ledger in SQL functions",
            partial(drive, "tests.bench.peers:many_transfers", processes=1, seconds=SECONDS, size=BULK),
            None,
        ),
    ]
    for name, floor, promise in floors:
        report.add(
            harness.in_turns(
                f"book.post against {name}",
                partial(drive, "tests.bench.peers:many_posts", processes=1, seconds=SECONDS, size=POSTED),
                floor,
                size=POSTED,
                size_unit=f"entries a call (theirs: {BULK:,})",
                unit="entries/s",
                rounds=ROUNDS,
                promise=promise,
            )
        )


# --- Peers from PyPI -------------------------------------------------------------------------------------------------


def variables(peer: Peer) -> dict[str, str]:
    url = harness.database_url()
    return {
        "DATABASE_URL": f"{url.rpartition('/')[0]}/bench_{peer.app}",
        "DJANGO_SETTINGS_MODULE": "tests.bench.peer_settings",
        "PEER": peer.app,
        "PYTHONWARNINGS": "ignore",
    }


def make(peer: Peer, python: str) -> None:
    """A database of its own with the peer's tables and accounts."""
    from tests import databases

    with databases.maintenance() as server:
        databases.drop(server, f"bench_{peer.app}")
        server.execute(f"CREATE DATABASE bench_{peer.app}".encode())
    prepare = f"import django; django.setup(); from {peer.module} import prepare; prepare({PLAYERS})"
    for command in (["-m", "django", "migrate", "--verbosity=0"], ["-c", prepare]):
        subprocess.run([python, *command], cwd=harness.ROOT, env=harness.environment(**variables(peer)), check=True)


def peer_drive(peer: Peer, work: str, python: str, processes: int = 1, size: int = 1) -> Side:
    return drive(
        f"{peer.module}:{work}",
        processes=processes,
        seconds=SECONDS,
        size=size,
        python=python,
        variables=variables(peer),
    )


# --- A ledger in SQL functions ---------------------------------------------------------------------------------------

FUNCTIONS = f"""
CREATE TABLE sql_account (
    id uuid PRIMARY KEY, name text NOT NULL, currency text NOT NULL, balance numeric NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 0, may_be_negative boolean NOT NULL, created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE sql_transfer (
    id uuid PRIMARY KEY DEFAULT uuidv7(), from_account uuid NOT NULL REFERENCES sql_account,
    to_account uuid NOT NULL REFERENCES sql_account, amount numeric NOT NULL CHECK (amount > 0),
    event_at timestamptz NOT NULL, metadata jsonb, created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (from_account <> to_account)
);
CREATE TABLE sql_entry (
    id uuid PRIMARY KEY DEFAULT uuidv7(), account uuid NOT NULL REFERENCES sql_account,
    transfer uuid NOT NULL REFERENCES sql_transfer, amount numeric NOT NULL, balance_before numeric NOT NULL,
    balance_after numeric NOT NULL, account_version bigint NOT NULL, created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON sql_transfer (from_account);
CREATE INDEX ON sql_transfer (to_account);
CREATE INDEX ON sql_entry (account);
CREATE INDEX ON sql_entry (transfer);
INSERT INTO sql_account (id, name, currency, may_be_negative)
SELECT ('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'account ' || n, 'DREAM', n = 0
FROM generate_series(0, {wins.PLAYERS}) AS n;

CREATE FUNCTION sql_transfer(giver uuid, taker uuid, moved numeric) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
    made uuid;
    side record;
BEGIN
    IF (SELECT count(DISTINCT currency) FROM
        (SELECT currency FROM sql_account WHERE id IN (giver, taker) ORDER BY id FOR UPDATE) AS locked) <> 1 THEN
        RAISE EXCEPTION 'two accounts of one currency are wanted';
    END IF;
    INSERT INTO sql_transfer (from_account, to_account, amount, event_at)
    VALUES (giver, taker, moved, now()) RETURNING id INTO made;
    FOR side IN SELECT * FROM (VALUES (giver, -moved), (taker, moved)) AS sides (account, amount) LOOP
        WITH changed AS (
            UPDATE sql_account SET balance = balance + side.amount, version = version + 1, updated_at = now()
            WHERE id = side.account RETURNING balance, version, may_be_negative
        )
        INSERT INTO sql_entry (account, transfer, amount, balance_before, balance_after, account_version)
        SELECT side.account, made, side.amount, balance - side.amount, balance, version FROM changed
        WHERE balance >= 0 OR may_be_negative;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the account would be overdrawn';
        END IF;
    END LOOP;
    RETURN made;
END $$;
"""
HOUSE = "00000000-0000-4000-8000-000000000000"
ONE_TRANSFER = "SELECT sql_transfer(%s, %s, %s)"
MANY_TRANSFERS = "SELECT sql_transfer(%s, taker, %s) FROM unnest(%s::uuid[]) AS taker"


def one_transfer(_size: int, chance: random.Random) -> Work:
    """A call of the function from the house to a player by chance."""

    def once() -> int:
        query(ONE_TRANSFER, [HOUSE, wins.player(chance.randint(1, wins.PLAYERS)), wins.AMOUNT])
        return 1

    return once


def many_transfers(size: int, chance: random.Random) -> Work:
    def once() -> int:
        takers = sorted(wins.player(chance.randint(1, wins.PLAYERS)) for _ in range(size))
        query(MANY_TRANSFERS, [HOUSE, wins.AMOUNT, takers])
        return size

    return once


# --- Ours ------------------------------------------------------------------------------------------------------------


def one_post(_size: int, chance: random.Random) -> Work:
    """The same double entry and nothing beside it: `book.post` in a transaction of its own."""
    return many_posts(1, chance)


def many_posts(size: int, chance: random.Random) -> Work:
    from django.db import transaction

    from ledger import book

    postings = (book.Posting("dream:issued", "player:dream", Decimal("0.0001")),)

    def holder() -> UUID:
        return wins.player(chance.randint(1, wins.PLAYERS))

    def once() -> int:
        entries = [book.Entry(holder=holder(), kind="win", postings=postings) for _ in range(size)]
        with transaction.atomic(durable=True):
            book.post(entries)
        return size

    return once
