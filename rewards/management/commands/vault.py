"""`manage.py vault`: the keys that wrap every player's own: listed, begun, followed, destroyed."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dreamland.lib.console import console, print_json, table
from dreamland.lib.errors import DomainError
from rewards.vault_keys import begin_epoch, begin_first_epoch, destroy_epoch, list_epochs, rewrap


class Command(BaseCommand):
    help = (
        "Lists the epochs of the keys that wrap every player's own key, and how much each wraps. Rotating is "
        "--begin-epoch, then --rewrap; --destroy ends an epoch that wraps nothing more, and with it every backup that "
        "needs it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--first-epoch", action="store_true", help="make the first epoch where there is none")
        what.add_argument("--begin-epoch", action="store_true", help="make a new epoch: it wraps from now on")
        what.add_argument("--rewrap", action="store_true", help="wrap what older epochs wrapped with the newest one")
        what.add_argument("--destroy", metavar="EPOCH", help="destroy an epoch that wraps nothing, for good")
        parser.add_argument("--limit", type=int, help="with --rewrap: at most so many players; the next call goes on")
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON document")

    def handle(
        self,
        *,
        first_epoch: bool,
        begin_epoch: bool,
        destroy: str | None,
        limit: int | None,
        as_json: bool,
        **options: Any,
    ) -> None:
        if limit is not None and (limit < 1 or not options["rewrap"]):
            raise CommandError("--limit is a number from 1 on, and goes with --rewrap")
        try:
            done = self._do(first_epoch, begin_epoch, options["rewrap"], destroy, limit)
            epochs = list_epochs()
        except DomainError as refusal:
            raise CommandError(refusal.detail) from refusal
        if as_json:
            print_json(self.stdout, {"done": done, "epochs": epochs})
            return
        if done:
            self.stdout.write(done)
        rows = [
            (
                epoch.name,
                "destroyed"
                if epoch.destroyed_at
                else "newest"
                if epoch.newest
                else "usable"
                if epoch.usable
                else "lost",
                epoch.keys,
                epoch.first_used_at or "never",
                epoch.destroyed_at or "",
            )
            for epoch in epochs
        ]
        console(self.stdout).print(table("Epochs", ["epoch", "state", "keys", "first used", "destroyed"], rows))

    def _do(self, first: bool, begin: bool, follow: bool, destroy: str | None, limit: int | None) -> str:
        """What was asked for, in a sentence; nothing where it was only to look."""
        if first:
            name = begin_first_epoch()
            return f"Epoch {name} begins." if name else "There is an epoch already."
        if begin:
            return f"Epoch {begin_epoch()} begins. `manage.py vault --rewrap` lets what stands follow."
        if follow:
            return f"{rewrap(limit=limit)} keys are wrapped by the newest epoch now."
        if destroy:
            destroy_epoch(name=destroy)
            return f"Epoch {destroy} is destroyed: what only it could open is gone, in every backup too."
        return ""
