"""Reading requests: one JSON text, exactly as written, or a refusal; query parameters that the call knows."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import IO, Any, NoReturn

from django.conf import settings
from django.http import UnreadablePostError
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.serializers import Serializer

from dreamland.lib.api.errors import BodyTooLarge, DuplicateKey, MalformedJSON, UnknownParameter
from dreamland.lib.api.fields import shared

# A whole string (also one that never ends) or one bracket. Possessive, so that the scan stays linear for any body.
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
UNSPEAKABLE = re.compile("[\x00\ud800-\udfff]")


class StrictJSONParser(BaseParser):
    """JSON as RFC 8259 has it, within limits: no duplicate key, no NaN, no float, no deep nesting, UTF-8 only.

    A JSON number with a point or an exponent becomes a Decimal, so that no field ever meets a float.
    The limit is the view's `body_limit_bytes`, else API_MAX_BODY_BYTES; it is checked before anything is parsed.
    """

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], _media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """The JSON value. Raises BodyTooLarge, MalformedJSON, DuplicateKey."""
        context = parser_context or {}
        limit = getattr(context.get("view"), "body_limit_bytes", settings.API_MAX_BODY_BYTES)
        request = context.get("request")
        return loads(_read(stream, limit, request.META.get("CONTENT_LENGTH") if request else None))


def _read(stream: IO[bytes], limit: int, declared: str | None) -> bytes:
    refusal = BodyTooLarge(f"the body has more than {limit} bytes", limit_bytes=limit)
    if declared and declared.isdecimal() and int(declared) > limit:
        raise refusal
    try:
        body = stream.read(limit + 1)  # one more, to see that it is too many, whatever the header said
    except UnreadablePostError as error:
        raise MalformedJSON("the body ended early") from error
    if len(body) > limit:
        raise refusal
    return body


def loads(body: bytes) -> Any:
    """One JSON text as Python values. Raises MalformedJSON, DuplicateKey."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise MalformedJSON("the body is not UTF-8") from error
    if text.startswith("\ufeff"):
        raise MalformedJSON("the body begins with a byte order mark")
    _refuse_deep(text)
    try:
        return json.loads(text, object_pairs_hook=_object, parse_float=Decimal, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise MalformedJSON(f"{error.msg} at line {error.lineno} column {error.colno}") from error
    except (ValueError, ArithmeticError) as error:  # integers of thousands of digits, exponents beyond Decimal's
        raise MalformedJSON("the body has a number out of range") from error


def _refuse_deep(text: str) -> None:
    """Before parsing: json.loads would recurse once for each level."""
    depth = 0
    for token in TOKEN.finditer(text):
        bracket = token[0]
        if bracket in "[{":
            depth += 1
            if depth > settings.API_MAX_JSON_DEPTH:
                raise MalformedJSON(f"the body is nested deeper than {settings.API_MAX_JSON_DEPTH} levels")
        elif bracket in "]}":
            depth -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if UNSPEAKABLE.search(key):  # keys are repeated in refusals; values are the fields' affair
            raise MalformedJSON("a key holds NUL or a lone surrogate")
        if key in result:
            raise DuplicateKey(f'the key "{key}" is there twice', key=key)
        result[key] = value
    return result


def _constant(name: str) -> NoReturn:
    raise MalformedJSON(f"{name} is not JSON")


HOPS = "hops"  # a redirected call carries it, so that two regions cannot send it to and fro


def parse_query(request: Request, serializer_class: type[Serializer[Any]]) -> dict[str, Any]:
    """The query parameters that `serializer_class` declares, validated.

    Raises UnknownParameter for any other one, ValidationError for a bad value or one given twice.
    """
    serializer = shared(serializer_class)
    given = dict(request.query_params.lists())
    if settings.REGIONS:  # another region may have sent the call here
        given.pop(HOPS, None)
    for name in given:
        if name not in serializer.fields:
            raise UnknownParameter(f'there is no parameter "{name}" here', parameter=name)
    if repeated := [name for name, values in given.items() if len(values) > 1]:
        raise ValidationError({name: [ErrorDetail("is given more than once", code="repeated")] for name in repeated})
    # A plain mapping: DRF gives QueryDicts the leniency of HTML forms.
    validated: dict[str, Any] = serializer.run_validation({name: values[0] for name, values in given.items()})
    return validated
