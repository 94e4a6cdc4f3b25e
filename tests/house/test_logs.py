"""One JSON line for each call, with ids and never with what a caller sent; tasks have lines of the same kind."""

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.db import IntegrityError
from django.test import RequestFactory

from conversion.tasks import convert_due_hours_task
from dreamland.lib.api import log as call_log
from dreamland.lib.errors import DomainError
from dreamland.lib.logs import json_formatter, with_ids
from dreamland.lib.races import try_again
from rewards import services
from rewards.keys import create_game_key
from rewards.models import Game, Scope
from tests.factories import a_game, a_player
from tests.http import Api
from tests.sql import run

SECRET = "n0b0dy-may-read-th1s"


class Lines:
    """What was written, as a machine reads it: every line must be one JSON object."""

    def __init__(self, stream: StringIO) -> None:
        self.stream = stream

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    def all(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    def calls(self) -> list[dict[str, Any]]:
        return [line for line in self.all() if line["event"] == "call"]

    def only(self) -> dict[str, Any]:
        [line] = self.all()
        return line


@pytest.fixture
def lines() -> Iterator[Lines]:
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(json_formatter())
    root = logging.getLogger()
    root.addHandler(handler)
    yield Lines(stream)
    root.removeHandler(handler)


@pytest.fixture
def game() -> Game:
    return a_game()


@pytest.fixture
def key(game: Game) -> str:
    return create_game_key(game_id=game.id, scopes=Scope.values).plaintext


def a_body(player: UUID, amount: str = "1", reference: str = "match-1") -> dict[str, str]:
    won_at = run("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")[0][0]
    return {"reference": reference, "player_id": str(player), "amount": amount, "won_at": won_at}


def post(path: str, body: Any, key: str, **headers: str) -> Any:
    client = Api()
    return client.post(
        path, body, content_type="application/json", headers={"Authorization": f"Bearer {key}", **headers}
    )


@pytest.mark.django_db
def test_a_win_has_one_line_with_every_id(lines: Lines, game: Game, key: str) -> None:
    player = a_player()
    answer = post("/v1/wins", a_body(player), key, **{"X-Request-ID": "trace-7"})
    line = lines.only()
    assert isinstance(line.pop("duration_ms"), int)
    assert line.pop("timestamp").endswith("Z")
    assert line.pop("caller", "game") == "game"
    line.pop("message", None)  # pytest's own handler leaves it on the record
    assert line == {
        "event": "call",
        "level": "info",
        "logger": "dreamland.lib.api.log",
        "method": "POST",
        "route": "v1/wins",
        "status": 201,
        "outcome": "recorded",
        "request_id": "trace-7",
        "game_id": str(game.id),
        "key_id": key.split("_")[2],
        "player_id": str(player),
        "win_id": answer.json()["id"],
    }


@pytest.mark.django_db
def test_a_refused_win_tells_its_code_and_its_player(lines: Lines, key: str) -> None:
    player = a_player()
    assert post("/v1/wins", a_body(player, "5.5"), key).status_code == 422
    line = lines.only()
    assert (line["status"], line["code"], line["outcome"]) == (422, "daily-cap-exceeded", "refused")
    assert line["player_id"] == str(player)


@pytest.mark.django_db
def test_a_batch_has_one_line_with_counts(lines: Lines, key: str) -> None:
    player = a_player()
    body = a_body(player)
    wins = [body, body, a_body(player, "4.5", "over"), a_body(uuid4(), reference="nobody"), {**body, "amount": "1e0"}]
    assert post("/v1/wins/batch", {"wins": wins}, key).status_code == 200
    line = lines.only()
    assert (line["wins"], line["recorded"], line["replayed"]) == (5, 1, 1)
    assert line["refused"] == {"daily-cap-exceeded": 1, "player-not-found": 1, "invalid-amount": 1}


@pytest.mark.django_db
def test_a_reading_names_the_route_and_the_player_and_not_the_path(lines: Lines, key: str) -> None:
    player = a_player()
    Api().get(f"/v1/players/{player}/stats", headers={"Authorization": f"Bearer {key}"})
    line = lines.only()
    assert (line["route"], line["player_id"]) == ("v1/players/<uuid:player_id>/stats", str(player))
    assert f"/{player}" not in lines.text


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "status", "code", "route"),
    [
        (f"/v1/nothing/{SECRET}?token={SECRET}", 404, "not-found", "unmatched"),
        (f"/v1/wins/{UUID(int=7)}?token={SECRET}", 401, "not-authenticated", "v1/wins/<uuid:win_id>"),
    ],
)
def test_a_refusal_has_one_line_too_and_django_adds_none(
    path: str, status: int, code: str, route: str, lines: Lines
) -> None:
    answer = Api().get(path, headers={"Authorization": f"Bearer dl_test_{SECRET}"})
    assert answer.status_code == status
    line = lines.only()
    assert (line["status"], line["code"], line["route"]) == (status, code, route)
    assert SECRET not in lines.text


def test_a_host_that_is_not_ours_is_one_line_without_its_name(lines: Lines) -> None:
    assert Api().get("/v1/x", headers={"Host": f"{SECRET}.example"}).status_code == 400
    assert lines.only()["code"] == "bad-request"
    assert SECRET not in lines.text


def test_a_method_that_somebody_made_up_is_not_repeated(lines: Lines) -> None:
    Api().generic("N0B0DY", "/livez")
    assert {line["method"] for line in lines.calls()} <= {"other"}
    assert "N0B0DY" not in lines.text


def test_probes_are_told_only_to_who_wants_every_detail(lines: Lines) -> None:
    Api().get("/livez")
    assert lines.all() == []


@pytest.mark.django_db
def test_nothing_that_a_caller_sent_is_in_the_lines_of_a_crash(
    lines: Lines, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worst case: the secret is in the path, the query, every header, the body, a local variable, and the message."""

    def crash(**given: Any) -> None:
        secret = f"{SECRET} {key} {given}"
        try:
            raise IntegrityError(f"DETAIL: Key (reference)=({secret}) already exists")
        except IntegrityError as error:
            logging.getLogger("rewards").exception("odd", extra={"claims": given["claims"], "request": factory})
            raise ValueError(f"invalid literal: {secret}") from error

    factory = RequestFactory().get(f"/?token={SECRET}", headers={"Authorization": SECRET})
    monkeypatch.setattr(services, "record_wins", crash)
    answer = post(
        "/v1/wins",
        a_body(a_player(), reference=SECRET),
        key,
        **{"User-Agent": SECRET, "Cookie": f"sessionid={SECRET}", "X-Forwarded-For": "203.0.113.77"},
    )
    assert answer.status_code == 500
    odd, call = lines.all()
    for word in (SECRET, key, key.split("_")[3], "203.0.113.77", "invalid literal", "already exists"):
        assert word not in lines.text, word
    assert (call["event"], call["status"], call["code"], call["level"]) == ("call", 500, "internal-error", "error")
    crashed, cause = call["exception"]
    assert (crashed["type"], cause["type"]) == ("builtins.ValueError", "django.db.utils.IntegrityError")
    assert crashed["at"][-1].endswith(" crash")
    assert "test_logs.py" in crashed["at"][-1]
    assert odd["request_id"] == call["request_id"] == answer["X-Request-ID"]
    assert odd["request"] == "<WSGIRequest>"


@pytest.mark.django_db
def test_an_unknown_query_parameter_and_a_malformed_body_stay_out(lines: Lines, key: str) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    Api().get(f"/v1/players/{a_player()}/stats?{SECRET}={SECRET}", headers=headers)
    post("/v1/wins", f'{{"{SECRET}": "{SECRET}"', key)
    post("/v1/wins", {"reference": SECRET, "amount": SECRET}, key)
    assert [line["code"] for line in lines.calls()] == ["unknown-parameter", "malformed-json", "invalid"]
    assert SECRET not in lines.text


@pytest.mark.django_db
def test_the_reference_of_a_win_is_the_games_own_and_stays_out(lines: Lines, key: str) -> None:
    body = a_body(a_player(), reference=f"mail-{SECRET}@example.com")
    assert [post("/v1/wins", body, key).status_code for _ in range(2)] == [201, 200]
    assert [line["outcome"] for line in lines.calls()] == ["recorded", "replayed"]
    assert SECRET not in lines.text


@pytest.mark.django_db
def test_a_database_that_is_away_says_so_with_its_reason(
    lines: Lines, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import OperationalError

    def away(**_: Any) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(services, "record_wins", away)
    assert post("/v1/wins", a_body(a_player()), key).status_code == 503
    warning, call = lines.all()
    assert warning["exception"][0]["message"] == "connection refused"
    assert (call["status"], call["code"]) == (503, "unavailable")


@pytest.mark.django_db
def test_the_lines_of_a_task_carry_its_id_and_the_hour_it_converts(lines: Lines, game: Game) -> None:
    now = run("SELECT clock_timestamp()")[0][0]
    claim = services.Claim(a_player(), "match-1", run("SELECT 1::numeric")[0][0], now - timedelta(hours=2))
    services.record_wins(game_id=game.id, claims=[claim], now=now)
    convert_due_hours_task.apply(task_id="task-7", throw=True)
    told = [line for line in lines.all() if line.get("task_id") == "task-7"]
    hours = [line["hour"] for line in told if line["event"] == "hour converted"]
    assert len(hours) >= 2
    assert hours[0].endswith(":00:00+00:00")
    assert {line["task"] for line in told} == {"conversion.convert_due_hours"}
    assert any(line["event"] == "conversion tick" for line in told)
    logging.getLogger("after").warning("no task any more")
    assert "task_id" not in lines.all()[-1]


@pytest.mark.django_db
def test_a_task_that_fails_tells_why_since_nobody_sent_it_anything(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: Any) -> None:
        hidden = SECRET
        raise AssertionError(f"the books do not add up by {len(hidden)}")

    monkeypatch.setattr("conversion.tasks.convert_due_hours", fail)
    convert_due_hours_task.apply(task_id="task-8")
    failed = [line for line in lines.all() if "exception" in line]
    assert failed[0]["task_id"] == "task-8"
    assert failed[0]["exception"][0]["message"] == f"the books do not add up by {len(SECRET)}"
    assert SECRET not in lines.text


def test_an_id_that_is_bound_for_a_function_is_gone_after_it(lines: Lines) -> None:
    @with_ids("player")
    def work(*, player: UUID, amount: str) -> None:
        logging.getLogger("work").warning("inside")

    player = uuid4()
    work(player=player, amount="1")
    logging.getLogger("work").warning("outside")
    inside, outside = lines.all()
    assert inside["player"] == str(player)
    assert "player" not in outside
    assert "amount" not in inside


def test_an_object_never_shows_itself_and_a_chain_of_causes_ends(lines: Lines) -> None:
    class Shows:
        def __repr__(self) -> str:
            return SECRET

        __str__ = __repr__

    error: Exception = DomainError(SECRET)
    for _ in range(50):
        outer = ValueError(SECRET)
        outer.__cause__ = error
        error = outer
    logging.getLogger("any").error(
        "odd", extra={"thing": Shows(), "many": [Shows()], "request_id": "r", "by": {"key": Shows()}}, exc_info=error
    )
    line = lines.only()
    assert line["thing"] == "<Shows>"
    assert line["many"] == ["<Shows>"]
    assert line["by"] == {"key": "<Shows>"}
    assert len(line["exception"]) == 5
    assert SECRET not in lines.text


def test_the_program_itself_logs_through_this_formatter() -> None:
    assert settings.LOGGING["formatters"]["json"] == {"()": "dreamland.lib.logs.json_formatter"}
    assert settings.LOGGING["root"]["handlers"] == ["console"]
    position = settings.MIDDLEWARE.index(f"{call_log.__name__}.CallLogMiddleware")
    assert position == 1


@pytest.mark.django_db
def test_another_attempt_is_told_in_a_line_of_ours_and_without_what_the_row_held(
    lines: Lines, capfd: pytest.CaptureFixture[str]
) -> None:
    """Catches the retry library's own hook: plain text on standard output, in the middle of `--json`, quoting keys."""
    a_game("racing")
    made: list[None] = []

    def lose_a_race_and_win() -> None:
        made.append(None)
        if len(made) == 1:
            run("INSERT INTO rewards_game (slug, name, over_cap) VALUES ('racing', %s, 'reject')", [SECRET])

    try_again(lose_a_race_and_win, lost_races={"rewards_game_slug_key"})
    assert len(made) == 2
    assert [(line["event"], line["attempt"], line["after"]) for line in lines.all()] == [
        ("another attempt", 2, "rewards_game_slug_key")
    ]
    assert "racing" not in lines.text
    assert SECRET not in lines.text
    assert capfd.readouterr().out == ""
