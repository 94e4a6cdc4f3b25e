"""Who may call what: every route of the URLconf against every kind of caller, with the exact answer to each."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from django.contrib.auth.models import Permission, User
from django.urls import get_resolver

from rewards.keys import create_game_key, revoke_game_key
from rewards.models import Game, Scope
from rewards.services import Recorded, record_wins, register_player
from rewards.tokens import create_player_token
from tests.factories import NOON, a_claim, a_game, a_player
from tests.house.test_api_requests import api_routes
from tests.http import Api, a_client, with_bearer

pytestmark = pytest.mark.django_db

SECRET = "s" * 32
Outcome = tuple[int, str]

OK: Outcome = (200, "")
CREATED: Outcome = (201, "")
NOBODY: Outcome = (401, "not-authenticated")
EXPIRED: Outcome = (401, "credential-expired")
NO_SCOPE: Outcome = (403, "scope-missing")
NO_GRANT: Outcome = (403, "players-never-grant")
SHUT: Outcome = (403, "forbidden")
NO_PLAYER: Outcome = (404, "player-not-found")
NO_WIN: Outcome = (404, "win-not-found")

# Whose credential proves nothing learns nothing, whatever the call.
STRANGERS = {
    "nobody": NOBODY,
    "no bearer": NOBODY,
    "malformed key": NOBODY,
    "wrong secret": NOBODY,
    "key of another environment": NOBODY,
    "expired key": EXPIRED,
    "revoked key": EXPIRED,
    "malformed token": NOBODY,
    "token of another service": NOBODY,
    "expired token": EXPIRED,
    "customer's session": NOBODY,
    "staff's session and a bad key": NOBODY,
}
FRIENDS = ["right scope", "other scopes", "other game", "player", "other player", "staff without right", "staff"]


@dataclass(frozen=True)
class Row:
    """A call: what it needs, what is sent, and what each of FRIENDS gets."""

    scope: str
    permission: str
    body: str
    outcomes: tuple[Outcome, ...]


READ_PLAYER = (OK, NO_SCOPE, OK, OK, NO_PLAYER, SHUT, OK)
TABLE = {
    "GET player": Row("players:read", "rewards.view_player", "", READ_PLAYER),
    "PUT player": Row(
        "players:write", "rewards.change_player", "player", (OK, NO_SCOPE, OK, NO_GRANT, NO_GRANT, SHUT, SHUT)
    ),
    "GET player-wins": Row("wins:read", "rewards.view_win", "", READ_PLAYER),
    "GET player-stats": Row("players:read", "rewards.view_player", "", READ_PLAYER),
    "GET player-usd-history": Row("players:read", "conversion.view_conversion", "", READ_PLAYER),
    "POST wins": Row(
        "wins:write", "rewards.add_win", "win", (CREATED, NO_SCOPE, CREATED, NO_GRANT, NO_GRANT, SHUT, SHUT)
    ),
    "POST wins-batch": Row(
        "wins:write", "rewards.add_win", "batch", (OK, NO_SCOPE, OK, NO_GRANT, NO_GRANT, SHUT, SHUT)
    ),
    "GET win": Row("wins:read", "rewards.view_win", "", (OK, NO_SCOPE, NO_WIN, SHUT, SHUT, SHUT, OK)),
    "POST win-void": Row(
        "wins:write", "rewards.change_win", "void", (OK, NO_SCOPE, NO_WIN, NO_GRANT, NO_GRANT, SHUT, SHUT)
    ),
}


def calls() -> Iterator[str]:
    """Every call of the URLconf, named like a row of the table."""
    for route, callback in api_routes(get_resolver("dreamland.urls").url_patterns):
        name = NAMES[re.sub(r"<uuid:(\w+)>", r"%(\1)s", route)]
        yield from (f"{method.upper()} {name}" for method in callback.actions if method != "head")


NAMES = {
    str(route): name
    for name, values in get_resolver("dreamland.urls").reverse_dict.lists()
    if isinstance(name, str)
    for [(template, _)], *_ in values
    for route in [template]
}


@dataclass(frozen=True)
class World:
    """One game with a win of one player, another game, another player."""

    game: Game
    other_game: Game
    player: UUID
    other_player: UUID
    win: UUID

    def bodies(self, kind: str) -> Any:
        win = {"reference": "new", "player_id": str(self.player), "amount": "1", "won_at": "2026-11-10T12:00:00Z"}
        bodies = {
            "player": {"timezone": "UTC", "profile": {"country": "CH"}},
            "win": win,
            "batch": {"wins": [win]},
            "void": {"reason": "mistake"},
        }
        return bodies.get(kind)


@pytest.fixture
def world(time_machine: Any, settings: Any) -> World:
    time_machine.move_to(NOON)
    settings.PLAYER_TOKEN_KEYS = {"test": {"algorithm": "HS256", "key": SECRET}}
    game, player = a_game("chess"), a_player()
    [outcome] = record_wins(game_id=game.id, claims=[a_claim(player)], now=NOON)
    assert isinstance(outcome, Recorded)
    return World(game, a_game("go"), player, a_player(), outcome.win.id)


def a_token(player: UUID) -> str:
    return create_player_token(player_id=player, now=NOON)


def staff(*permissions: str, is_staff: bool = True) -> Api:
    """Somebody signed in, with these rights."""
    user = User.objects.create_user(f"user-{uuid4()}", is_staff=is_staff)
    for name in permissions:
        app, codename = name.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    client = Api()
    client.force_login(user)
    return client


def staff_with_a_bad_key(permission: str) -> Api:
    client = staff(permission)
    client.credentials(HTTP_AUTHORIZATION="Bearer dl_test_0_0")
    return client


def friend(kind: str, row: Row, world: World) -> Api:
    """A caller whose credential is good, for something."""
    others = set(Scope.values) - {row.scope}
    makers: dict[str, Callable[[], Api]] = {
        "right scope": lambda: a_client(world.game, row.scope),
        "other scopes": lambda: a_client(world.game, *others),
        "other game": lambda: a_client(world.other_game, *Scope.values),
        "player": lambda: with_bearer(a_token(world.player)),
        "other player": lambda: with_bearer(a_token(world.other_player)),
        "staff without right": lambda: staff(*({other.permission for other in TABLE.values()} - {row.permission})),
        "staff": lambda: staff(row.permission),
    }
    return makers[kind]()


def bearer_of_stranger(kind: str, world: World) -> str:
    key = create_game_key(game_id=world.game.id, scopes=Scope.values)
    prefix, _, key_id, secret = key.plaintext.split("_")
    if kind == "revoked key":
        revoke_game_key(key_id=key.key_id)
    over = create_game_key(game_id=world.game.id, scopes=Scope.values, expires_at=datetime(2020, 1, 1, tzinfo=UTC))
    claims = {"exp": NOON + timedelta(minutes=5), "sub": str(world.player), "iss": "https://identity.dreamland.example"}
    return {
        "malformed key": "dl_nonsense",
        "wrong secret": f"{prefix}_test_{key_id}_{'0' * 64}",
        "key of another environment": f"{prefix}_live_{key_id}_{secret}",
        "expired key": over.plaintext,
        "revoked key": key.plaintext,
        "malformed token": "eyJhbGciOiJub25lIn0.e30.",
        "token of another service": jwt.encode({**claims, "aud": "other"}, SECRET, headers={"kid": "test"}),
        "expired token": create_player_token(player_id=world.player, now=NOON - timedelta(hours=1)),
    }[kind]


def stranger(kind: str, row: Row, world: World) -> Api:
    """A caller whose credential is good for nothing."""
    match kind:
        case "nobody":
            return Api()
        case "no bearer":
            client = Api()
            client.credentials(HTTP_AUTHORIZATION="Basic Y2hlc3M6Y2hlc3M=")
            return client
        case "customer's session":
            return staff(row.permission, is_staff=False)
        case "staff's session and a bad key":
            return staff_with_a_bad_key(row.permission)
    return with_bearer(bearer_of_stranger(kind, world))


def address(name: str, world: World) -> str:
    [template] = [route for route, route_name in NAMES.items() if route_name == name]
    return "/" + template % {"player_id": world.player, "win_id": world.win}


def outcome(client: Api, call: str, row: Row, world: World) -> Outcome:
    method, name = call.split()
    response = client.generic(method, address(name, world), **body_of(row, world))
    return response.status_code, "" if response.status_code < 400 else response.json()["code"]


def body_of(row: Row, world: World) -> dict[str, Any]:
    body = world.bodies(row.body)
    return {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}


def test_every_call_of_the_urlconf_has_a_row() -> None:
    assert sorted(calls()) == sorted(TABLE)


@pytest.mark.parametrize("call", TABLE)
@pytest.mark.parametrize("kind", FRIENDS)
def test_a_known_caller_gets_what_the_table_says(call: str, kind: str, world: World) -> None:
    row = TABLE[call]
    assert outcome(friend(kind, row, world), call, row, world) == row.outcomes[FRIENDS.index(kind)]


@pytest.mark.parametrize("call", TABLE)
@pytest.mark.parametrize("kind", STRANGERS)
def test_an_unknown_caller_gets_a_401(call: str, kind: str, world: World) -> None:
    row = TABLE[call]
    assert outcome(stranger(kind, row, world), call, row, world) == STRANGERS[kind]


@pytest.mark.parametrize("scope", Scope.values)
@pytest.mark.parametrize("call", TABLE)
def test_each_scope_opens_its_own_calls_and_no_other(call: str, scope: str, world: World) -> None:
    row = TABLE[call]
    expected = row.outcomes[0] if scope == row.scope else NO_SCOPE
    assert outcome(a_client(world.game, scope), call, row, world) == expected


@pytest.mark.parametrize("name", ["player", "player-wins", "player-stats", "player-usd-history"])
def test_to_a_player_another_one_is_as_unknown_as_one_that_does_not_exist(name: str, world: World) -> None:
    client = with_bearer(a_token(world.other_player))
    known = client.get(address(name, world)).json()
    unknown = client.get(address(name, world).replace(str(world.player), str(uuid4()))).json()
    assert {**known, "request_id": ""} == {**unknown, "request_id": ""}


@pytest.mark.parametrize("kind", FRIENDS)
def test_a_profile_is_the_players_own_to_read_and_nobody_elses(kind: str, world: World) -> None:
    register_player(player_id=world.player, timezone="UTC", profile={"name": "Marked Name"})
    response = friend(kind, TABLE["GET player"], world).get(address("player", world))
    assert ("profile" in response.json()) is (kind == "player")
    assert ("Marked Name" in response.content.decode()) is (kind == "player")


def test_a_players_token_before_he_is_registered_is_no_failure(world: World) -> None:
    nobody = uuid4()
    response = with_bearer(a_token(nobody)).get(f"/v1/players/{nobody}")
    assert (response.status_code, response.json()["code"]) == NO_PLAYER


def test_staff_who_write_are_refused_with_and_without_a_csrf_token(world: World) -> None:
    for enforce in (True, False):
        client = staff(*(row.permission for row in TABLE.values()))
        client.handler.enforce_csrf_checks = enforce
        response = client.put(f"/v1/players/{world.player}", {"timezone": "UTC"}, format="json")
        assert (response.status_code, response.json()["code"]) == SHUT


def test_staff_see_the_wins_of_every_game(world: World) -> None:
    [outcome] = record_wins(game_id=world.other_game.id, claims=[a_claim(world.player)], now=NOON)
    assert isinstance(outcome, Recorded)
    client = staff("rewards.view_win")
    for win in (world.win, outcome.win.id):
        assert client.get(f"/v1/wins/{win}").json()["id"] == str(win)
