"""One migrated template database for all tests, and a fresh copy of it for each test: real commits, real triggers.

Django would empty the tables with TRUNCATE after each test, which the books refuse. A copy takes 0.05 s.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
from django.core.management import call_command
from django.db import connection
from psycopg import sql

ROOT = Path(__file__).parent.parent
APP_ROLE = "dreamland_test_app"
# Another checkout on the same server has templates of its own.
OURS = f"template_{hashlib.sha256(bytes(ROOT)).hexdigest()[:8]}"
TEMPLATE_LOCK = 5_318_008_400  # any number: who makes the template makes it alone


@contextmanager
def maintenance() -> Iterator[psycopg.Connection[Any]]:
    """A connection outside the databases that are made and dropped."""
    parameters = {**connection.get_connection_params(), "dbname": "postgres"}
    for django_only in ("cursor_factory", "context", "prepare_threshold", "server_side_binding", "pool"):
        parameters.pop(django_only, None)
    with psycopg.connect(**parameters, autocommit=True) as server:
        server.execute("SET statement_timeout = 0")
        server.execute("SET lock_timeout = 0")
        yield server


def template() -> str:
    """The name of a database in which every migration has run; made once for each state of the migrations."""
    digest = hashlib.sha256()
    shapes = ("migrations/*.py", "sql/*.sql", "apps.py", "roles.py")
    folders = ("*", "dreamland/*", "dreamland/lib/*")
    found = {path for folder in folders for shape in shapes for path in ROOT.glob(f"{folder}/{shape}")}
    for path in sorted({*found, ROOT / "pyproject.toml"}):
        digest.update(path.read_bytes())
    name = f"{OURS}_{digest.hexdigest()[:16]}"
    with maintenance() as server:
        server.execute("SELECT pg_advisory_lock(%s)", [TEMPLATE_LOCK])
        _drop_left_over(server, keep=name)
        if not _exists(server, name):
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(f"{name}_making")))
            use(f"{name}_making")
            call_command("migrate", verbosity=0, interactive=False)
            call_command("app_role", apply=True, role=APP_ROLE, stdout=StringIO())
            connection.close()
            server.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(f"{name}_making"), sql.Identifier(name))
            )
    return name


def _exists(server: psycopg.Connection[Any], name: str) -> bool:
    return server.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is not None


def _drop_left_over(server: psycopg.Connection[Any], keep: str) -> None:
    """Drops what killed runs and older migrations left behind."""
    for (name,) in server.execute("SELECT datname FROM pg_database").fetchall():
        stale_template = re.fullmatch(rf"{OURS}_[0-9a-f]{{16}}(_making)?", name) and name != keep
        of_run = re.fullmatch(r"test_(\d+)_.*", name)
        if stale_template or (of_run and not Path(f"/proc/{of_run[1]}").exists()):
            server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def copy(template_name: str, name: str) -> None:
    """Makes `name` anew as a copy of the template."""
    with maintenance() as server:
        drop(server, name)
        server.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                sql.Identifier(name), sql.Identifier(template_name)
            )
        )


def drop(server: psycopg.Connection[Any], name: str) -> None:
    server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def use(name: str) -> None:
    """Points Django's default connection at another database of the same server."""
    connection.close()
    connection.settings_dict["NAME"] = name


def name_for(worker: str) -> str:
    return f"test_{os.getpid()}_{worker}"
