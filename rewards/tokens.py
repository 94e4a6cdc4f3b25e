"""Player tokens: short JWTs (RFC 7519) with which a game client reads its own player, and nothing else.

Dreamland's identity service signs them; we hold the keys to verify with, by `kid`, each for one algorithm. To rotate,
add the new key, let the identity service change over, and take the old key out PLAYER_TOKEN_LIFETIME later.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.utils import timezone

from dreamland.lib.api.fields import CANONICAL_UUID
from dreamland.lib.errors import DomainError

ALGORITHMS = ("EdDSA", "RS256", "HS256")
CLAIMS = ("aud", "exp", "iss", "sub")
HS256_SECRET_BYTES = 32  # RFC 7518, section 3.2: as long as the hash, or longer
RSA_KEY_BITS = 2048  # section 3.3
FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


class InvalidToken(DomainError):
    """Not signed by a key of ours, for another audience, or made to live too long."""

    code: ClassVar[str] = "not-authenticated"


class TokenExpired(DomainError):
    """The signature is right, and the token's time is over."""

    code: ClassVar[str] = "credential-expired"


@dataclass(frozen=True, slots=True)
class TokenKey:
    """What verifies the tokens of one `kid`: one algorithm and its public key, or the shared secret of HS256."""

    algorithm: str
    key: str


def token_keys() -> Mapping[str, TokenKey]:
    """The keys of PLAYER_TOKEN_KEYS by `kid`."""
    return {kid: TokenKey(**given) for kid, given in settings.PLAYER_TOKEN_KEYS.items()}


def verify_player_token(token: str) -> UUID:
    """The player whose token this is. Raises InvalidToken, and TokenExpired only for a token that we once trusted."""
    try:
        header = jwt.get_unverified_header(token) if FORM.fullmatch(token) else {}
        known = token_keys().get(header.get("kid", ""))
        if known is None:
            raise InvalidToken("the token names no key of ours")
        claims = jwt.decode(
            token,
            known.key,
            algorithms=[known.algorithm],  # by our key and never by the token: RFC 8725, section 3.1
            audience=settings.PLAYER_TOKEN_AUDIENCE,
            issuer=settings.PLAYER_TOKEN_ISSUER,
            leeway=settings.PLAYER_TOKEN_LEEWAY,
            options={"require": list(CLAIMS), "strict_aud": True},
        )
    except jwt.ExpiredSignatureError as error:
        raise TokenExpired("the token has expired") from error
    except jwt.PyJWTError as error:
        raise InvalidToken("the token is not valid") from error
    return _player(claims)


def _player(claims: Mapping[str, Any]) -> UUID:
    lives_until = timezone.now() + settings.PLAYER_TOKEN_LIFETIME + settings.PLAYER_TOKEN_LEEWAY
    if claims["exp"] > lives_until.timestamp():
        raise InvalidToken("the token lives longer than a player's token may")
    if not CANONICAL_UUID.fullmatch(str(claims["sub"])):
        raise InvalidToken("the token is no player's")
    return UUID(claims["sub"])


def create_player_token(*, player_id: UUID, now: datetime) -> str:
    """A token for trying out, signed with the first HS256 secret of the settings. Raises InvalidToken without one.

    In production nobody but the identity service makes tokens: `manage.py create_player_token` works only locally.
    """
    for kid, known in token_keys().items():
        if known.algorithm == "HS256":
            claims = {
                "aud": settings.PLAYER_TOKEN_AUDIENCE,
                "exp": now + settings.PLAYER_TOKEN_LIFETIME,
                "iat": now,
                "iss": settings.PLAYER_TOKEN_ISSUER,
                "sub": str(player_id),
            }
            return jwt.encode(claims, known.key, algorithm="HS256", headers={"kid": kid})
    raise InvalidToken("PLAYER_TOKEN_KEYS has no HS256 secret to sign with")


@register
def player_token_keys(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Every key that tokens are verified with is one, is strong enough, and cannot sign unless it must."""
    form = '{"kid": {"algorithm": "EdDSA", "key": "-----BEGIN PUBLIC KEY-----..."}}'
    try:
        keys = token_keys()
    except (AttributeError, TypeError):
        return [Error("PLAYER_TOKEN_KEYS is no map of keys.", hint=f"Write {form}.", id="rewards.E001")]
    wrong = {kid: _weakness(known) for kid, known in keys.items()}
    return [
        Error(f"The player token key {kid!r} {weakness}.", hint=f"Write {form}.", id="rewards.E002")
        for kid, weakness in wrong.items()
        if weakness
    ]


def _weakness(known: TokenKey) -> str | None:
    """What is wrong with a key, to be read after its name; None where nothing is."""
    if known.algorithm not in ALGORITHMS:
        return f"has an algorithm that is none of {', '.join(ALGORITHMS)}"
    if known.algorithm == "HS256":
        short = len(known.key.encode()) < HS256_SECRET_BYTES
        return f"is a secret of less than {HS256_SECRET_BYTES} bytes" if short else None
    try:
        key = jwt.get_algorithm_by_name(known.algorithm).prepare_key(known.key)
    except (ValueError, TypeError, jwt.PyJWTError):
        return "cannot be read as PEM"
    match known.algorithm, key:
        case "EdDSA", Ed25519PublicKey():
            return None
        case "RS256", RSAPublicKey() as public:
            return None if public.key_size >= RSA_KEY_BITS else f"has less than {RSA_KEY_BITS} bits"
    return f"is no public key for {known.algorithm}"
