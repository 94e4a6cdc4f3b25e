"""The base of every API view: declared scopes, declared parameters, one reading of the clock."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.utils import timezone
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.viewsets import ViewSet

from dreamland.lib.api.errors import MalformedJSON
from dreamland.lib.api.fields import StrictSerializer
from dreamland.lib.api.parsing import parse_query
from dreamland.lib.api.permissions import HasScope


class NoParameters(StrictSerializer):
    """A call without query parameters."""


class ApiViewSet(ViewSet):
    """Validates, calls, serializes. A subclass says for each action what it needs and which query it takes."""

    permission_classes: Sequence[type[BasePermission]] = (HasScope,)
    required_scopes: ClassVar[Mapping[str, str]] = {}
    query_serializers: ClassVar[Mapping[str, type[Serializer[Any]]]] = {}
    http_method_names = ("get", "head", "post", "put", "patch", "delete")  # no OPTIONS: no CORS

    now: datetime
    parameters: dict[str, Any]

    @property
    def body_limit_bytes(self) -> int:
        """How large a body may be (parsing.StrictJSONParser)."""
        return int(settings.API_MAX_BODY_BYTES)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Everything of a call that is decided before its handler: who, whether, which query, and what time it is."""
        super().initial(request, *args, **kwargs)
        self.now = timezone.now()
        if self.action is not None:
            self.parameters = parse_query(request, self.query_serializers.get(self.action, NoParameters))


def read_body(request: Request, serializer: type[Serializer[Any]]) -> dict[str, Any]:
    """The body as `serializer` reads it. Raises ValidationError with all that is wrong, MalformedJSON, BodyTooLarge."""
    if request.META.get("CONTENT_LENGTH") in {None, "", "0"}:  # WSGI sees no body then, and DRF takes that for {}
        raise MalformedJSON("there is no body, or no Content-Length that says so")
    value: dict[str, Any] = serializer().run_validation(request.data)
    return value


def own_data(response: Response) -> Response:
    """Marks an answer with a player's own data: no shared cache keeps it, and a private one asks before using it."""
    response["Cache-Control"] = "private, no-cache"
    return response
