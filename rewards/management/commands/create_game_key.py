"""`manage.py create_game_key`: a game, and a key with which its servers call."""

from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from dreamland.lib.console import print_json
from dreamland.lib.errors import DomainError
from rewards.keys import create_game_key
from rewards.management.arguments import expiry
from rewards.models import Game, Scope
from rewards.services import create_game


class Command(BaseCommand):
    help = "Issues a key for a game, which is made where there is none of that slug. The key is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--name", help="the game's name where it is new; the slug if not given")
        parser.add_argument(
            "--scope", action="append", choices=Scope.values, dest="scopes", help="may be repeated; all if not given"
        )
        parser.add_argument("--expires", type=expiry, help="when the key ends: 2027-01-01T00:00:00Z, or 90d")
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object on standard output")

    def handle(
        self,
        *,
        slug: str,
        name: str | None,
        scopes: list[str] | None,
        expires: datetime | None,
        as_json: bool,
        **_: Any,
    ) -> None:
        try:
            Game._meta.get_field("slug").run_validators(slug)
            game = create_game(slug=slug, name=name or slug)
            granted = sorted(set(scopes or Scope.values))
            issued = create_game_key(game_id=game.id, scopes=granted, expires_at=expires)
        except DomainError as refusal:
            raise CommandError(refusal.detail) from refusal
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        if as_json:
            facts = {"game": slug, "game_id": str(game.id), "key_id": issued.key_id, "key": issued.plaintext}
            print_json(self.stdout, {**facts, "scopes": granted, "expires_at": expires})
            return
        self.stdout.write(f"Game    {slug} ({game.id})\nScopes  {', '.join(granted)}\nKey     {issued.plaintext}")
        self.stderr.write("Keep the key now: only its hash is stored.")
