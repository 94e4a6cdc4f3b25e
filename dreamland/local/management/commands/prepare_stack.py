"""The part of `up` that needs Django, in one process: it is run by `dreamland.local.supervisor`."""

import json
import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command, get_commands
from django.core.management.base import BaseCommand

from dreamland.local.supervisor import ADMIN_PASSWORD_VARIABLE, APP_PASSWORD_VARIABLE, APP_ROLE

ADMIN = "admin"


class Command(BaseCommand):
    help = "Prepares the database and the static files for `up`. Runs as the owner of the database."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--result", type=Path, required=True, help="file for the result, as JSON")

    def handle(self, *_args: Any, result: Path, **_options: Any) -> None:
        call_command("migrate", interactive=False)
        app_role = APP_PASSWORD_VARIABLE in os.environ and "app_role" in get_commands()
        if app_role:
            call_command("app_role", "--apply", "--login", APP_ROLE, "--password-env", APP_PASSWORD_VARIABLE)
        call_command("collectstatic", interactive=False, verbosity=0)
        outcome = {"app_role": app_role, "admin_created": create_first_admin(os.environ[ADMIN_PASSWORD_VARIABLE])}
        result.write_text(json.dumps(outcome), encoding="utf-8")


def create_first_admin(password: str) -> bool:
    """Create the superuser `admin` unless there is any superuser already; say whether."""
    users = get_user_model()._default_manager
    if users.filter(is_superuser=True).exists():
        return False
    users.create_superuser(username=ADMIN, password=password)
    return True
