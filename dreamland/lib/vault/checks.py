"""System checks of the keys that seal personal data, and of the list that keeps erasures."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.utils.module_loading import import_string

from dreamland.lib.vault.providers import KeyProvider

CALLS = [name for name in vars(KeyProvider) if not name.startswith("_")]


@register
def key_provider(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """VAULT_KEY_PROVIDER is one that exists and can do what is asked of it."""
    path = settings.VAULT_KEY_PROVIDER
    if path == "file":
        return []
    try:
        missing = [name for name in CALLS if not callable(getattr(import_string(path), name, None))]
    except ImportError:
        missing = CALLS
    if not missing:
        return []
    return [
        Error(
            f"VAULT_KEY_PROVIDER is {path!r}, which lacks {', '.join(missing)}.",
            hint="It is 'file', or the path of a class of the shape of dreamland.lib.vault.providers.KeyProvider.",
            id="dreamland.E013",
        )
    ]


@register(Tags.security, deploy=True)
def keys_are_somewhere(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """A deployment says who keeps the keys: without them no profile can be written or read."""
    if settings.VAULT_KEY_PROVIDER != "file" or settings.VAULT_KEY_DIR:
        return []
    return [
        Error(
            "VAULT_KEY_DIR is not set.",
            hint="Name a directory outside the database's backups, or let VAULT_KEY_PROVIDER name a key service.",
            id="dreamland.E014",
        )
    ]


@register(Tags.security, deploy=True)
def erasures_are_listed(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """A deployment keeps a list of erasures: without it a restore brings erased people back for good."""
    if settings.ERASURE_LIST:
        return []
    return [
        Error(
            "ERASURE_LIST is not set.",
            hint="Name a file outside the database's backups (docs/privacy.md, 'After a restore').",
            id="dreamland.E015",
        )
    ]
