"""`manage.py move_player`: the steps of a move, each in the region whose turn it is."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from dreamland.lib.errors import DomainError
from dreamland.lib.trail.people import active_person
from dreamland.world import moves
from dreamland.world.errors import WaitsForConversion

WAITS = 3


class Command(BaseCommand):
    help = (
        "Moves a player to another region. At home: `move_player PLAYER --to us --as ada > luggage.json`, again after"
        " the next conversion while it says so (exit code 3). Over there: `move_player --arrive luggage.json --as ada`."
        " At home: `move_player --confirm TRANSFER`. Each step may be repeated."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("player", nargs="?", type=UUID, help="who moves away from this region")
        parser.add_argument("--to", choices=sorted(settings.REGIONS), help="where to")
        parser.add_argument("--arrive", type=Path, help="luggage of a player who comes to this region; - reads it")
        parser.add_argument("--confirm", type=UUID, help="the transfer whose player has arrived")
        parser.add_argument("--as", dest="user", help="who does it: a user's name")

    def handle(self, *_: Any, **options: Any) -> None:
        if settings.REGION not in settings.REGIONS:
            raise CommandError("this is no region of a world: set REGION and REGIONS", returncode=2)
        try:
            if options["confirm"]:
                moves.confirm(transfer_id=options["confirm"])
            elif options["arrive"]:
                self._arrive(options["arrive"], active_person(options["user"]))
            elif options["player"] and options["to"]:
                self._leave(options["player"], options["to"], active_person(options["user"]))
            else:
                raise CommandError("say who moves and --to where, or --arrive, or --confirm", returncode=2)
        except WaitsForConversion as refusal:
            raise CommandError(
                f"{refusal.detail}: {refusal.extra['pending']}; again later", returncode=WAITS
            ) from refusal
        except DomainError as refusal:
            raise CommandError(refusal.detail) from refusal

    def _leave(self, player: UUID, to: str, user: int) -> None:
        transfer = moves.begin(player_id=player, to_region=to, own_region=settings.REGION, user_id=user)
        luggage = moves.depart(transfer_id=transfer, own_region=settings.REGION, now=timezone.now())
        self.stdout.write(json.dumps(moves.unpacked(luggage)))

    def _arrive(self, path: Path, user: int) -> None:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
        try:
            luggage = moves.packed(json.loads(text))
        except (ValueError, KeyError, TypeError, ArithmeticError) as error:
            raise CommandError(f"{path} is no luggage: {error}", returncode=2) from error
        taken_in = moves.arrive(luggage=luggage, own_region=settings.REGION, user_id=user)
        self.stdout.write(f"{luggage.player} {'has arrived' if taken_in else 'was here already'}: {luggage.transfer}")
