"""`manage.py set_game_policy`: what becomes of a game's wins over the cap."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dreamland.lib.console import print_json
from dreamland.lib.errors import DomainError
from rewards.models import OverCap
from rewards.services import set_game_policy


class Command(BaseCommand):
    help = (
        "Says what becomes of a game's wins over the cap, from the next one on: 'reject' refuses the whole win, 'clip' "
        "credits what is left of the day. Wins that stand stay as they are."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("over_cap", choices=OverCap.values)
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object on standard output")

    def handle(self, *, slug: str, over_cap: str, as_json: bool, **_: Any) -> None:
        try:
            game = set_game_policy(slug=slug, over_cap=OverCap(over_cap))
        except DomainError as refusal:
            raise CommandError(refusal.detail, returncode=2) from refusal
        if as_json:
            print_json(self.stdout, {"game": game.slug, "game_id": game.id, "over_cap": game.over_cap})
            return
        self.stdout.write(f"{game.slug}: a win over the cap: {OverCap(game.over_cap).label.lower()}")
