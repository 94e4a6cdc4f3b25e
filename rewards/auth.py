"""Who calls: game servers by their keys, players by their tokens, finance staff by their sessions."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, PermissionsMixin
from rest_framework.authentication import BaseAuthentication, SessionAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from dreamland.lib.api.errors import Forbidden, PlayersNeverGrant, ScopeMissing
from dreamland.lib.api.permissions import declared_scope
from rewards.errors import PlayerNotFound
from rewards.keys import Credential, InvalidKey, KeyExpired, verify_game_key
from rewards.tokens import InvalidToken, TokenExpired, verify_player_token

if TYPE_CHECKING:  # rest_framework.views imports this module: these are the default authentications
    from rest_framework.views import APIView

KEY_PREFIX = "dl_"


class Caller:
    """Whoever called (`request.user`). What the caller may do is told by the credential (`request.auth`)."""

    is_authenticated: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class GameAccess:
    """A game server, with the scopes of its key."""

    key: Credential

    kind: ClassVar[str] = "game"

    @property
    def identity(self) -> str:
        return self.key.key_id

    def admit(self, _request: Request, view: "APIView", action: str) -> None:
        scope = declared_scope(view, action)
        if scope not in self.key.scopes:
            raise ScopeMissing(f"this call needs the scope {scope}", scope=scope)


@dataclass(frozen=True, slots=True)
class PlayerAccess:
    """A player, who reads what is about himself."""

    player_id: UUID

    kind: ClassVar[str] = "player"

    @property
    def identity(self) -> str:
        return str(self.player_id)

    def admit(self, request: Request, view: "APIView", action: str) -> None:
        if request.method not in SAFE_METHODS:
            raise PlayersNeverGrant("a player's token writes nothing")
        if action not in getattr(view, "open_to_players", ()):
            raise Forbidden("this call is not for players")
        if view.kwargs.get("player_id") != self.player_id:
            raise PlayerNotFound("there is no such player")  # in the words of `selectors`: nobody learns who exists


@dataclass(frozen=True, slots=True)
class StaffAccess:
    """A signed-in member of staff, who reads what his permissions open. Writing is for the back-office."""

    user: PermissionsMixin

    kind: ClassVar[str] = "staff"

    @property
    def identity(self) -> str:
        return str(self.user.pk)

    def admit(self, request: Request, view: "APIView", action: str) -> None:
        permission = getattr(view, "staff_permissions", {}).get(action)
        if request.method not in SAFE_METHODS or permission is None or not self.user.has_perm(permission):
            raise Forbidden("this is not yours to do")


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer ...` (RFC 6750). Credentials of another kind are left to other authentications."""

    def authenticate_header(self, _request: Request) -> str:
        return 'Bearer realm="dreamland"'


class GameKeyAuthentication(BearerAuthentication):
    """A bearer token that begins like a game key."""

    def authenticate(self, request: Request) -> tuple[Caller, GameAccess] | None:
        """The game's access. Raises AuthenticationFailed."""
        token = _bearer(request)
        if token is None or not token.startswith(KEY_PREFIX):
            return None
        try:
            return Caller(), GameAccess(verify_game_key(token))
        except (InvalidKey, KeyExpired) as refusal:
            raise AuthenticationFailed(refusal.detail, code=refusal.code) from refusal


class PlayerTokenAuthentication(BearerAuthentication):
    """Every other bearer token: a JWT."""

    def authenticate(self, request: Request) -> tuple[Caller, PlayerAccess] | None:
        """The player's access. Raises AuthenticationFailed."""
        token = _bearer(request)
        if token is None or token.startswith(KEY_PREFIX):
            return None
        try:
            return Caller(), PlayerAccess(verify_player_token(token))
        except (InvalidToken, TokenExpired) as refusal:
            raise AuthenticationFailed(refusal.detail, code=refusal.code) from refusal


class StaffAuthentication(SessionAuthentication):
    """The session of the back-office, for members of staff only. Whoever sends a credential is judged by that one."""

    def authenticate(self, request: Request) -> tuple[Any, StaffAccess] | None:
        """The member's access. Raises PermissionDenied for a write without a CSRF token."""
        if request.headers.get("Authorization"):
            return None
        member = getattr(request._request, "user", None)
        if not getattr(member, "is_staff", False):  # asked first: a stranger's session is none, and needs no token
            return None
        signed_in = super().authenticate(request)
        if signed_in is None:
            return None
        user: AbstractBaseUser = signed_in[0]
        return user, StaffAccess(cast(PermissionsMixin, user))


def _bearer(request: Request) -> str | None:
    parts = get_authorization_header(request).split()
    if len(parts) != 2 or parts[0].lower() != b"bearer":
        return None
    return parts[1].decode("latin-1")


def calling_game(request: Request) -> UUID:
    """The game whose server makes this call."""
    access: Any = request.auth  # DRF's stubs know Django's tokens only
    if not isinstance(access, GameAccess):
        raise AssertionError("the call is open to game servers only")
    return access.key.game_id


def calling_key(request: Request) -> str:
    """The id of the key with which a game server makes this call."""
    access: Any = request.auth
    if not isinstance(access, GameAccess):
        raise AssertionError("the call is open to game servers only")
    return access.key.key_id


def visible_game(request: Request) -> UUID | None:
    """The game whose wins the caller may see; None for staff, who see those of all."""
    access: Any = request.auth
    return None if isinstance(access, StaffAccess) else calling_game(request)


def is_the_player(request: Request, player_id: UUID) -> bool:
    """Whether it is this very player who calls, by his own token."""
    access: Any = request.auth
    return isinstance(access, PlayerAccess) and access.player_id == player_id
