"""The client of every API test. It gets answers, never exceptions, and proves that a refusal has changed nothing."""

from functools import cache
from typing import Any

import psycopg
from django.db import DatabaseError, connection
from django.test import Client
from rest_framework.test import APIClient

from dreamland.lib.api.handlers import FOR_PROGRAMS
from rewards.keys import create_game_key
from rewards.models import Game, Scope

# Written before a call is judged, at most once a minute (rewards.keys): the only column that a refused call may touch.
FREE_COLUMNS = "'{last_used_at}'::text[]"


class Api(APIClient):
    """A caller over HTTP. After every answer from 400 on, every table must be as it was before the call."""

    def __init__(self, **defaults: Any) -> None:
        super().__init__(enforce_csrf_checks=True, raise_request_exception=False, **defaults)

    def request(self, **kwargs: Any) -> Any:
        before = fingerprint()
        response = super().request(**kwargs)
        if response.status_code >= 400 and before is not None:
            after = fingerprint() or before
            changed = [table for table in before if before[table] != after[table]]
            assert not changed, f"{response.status_code}, and yet something was written: {changed}"
        return response


def fingerprint() -> dict[str, str] | None:
    """A digest of the rows of every table; None where the database is away, or none belongs to the test.

    It goes past Django's cursors, so that tests which count queries do not count these.
    """
    try:
        connection.ensure_connection()
        return dict(connection.connection.execute(_digests()).fetchall())
    except (DatabaseError, psycopg.Error):
        return None
    except RuntimeError as error:
        if "Database access not allowed" in str(error):  # pytest-django's word in a test without a database
            return None
        raise


@cache
def _digests() -> str:
    """The statement behind `fingerprint`: the tables are the same in every test."""
    tables = connection.connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
    )
    return " UNION ALL ".join(
        f"""SELECT '{name}', coalesce(md5(string_agg(md5(row), '' ORDER BY md5(row))), '')
            FROM (SELECT (to_jsonb(t) - {FREE_COLUMNS})::text AS row FROM "{name}" t) AS rows"""
        for (name,) in tables.fetchall()
    )


_sends = Client.request


def sends_only_what_is_proved(self: Client, **request: Any) -> Any:
    """In place of `Client.request` while tests run: another client than `Api` at the API would prove nothing."""
    if FOR_PROGRAMS.match(request["PATH_INFO"]) and not isinstance(self, Api):
        raise AssertionError(f"call {request['PATH_INFO']} with tests.http.Api: it sees what a refusal wrote")
    return _sends(self, **request)


def a_client(game: Game, *scopes: str) -> Api:
    """A game server with a key of these scopes, or of all."""
    return with_bearer(create_game_key(game_id=game.id, scopes=scopes or Scope.values).plaintext)


def with_bearer(token: str) -> Api:
    """Somebody who sends this token."""
    client = Api()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def problem_of(response: Any, status: int, code: str) -> dict[str, Any]:
    """The problem in a response, which must be of this kind."""
    assert (response.status_code, response.json()["code"]) == (status, code), response.content
    assert response["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    return problem
