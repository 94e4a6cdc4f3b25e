"""`manage.py create_player_token`: a player's token for trying out, on a developer's machine only."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from dreamland.lib.errors import DomainError
from rewards.tokens import create_player_token


class Command(BaseCommand):
    help = "Prints a token with which a player reads his own data for 15 minutes. Refuses outside ENVIRONMENT=local."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("player_id", type=UUID)

    def handle(self, *, player_id: UUID, **_: Any) -> None:
        if settings.ENVIRONMENT != "local":
            raise CommandError("only the identity service makes tokens here; this command is for ENVIRONMENT=local")
        try:
            self.stdout.write(create_player_token(player_id=player_id, now=datetime.now(UTC)))
        except DomainError as refusal:
            raise CommandError(refusal.detail) from refusal
