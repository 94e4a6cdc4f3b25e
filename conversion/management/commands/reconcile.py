"""`manage.py reconcile`: the provider's statements held against ours."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from conversion.errors import InvalidStatement
from conversion.models import Difference
from conversion.reconciliation.importing import Imported, import_statement
from conversion.reconciliation.reading import DifferenceFacts, differences, open_differences, statements
from dreamland.lib.console import console, print_json, table
from dreamland.lib.errors import DomainError

AGREED, DIFFERENT, COULD_NOT = 0, 1, 2
MOST_STATEMENTS = 20


class Command(BaseCommand):
    help = (
        "Holds the provider's statements against ours and lists how they differ. --import FILE --as USER reads a"
        " statement (docs/reconciliation.md); the same file twice is one import. Exits 0 if nothing is open, 1 if"
        " differences are, 2 if the file was refused or nothing could be compared."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--import", dest="file", metavar="FILE", help="a statement's file, or - for standard input")
        parser.add_argument("--as", dest="user", metavar="USER", help="the name of who answers for the import")
        parser.add_argument("--statement", metavar="REFERENCE", help="only the differences of this statement")
        parser.add_argument("--kind", choices=Difference.Kind.values, help="only differences of this kind")
        parser.add_argument("--all", action="store_true", help="resolved differences too")
        parser.add_argument("--limit", type=int, default=100, metavar="N", help="at most so many, newest first (100)")
        parser.add_argument("--json", action="store_true", help="one JSON document instead of tables")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["limit"] < 1:
            raise CommandError("--limit is 1 or more", returncode=COULD_NOT)
        try:
            imported = self._import(options["file"], options["user"]) if options["file"] else None
            found = differences(
                statement=options["statement"],
                kind=options["kind"],
                include_resolved=options["all"],
                limit=options["limit"],
            )
            still_open = open_differences()
            told = statements(limit=MOST_STATEMENTS)
        except InvalidStatement as error:
            self._refuse(error)
        except (DomainError, Error, OSError) as error:
            self.stderr.write(f"could not compare: {getattr(error, 'detail', error)}")
            raise SystemExit(COULD_NOT) from error
        if options["json"]:
            print_json(
                self.stdout,
                {
                    "imported": asdict(imported) if imported else None,
                    "open": still_open,
                    "statements": [asdict(each) for each in told],
                    "differences": [asdict(each) for each in found],
                },
            )
        else:
            self._print(imported, found, still_open)
        if sum(still_open.values()):
            raise SystemExit(DIFFERENT)

    def _import(self, file: str, user: str | None) -> Imported:
        person = get_user_model().objects.filter(username=user, is_active=True).first()
        if person is None:
            raise CommandError("--as names an active user of the back-office", returncode=COULD_NOT)
        most = settings.RECONCILIATION_MAX_BYTES + 1  # one more says that it is too large
        if file == "-":
            content = sys.stdin.buffer.read(most)
        else:
            with Path(file).open("rb") as stream:
                content = stream.read(most)
        return import_statement(content=content, imported_by=person.pk)

    def _refuse(self, error: InvalidStatement) -> None:
        for problem in error.extra["problems"]:
            self.stderr.write(f"line {problem.line}: {problem.detail} ({problem.code})")
        self.stderr.write("nothing was imported")
        raise SystemExit(COULD_NOT) from error

    def _print(self, imported: Imported | None, found: tuple[DifferenceFacts, ...], still_open: Any) -> None:
        screen = console(self.stdout)
        if imported:
            done = "imported" if imported.is_new else "was imported before"
            counted = ", ".join(f"{count} {kind}" for kind, count in imported.differences.items()) or "none"
            screen.print(
                f"{imported.provider} {imported.reference}: {imported.lines} lines {done}; differences: {counted}"
            )
        columns = ["statement", "line", "kind", "id", "reference", "their fee", "our fee", "we would owe more"]
        columns[5:5] = ["their tokens", "our tokens", "their USD", "our USD"]
        rows = [
            [
                "-" if value is None else value
                for value in (
                    each.statement,
                    str(each.line) if each.line else None,
                    each.kind if each.right is None else f"{each.kind}, {each.right}",
                    each.id,
                    each.reference,
                    each.their_tokens,
                    each.our_tokens,
                    each.their_usd,
                    each.our_usd,
                    each.their_fee,
                    each.our_fee,
                    each.fee_effect,
                )
            ]
            for each in found
        ]
        if rows:
            screen.print(table("Differences", columns, rows, numbers=[*columns[5:]]))
        wrong = sum(still_open.values())
        screen.print(
            f"[bold red]{wrong} differences are open.[/]" if wrong else "[bold green]No difference is open.[/]"
        )
