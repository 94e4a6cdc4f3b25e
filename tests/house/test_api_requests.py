"""Request ids, cursors, liveness and readiness; and that every route says who may call it."""

import json
import logging
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import structlog
from django.conf import settings
from django.core import signing
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from dreamland.lib.api.errors import InvalidCursor
from dreamland.lib.api.pages import page, read_cursor, write_cursor
from dreamland.lib.api.request_id import RequestIdMiddleware
from dreamland.lib.api.views import ApiViewSet
from rewards.models import Scope
from tests.http import Api


@pytest.mark.parametrize("given", ["a", "order-7.2_X", "f" * 128])
def test_a_well_formed_request_id_comes_back(given: str) -> None:
    assert Api().get("/livez", headers={"X-Request-ID": given})["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", " ", "a b", "f" * 129, "a\x00", "é", "a,b", "<script>", "a\n", '"a"', "a/b"])
def test_any_other_request_id_is_replaced_by_a_new_uuid(given: str) -> None:
    answered = Api().get("/livez", headers={"X-Request-ID": given})["X-Request-ID"]
    assert UUID(answered).version == 7


def test_two_requests_have_two_ids() -> None:
    assert Api().get("/livez")["X-Request-ID"] != Api().get("/livez")["X-Request-ID"]


def test_the_request_id_is_bound_for_the_logs_also_of_the_answer_and_never_of_the_next_request() -> None:
    seen: list[dict[str, Any]] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(structlog.contextvars.get_contextvars())
        structlog.contextvars.bind_contextvars(left="behind")
        return HttpResponse()

    for name in ("trace-7", "trace-8"):
        RequestIdMiddleware(view)(RequestFactory().get("/", headers={"X-Request-ID": name}))
        assert structlog.contextvars.get_contextvars()["request_id"] == name
    assert seen == [{"request_id": "trace-7"}, {"request_id": "trace-8"}]


def test_a_cursor_gives_back_its_position() -> None:
    assert read_cursor(write_cursor(["a", "b"], of="list"), of="list") == ["a", "b"]
    assert read_cursor(None, of="list") is None


def test_a_cursor_that_this_list_did_not_give_out_is_refused() -> None:
    own = write_cursor(["a"], of="list")
    foreign = write_cursor(["a"], of="another list")
    for cursor in (
        "",
        "x",
        "a:b:c",
        "W10",
        "é",
        "\x00",
        foreign,
        own[:-1],
        own.swapcase(),
        "A" + own,
        signing.dumps(["a"]),
    ):
        with pytest.raises(InvalidCursor):
            read_cursor(cursor, of="list")


def pages(count: int, limit: int) -> Iterator[Any]:
    """Every page of a list of `count` numbers, followed by its Link."""
    start, address = 0, f"/v1/numbers?limit={limit}&day=today"
    while address:
        rows = list(range(count))[start : start + limit + 1]
        request = Request(APIRequestFactory().get(address))
        response = page(
            request,
            rows,
            limit=limit,
            render=lambda items: [str(item) for item in items],
            cursor_after=lambda row: write_cursor([str(row)], of="numbers"),
        )
        yield response
        address = response.get("Link", "").removeprefix("<").removesuffix('>; rel="next"')
        if address:
            cursor = Request(APIRequestFactory().get(address)).query_params["cursor"]
            assert cursor == response.data["next_cursor"]
            start = int((read_cursor(cursor, of="numbers") or ["-1"])[0]) + 1


@pytest.mark.parametrize(("count", "sizes"), [(0, [0]), (1, [1]), (3, [3]), (4, [3, 1]), (6, [3, 3]), (7, [3, 3, 1])])
def test_pages_give_every_row_once_and_the_last_one_ends_the_list(count: int, sizes: list[int]) -> None:
    answers = list(pages(count, limit=3))
    assert [len(answer.data["items"]) for answer in answers] == sizes
    assert [item for answer in answers for item in answer.data["items"]] == [str(n) for n in range(count)]
    assert answers[-1].data["next_cursor"] is None
    assert "Link" not in answers[-1]


def test_the_link_keeps_the_other_parameters() -> None:
    first = next(pages(5, limit=3))
    assert first["Link"].startswith("<http://testserver/v1/numbers?")
    assert "day=today" in first["Link"]
    assert "limit=3" in first["Link"]


def test_livez_answers_without_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    response = Api().get("/livez")  # a test without a database fails where one is asked
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert response["Cache-Control"] == "no-store"


@pytest.mark.django_db
def test_readyz_is_ready_where_database_migrations_and_broker_are() -> None:
    response = Api().get("/readyz")
    assert response.status_code == 200
    assert response.json() == {"status": "ready", "checks": {"database": "ok", "migrations": "ok", "broker": "ok"}}


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "redis://no-such-host.invalid/0", "nonsense"])
def test_readyz_says_that_the_broker_is_away_and_no_more(
    url: str, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CELERY_BROKER_URL = url
    with caplog.at_level(logging.CRITICAL):
        response = Api().get("/readyz")
    assert response.status_code == 503
    assert response["Retry-After"]
    assert response.json()["code"] == "unavailable"
    assert response.json()["checks"] == {"database": "ok", "migrations": "ok", "broker": "failed"}
    assert url not in response.content.decode()


@pytest.mark.django_db
def test_readyz_says_that_a_migration_is_missing() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM django_migrations WHERE app = 'rewards' AND name ="
            " (SELECT max(name) FROM django_migrations WHERE app = 'rewards')"
        )
        assert cursor.rowcount == 1
    response = Api().get("/readyz")
    assert response.status_code == 503
    assert response.json()["checks"]["migrations"] == "failed"


@pytest.mark.django_db
def test_readyz_says_that_the_database_is_away() -> None:
    port = connection.settings_dict["PORT"]
    connection.close()
    connection.settings_dict["PORT"] = 1
    try:
        response = Api().get("/readyz")
    finally:
        connection.close()
        connection.settings_dict["PORT"] = port
    assert response.status_code == 503
    assert response.json()["checks"] == {"database": "failed", "migrations": "failed", "broker": "ok"}


def api_routes(patterns: list[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every route of the URLconf that a viewset serves."""
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from api_routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern) and hasattr(pattern.callback, "cls"):
            yield route, pattern.callback


def test_every_action_of_every_route_declares_a_scope_that_exists() -> None:
    routes = list(api_routes(get_resolver("dreamland.urls").url_patterns))
    assert len(routes) >= 7
    for route, callback in routes:
        assert issubclass(callback.cls, ApiViewSet), route
        for action in callback.actions.values():
            assert callback.cls.required_scopes[action] in Scope.values, (route, action)
            assert hasattr(getattr(callback.cls, action), "described"), (route, action)


def test_the_default_of_every_view_is_shut_and_strict() -> None:
    configured = json.dumps(settings.REST_FRAMEWORK)
    for part in ("permissions.Undeclared", "parsing.StrictJSONParser", "problems.exception_handler"):
        assert f"dreamland.lib.api.{part}" in configured
    assert settings.MIDDLEWARE[0] == "dreamland.lib.api.request_id.RequestIdMiddleware"
