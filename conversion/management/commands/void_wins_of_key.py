"""`manage.py void_wins_of_key`: what a leaked key reported, shown first and then taken back."""

from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from conversion.leaks import Extent, Reported, extent, first_standing, void_reported
from conversion.voiding import Author
from dreamland.lib.arguments import instant
from dreamland.lib.console import console, money, print_json, table
from dreamland.lib.errors import DomainError
from rewards.models import GameKey
from rewards.selectors import WinFacts

REASON = "the key that reported it was compromised"
SHOWN = 20


class Command(BaseCommand):
    help = (
        "Lists and counts the wins that a key reported; --apply takes them back, converted ones too, and may be run "
        "again after whatever stopped it. Revoke the key first."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("key_id", help="the 16 characters after the environment: dl_live_<key id>_...")
        parser.add_argument("--since", type=instant, metavar="INSTANT", help="only wins recorded then or later")
        parser.add_argument("--until", type=instant, metavar="INSTANT", help="only wins recorded before then")
        parser.add_argument("--apply", action="store_true", help="take them back; without it nothing is written")
        parser.add_argument("--reason", default=REASON, help=f"what the void says ({REASON})")
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object on standard output")

    def handle(self, *, key_id: str, apply: bool, reason: str, as_json: bool, **options: Any) -> None:
        key = GameKey.objects.select_related("game").filter(id=key_id).first()
        if key is None:
            raise CommandError(f"there is no key {key_id}", returncode=2)
        which = Reported(key_id, options["since"], options["until"])
        before, wins, voided = extent(which), first_standing(which, limit=SHOWN), 0
        try:
            for count in void_reported(which, reason=reason, author=Author()) if apply else ():
                voided += count
        except (DomainError, OperationalError) as error:  # the latter: somebody sits on these rows, or no database
            raise CommandError(f"{error} ({voided} wins are voided; run it again for the rest)") from error
        if as_json:
            facts = {"key": key_id, "game": key.game.slug, "applied": apply, "voided_now": voided}
            print_json(self.stdout, {**facts, "found": asdict(before), "first": [_facts(win) for win in wins]})
        else:
            self._print(key, before, wins, voided, apply=apply)

    def _print(self, key: GameKey, before: Extent, wins: list[WinFacts], voided: int, *, apply: bool) -> None:
        screen = console(self.stdout)
        screen.print(f"Key {key.id} of {key.game.slug}" + ("" if key.revoked_at else "; it is not revoked"))
        if wins:
            rows = [(str(win.id), str(win.player_id), win.state, money(win.amount, 2), win.recorded_at) for win in wins]
            columns = ["win", "player", "state", "DREAM", "recorded"]
            screen.print(table(f"The first {len(wins)} that stand", columns, rows, numbers=["DREAM"]))
        screen.print(
            f"{before.pending_wins} pending wins of {money(before.pending_tokens, 2)} DREAM, {before.converted_wins}"
            f" converted ones of {money(before.converted_tokens, 2)} DREAM and {money(before.usd, 2)} USD, of"
            f" {before.players} players; {before.voided_wins} were voided before."
        )
        screen.print(f"{voided} wins are taken back." if apply else "Nothing was written: --apply takes them back.")


def _facts(win: WinFacts) -> dict[str, Any]:
    return {
        "id": win.id,
        "player_id": win.player_id,
        "reference": win.reference,
        "state": win.state,
        "amount": win.amount,
        "won_at": win.won_at,
        "recorded_at": win.recorded_at,
    }
