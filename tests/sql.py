"""Raw SQL for tests: attacks as the owner and as the app's role, and threads with connections of their own."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
import pytest
from django.db import DatabaseError, connection, connections, transaction

from tests.databases import APP_ROLE

T = TypeVar("T")
OWNER, APP = "owner", "app"


@contextmanager
def acting_as(who: str) -> Iterator[None]:
    """Inside, the connection has the rights of the owner of the tables or of the app's role."""
    with transaction.atomic(), connection.cursor() as cursor:
        if who == APP:
            cursor.execute(f"SET LOCAL ROLE {APP_ROLE}")
        yield


def run(statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    """Runs one statement and returns its rows, if it has any."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


def refusal(statement: str, parameters: Any = None, *, who: str = OWNER) -> str:
    """The name of the guard that refuses the statement, or "privilege" where the role may not even try."""
    with pytest.raises(DatabaseError) as refused, acting_as(who):
        run(statement, parameters)
    cause = refused.value.__cause__
    assert isinstance(cause, psycopg.Error)
    if isinstance(cause, psycopg.errors.InsufficientPrivilege):
        return "privilege"
    return cause.diag.constraint_name or f"{cause.sqlstate}: {cause}"


@contextmanager
def without_triggers(*tables: str) -> Iterator[None]:
    """Inside, the tables have no guard: how a falsifier with all rights, or a control without the guard, works."""
    for table in tables:
        run(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
    yield
    for table in tables:
        run(f"ALTER TABLE {table} ENABLE TRIGGER ALL")


@contextmanager
def replaced(function: str, old: str, new: str) -> Iterator[None]:
    """Inside, the function of the database lacks a part: the control of what that part keeps."""
    ((definition,),) = run("SELECT pg_get_functiondef(%s::regproc)", [function])
    assert old in str(definition)
    run(str(definition).replace(old, new))
    yield
    run(str(definition))


def slow_to_commit(table: str) -> None:
    """Whoever writes a row there takes a while: so that the others look before he commits."""
    run(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1.5); RETURN NULL; END $$"
    )
    run(f"CREATE TRIGGER slow AFTER INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION slow()")


def in_parallel(work: Sequence[Callable[[], T]]) -> list[T | Exception]:
    """Runs all at once, each in a thread with a connection of its own; exceptions come back as results, in order."""
    together = threading.Barrier(len(work))

    def alone(task: Callable[[], T]) -> T | Exception:
        try:
            connection.ensure_connection()  # so that nobody is late by it
            together.wait(timeout=30)
            return task()
        except Exception as error:  # noqa: BLE001  # the test looks at it
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(alone, work))
