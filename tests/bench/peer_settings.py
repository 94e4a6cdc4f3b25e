"""Django around one of the peers: the app and what it needs, PostgreSQL spoken to as Dreamland does, DEBUG off.

Hordak keeps 13 digits by default, two of them behind the point: it is told to keep as many as Dreamland does.
"""

import os
from typing import Any

from tests.bench.place import databases

PEER = os.environ["PEER"]
SECRET_KEY = "peer" * 16
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
APPS = {
    "hordak": ["mptt", "djmoney", "hordak"],
    "django_ledger": [
        "django.contrib.sessions",
        "django.contrib.messages",
        "django.contrib.staticfiles",
        "django_ledger",
    ],
}
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", *APPS[PEER]]
TEMPLATES: list[dict[str, Any]] = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
DATABASES = databases(server_side_binding=True, prepare_threshold=5)
DEFAULT_CURRENCY = HORDAK_INTERNAL_CURRENCY = "EUR"  # one that its currency library knows
CURRENCIES = HORDAK_CURRENCIES = ["EUR"]
HORDAK_DECIMAL_PLACES, HORDAK_MAX_DIGITS = 18, 38
