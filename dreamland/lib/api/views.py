"""The base of every API view: declared callers and parameters, counted calls, one reading of the clock."""

from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from typing import Any, ClassVar, cast

from django.conf import settings
from django.utils import timezone
from rest_framework.exceptions import APIException, Throttled, UnsupportedMediaType
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.viewsets import ViewSet

from dreamland.lib.api import limits
from dreamland.lib.api.errors import MalformedJSON
from dreamland.lib.api.fields import StrictSerializer, shared
from dreamland.lib.api.parsing import parse_query
from dreamland.lib.api.permissions import Admitted, Credential


class NoParameters(StrictSerializer):
    """A call without query parameters."""


class ApiViewSet(ViewSet):
    """Validates, calls, serializes. A subclass says for each action who may call it and which query it takes.

    `required_scopes` names the scope that a game needs; `open_to_players` the actions that answer the player in the
    address about himself; `staff_permissions` the permission with which staff may read. What is not named is shut.
    """

    permission_classes: Sequence[type[BasePermission]] = (Admitted,)
    required_scopes: ClassVar[Mapping[str, str]] = {}
    open_to_players: ClassVar[Set[str]] = frozenset()
    staff_permissions: ClassVar[Mapping[str, str]] = {}
    query_serializers: ClassVar[Mapping[str, type[Serializer[Any]]]] = {}
    http_method_names = ("get", "head", "post", "put", "patch", "delete")  # no OPTIONS: no CORS

    now: datetime
    parameters: dict[str, Any]
    credential: Credential | None = None
    counted_as: str = ""
    quotas: tuple[limits.Quota, ...] = ()

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

    def perform_authentication(self, request: Request) -> None:
        """Who calls, and whether not too often. Counted here, so that refused calls count too. Raises Throttled.

        Who brings nothing, or nothing good, is a stranger and counted by his address.
        """
        try:
            super().perform_authentication(request)
        except APIException:
            self._count("stranger", limits.address_of(request))
            raise
        if request.auth is None:
            self._count("stranger", limits.address_of(request))
            return
        self.credential = cast(Credential, request.auth)
        self._count(self.credential.kind, self.credential.identity)

    def _count(self, kind: str, identity: str) -> None:
        self.counted_as, self.quotas = kind, limits.count_call(kind, identity)
        waits = [quota.resets_in_seconds for quota in self.quotas if quota.exceeded]
        if waits:
            raise Throttled(wait=max(waits))

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Tells the limits that hold for the caller, and what is left of them where that was counted."""
        response = super().finalize_response(request, response, *args, **kwargs)
        if self.counted_as:
            limits.tell(response, self.counted_as, self.quotas)
        else:  # refused before anybody asked who it is
            limits.tell_stranger(request, response)
        return response


def read_body(request: Request, serializer: type[Serializer[Any]]) -> dict[str, Any]:
    """The body as `serializer` reads it. Raises ValidationError with all that is wrong.

    Raises MalformedJSON, DuplicateKey, BodyTooLarge, UnsupportedMediaType for what is not even read.
    """
    if request.META.get("CONTENT_LENGTH") in {None, "", "0"}:  # WSGI sees no body then, and DRF takes that for {}
        raise MalformedJSON("there is no body, or no Content-Length that says so")
    if request.headers.get("Content-Encoding", "").strip().lower() not in {"", "identity"}:
        raise UnsupportedMediaType(request.content_type, "a body is sent as it is, in no Content-Encoding")
    value: dict[str, Any] = shared(serializer).run_validation(request.data)
    return value
