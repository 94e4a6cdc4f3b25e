"""The contract is generated, valid, committed, complete, and readable without any other host."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.contrib.staticfiles import finders
from django.urls import URLPattern, get_resolver
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator
from rest_framework.serializers import Field

from dreamland.lib.api import fields
from dreamland.lib.api.catalogue import KINDS
from dreamland.lib.api.contract import OPEN_CALLS
from dreamland.lib.api.fields import AmountField, InstantField
from dreamland.lib.api.schema import SHAPES
from tests.house.test_api_requests import api_routes
from tests.http import Api, problem_of

ROOT = Path(__file__).parent.parent.parent
COMMITTED = ROOT / "docs" / "openapi.yaml"
# What is answered at addresses, or with methods, that the contract does not have.
OUTSIDE_THE_CONTRACT = {"method-not-allowed"}
# Addresses that are not in the contract, each with its reason.
NOT_DESCRIBED = {"/admin/": "the back-office: pages for people, changed without notice; programs have the API"}
PLACE_IN_ROUTE, IN_CONTRACT = re.compile(r"<\w+:(.*?)>"), r"{\1}"
HOW = "run `uv run manage.py spectacular --file docs/openapi.yaml` and commit what changed"


@pytest.fixture(scope="module")
def contract() -> Any:
    """The contract as this code has it."""
    GENERATOR_STATS.reset()
    generated = SchemaGenerator().get_schema(request=None, public=True)
    assert not GENERATOR_STATS, "drf-spectacular warns"
    return json.loads(json.dumps(generated))


def operations(contract: Any) -> dict[str, Any]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in contract["paths"].items()
        for method, operation in methods.items()
    }


def test_the_committed_contract_is_the_one_of_this_code(contract: Any) -> None:
    assert yaml.safe_load(COMMITTED.read_text()) == contract, HOW


def test_the_contract_is_valid_openapi_3_1(contract: Any) -> None:
    assert contract["openapi"] == "3.1.1"
    validate_schema(contract)


def is_service(operation: Any) -> bool:
    """Whether it is a call of load balancers, Prometheus or readers, and none of the API's own."""
    return bool(operation["tags"] == ["service"])


def addresses(patterns: list[Any], prefix: str = "/") -> Iterator[str]:
    """Every address of the URLconf, as the contract would write it; of those that are not described, the beginning."""
    for pattern in patterns:
        address = prefix + PLACE_IN_ROUTE.sub(IN_CONTRACT, str(pattern.pattern))
        if address in NOT_DESCRIBED or isinstance(pattern, URLPattern):
            yield address
        else:
            yield from addresses(pattern.url_patterns, address)


def test_every_address_is_described_or_left_out_for_a_reason(contract: Any) -> None:
    reachable = set(addresses(get_resolver("dreamland.urls").url_patterns))
    assert reachable - NOT_DESCRIBED.keys() == contract["paths"].keys()
    assert NOT_DESCRIBED.keys() <= reachable


def test_every_call_of_the_urlconf_is_in_the_contract(contract: Any) -> None:
    routed = {
        f"{method.upper()} /{PLACE_IN_ROUTE.sub(IN_CONTRACT, route)}"
        for route, callback in api_routes(get_resolver("dreamland.urls").url_patterns)
        for method in callback.actions
        if method != "head"
    }
    assert routed == {call for call, operation in operations(contract).items() if not is_service(operation)}


def test_every_call_has_a_name_of_its_own_a_text_and_every_status_that_it_can_answer(contract: Any) -> None:
    found = operations(contract)
    assert len({operation["operationId"] for operation in found.values()}) == len(found)
    for call, operation in found.items():
        assert operation["description"], call
        if not is_service(operation):
            assert re.fullmatch(r"[A-Z][^`]{5,80}", operation["summary"]), call
        if is_service(operation):
            continue
        assert {"400", "401", "403", "406", "429", "500", "503"} <= operation["responses"].keys(), call
        assert ("304" in operation["responses"]) == call.startswith("GET"), call
        assert ({"413", "415", "422"} <= operation["responses"].keys()) == ("requestBody" in operation), call


def test_every_problem_is_an_example_of_some_call_and_of_its_own_status_only(contract: Any) -> None:
    seen = set()
    for call, operation in operations(contract).items():
        for status, response in operation["responses"].items():
            for code in response.get("content", {}).get("application/problem+json", {}).get("examples", {}):
                assert KINDS[code].status == int(status), (call, code)
                seen.add(code)
    assert seen == KINDS.keys() - OUTSIDE_THE_CONTRACT


@pytest.mark.django_db
@pytest.mark.parametrize("path", sorted(OPEN_CALLS))
def test_what_readers_and_probes_get_is_what_the_contract_says(path: str, contract: Any) -> None:
    operation, address = contract["paths"][path]["get"], path.replace("{code}", "unavailable")
    answer = Api().get(address)
    assert answer.status_code == 200
    promised = operation["responses"]["200"]
    assert answer["Content-Type"].partition(";")[0] in promised["content"]
    assert promised["headers"].keys() <= answer.headers.keys()
    assert ("RateLimit-Policy" in answer) == path.startswith("/v1/")
    head = Api().head(address)
    assert (head.status_code, head.content) == (200, b"")
    for method in ("post", "put", "patch", "delete", "options"):
        refused = problem_of(getattr(Api(), method)(address), 405, "method-not-allowed")
        assert refused["request_id"]


def test_there_is_no_description_of_a_problem_that_is_none() -> None:
    problem_of(Api().get("/v1/problems/nonsense"), 404, "not-found")


def test_every_reference_leads_somewhere(contract: Any) -> None:
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(contract))):
        target = contract
        for step in reference.split("/"):
            target = target[step]


def test_every_example_is_a_problem(contract: Any) -> None:
    problem = Draft202012Validator(contract["components"]["schemas"]["Problem"])
    for code, example in contract["components"]["examples"].items():
        problem.validate(example["value"])
        assert example["value"]["code"] == code


def pattern_of(field: Any) -> str:
    """The pattern that the contract has for such a field in a body."""
    shape = SHAPES[type(field).__name__]
    found: str = (shape(field) if callable(shape) else shape)["pattern"]
    return found


@pytest.mark.parametrize(
    ("field", "right", "wrong"),
    [
        (
            AmountField(),
            ["0", "1.50", "99999999999999999999.999999999999999999"],
            ["", "01", ".5", "1.", "+1", "-1", "1e0"],
        ),
        (
            InstantField(),
            ["2026-11-20T10:00:00Z", "2026-11-20T10:00:00.123456+05:45"],
            [
                "2026-11-20",
                "2026-11-20T10:00:00",
                "2026-11-20T24:00:00Z",
                "2026-11-20 10:00:00Z",
                "a2026-11-20T10:00:00Z",
            ],
        ),
    ],
)
def test_the_contract_allows_exactly_what_the_field_takes(field: Any, right: list[str], wrong: list[str]) -> None:
    pattern = re.compile(pattern_of(field))
    for text in right:
        assert pattern.search(text), text
        field.run_validation(text)
    for text in wrong:
        assert not pattern.search(text), text


def test_the_amount_has_the_very_pattern_that_was_agreed(contract: Any) -> None:
    amount = contract["components"]["schemas"]["WinIn"]["properties"]["amount"]
    assert amount["pattern"] == r"^(0|[1-9][0-9]{0,19})(\.[0-9]{1,18})?$"
    assert amount["type"] == "string"


def test_unknown_fields_are_forbidden_in_every_body(contract: Any) -> None:
    for call, operation in operations(contract).items():
        if "requestBody" in operation:
            name = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/")[-1]
            assert contract["components"]["schemas"][name]["additionalProperties"] is False, call


def test_no_field_of_ours_is_described_as_drfs_own() -> None:
    """Its pattern would be one that nobody compared."""
    ours = {
        name
        for name, kind in vars(fields).items()
        if isinstance(kind, type) and issubclass(kind, Field) and kind.__module__ == fields.__name__
    }
    assert {name for name in ours if name.endswith("Field")} == SHAPES.keys()


def test_the_contract_is_served_as_it_is(contract: Any) -> None:
    response = Api().get("/v1/openapi.json")
    assert (response.status_code, response["Content-Type"]) == (200, "application/json")
    assert response.json() == contract
    assert Api().post("/v1/openapi.json").status_code == 405


def test_swagger_ui_comes_from_this_server_alone() -> None:
    response = Api().get("/v1/docs")
    assert response.status_code == 200
    page = response.content.decode()
    addresses = re.findall(r'(?:src|href|url)[=:] ?"([^"]+)"', page)
    assert 'data-contract="/v1/openapi.json"' in page
    assert len(addresses) == 4
    for address in addresses:
        assert address.startswith("/"), address
        if address.startswith(settings.STATIC_URL):
            assert finders.find(address.removeprefix(settings.STATIC_URL)), address
    assert "//" not in page
    script = Path(str(finders.find("contract/docs.js"))).read_text()
    assert "//" not in re.sub(r"// .*", "", script)
    assert "validatorUrl: null" in script
