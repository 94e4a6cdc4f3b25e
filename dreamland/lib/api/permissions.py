"""Who may call what. Nothing is open unless its view says so, for each kind of caller."""

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

if TYPE_CHECKING:  # rest_framework.views imports this module: it is the default permission
    from rest_framework.views import APIView


class Credential(Protocol):
    """What a caller proved to have (`request.auth`). Each kind of caller has a class of its own."""

    kind: ClassVar[str]
    """Whose limits hold (settings.API_LIMITS)."""

    @property
    def identity(self) -> str:
        """Whose calls are counted together."""

    def admit(self, request: Request, view: "APIView", action: str) -> None:
        """Raises a DomainError where this caller may not make this call."""


class Undeclared(BasePermission):
    """The default of every view: refuses. A view that forgets to declare its permission is shut, not open."""

    def has_permission(self, _request: Request, _view: "APIView") -> bool:
        return False


class Admitted(BasePermission):
    """The caller is known, and its credential admits it to the view's action."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if request.auth is None:
            return False  # DRF answers 401 where nobody is authenticated
        action: str | None = getattr(view, "action_map", {}).get(str(request.method).lower())
        if action is None:
            return True  # no handler for this method: 405 follows
        credential: Any = request.auth
        credential.admit(request, view, action)
        return True


def declared_scope(view: "APIView", action: str) -> str:
    """The scope that a game needs for the action. A view that declares none is shut, with a crash that says so."""
    scopes: dict[str, str] = getattr(view, "required_scopes", {})
    if action not in scopes:
        raise AssertionError(f"{type(view).__name__}.{action} declares no scope")
    return scopes[action]
