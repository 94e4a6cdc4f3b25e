"""The settings of the tests: the real ones, on the embedded servers without fsync where no other server is named."""

import os

from dreamland import local

local.attach(durable=False)
os.environ.setdefault("SECRET_KEY", "only-for-tests-" * 4)
os.environ["INSECURE_HTTP"] = "1"
os.environ["ENVIRONMENT"] = "test"
# All tests call from one address.
os.environ["API_STRANGER_BURST_LIMIT"] = os.environ["API_STRANGER_SUSTAINED_LIMIT"] = "1000000"

from dreamland.settings import *  # noqa: E402, F403

INSTALLED_APPS = [*INSTALLED_APPS, "django_migration_linter"]  # noqa: F405
ALLOWED_HOSTS = ["testserver", "127.0.0.1", "localhost"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # staff passwords of tests only: speed
