"""`manage.py list_game_keys`: which keys there are, what they open, and when they were last used."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from dreamland.lib.console import console, print_json, table
from rewards.keys import list_game_keys


class Command(BaseCommand):
    help = "Lists the keys of one game or of all: live, expired, revoked. Secrets are not stored and not shown."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", nargs="?", help="the game; all if not given")
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON document")

    def handle(self, *, slug: str | None, as_json: bool, **_: Any) -> None:
        keys = list_game_keys(slug=slug, now=datetime.now(UTC))
        if as_json:
            print_json(self.stdout, {"keys": [asdict(key) for key in keys]})
            return
        columns = ["game", "key", "state", "scopes", "created", "expires", "last used"]
        rows = [
            (
                key.game,
                key.key_id,
                key.state,
                " ".join(key.scopes),
                key.created_at,
                key.expires_at or "never",
                key.last_used_at or "never",
            )
            for key in keys
        ]
        console(self.stdout).print(table("Game keys", columns, rows))
