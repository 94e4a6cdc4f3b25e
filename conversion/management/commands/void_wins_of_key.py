"""`manage.py void_wins_of_key`: what a leaked key reported, shown first; then one asks that it be taken back."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from conversion.leaks import Extent, Reported, extent, first_standing
from dreamland.lib.api.fields import render_instant
from dreamland.lib.arguments import instant
from dreamland.lib.console import console, money, print_json, table
from dreamland.lib.errors import DomainError
from ledger import book
from rewards.models import GameKey
from rewards.selectors import WinFacts

USAGE = 2
SHOWN = 20


class Command(BaseCommand):
    help = (
        "Lists and counts the wins that a key reported. --ask asks that they be taken back, converted ones too; another"
        " person approves (manage.py approvals --approve). Revoke the key first."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("key_id", help="the 16 characters after the environment: dl_live_<key id>_...")
        parser.add_argument("--since", type=instant, metavar="INSTANT", help="only wins recorded then or later")
        parser.add_argument("--until", type=instant, metavar="INSTANT", help="only wins recorded before then")
        parser.add_argument("--ask", action="store_true", help="ask for it; without this nothing is written")
        parser.add_argument("--as", dest="user", metavar="USER", help="the name of who asks")
        parser.add_argument("--reference", default="", help="the ticket where the reason can be looked up")
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object on standard output")

    def handle(self, *, key_id: str, ask: bool, as_json: bool, **options: Any) -> None:
        key = GameKey.objects.select_related("game").filter(id=key_id).first()
        if key is None:
            raise CommandError(f"there is no key {key_id}", returncode=USAGE)
        which = Reported(key_id, options["since"], options["until"])
        found, wins = extent(which), first_standing(which, limit=SHOWN)
        request = _asked(which, options["user"], options["reference"]) if ask else None
        if as_json:
            facts = {"key": key_id, "game": key.game.slug, "request": request.id if request else None}
            print_json(self.stdout, {**facts, "found": asdict(found), "first": [_facts(win) for win in wins]})
        else:
            self._print(key, found, wins, request)

    def _print(self, key: GameKey, before: Extent, wins: list[WinFacts], request: book.Request | None) -> None:
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
        screen.print(f"Request {request.id}: somebody else approves." if request else "Nothing was written.")


def _asked(which: Reported, user: str | None, reference: str) -> book.Request:
    """The request that these wins be taken back."""
    person = get_user_model().objects.filter(username=user, is_active=True).first()
    if person is None:
        raise CommandError("--as names an active user of the back-office", returncode=USAGE)
    payload = {"key": which.key_id, "since": _text(which.since), "until": _text(which.until)}
    words = {"reason_code": "leaked-key", "reference": reference}
    try:
        return book.ask(kind="void-of-many", payload=payload, asked_by=person.pk, **words)
    except DomainError as error:
        raise CommandError(error.detail, returncode=USAGE) from error


def _text(instant: datetime | None) -> str | None:
    return render_instant(instant) if instant else None


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
