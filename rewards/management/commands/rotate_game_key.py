"""`manage.py rotate_game_key`: a successor for a key, while a game's servers change over."""

from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dreamland.lib.console import print_json
from dreamland.lib.errors import DomainError
from rewards.keys import ROTATION_OVERLAP, rotate_game_key
from rewards.management.arguments import expiry, span


class Command(BaseCommand):
    help = "Issues a successor of a key, with the same scopes. The old key ends after the overlap. Shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("key_id", help="the 16 characters in the middle of the key; `list_game_keys` shows them")
        parser.add_argument(
            "--overlap",
            type=span,
            default=ROTATION_OVERLAP,
            help="how long the old key still opens: 24h; 0 ends it now",
        )
        parser.add_argument("--expires", type=expiry, help="when the new key ends: 2027-01-01T00:00:00Z, or 90d")
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object on standard output")

    def handle(self, *, key_id: str, overlap: timedelta, expires: datetime | None, as_json: bool, **_: Any) -> None:
        try:
            issued = rotate_game_key(key_id=key_id, overlap=overlap, expires_at=expires)
        except DomainError as refusal:
            raise CommandError(refusal.detail) from refusal
        if as_json:
            facts = {"replaces": key_id, "key_id": issued.key_id, "key": issued.plaintext}
            print_json(self.stdout, {**facts, "expires_at": issued.expires_at})
            return
        self.stdout.write(f"Key     {issued.plaintext}")
        self.stderr.write(f"Keep the key now: only its hash is stored. {key_id} ends in {overlap} at the latest.")
