"""One line and one count for each call: what was asked of which route, by whom, how it ended, and how long it took.

Nothing that a caller chose freely gets in: not the path (the route stands for it), not the query, no header but the
request's id, no body. Ids of games, keys, players and wins are in every line that has them.
"""

import json
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from django.core.signals import got_request_exception
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string

from dreamland.lib import metrics
from dreamland.lib.api.problems import CONTENT_TYPE
from dreamland.lib.logs import note

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
PROBES = frozenset({"livez", "readyz", "metrics"})  # every few seconds, and nobody asks about one of them
UNMATCHED = "unmatched"
SERVER_ERRORS = 500
NANOSECONDS = 1_000_000_000
IDS_IN_ADDRESSES = ("player_id", "win_id")
IDS_IN_CREDENTIALS = ("game_id", "key_id", "player_id")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was answered, as observers see it. `name` is the address's in the URLconf.

    `game_id` is empty where no game called, `code` where all is well;
    `data` is what the view answered before it was rendered, None for a problem.
    """

    method: str
    route: str
    name: str
    status: int
    code: str
    game_id: str
    data: Any
    headers: Mapping[str, str]


Observer = Callable[[Call], Mapping[str, object]]


@cache
def observers() -> Sequence[Observer]:
    """What the apps do with each call (settings.API_OBSERVERS): they count, and return facts for the line."""
    return [import_string(name) for name in settings.API_OBSERVERS]


class CallLogMiddleware:
    """Logs and counts every call. Stands right behind the request's id, so that refusals of other middleware count."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter_ns()
        response = self.get_response(request)
        spent = time.perf_counter_ns() - started
        call = _call(request, response)
        metrics.REQUESTS.labels(call.method, call.route, str(call.status)).inc()
        metrics.REQUEST_SECONDS.labels(call.method, call.route).observe(spent / NANOSECONDS)
        facts: dict[str, object] = {"method": call.method, "route": call.route, "status": call.status}
        facts["duration_ms"] = spent // 1_000_000
        if call.code:
            facts["code"] = call.code
        for observe in observers():
            facts |= observe(call)
        log.log(_level(call), "call", extra=facts, exc_info=request.__dict__.pop("crash", None))
        return response

    def process_view(self, _request: HttpRequest, _view: Any, _args: Any, kwargs: Mapping[str, Any]) -> None:
        """Binds what the address names, so that every line of the call has it."""
        note(**{name: kwargs[name] for name in IDS_IN_ADDRESSES if name in kwargs})


def _call(request: HttpRequest, response: HttpResponse) -> Call:
    match = request.resolver_match
    known = _known_of(getattr(request, "auth", None))  # DRF leaves it on Django's request
    note(**known)
    return Call(
        method=request.method if request.method in METHODS else "other",
        route=match.route if match else UNMATCHED,
        name=(match.url_name or "") if match else "",
        status=response.status_code,
        code=_code(response),
        game_id=known.get("game_id", ""),
        data=getattr(response, "data", None),
        headers=response.headers,
    )


def _known_of(credential: Any) -> dict[str, str]:
    """What a credential says about who called: the kind of caller, and ids. Never the credential itself."""
    found = {"caller": getattr(credential, "kind", None)}
    for holder in (credential, getattr(credential, "key", None)):
        found |= {name: found.get(name) or getattr(holder, name, None) for name in IDS_IN_CREDENTIALS}
    return {name: str(value) for name, value in found.items() if value}


def _code(response: HttpResponse) -> str:
    """The code of a problem, which is ours; what stands beside it may quote the caller."""
    if response.streaming or response.get("Content-Type") != CONTENT_TYPE:
        return ""
    return str(json.loads(response.content).get("code", ""))


def _level(call: Call) -> int:
    if call.status >= SERVER_ERRORS:
        return logging.ERROR
    return logging.DEBUG if call.route in PROBES else logging.INFO


def _remember_crash(request: HttpRequest | None = None, **_: Any) -> None:
    """Django tells of an exception that no view answered; the call's own line shows it."""
    if request is not None:
        request.crash = sys.exc_info()[1]  # type: ignore[attr-defined]


got_request_exception.connect(_remember_crash)
