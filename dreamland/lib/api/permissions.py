"""Who may call what. Nothing is open unless its view says so."""

from typing import TYPE_CHECKING, Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from dreamland.lib.api.errors import ScopeMissing

if TYPE_CHECKING:  # rest_framework.views imports this module: it is the default permission
    from rest_framework.views import APIView


class Undeclared(BasePermission):
    """The default of every view: refuses. A view that forgets to declare its permission is shut, not open."""

    def has_permission(self, _request: Request, _view: "APIView") -> bool:
        return False


class HasScope(BasePermission):
    """The credential (`request.auth`, with `scopes`) carries what the view's `required_scopes` says for the action."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if request.auth is None:
            return False  # DRF answers 401 where nobody is authenticated
        action: str | None = getattr(view, "action_map", {}).get(str(request.method).lower())
        if action is None:
            return True  # no handler for this method: 405 follows
        scopes: dict[str, str] = getattr(view, "required_scopes", {})
        if action not in scopes:
            raise AssertionError(f"{type(view).__name__}.{action} declares no scope")
        granted: Any = getattr(request.auth, "scopes", ())
        if scopes[action] not in granted:
            raise ScopeMissing(f"this call needs the scope {scopes[action]}", scope=scopes[action])
        return True
