"""For whom a transaction acts: told to PostgreSQL, so that what its triggers record names a person.

Told as settings of the transaction and never of the session: COMMIT and ROLLBACK both forget them, so a connection
that goes back to a pool carries nobody's name. The settings are the application's word: whoever runs SQL of his own
under the same role can say anything, and his role and the time are recorded all the same.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from psycopg.pq import TransactionStatus

from dreamland.lib.api.request_id import request_id

TELL = "SELECT set_config('dreamland.user_id', %s, true), set_config('dreamland.request_id', %s, true)"
READS = ("SELECT", "SHOW", "SAVEPOINT", "RELEASE", "ROLLBACK", "EXPLAIN")
READ_ONLY = re.compile(r"SET TRANSACTION .*READ ONLY")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


@dataclass(frozen=True, slots=True)
class Actor:
    """Stands between Django and the driver, and tells who acts before the first statement of each transaction."""

    user_id: int | None
    request_id: str

    def __call__(self, execute: Callable[..., Any], sql: Any, parameters: Any, many: bool, context: Any) -> Any:
        database = context["connection"]
        if database.connection.info.transaction_status != TransactionStatus.IDLE:
            return execute(sql, parameters, many, context)  # inside a transaction that was told already
        if database.in_atomic_block:
            if isinstance(sql, str) and READ_ONLY.fullmatch(sql):
                return execute(sql, parameters, many, context)  # it has to be the first, and nothing will be written
            self._tell(database)
            return execute(sql, parameters, many, context)
        if isinstance(sql, str) and sql.lstrip().upper().startswith(READS):
            return execute(sql, parameters, many, context)
        with transaction.atomic(using=database.alias):  # a statement on its own: it gets a transaction to be told in
            self._tell(database)
            return execute(sql, parameters, many, context)

    def _tell(self, database: Any) -> None:
        with database.wrap_database_errors:
            database.connection.execute(
                TELL, ["" if self.user_id is None else str(self.user_id), self.request_id], prepare=True
            )


@contextmanager
def acting(user_id: int | None, request_id: str = "") -> Iterator[None]:
    """Whatever is written inside, on this thread's connection, is recorded as done by this user in this request.

    The innermost says who: a session that has just shown who it is began its request as nobody.
    """
    wrappers: list[Any] = connection.execute_wrappers
    before = list(wrappers)
    wrappers[:] = [*(wrapper for wrapper in before if not isinstance(wrapper, Actor)), Actor(user_id, request_id)]
    try:
        yield
    finally:
        wrappers[:] = before


class ActorMiddleware:
    """Names the signed-in person in every transaction of a request that may write. Stands after the sign-in's."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method in SAFE_METHODS or settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return self.get_response(request)
        with acting(request.user.pk, request_id(request)):
            return self.get_response(request)
