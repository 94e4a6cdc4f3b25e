"""`manage.py player_erasures`: who was erased; and after a restore, everybody on the list once more."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from dreamland.lib.console import console, print_json, table
from dreamland.lib.errors import DomainError
from rewards import erasure_list
from rewards.erasing import erase_again
from rewards.errors import PlayerNotFound
from rewards.models import Erasure


class Command(BaseCommand):
    help = (
        "Lists erasures. --replay FILE erases everybody on the list (a copy of ERASURE_LIST) once more: a restore"
        " brings people back. May be repeated; exits with 1 where a line could not be followed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--replay", type=Path, metavar="FILE", help="such a list")
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON document")

    def handle(self, *args: Any, replay: Path | None, as_json: bool, **options: Any) -> None:
        if replay is not None:
            try:
                lines = replay.read_text(encoding="utf-8", errors="replace").splitlines()
            except OSError as error:
                raise CommandError(f"{replay}: {error.strerror}", returncode=2) from error
            self._replay(lines)
            return
        names = ("player_id", "erased_at", "basis", "retain_until")
        rows = list(Erasure.objects.values_list(*names))
        if as_json:
            print_json(self.stdout, {"erasures": [dict(zip(names, row, strict=True)) for row in rows]})
            return
        cells = [[str(cell or "") for cell in row] for row in rows]
        console(self.stdout).print(table("Erasures", ["player", "erased at", "kept on this basis", "until"], cells))

    def _replay(self, lines: Iterable[str]) -> None:
        erased = stood = unknown = 0
        failed: list[str] = []
        for listed in erasure_list.read(lines):
            if listed.player_id is None:
                failed.append(f"line {listed.line} cannot be read")
                continue
            try:
                if erase_again(player_id=listed.player_id, now=timezone.now()).replayed:
                    stood += 1
                else:
                    erased += 1
            except PlayerNotFound:
                unknown += 1
            except DomainError as refusal:
                failed.append(f"line {listed.line}: {refusal.detail}")
        self.stdout.write(f"{erased} erased again, {stood} were erased, {unknown} are not here")
        if failed:
            raise CommandError("\n".join(failed))
