"""Whether this process lives, and whether what it needs is there."""

import logging
from collections.abc import Callable
from functools import cache

import redis
from django.conf import settings
from django.db import Error, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, HttpResponse, JsonResponse
from redis.backoff import NoBackoff
from redis.retry import Retry

from dreamland.lib.api.handlers import read_only
from dreamland.lib.api.problems import problem, problem_response

BROKER_TIMEOUT_SECONDS = 2  # the database's own limits stand in settings

log = logging.getLogger(__name__)


@read_only
def livez(_request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers at all. Looks at nothing else: a restart would not mend it."""
    return JsonResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})


@read_only
def readyz(request: HttpRequest) -> HttpResponse:
    """200 once database, migrations and broker are ready; else 503, telling which is not and no more."""
    checks = {name: "ok" if _holds(name, check) else "failed" for name, check in CHECKS.items()}
    if "failed" in checks.values():
        detail = "not ready: " + ", ".join(name for name, state in checks.items() if state == "failed")
        return problem_response(problem("unavailable", detail, request=request, checks=checks))
    return JsonResponse({"status": "ready", "checks": checks}, headers={"Cache-Control": "no-store"})


def _holds(name: str, check: Callable[[], bool]) -> bool:
    try:
        return check()
    except (Error, redis.RedisError, ValueError, OSError) as error:  # ValueError: an address that is none
        log.warning("not ready: %s", name, exc_info=error)
        return False


def _database() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return bool(cursor.fetchone())


@cache
def _newest_migrations() -> frozenset[tuple[str, str]]:
    """The last migration of every app, as this process's code has them."""
    return frozenset(MigrationLoader(None).graph.leaf_nodes())


def _migrations() -> bool:
    return _newest_migrations() <= MigrationRecorder(connection).applied_migrations().keys()


def _broker() -> bool:
    client = redis.Redis.from_url(
        settings.CELERY_BROKER_URL,
        socket_timeout=BROKER_TIMEOUT_SECONDS,
        socket_connect_timeout=BROKER_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    with client:
        return bool(client.ping())


CHECKS: dict[str, Callable[[], bool]] = {"database": _database, "migrations": _migrations, "broker": _broker}
