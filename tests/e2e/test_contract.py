"""The whole contract, attacked: what it allows and what it forbids, thousands of times, through the WSGI application.

No answer is a 5xx, has an undocumented status, header or shape, takes what the contract forbids, or writes with a refusal.
`CONTRACT_CASES=5000 CONTRACT_SEED=7 uv run pytest tests/e2e/test_contract.py` looks longer, or again.
"""

import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from django.db import connection
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as examples
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from schemathesis.checks import negative_data_rejection
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from dreamland.lib.api.contract import document
from rewards.keys import create_game_key
from rewards.models import Scope
from rewards.services import Recorded, record_wins
from tests.factories import a_claim, a_game, a_player
from tests.http import fingerprint

pytestmark = pytest.mark.django_db

CASES = int(os.environ.get("CONTRACT_CASES", "60"))  # of each call, allowed and forbidden ones each
WALKS = max(50, CASES // 4)  # of one call after another, following the links
SEED = int(os.environ.get("CONTRACT_SEED", "0")) or (random.randrange(2**32) if "CONTRACT_CASES" in os.environ else 20)
WITHOUT_LIMIT = {kind: [("burst", 10**9, 5)] for kind in ("game", "player", "staff", "stranger")}

CONTRACT = json.loads(document())
CALLS = [
    (path, method)
    for path, methods in CONTRACT["paths"].items()
    for method, operation in methods.items()
    if operation["tags"] != ["service"]
]
# What the contract allows may be refused for what the books know, and for nothing else.
REFUSALS_OF_THE_ALLOWED = {
    *("daily-cap-exceeded", "won-at-in-future", "won-at-too-old", "player-not-found", "win-not-found"),
    *("reference-reused", "already-voided", "invalid-cursor"),
    "invalid",  # a time zone that is none, a reason of blanks: no pattern says which
}
WIN_IN = Draft202012Validator(
    CONTRACT["components"]["schemas"]["WinIn"], format_checker=Draft202012Validator.FORMAT_CHECKER
)


@dataclass(frozen=True)
class World:
    """A game's key, a player and a win, so that not all that is made up is unknown."""

    schema: Any
    headers: dict[str, str]
    player: UUID
    win: UUID

    def call(self, case: Any) -> Any:
        """Sends the case, and proves that a refusal wrote nothing."""
        before = fingerprint()
        response = case.call(headers=self.headers)
        assert response.status_code < 400 or fingerprint() == before, "something was written"
        return response


@pytest.fixture
def world(settings: Any) -> Iterator[World]:
    settings.API_LIMITS = WITHOUT_LIMIT
    connection.settings_dict["CONN_MAX_AGE"] = None  # a new connection for each call would be most of the time
    game, player = a_game(), a_player()
    [outcome] = record_wins(game_id=game.id, claims=[a_claim(player, won_at=datetime.now(UTC))], now=datetime.now(UTC))
    assert isinstance(outcome, Recorded)
    key = create_game_key(game_id=game.id, scopes=Scope.values).plaintext
    print(f"CONTRACT_SEED={SEED}")  # noqa: T201  pytest shows it where the test fails
    schema = schemathesis.openapi.from_wsgi("/v1/openapi.json", get_wsgi_application())
    yield World(schema, {"Authorization": f"Bearer {key}"}, player, outcome.win.id)
    connection.settings_dict["CONN_MAX_AGE"] = 0


def many(count: int) -> examples:
    return examples(
        max_examples=count,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )


KNOWN = st.fixed_dictionaries(
    {
        "ids": st.booleans(),
        "now": st.booleans(),
        "timezone": st.sampled_from(["UTC", "Asia/Kathmandu", "Pacific/Apia"]) | st.none(),
        "profile": st.sampled_from([{"name": "Ada", "email": "ada@example.org", "country": "GB"}]) | st.none(),
        "amount": st.sampled_from(["0.1", "0.000000000000000001", "5"]) | st.none(),
    }
)


def with_known_values(case: Any, known: dict[str, Any], world: World) -> None:
    """Puts what exists in place of some of what was made up: else nearly everything would end at a 404."""
    values = {
        "player_id": str(world.player) if known["ids"] else None,
        "won_at": datetime.now(UTC).isoformat() if known["now"] else None,
        "timezone": known["timezone"],
        "profile": known["profile"],
        "amount": known["amount"],
    }
    if known["ids"]:
        ids = {"player_id": str(world.player), "win_id": str(world.win)}
        case.path_parameters = {name: ids[name] for name in case.path_parameters or {}}
    for part in [case.body, *(case.body.get("wins", []) if isinstance(case.body, dict) else [])]:
        if isinstance(part, dict):
            part |= {name: value for name, value in values.items() if name in part and value is not None}


def refusals(response: Any) -> set[str]:
    """The codes of the problems in an answer, those inside a batch too."""
    body = json.loads(response.content) if response.content else {}
    if response.status_code >= 400:
        return {body["code"]}
    return {result["problem"]["code"] for result in body.get("results", []) if "problem" in result}


@pytest.mark.parametrize(("path", "method"), CALLS)
def test_what_the_contract_allows_is_taken_or_refused_for_what_the_books_know(
    path: str, method: str, world: World
) -> None:
    statuses: Counter[int] = Counter()

    @seed(SEED)
    @many(CASES)
    @given(case=world.schema[path][method].as_strategy(GenerationMode.POSITIVE), known=KNOWN)
    def attack(case: Any, known: dict[str, Any]) -> None:
        with_known_values(case, known, world)
        response = world.call(case)
        # That what is allowed is accepted we say more exactly, in the last line.
        case.validate_response(response, excluded_checks=[positive_data_acceptance], headers=world.headers)
        statuses[response.status_code] += 1
        assert refusals(response) <= REFUSALS_OF_THE_ALLOWED, (case.body, response.text)

    attack()
    assert sum(statuses.values()) >= CASES
    assert any(status < 300 for status in statuses), statuses


@pytest.mark.parametrize(("path", "method"), CALLS)
def test_what_the_contract_forbids_is_refused_and_writes_nothing(path: str, method: str, world: World) -> None:
    is_batch = path.endswith("/batch")
    excluded = [negative_data_rejection] if is_batch else []

    @seed(SEED)
    @many(CASES)
    @given(case=world.schema[path][method].as_strategy(GenerationMode.NEGATIVE), known=st.booleans())
    def attack(case: Any, known: bool) -> None:
        response = world.call(case)
        case.validate_response(response, excluded_checks=excluded, headers=world.headers)
        if is_batch and response.status_code == 200:
            forbidden_items_are_refused(case.body["wins"], json.loads(response.content)["results"])

    attack()


def forbidden_items_are_refused(sent: list[Any], results: list[Any]) -> None:
    """A batch is taken whatever its items are, each of which is refused by itself."""
    assert len(results) == len(sent)
    for item, result in zip(sent, results, strict=True):
        assert WIN_IN.is_valid(item) or result["status"] == 422, (item, result)


def test_one_call_after_another_keeps_the_contract(world: World) -> None:
    """Registers players, records wins, reads and voids them, in any order that the links of the contract allow."""
    calls: Counter[tuple[str, int]] = Counter()
    walk = a_walk(world.schema, calls)
    seed(SEED)(walk).run(settings=examples(many(WALKS), stateful_step_count=12))
    answered = {label for (label, status) in calls if status < 300}
    assert {"POST /v1/wins", "GET /v1/wins/{win_id}", "POST /v1/wins/{win_id}/void"} <= answered, calls


def a_walk(schema: Any, calls: Counter[tuple[str, int]]) -> Any:
    """The state machine of the contract's links. Each walk has a game and a player of its own, so that it can be
    walked again with the same answers.
    """
    machine: Any = schema.as_state_machine()

    class Walk(machine):  # type: ignore[misc]
        """One walk: good values where the pattern alone would hardly ever hit one."""

        def setup(self) -> None:
            super().setup()
            self.player = a_player()
            key = create_game_key(game_id=a_game(f"game-{uuid4()}").id, scopes=Scope.values).plaintext
            self.headers = {"Authorization": f"Bearer {key}"}

        def before_call(self, case: Any) -> None:
            super().before_call(case)
            good = {"player_id": str(self.player), "timezone": "Asia/Kathmandu", "amount": "0.01"}
            if isinstance(case.body, dict):
                case.body |= {name: value for name, value in good.items() if name in case.body}
                if "won_at" in case.body:
                    case.body["won_at"] = datetime.now(UTC).isoformat()
            if "player_id" in (case.path_parameters or {}):
                case.path_parameters["player_id"] = str(self.player)

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"headers": self.headers}

        def validate_response(self, response: Any, case: Any, **kwargs: Any) -> None:
            calls[case.operation.label, response.status_code] += 1
            excluded = [positive_data_acceptance, negative_data_rejection]  # the values are changed above
            case.validate_response(response, excluded_checks=excluded, headers=self.headers)

    return Walk
