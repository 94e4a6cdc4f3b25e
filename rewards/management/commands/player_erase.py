"""`manage.py player_erase`: what is known about a player goes for good; the books stay."""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from dreamland.lib.console import print_json
from dreamland.lib.errors import DomainError
from dreamland.lib.trail.people import active_person
from rewards.erasing import Erased, erase_player


class Command(BaseCommand):
    help = (
        "Erases a player: profile and key are destroyed, nothing is won any more, the books stay under the id. Of who"
        " was paid the minimum is kept until the date that is printed. Again, it finds it done."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("player", type=UUID)
        parser.add_argument("--as", dest="by", required=True, metavar="USER", help="who does it")
        parser.add_argument(
            "--leave-open",
            action="store_true",
            help="the person knows that what the account still holds can be paid out to nobody any more",
        )
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON document")

    def handle(self, *args: Any, player: UUID, by: str, leave_open: bool, as_json: bool, **options: Any) -> None:
        user_id = active_person(by)
        try:
            erased = erase_player(player_id=player, now=timezone.now(), user_id=user_id, leave_open=leave_open)
        except DomainError as refusal:
            raise CommandError(refusal.detail) from refusal
        if as_json:
            print_json(self.stdout, erased)
        else:
            self.stdout.write(told(erased))


def told(erased: Erased) -> str:
    """An erasure in a sentence."""
    when = f"was erased at {erased.erased_at.isoformat()}" if erased.replayed else "is erased"
    if erased.retain_until is None:
        return f"{erased.player_id} {when}; nothing is kept"
    return f"{erased.player_id} {when}; name and country are kept until {erased.retain_until}: {erased.basis}"
