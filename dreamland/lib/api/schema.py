"""The contract, generated: each call of each view as an OpenAPI operation. Commits to docs/openapi.yaml.

drf-spectacular walks the routes and reads the serializers; here it learns what our own fields and views promise.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import force_instance
from drf_spectacular.utils import OpenApiParameter, extend_schema_serializer
from rest_framework.serializers import ListSerializer

from dreamland.lib.api.contract import headers, problem_responses
from dreamland.lib.api.describe import Described
from dreamland.lib.api.fields import AMOUNT, CANONICAL_UUID, DAY, INSTANT
from dreamland.lib.api.views import ApiViewSet

Json = dict[str, Any]

FIRST_CLAUSE = re.compile(r"[.:;]\s|[.]$", re.MULTILINE)
ALWAYS = ("unknown-parameter", "bad-request", "not-authenticated", "credential-expired", "scope-missing", "forbidden")
ALWAYS_LAST = ("not-acceptable", "rate-limited", "internal-error", "unavailable")
OF_WRITES = ("players-never-grant",)
OF_BODIES = ("malformed-json", "duplicate-key", "body-too-large", "unsupported-media-type", "invalid")
OF_PAGES = ("invalid-cursor", "invalid")
OF_ADDRESSES = ("not-found",)  # what is no UUID in lower case is no address
READ_HEADERS = ("ETag", "Cache-Control")


def anchored(pattern: str) -> str:
    """A pattern that describes the whole text: `re.fullmatch` in the words of JSON Schema."""
    return f"^{pattern}$" if "|" not in pattern.replace("(0|", "") else f"^({pattern})$"


class Contract(AutoSchema):
    """One call of an ApiViewSet, from what the view declares and from its action's description."""

    view: ApiViewSet  # type: ignore[override]  # of the call that is being described

    @property
    def description(self) -> Described:
        """What the action says about itself. An action that says nothing cannot be in the contract."""
        found: Described = getattr(self.view, str(self.view.action)).described
        return found

    def get_operation_id(self) -> str:
        return self.description.name

    def get_tags(self) -> list[str]:
        return [self.path.split("/")[2]]

    def get_description(self) -> str:  # type: ignore[override]
        text: str = super().get_description().partition(": ")[2]  # before it stand method and address
        return text[:1].upper() + text[1:]

    def get_summary(self) -> str:
        """The first thing that the text says: what one reads beside the address."""
        return FIRST_CLAUSE.split(self.get_description(), maxsplit=1)[0].strip()

    def get_request_serializer(self) -> Any:
        return self.description.body

    def get_response_serializers(self) -> Any:
        answers = self.description.answers
        return {status: extend_schema_serializer(many=False)(shape) for status, shape in answers.items()}

    def get_override_parameters(self) -> list[Any]:
        asked = self.view.query_serializers.get(str(self.view.action))
        request_id = OpenApiParameter(
            "X-Request-ID",
            str,
            OpenApiParameter.HEADER,
            description="The caller's name for this call, to find it in the logs of both sides: up to 128 letters,"
            " digits, `.`, `_` and `-`. Where there is none, or another one, one is made up.",
        )
        return [*([asked] if asked else []), request_id]

    def get_auth(self) -> list[Json]:
        action = str(self.view.action)
        ways: list[Json] = [{"gameKey": [str(self.view.required_scopes[action])]}]
        if action in self.view.open_to_players:
            ways.append({"playerToken": []})
        if action in self.view.staff_permissions:
            ways.append({"staffSession": [self.view.staff_permissions[action]]})
        return ways

    def get_operation(self, *args: Any, **kwargs: Any) -> Json | None:
        operation: Json | None = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        for status, response in operation["responses"].items():
            own = self.description.headers.get(int(status), ())
            read = READ_HEADERS if self.method == "GET" else ()
            response["description"] = HTTPStatus(int(status)).phrase
            if self.description.links:
                response["links"] = {
                    name: {"operationId": name, "parameters": dict(parameters)}
                    for name, parameters in self.description.links.items()
                }
            response["headers"] = headers([*read, *own, "X-Request-ID", "RateLimit", "RateLimit-Policy"])
        if self.method == "GET":
            operation["parameters"].append({"$ref": "#/components/parameters/IfNoneMatch"})
            operation["responses"]["304"] = {"$ref": "#/components/responses/NotModified"}
        operation["responses"] |= dict(problem_responses(self.codes()))
        return operation

    def codes(self) -> set[str]:
        """The codes of every problem that this call can answer with."""
        codes = {*ALWAYS, *ALWAYS_LAST, *self.description.problems}
        if self.method != "GET":
            codes |= {*OF_WRITES}
        if self.description.body:
            codes |= {*OF_BODIES}
        if "{" in self.path:
            codes |= {*OF_ADDRESSES}
        if self.view.query_serializers.get(str(self.view.action)):
            codes |= {*OF_PAGES}
        return codes


class OurField(OpenApiSerializerFieldExtension):
    """Our own fields, with exactly the patterns that they check."""

    target_class = "rest_framework.serializers.Field"
    match_subclasses = True
    priority = 1

    @classmethod
    def _matches(cls, target: Any) -> bool:
        return type(target).__name__ in SHAPES

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> Json:
        shape = SHAPES[type(self.target).__name__]
        return {"type": "string", **(shape(self.target) if callable(shape) else shape)}


def _amount(field: Any) -> Json:
    sign = "-?" if field.signed else ""
    shape: Json = {"pattern": anchored(sign + AMOUNT.pattern), "examples": ["1.25"]}
    return {**shape, "not": {"pattern": r"^0(\.0+)?$"}} if field.positive else shape


def _day(field: Any) -> Json:
    day = {"format": "date", "pattern": anchored(DAY.pattern)}
    return {"anyOf": [{"const": "today"}, day]} if field.or_today else day


def _text(field: Any) -> Json:
    # No control character of ASCII or Latin-1, and none of the surrogates.
    pattern = anchored(field.pattern.pattern) if field.pattern else r"^[^\u0000-\u001f\u007f-\u009f]*$"
    return {"minLength": 1, "maxLength": field.max_length, "pattern": pattern}


def _count(field: Any) -> Json:
    return {"type": "integer", "minimum": field.min_value, "maximum": field.max_value, "default": field.default}


SHAPES: Mapping[str, Any] = {
    "AmountField": _amount,
    "InstantField": {"format": "date-time", "pattern": anchored(INSTANT.pattern), "examples": ["2026-11-20T10:00:00Z"]},
    "DayField": _day,
    "StrictUUIDField": {"format": "uuid", "pattern": anchored(CANONICAL_UUID.pattern)},
    "TextField": _text,
    "CountField": _count,
    "ProblemField": {"type": "object", "$ref": "#/components/schemas/Problem"},
}


class NothingElse(OpenApiSerializerExtension):
    """Bodies in which an unknown field is refused."""

    target_class = "dreamland.lib.api.fields.StrictSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: str) -> Json:
        schema: Json = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        for name, field in force_instance(self.target).fields.items():
            longest = getattr(field, "max_length", None)
            if isinstance(field, ListSerializer) and longest is not None:
                schema["properties"][name]["maxItems"] = longest
        if self.target.says_something:
            schema["minProperties"] = 1
        return {**schema, "additionalProperties": False}
