"""DATABASE_URL as Django's settings have it, for the projects that are not Dreamland's and know no django-environ."""

import os
from typing import Any
from urllib.parse import urlsplit


def databases(**options: Any) -> dict[str, dict[str, Any]]:
    """`DATABASES` with the server of DATABASE_URL."""
    url = urlsplit(os.environ["DATABASE_URL"])
    place = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": url.path.lstrip("/"),
        "USER": url.username,
        "PASSWORD": url.password,
        "HOST": url.hostname,
        "PORT": url.port,
        "OPTIONS": options,
    }
    return {"default": place}
