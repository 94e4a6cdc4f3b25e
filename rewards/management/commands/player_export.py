"""`manage.py player_export`: what is known about a player, all of it, for who asks for it."""

import os
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from dreamland.lib.errors import DomainError
from dreamland.lib.trail.looks import Viewer
from dreamland.lib.trail.people import active_person
from rewards.portability import export_player

OWNER_ONLY = 0o600


class Command(BaseCommand):
    help = (
        "Writes everything that is keyed to a player as one JSON document: the profile in clear, and each table's rows."
        " Who asked and why is recorded first. --output makes a file that nobody else may read."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("player", type=UUID)
        parser.add_argument("--as", dest="by", required=True, metavar="USER", help="who asks for it")
        parser.add_argument("--reason", required=True, help="why: the number of the request, say")
        parser.add_argument("--output", type=Path, help="a file that does not exist yet; otherwise standard output")

    def handle(self, *args: Any, player: UUID, by: str, reason: str, output: Path | None, **options: Any) -> None:
        viewer = Viewer(active_person(by), "manage.py player_export")
        try:
            if output is None:
                export_player(player_id=player, viewer=viewer, reason=reason, to=sys.stdout, now=timezone.now())
                return
            descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                export_player(player_id=player, viewer=viewer, reason=reason, to=file, now=timezone.now())
        except OSError as error:
            raise CommandError(f"{output}: {error.strerror}", returncode=2) from error
        except DomainError as refusal:
            if output is not None:
                output.unlink(missing_ok=True)
            raise CommandError(refusal.detail) from refusal
        self.stdout.write(f"{output} holds what is known about {player}")
