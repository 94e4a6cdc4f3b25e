"""`manage.py faults`: kills real processes under load and proves that nothing was lost and nothing happened twice."""

import subprocess
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from dreamland.local.attachment import CHECKOUT
from dreamland.local.faults.__main__ import arguments


class Command(BaseCommand):
    help = "Kills, freezes, cuts and lies under load, on servers of its own; then compares every answer with the books."

    def add_arguments(self, parser: CommandParser) -> None:
        for action in arguments()._actions:
            if action.dest != "help":
                parser._add_action(action)

    def handle(self, *args: Any, **options: Any) -> None:
        told = ["--minutes", str(options["minutes"]), "--seed", str(options["seed"])]
        told += ["--json"] if options["json"] else []
        # A process of its own: its database is made before Django reads the settings.
        done = subprocess.run([sys.executable, "-m", "dreamland.local.faults", *told], cwd=CHECKOUT, check=False)  # noqa: S603
        if done.returncode:
            raise SystemExit(done.returncode)
