"""Who calls: game servers by their keys."""

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from rewards.keys import Credential, InvalidKey, KeyExpired, verify_game_key

KEY_PREFIX = b"dl_"


@dataclass(frozen=True, slots=True)
class GameServer:
    """The caller of a request that came with a game key (`request.user`)."""

    game_id: UUID

    is_authenticated: ClassVar[bool] = True


class GameKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer dl_...` (RFC 6750). Other credentials are left to other authentications."""

    def authenticate(self, request: Request) -> tuple[GameServer, Credential] | None:
        """The game and its credential. Raises AuthenticationFailed."""
        parts = get_authorization_header(request).split()
        if len(parts) != 2 or parts[0].lower() != b"bearer" or not parts[1].startswith(KEY_PREFIX):
            return None
        try:
            credential = verify_game_key(parts[1].decode("latin-1"))
        except (InvalidKey, KeyExpired) as refusal:
            raise AuthenticationFailed(refusal.detail, code=refusal.code) from refusal
        return GameServer(credential.game_id), credential

    def authenticate_header(self, _request: Request) -> str:
        return 'Bearer realm="dreamland"'


def calling_game(request: Request) -> UUID:
    """The game whose server makes this call."""
    caller: Any = request.user  # DRF's stubs know Django's users only
    if not isinstance(caller, GameServer):
        raise AssertionError("the view is open to game servers only")
    return caller.game_id
