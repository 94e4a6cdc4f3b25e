"""Every refusal and failure has one shape, says what a caller can use, and nothing about our insides."""

import html
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

import psycopg
import pytest
from django.conf import settings
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import connection, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import include, path
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory

import ledger.errors  # noqa: F401  (so that its refusals are known below)
import rewards.errors
from dreamland.lib.api.catalogue import KINDS
from dreamland.lib.api.errors import ScopeMissing
from dreamland.lib.api.permissions import Undeclared
from dreamland.lib.api.views import ApiViewSet
from dreamland.lib.errors import DomainError
from dreamland.lib.templatetags.prose import with_code
from rewards.auth import GameAccess
from rewards.keys import Credential
from rewards.models import Scope
from tests.http import Api

SECRET_DETAIL = "the password is swordfish"


class Cap(DomainError):
    code = "daily-cap-exceeded"


class Uncatalogued(DomainError):
    code = "some-new-refusal"


class Nobody(BaseAuthentication):
    def authenticate(self, _request: Request) -> tuple[Any, Any] | None:
        return None

    def authenticate_header(self, _request: Request) -> str:
        return 'Bearer realm="test"'


class Stage(ApiViewSet):
    """Does what a test tells it to."""

    authentication_classes = (Nobody,)
    permission_classes = (AllowAny,)
    play: ClassVar[Callable[[], object]]

    def act(self, request: Request) -> Response:
        if request.method == "POST":
            return Response(request.data)
        type(self).play()
        return Response({})


class Forgotten(ApiViewSet):
    """A view that declares nothing falls back to the default permission."""

    authentication_classes = (Nobody,)
    permission_classes = (Undeclared,)

    def act(self, request: Request) -> Response:
        return Response({})


def plain(request: HttpRequest) -> HttpResponse:
    Stage.play()
    return HttpResponse()


urlpatterns = [
    path("v1/stage", Stage.as_view({"get": "act", "post": "act"})),
    path("v1/forgotten", Forgotten.as_view({"get": "act"})),
    path("v1/plain", plain),
    path("plain", plain),
    path("", include("dreamland.urls")),
]
handler400 = "dreamland.lib.api.handlers.bad_request"
handler403 = "dreamland.lib.api.handlers.permission_denied"
handler404 = "dreamland.lib.api.handlers.not_found"
handler500 = "dreamland.lib.api.handlers.server_error"

pytestmark = pytest.mark.urls(__name__)


def raising(error: BaseException) -> Callable[[], object]:
    def play() -> None:
        raise error

    return play


def get(address: str, play: Callable[[], object] | None = None, **headers: str) -> Any:
    """A GET as over the network: what is uncaught is answered and not raised into the test."""
    Stage.play = staticmethod(play or (lambda: None))
    return Api().get(address, headers=headers)


def problem_of(response: Any, status: int, code: str) -> dict[str, Any]:
    """The problem in a response, once its shape is proved."""
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    assert response["Cache-Control"] == "no-store"
    problem: dict[str, Any] = response.json()
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["type"] == f"/v1/problems/{code}"
    assert problem["title"] == KINDS[code].title
    assert problem["request_id"] == response["X-Request-ID"]
    assert problem["detail"]
    assert SECRET_DETAIL not in response.content.decode()
    return problem


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (exceptions.NotAuthenticated(), 401, "not-authenticated"),
        (exceptions.AuthenticationFailed(), 401, "not-authenticated"),
        (exceptions.AuthenticationFailed("too late", code="credential-expired"), 401, "credential-expired"),
        (exceptions.PermissionDenied(), 403, "forbidden"),
        (ScopeMissing("needs more"), 403, "scope-missing"),
        (PermissionDenied(SECRET_DETAIL), 403, "forbidden"),
        (exceptions.NotFound(), 404, "not-found"),
        (Http404(SECRET_DETAIL), 404, "not-found"),
        (exceptions.MethodNotAllowed("BREW"), 405, "method-not-allowed"),
        (exceptions.NotAcceptable(), 406, "not-acceptable"),
        (exceptions.UnsupportedMediaType("text/xml"), 415, "unsupported-media-type"),
        (exceptions.ParseError(), 400, "malformed-json"),
        (exceptions.Throttled(wait=7), 429, "rate-limited"),
        (SuspiciousOperation(SECRET_DETAIL), 400, "bad-request"),
        (Uncatalogued("no"), 422, "invalid"),
        (RuntimeError(SECRET_DETAIL), 500, "internal-error"),
        (AssertionError(SECRET_DETAIL), 500, "internal-error"),
        (exceptions.APIException(SECRET_DETAIL), 500, "internal-error"),
    ],
)
def test_whatever_a_view_raises_is_answered_as_a_problem(error: Exception, status: int, code: str) -> None:
    problem_of(get("/v1/stage", raising(error)), status, code)


def test_a_401_says_how_to_authenticate_and_a_429_when_to_come_back() -> None:
    assert get("/v1/stage", raising(exceptions.NotAuthenticated()))["WWW-Authenticate"] == 'Bearer realm="test"'
    assert get("/v1/stage", raising(exceptions.Throttled(wait=7)))["Retry-After"] == "7"


@pytest.mark.parametrize("address", ["/v1/nothing", "/v1/", "/v1", "/v1/players/not-a-uuid", "/livez/deeper"])
def test_an_address_without_anything_is_a_problem_too(address: str) -> None:
    problem_of(get(address), 404, "not-found")


def test_a_doubled_slash_before_an_address_is_still_a_program_asking() -> None:
    problem_of(Api().get("/", PATH_INFO="//v1/wins"), 404, "not-found")


def test_a_wrong_method_at_a_page_is_a_problem_before_any_token_against_forgery_is_missed() -> None:
    problem_of(Api().post("/v1/docs", {}, format="json"), 405, "method-not-allowed")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Http404(SECRET_DETAIL), 404, "not-found"),
        (PermissionDenied(SECRET_DETAIL), 403, "forbidden"),
        (SuspiciousOperation(SECRET_DETAIL), 400, "bad-request"),
        (RuntimeError(SECRET_DETAIL), 500, "internal-error"),
    ],
)
def test_what_goes_wrong_outside_drf_is_a_problem_for_programs_and_a_page_for_people(
    error: Exception, status: int, code: str
) -> None:
    problem_of(get("/v1/plain", raising(error)), status, code)
    response = get("/plain", raising(error))
    assert response.status_code == status
    assert response["Content-Type"].startswith("text/html")


def test_a_host_that_is_not_ours_is_a_problem() -> None:
    problem_of(get("/v1/stage", host="evil.example"), 400, "bad-request")


def test_a_method_that_an_address_does_not_take_is_a_problem_that_names_those_it_takes() -> None:
    client = Api()
    for method in (client.put, client.patch, client.delete, client.options):
        response = method("/v1/stage")
        problem_of(response, 405, "method-not-allowed")
        assert response["Allow"] == "GET, HEAD, POST"
    problem_of(client.post("/livez"), 405, "method-not-allowed")


def test_an_answer_that_we_cannot_give_is_refused() -> None:
    problem_of(get("/v1/stage", accept="text/html"), 406, "not-acceptable")
    for ruled_out in (
        "application/json;q=0",
        "application/json; q=0.000, text/html",
        "*/*;q=0",
        "garbage",
        "none/none",
    ):
        problem_of(get("/v1/stage", accept=ruled_out), 406, "not-acceptable")
    for fine in (
        "application/json",
        "*/*",
        "application/*",
        "text/html, */*;q=0.1",
        "text/html;q=0,application/json",
        "",
    ):
        assert get("/v1/stage", accept=fine).status_code == 200, fine


def test_how_an_answer_looks_is_not_for_a_media_range_to_say() -> None:
    answers = [get("/v1/stage", accept=accept) for accept in ("*/*", "application/json; indent=8")]
    assert len({(answer.content, answer["Content-Type"]) for answer in answers}) == 1


@pytest.mark.parametrize(
    "content_type",
    ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", "application/xml"],
)
def test_a_body_that_is_not_json_is_refused(content_type: str) -> None:
    response = Api().post("/v1/stage", b"a=1", content_type=content_type)
    problem_of(response, 415, "unsupported-media-type")


def post(body: bytes) -> Any:
    return Api().post("/v1/stage", body, content_type="application/json")


def test_a_body_is_refused_for_its_size_depth_syntax_and_doubled_keys() -> None:
    assert post(b'{"a": 1}').json() == {"a": 1}
    problem = problem_of(post(b" " * (settings.API_MAX_BODY_BYTES + 1)), 413, "body-too-large")
    assert problem["limit_bytes"] == settings.API_MAX_BODY_BYTES
    problem_of(post(b"[" * 50), 400, "malformed-json")
    problem_of(post(b"{"), 400, "malformed-json")
    assert problem_of(post(b'{"a": 1, "a": 2}'), 400, "duplicate-key")["key"] == "a"


def test_an_unknown_parameter_is_refused_by_name() -> None:
    assert problem_of(get("/v1/stage?verbose=1"), 400, "unknown-parameter")["parameter"] == "verbose"


def test_a_view_that_forgot_its_permission_is_shut() -> None:
    problem_of(get("/v1/forgotten"), 401, "not-authenticated")


def test_a_view_that_forgot_its_scope_is_shut() -> None:
    class Open(Nobody):
        def authenticate(self, _request: Request) -> tuple[Any, Any]:
            return object(), GameAccess(Credential("0" * 16, UUID(int=1), frozenset(Scope.values)))

    view = Stage.as_view(
        {"get": "act"}, authentication_classes=[Open], permission_classes=list(ApiViewSet.permission_classes)
    )
    request = APIRequestFactory().get("/v1/stage")
    with pytest.raises(AssertionError, match="declares no scope"):
        view(request)


def test_the_facts_of_a_refusal_are_members_of_its_problem() -> None:
    error = Cap(
        "that is too much",
        remaining=Decimal("0.500"),
        resets_at=datetime(2026, 11, 21, tzinfo=UTC),
        win_id=UUID(int=7),
        limit_seconds=120,
    )
    problem = problem_of(get("/v1/stage", raising(error)), 422, "daily-cap-exceeded")
    assert problem["detail"] == "that is too much"
    assert problem["remaining"] == "0.5"
    assert problem["resets_at"] == "2026-11-21T00:00:00Z"
    assert problem["win_id"] == "00000000-0000-0000-0000-000000000007"
    assert problem["limit_seconds"] == 120


def test_a_refused_field_of_a_use_case_gets_a_pointer() -> None:
    error = rewards.errors.InvalidTimezone("no such zone", field="timezone")
    problem = problem_of(get("/v1/stage", raising(error)), 422, "invalid")
    assert problem["errors"] == [{"pointer": "/timezone", "code": "invalid", "detail": "no such zone"}]
    assert "field" not in problem


def detail(text: str, code: str) -> exceptions.ErrorDetail:
    return exceptions.ErrorDetail(text, code=code)


@pytest.mark.parametrize(
    ("given", "code", "pointers"),
    [
        ({"amount": [detail("no", "invalid-amount")]}, "invalid-amount", ["/amount"]),
        ({"won_at": [detail("no", "invalid-time")]}, "invalid-time", ["/won_at"]),
        (
            {"amount": [detail("no", "invalid-amount")], "won_at": [detail("no", "invalid-time")]},
            "invalid",
            ["/amount", "/won_at"],
        ),
        ({"amount": [detail("gone", "required")]}, "invalid", ["/amount"]),
        ({"non_field_errors": [detail("no object", "invalid")]}, "invalid", [""]),
        ({"wins": {2: {"amount": [detail("no", "invalid-amount")]}}}, "invalid-amount", ["/wins/2/amount"]),
        ({"a/b~c": [detail("what", "unknown-field")]}, "invalid", ["/a~1b~0c"]),
    ],
)
def test_wrong_values_are_pointed_at(given: Any, code: str, pointers: list[str]) -> None:
    problem = problem_of(get("/v1/stage", raising(exceptions.ValidationError(given))), 422, code)
    assert [error["pointer"] for error in problem["errors"]] == pointers
    assert all(error.keys() == {"pointer", "code", "detail"} for error in problem["errors"])


def test_what_drf_calls_with_underscores_we_call_with_hyphens() -> None:
    error = exceptions.ValidationError({"reference": [detail("long", "max_length")]})
    problem = problem_of(get("/v1/stage", raising(error)), 422, "invalid")
    assert problem["errors"][0]["code"] == "max-length"


def test_a_problem_lists_a_limited_number_of_errors() -> None:
    error = exceptions.ValidationError({f"field{n}": [detail("no", "unknown-field")] for n in range(500)})
    problem = problem_of(get("/v1/stage", raising(error)), 422, "invalid")
    assert len(problem["errors"]) == 100
    assert problem["detail"].startswith("500 ")


def test_a_lone_surrogate_in_a_refusal_cannot_break_the_answer() -> None:
    error = exceptions.ValidationError({"x": [detail("got \ud800", "invalid")]})
    problem_of(get("/v1/stage", raising(error)), 422, "invalid")


# --- 503: the same call may work later -----------------------------------------------------------------------------


def slow_statement() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '20ms'")
        cursor.execute("SELECT pg_sleep(5)")


def waiting_for_a_lock() -> None:
    parameters = connection.get_connection_params()
    address = {name: parameters[name] for name in ("host", "port", "user", "password", "dbname")}
    with psycopg.connect(**address) as other:
        other.execute("LOCK TABLE rewards_game IN ACCESS EXCLUSIVE MODE")
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '20ms'")
            cursor.execute("SELECT FROM rewards_game")


def writing_where_one_can_only_read() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
        cursor.execute("INSERT INTO rewards_game (slug, name) VALUES ('a', 'a')")


def losing_the_connection() -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    finally:
        connection.close()  # as Django does between requests


@pytest.mark.django_db
@pytest.mark.parametrize(
    "play", [slow_statement, waiting_for_a_lock, writing_where_one_can_only_read, losing_the_connection]
)
@pytest.mark.parametrize("address", ["/v1/stage", "/v1/plain"])
def test_what_may_work_later_is_a_503_that_says_when(play: Callable[[], object], address: str) -> None:
    response = get(address, play)
    problem_of(response, 503, "unavailable")
    assert response["Retry-After"] == str(settings.API_RETRY_AFTER_SECONDS)


@pytest.mark.django_db
@pytest.mark.parametrize("statement", ["SELECT 1 / 0", "SELECT * FROM nowhere", "SELECT 'x'::int"])
def test_a_mistake_in_our_sql_is_our_fault_and_no_503(statement: str) -> None:
    def play() -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)

    problem_of(get("/v1/stage", play), 500, "internal-error")


@pytest.fixture
def database_away() -> Iterator[None]:
    """The database's address leads nowhere for a while."""
    port = connection.settings_dict["PORT"]
    connection.close()
    connection.settings_dict["PORT"] = 1
    yield
    connection.close()
    connection.settings_dict["PORT"] = port


@pytest.mark.django_db
def test_a_database_that_is_away_is_a_503(database_away: None) -> None:
    problem_of(get("/v1/stage", connection.ensure_connection), 503, "unavailable")


# --- The table and its pages ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", KINDS)
def test_the_type_of_every_problem_resolves_to_a_page(code: str) -> None:
    response = Api().get(f"/v1/problems/{code}")
    assert response.status_code == 200
    text = html.unescape(response.content.decode())
    shown = text.replace("<code>", "`").replace("</code>", "`")
    for part in (KINDS[code].title, KINDS[code].meaning, KINDS[code].remedy, code, f'"code": "{code}"'):
        assert part in shown
    assert "`" not in text


def test_a_text_of_ours_is_escaped_and_what_stands_between_backticks_is_code() -> None:
    assert with_code("a <b> `<c> & d` e") == "a &lt;b&gt; <code>&lt;c&gt; &amp; d</code> e"
    assert with_code("`a``b`") == "<code>a</code><code>b</code>"


def test_all_problems_are_on_one_page_that_links_to_each() -> None:
    text = Api().get("/v1/problems").content.decode()
    assert all(f'href="/v1/problems/{code}"' in text for code in KINDS)


def test_there_is_no_page_for_a_problem_that_does_not_exist() -> None:
    problem_of(get("/v1/problems/nonsense"), 404, "not-found")


@pytest.mark.parametrize(
    "error",
    [
        error
        for error in vars(rewards.errors).values()
        if isinstance(error, type) and error not in {DomainError, rewards.errors.GameNotFound}  # no call names a game
    ],
)
def test_every_refusal_of_the_rewards_is_in_the_table(error: type[DomainError]) -> None:
    assert error.code in KINDS
    assert 400 <= KINDS[error.code].status < 500 or error.code in {"unavailable", "player-elsewhere"}
