"""A world on one machine: a PostgreSQL cluster for each region and one for the centre, set up as production would be.

Only the places differ: here they are directories and loopback ports, there they are continents.
"""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from dreamland.local import files
from dreamland.local.attachment import CHECKOUT, local_defaults
from dreamland.local.errors import LocalServerError
from dreamland.local.postgres import DATABASE, OWNER, Postgres
from dreamland.local.supervisor import APP_ROLE
from dreamland.world import centre, checking, joining, mending, preflight, reference, subscriptions
from dreamland.world.contract import FACTS, Publication
from dreamland.world.joining import ANALYTICS_READER, REFERENCE_READER, Place, facts_of

REGIONS = ("eu", "us")
CENTRE = "centre"
MIGRATE_SECONDS = 300.0
COPY_SECONDS = 120.0
COMMON = {
    "wal_level": "logical",
    "shared_buffers": "64MB",
    "max_connections": "60",
    "max_wal_senders": "20",
    "max_replication_slots": "20",
    "wal_retrieve_retry_interval": "200ms",  # of a worker that stopped: 5 s by default
    # What a log may not hold: keys with their values, statements with their literals, parameters.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_replication_commands": "on",
}
SETTINGS_OF_REGION = COMMON | {
    "max_slot_wal_keep_size": "4GB",
    "idle_replication_slot_timeout": "0",
}
SETTINGS_OF_CENTRE = COMMON | {
    "max_logical_replication_workers": "16",
    "max_active_replication_origins": "20",
    "max_worker_processes": "24",
    "track_commit_timestamp": "on",
}
# `replication` as a database matches physical replication alone: nobody has it, since it would copy every row of all.
HBA = """\
host  all         {owner}   127.0.0.1/32  scram-sha-256
host  {database}  {app}     127.0.0.1/32  scram-sha-256
host  {database}  {reader}  127.0.0.1/32  scram-sha-256
host  all         all       127.0.0.1/32  reject
"""


@dataclass
class Cell:
    """One cluster. `url` is its owner's, once it runs."""

    name: str
    postgres: Postgres
    url: str = field(default="", repr=False)

    def connect(self, database: str = DATABASE) -> psycopg.Connection[Any]:
        """A connection of the owner, in autocommit."""
        return psycopg.connect(self.place(database), autocommit=True, connect_timeout=10)

    def place(self, database: str) -> str:
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{database}"))

    def start(self) -> None:
        """Starts the cluster, again on the port that the others know."""
        known = urlsplit(self.url).port if self.url else None
        self.url = self.postgres.start(known)

    def crash(self) -> None:
        """Ends the cluster at once, without a checkpoint: the next start recovers from the log."""
        process = self.postgres.process
        if process is not None:
            process.send_signal(signal.SIGQUIT)
            process.wait(30)


class World:
    """All clusters below `root`. `durable` as for PostgreSQL's own driver."""

    def __init__(self, root: Path, *, durable: bool, regions: tuple[str, ...] = REGIONS) -> None:
        self.root, self.durable, self.regions = root, durable, regions
        files.make_directory(root, 0o755 if os.geteuid() == 0 else 0o700)
        files.make_directory(root / "logs", 0o755)
        self.cells = {name: self._cell(name) for name in (*regions, CENTRE)}

    @property
    def centre(self) -> Cell:
        return self.cells[CENTRE]

    def _cell(self, name: str) -> Cell:
        reader = REFERENCE_READER if name == CENTRE else ANALYTICS_READER
        settings = dict(SETTINGS_OF_CENTRE if name == CENTRE else SETTINGS_OF_REGION)
        if not self.durable:  # a crash of the server loses nothing all the same; only one of the machine would
            settings["synchronous_commit"] = "on"
        postgres = Postgres(self.root / name, self.root / "logs" / f"{name}.log", durable=self.durable)
        hba = postgres.home / "pg_hba.conf"
        hba.write_text(HBA.format(owner=OWNER, app=APP_ROLE, reader=reader, database=DATABASE), encoding="ascii")
        hba.chmod(0o644)
        postgres.settings = {**settings, "hba_file": str(hba)}
        return Cell(name, postgres)

    def start(self) -> None:
        """Starts every cluster and connects them."""
        self.start_clusters()
        self.connect()

    def start_clusters(self) -> None:
        """Starts every cluster, made from the template where there is none yet."""
        for cell in self.cells.values():
            if not cell.postgres.data.exists():
                grow(cell.postgres, self.root.parent / "world-templates")
            cell.start()

    def stop(self) -> None:
        """Ends every cluster, the centre first: it would ask the others again and again."""
        for cell in reversed(self.cells.values()):
            cell.postgres.stop()

    # --- Set-up: the same statements as in production ---

    def password(self, name: str) -> str:
        return files.secret(self.root / f"{name}-password")

    def connect(self) -> None:
        """Brings roles, publications, the centre's tables and subscriptions to what the contract says. Safe twice."""
        self.publish_reference()
        self.make_analytics()
        for region in self.regions:
            self.join(region)

    def publish_reference(self) -> None:
        with self.centre.connect() as connection:
            joining.publish_reference(connection, self.regions, password=self.password(REFERENCE_READER))

    def make_analytics(self, facts: Publication = FACTS) -> None:
        self.make_analytics_database()
        with self.centre.connect(centre.DATABASE) as connection:
            centre.make_schema(connection, facts, self.regions)

    def make_analytics_database(self) -> None:
        with self.centre.connect("postgres") as connection:
            if connection.execute("SELECT FROM pg_database WHERE datname = %s", [centre.DATABASE]).fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(centre.DATABASE)))

    def publish_facts(self, region: str, facts: Publication = FACTS) -> None:
        with self.cells[region].connect() as connection:
            joining.publish_facts(connection, password=self.password(ANALYTICS_READER), facts=facts)

    def join(self, region: str) -> None:
        """Takes a region into the world: reference data in, facts out."""
        with self.cells[region].connect() as connection:
            from_centre = self.conninfo(CENTRE, REFERENCE_READER)
            joining.take_reference(connection, region, from_centre, seconds=COPY_SECONDS)
        self.publish_facts(region)
        with self.centre.connect(centre.DATABASE) as connection:
            self.receive(connection, region)

    def receive(self, connection: psycopg.Connection[Any], region: str) -> None:
        """Subscribes the centre to a region, or tells the subscription where the region is now."""
        from_region = self.conninfo(region, ANALYTICS_READER)
        joining.take_facts(connection, region, from_region, seconds=COPY_SECONDS)

    def reseed(self, region: str) -> None:
        """Throws away what the centre has of a region and takes it all again; the others stream on."""
        with self.centre.connect(centre.DATABASE) as connection, self.cells[region].connect() as cell:
            subscriptions.unsubscribe(connection, cell, facts_of(region).name)
            mending.empty(connection, FACTS, region)
            self.receive(connection, region)

    def repair(self, region: str) -> tuple[mending.Mended, ...]:
        """Fetches again what is missing or wrong at the centre in closed hours of a region; what had to be."""
        with self.centre.connect(centre.DATABASE) as connection, self.cells[region].connect() as cell:
            return mending.repair(connection, cell, FACTS, region)

    def verify(self, limits: checking.Limits = checking.Limits()) -> tuple[checking.Finding, ...]:  # noqa: B008  frozen
        """Everything that the centre can see to be wrong."""
        with self.centre.connect(centre.DATABASE) as connection:
            return checking.verify_centre(connection, FACTS, {name: facts_of(name) for name in self.regions}, limits)

    def catch_up(self, seconds: float = COPY_SECONDS) -> None:
        """Returns when the centre has everything that the regions have committed, and they what it has."""
        for region in self.regions:
            with self.cells[region].connect() as cell:
                subscriptions.wait_until_caught_up(cell, facts_of(region).name, seconds)
            with self.centre.connect() as connection:
                subscriptions.wait_until_caught_up(connection, reference.subscription(region).name, seconds)

    def preflight(self, region: str, facts: Publication = FACTS) -> tuple[str, ...]:
        """What would go wrong if the region published by this contract now; empty where nothing would."""
        with self.centre.connect(centre.DATABASE) as connection, self.cells[region].connect() as cell:
            return preflight.obstacles(connection, cell, facts)

    def release(self, regions: Sequence[str], facts: Publication) -> None:
        """Publishes by a contract, region after region, each only where nothing stands in the way.

        The centre's tables come first (`make_analytics`), then the regions' migrations. Raises NotReadyError.
        """
        for region in regions:
            if found := self.preflight(region, facts):
                raise subscriptions.NotReadyError("; ".join(found))
            self.publish_facts(region, facts)

    def conninfo(self, name: str, reader: str) -> str:
        """How a subscription reaches the cluster `name`. In production with `sslmode=verify-full`."""
        return self.place_of(name).conninfo(reader, self.password(reader), name)

    def place_of(self, name: str) -> Place:
        """Where a cell's database is, for us and for the others."""
        parts = urlsplit(self.cells[name].url)
        return Place(self.cells[name].url, {"host": str(parts.hostname), "port": str(parts.port), "dbname": DATABASE})

    def environment(self, name: str) -> dict[str, str]:
        """The variables with which `manage.py` acts as the owner of a cell."""
        return {
            **os.environ,
            **local_defaults(self.root),
            "DATABASE_URL": self.cells[name].url,
            "REDIS_URL": "redis://no-broker-in-this-world.invalid/0",
            "REGION": name,
            "REGIONS": json_of_addresses(self.regions),
        }


def json_of_addresses(regions: tuple[str, ...]) -> str:
    return json.dumps({name: f"https://{name}.dreamland.example" for name in regions})


def grow(postgres: Postgres, templates: Path) -> None:
    """Makes a cluster's data as a copy of a stopped one in which every migration has run.

    That one is made once for each state of the migrations. (All copies have one system identifier: so never in
    production, where physical backups are told apart by it.)
    """
    files.make_directory(templates, 0o755 if os.geteuid() == 0 else 0o700)
    with files.closing_lock(templates / "lock") as lock:
        if not lock.wait(MIGRATE_SECONDS):
            raise LocalServerError(f"Somebody has been making {templates} for too long.")
        template = _template(templates)
        draft = postgres.home / "new-copy"
        shutil.rmtree(draft, ignore_errors=True)
        subprocess.run(["cp", "-a", str(template.data), str(draft)], check=True)  # noqa: S603, S607  keeps the owner
        shutil.copy(template.home / "password", postgres.home / "password")
        draft.rename(postgres.data)


def _template(templates: Path) -> Postgres:
    digest = hashlib.sha256()
    for app in ("*", "*/*"):
        for path in sorted([*CHECKOUT.glob(f"{app}/migrations/*.py"), *CHECKOUT.glob(f"{app}/sql/*.sql")]):
            digest.update(path.read_bytes())
    name = digest.hexdigest()[:16]
    for stale in templates.iterdir():
        if stale.is_dir() and stale.name != name:
            shutil.rmtree(stale, ignore_errors=True)
    postgres = Postgres(templates / name, templates / "template.log", durable=False)
    if not (postgres.home / "complete").exists():
        _migrate(postgres, templates)
        (postgres.home / "complete").touch()
    return postgres


def _migrate(postgres: Postgres, root: Path) -> None:
    url = postgres.start()
    try:
        for arguments in (["migrate", "--noinput"], ["app_role", "--apply", "--role", APP_ROLE]):
            done = subprocess.run(  # noqa: S603  our own program
                [sys.executable, str(CHECKOUT / "manage.py"), *arguments],
                env={**os.environ, **local_defaults(root), "DATABASE_URL": url, "REDIS_URL": "redis://none.invalid/0"},
                capture_output=True,
                text=True,
                timeout=MIGRATE_SECONDS,
                check=False,
            )
            if done.returncode:
                raise LocalServerError(f"{arguments[0]} failed: {done.stderr[-2_000:]}")
    finally:
        postgres.stop()


@contextlib.contextmanager
def running(root: Path, *, durable: bool) -> Iterator[World]:
    """A world that ends with the block."""
    world = World(root, durable=durable)
    try:
        world.start()
        yield world
    finally:
        world.stop()
