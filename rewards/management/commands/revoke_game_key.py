"""`manage.py revoke_game_key`: a key that leaked opens nothing any more."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dreamland.lib.errors import DomainError
from rewards.keys import revoke_game_key


class Command(BaseCommand):
    help = "Ends a key at once and for good. Wins that it reported stand; they are voided by other means."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("key_id", help="the 16 characters in the middle of the key; `list_game_keys` shows them")

    def handle(self, *, key_id: str, **_: Any) -> None:
        try:
            revoke_game_key(key_id=key_id)
        except DomainError as refusal:
            raise CommandError(refusal.detail) from refusal
        self.stdout.write(f"Key {key_id} is revoked.")
