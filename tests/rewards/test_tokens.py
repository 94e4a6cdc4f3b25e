"""Player tokens: which open, which do not, how keys rotate, and which keys are refused from the start."""

import base64
import hashlib
import hmac
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from django.core.management import CommandError, call_command

from rewards.tokens import InvalidToken, TokenExpired, create_player_token, player_token_keys, verify_player_token

NOW = datetime(2031, 1, 1, 12, 0, tzinfo=UTC)
SECRET = "s" * 32
PLAYER = UUID("0192f8c4-7a1e-7c3d-9b2a-1f2e3d4c5b6a")


def private_pem(key: Any) -> str:
    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem.decode()


def public_pem(key: Any) -> str:
    pem: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


ED25519 = Ed25519PrivateKey.generate()
RSA = generate_rsa_key(65537, 2048)
WEAK_RSA = generate_rsa_key(65537, 1024)  # noqa: S505  it is to be refused


@pytest.fixture(autouse=True)
def keys(settings: Any, time_machine: Any) -> None:
    time_machine.move_to(NOW, tick=False)
    settings.PLAYER_TOKEN_KEYS = {
        "shared": {"algorithm": "HS256", "key": SECRET},
        "ed": {"algorithm": "EdDSA", "key": public_pem(ED25519)},
        "rsa": {"algorithm": "RS256", "key": public_pem(RSA)},
    }


def claims(**changes: Any) -> dict[str, Any]:
    """The claims of a good token, changed; None takes one away."""
    good = {
        "aud": "dreamland-rewards",
        "exp": NOW + timedelta(minutes=15),
        "iat": NOW,
        "iss": "https://identity.dreamland.example",
        "sub": str(PLAYER),
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def signed(key: Any = SECRET, algorithm: str = "HS256", kid: str | None = "shared", **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers={"kid": kid} if kid else None)


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"), [(SECRET, "HS256", "shared"), (ED25519, "EdDSA", "ed"), (RSA, "RS256", "rsa")]
)
def test_a_good_token_of_each_key_tells_its_player(key: Any, algorithm: str, kid: str) -> None:
    assert verify_player_token(signed(key, algorithm, kid)) == PLAYER


def test_a_token_opens_until_it_expires_and_a_few_seconds_more_for_the_clocks(time_machine: Any) -> None:
    token = signed()
    time_machine.move_to(NOW + timedelta(minutes=15, seconds=9), tick=False)
    assert verify_player_token(token) == PLAYER
    time_machine.move_to(NOW + timedelta(minutes=15, seconds=10), tick=False)
    with pytest.raises(TokenExpired):
        verify_player_token(token)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": NOW + timedelta(minutes=15, seconds=11)},
        {"exp": NOW + timedelta(days=365)},
        {"exp": None},
        {"exp": "soon"},
        {"aud": None},
        {"aud": "another-service"},
        {"aud": ["dreamland-rewards", "another-service"]},
        {"iss": None},
        {"iss": "https://evil.example"},
        {"sub": None},
        {"sub": ""},
        {"sub": "me"},
        {"sub": str(PLAYER).upper()},
        {"sub": PLAYER.hex},
        {"iat": NOW + timedelta(minutes=1)},
        {"nbf": NOW + timedelta(minutes=1)},
    ],
)
def test_a_token_with_other_claims_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidToken):
        verify_player_token(signed(**changes))


def unsigned(**header: Any) -> str:
    parts = [
        {"typ": "JWT", **header},
        {**claims(), "exp": int(claims()["exp"].timestamp()), "iat": int(NOW.timestamp())},
    ]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


def forged_with_the_public_key() -> str:
    """The classic: HMAC over the token with the public key as the secret, in the hope that `alg` is believed."""
    body = unsigned(alg="HS256", kid="rsa")
    mac = hmac.new(public_pem(RSA).encode(), body.encode(), hashlib.sha256).digest()
    return f"{body}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b.c",
        "...",
        "é.é.é",
        signed("x" * 32),
        signed(kid=None),
        signed(kid="unknown"),
        signed(kid="rsa"),
        signed(Ed25519PrivateKey.generate(), "EdDSA", "ed"),
        signed(ED25519, "EdDSA", "rsa"),
        signed(RSA, "RS512", "rsa"),
        signed(SECRET + SECRET, "HS512", "shared"),
        unsigned(alg="none", kid="shared") + ".",
        unsigned(alg="none", kid="shared") + ".c2ln",
        unsigned(kid="shared") + ".c2ln",
        forged_with_the_public_key(),
        signed()[:-2] + "xx",
        signed() + ".x",
    ],
    ids=lambda _: "token",  # they differ from one test process to the next
)
def test_a_token_that_no_key_of_ours_signed_is_refused(token: str) -> None:
    with pytest.raises(InvalidToken):
        verify_player_token(token)


def test_a_changed_token_is_refused_even_where_it_has_expired() -> None:
    """Otherwise `credential-expired` would be told to somebody who never had a token."""
    header, body, signature = signed(exp=NOW - timedelta(hours=1)).split(".")
    with pytest.raises(InvalidToken):
        verify_player_token(f"{header}.{body}.{signature[::-1]}")


def test_while_keys_rotate_both_open_and_afterwards_the_old_one_does_not(settings: Any) -> None:
    old, new = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    tokens = signed(old, "EdDSA", "2031-01"), signed(new, "EdDSA", "2031-02")
    both = {
        "2031-01": {"algorithm": "EdDSA", "key": public_pem(old)},
        "2031-02": {"algorithm": "EdDSA", "key": public_pem(new)},
    }
    settings.PLAYER_TOKEN_KEYS = both
    assert {verify_player_token(token) for token in tokens} == {PLAYER}
    del both["2031-01"]
    assert verify_player_token(tokens[1]) == PLAYER
    with pytest.raises(InvalidToken):
        verify_player_token(tokens[0])


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"a": {"algorithm": "HS256", "key": "s" * 31}}, "less than 32 bytes"),
        ({"a": {"algorithm": "HS256", "key": ""}}, "less than 32 bytes"),
        ({"a": {"algorithm": "none", "key": ""}}, "algorithm"),
        ({"a": {"algorithm": "ES256", "key": public_pem(generate_private_key(SECP256R1()))}}, "algorithm"),
        ({"a": {"algorithm": "EdDSA", "key": "nonsense"}}, "PEM"),
        ({"a": {"algorithm": "EdDSA", "key": private_pem(ED25519)}}, "no public key"),
        ({"a": {"algorithm": "EdDSA", "key": public_pem(RSA)}}, "PEM"),
        ({"a": {"algorithm": "RS256", "key": public_pem(WEAK_RSA)}}, "2048 bits"),
        ({"a": {"algorithm": "RS256", "key": private_pem(RSA)}}, "no public key"),
        ({"a": {"algorithm": "HS256"}}, "no map"),
        ({"a": "s" * 32}, "no map"),
        (["a"], "no map"),
    ],
)
def test_a_weak_or_wrong_key_fails_the_system_check(keys: Any, said: str, settings: Any) -> None:
    settings.PLAYER_TOKEN_KEYS = keys
    [found] = player_token_keys(None)
    assert found.is_serious()
    assert said in found.msg + str(found.hint)
    assert "s" * 31 not in found.msg + str(found.hint)  # what a check says ends up in logs


def test_good_keys_and_none_pass_the_system_check(settings: Any) -> None:
    assert player_token_keys(None) == []
    settings.PLAYER_TOKEN_KEYS = {}
    assert player_token_keys(None) == []


def test_the_command_makes_a_token_that_opens_on_a_developers_machine_only(settings: Any) -> None:
    player, out = uuid4(), io.StringIO()
    with pytest.raises(CommandError, match="local"):
        call_command("create_player_token", str(player))
    settings.ENVIRONMENT = "local"
    call_command("create_player_token", str(player), stdout=out)
    assert verify_player_token(out.getvalue().strip()) == player
    settings.PLAYER_TOKEN_KEYS = {}
    with pytest.raises(CommandError, match="HS256"):
        call_command("create_player_token", str(player))


def test_a_token_for_trying_out_lives_no_longer_than_any() -> None:
    payload = jwt.decode(create_player_token(player_id=PLAYER, now=NOW), options={"verify_signature": False})
    assert payload["exp"] - payload["iat"] == 15 * 60
