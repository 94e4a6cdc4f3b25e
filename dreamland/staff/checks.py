"""System checks of signing in."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register


@register(Tags.security, deploy=True)
def second_factor_is_asked_for(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """A deployment asks its staff for a second factor."""
    if settings.STAFF_SECOND_FACTOR:
        return []
    return [
        Error(
            "STAFF_SECOND_FACTOR is off.",
            hint="A password alone would open the back-office: leave it unset.",
            id="dreamland.E011",
        )
    ]
