"""System checks for what settings cannot express. Each has an id, and a hint that says the way out."""

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections
from django.utils.module_loading import import_string

OLDEST_POSTGRESQL = 180_000  # uuidv7() and RETURNING OLD/NEW


def _decimal(name: str) -> Decimal | None:
    try:
        value = Decimal(getattr(settings, name))
    except InvalidOperation:
        return None
    return value if value.is_finite() and value > 0 else None


def _is_provider(path: str) -> bool:
    try:
        return re.fullmatch(r"[a-z0-9_.-]{1,40}", import_string(path).name) is not None
    except (ImportError, AttributeError, TypeError):
        return False


@register
def rates(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """The rate providers are ones that exist, and their numbers are numbers."""
    found: list[CheckMessage] = []
    found += [
        Error(
            f"RATE_PROVIDERS names {name!r}.",
            hint="It is 'fixed', 'http', or the path of a class whose `name` is of a-z, 0-9, '.', '_' and '-'.",
            id="dreamland.E001",
        )
        for name in settings.RATE_PROVIDERS or [""]
        if name not in {"fixed", "http"} and not _is_provider(name)
    ]
    if "http" in settings.RATE_PROVIDERS and not settings.RATE_HTTP_URL:
        found.append(
            Error(
                "RATE_PROVIDERS names 'http' and RATE_HTTP_URL is not set.",
                hint="Set RATE_HTTP_URL to the address of the rate API.",
                id="dreamland.E002",
            )
        )
    names = ("RATE_FIXED_PRICE", "RATE_MIN", "RATE_MAX", "RATE_MAX_JUMP")
    found += [
        Error(f"{name} is no positive decimal number.", hint="Write it like 0.15.", id="dreamland.E003")
        for name in names
        if _decimal(name) is None
    ]
    lowest, highest = _decimal("RATE_MIN"), _decimal("RATE_MAX")
    if lowest and highest and lowest >= highest:
        found.append(
            Error("RATE_MIN is not below RATE_MAX.", hint="No rate could ever be accepted.", id="dreamland.E004")
        )
    return found


@register
def key_environment(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """The word inside every game key can stand there."""
    if re.fullmatch(r"[a-z]{2,8}", settings.ENVIRONMENT):
        return []
    return [
        Error(
            f"ENVIRONMENT is {settings.ENVIRONMENT!r}.",
            hint="It stands inside every game key: 2 to 8 letters from a to z, like 'live'.",
            id="dreamland.E005",
        )
    ]


@register(Tags.security, deploy=True)
def servers_are_named(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """A deployment says where its servers are; the embedded ones are for one machine."""
    found: list[CheckMessage] = []
    if str(settings.DATABASES["default"].get("HOST", "")).endswith(".invalid"):
        found.append(Error("DATABASE_URL is not set.", hint="postgres://user:password@host/name", id="dreamland.E006"))
    if ".invalid" in settings.CELERY_BROKER_URL:
        found.append(Error("REDIS_URL is not set.", hint="redis://:password@host:6379/0", id="dreamland.E007"))
    if not settings.LEDGER_ANCHOR_FILE and not settings.LEDGER_ANCHOR_HOOK:
        found.append(
            Error(
                "The seals of the journal are kept in the database alone.",
                hint="Set LEDGER_ANCHOR_FILE or LEDGER_ANCHOR_HOOK: whoever falsifies the database could seal it anew.",
                id="dreamland.E010",
            )
        )
    if bool(settings.LEDGER_ANCHOR_HOOK) != bool(settings.LEDGER_ANCHOR_READER):
        found.append(
            Error(
                "LEDGER_ANCHOR_HOOK and LEDGER_ANCHOR_READER are one without the other.",
                hint="What is kept and cannot be read proves nothing. Set both, or none.",
                id="dreamland.E012",
            )
        )
    if settings.ENVIRONMENT == "local":
        found.append(
            Error(
                "ENVIRONMENT is 'local' in a deployment.",
                hint="Keys of a developer's machine would be accepted. Call it 'live' or 'staging'.",
                id="dreamland.E008",
            )
        )
    return found


@register
def approval_limits(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """What the groups may ask for and decide are amounts."""
    wrong = [
        f"{group}.{verb}.{asset}"
        for group, verbs in settings.APPROVAL_LIMITS.items()
        for verb, limits in verbs.items()
        for asset, limit in limits.items()
        if verb not in {"ask", "decide"} or not isinstance(limit, str) or not re.fullmatch(r"[0-9]{1,20}", limit)
    ]
    return [
        Error(
            f"APPROVAL_LIMITS: {name} is no limit.",
            hint='{"Finance operator": {"ask": {"USD": "10000"}}}; the verbs are ask and decide, amounts whole.',
            id="dreamland.E016",
        )
        for name in wrong
    ]


@register(Tags.database)
def postgresql_is_new_enough(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """The server is PostgreSQL 18 or later: the books use what it brought."""
    found: list[CheckMessage] = []
    for alias in databases or []:
        connection = connections[alias]
        with connection.cursor():
            version = connection.connection.info.server_version
        if version < OLDEST_POSTGRESQL:
            found.append(
                Error(
                    f"The server of '{alias}' is PostgreSQL {version // 10_000}.",
                    hint="Dreamland needs PostgreSQL 18 or later.",
                    id="dreamland.E009",
                )
            )
    return found
