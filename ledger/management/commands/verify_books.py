"""`manage.py verify_books`: recomputes everything that can be derived and names the first wrong row of each kind."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import Error

from dreamland.lib.console import console, print_json, progress, table
from ledger import book
from ledger.verification import Mode, registered_checks, verify_and_record

CLEAN, WRONG, COULD_NOT_CHECK = 0, 1, 2


class Command(BaseCommand):
    help = "Proves the books from the postings up. Exits 0 if they are clean, 1 if not, 2 if it could not check."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")
        parser.add_argument(
            "--incremental",
            action="store_true",
            help="only what was written since the last clean verification could have broken",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        mode = Mode.INCREMENTAL if options["incremental"] else Mode.FULL
        try:
            with progress(console(self.stderr), len(registered_checks())) as step:
                verification = verify_and_record(mode, progress=lambda check: step(check.claim))
        except Error as error:
            self.stderr.write(f"could not check: {error}")
            raise SystemExit(COULD_NOT_CHECK) from error
        if options["json"]:
            print_json(self.stdout, as_document(verification))
        else:
            self._print(verification)
        if not verification.clean:
            raise SystemExit(WRONG)

    def _print(self, verification: book.Verification) -> None:
        rows = [
            (
                "[green]holds[/]" if not finding.wrong_rows else f"[red]{finding.wrong_rows} wrong[/]",
                finding.check.claim,
                f"{finding.subject}: {finding.problem}" if finding.wrong_rows else "",
            )
            for finding in verification.findings
        ]
        screen = console(self.stdout)
        screen.print(table(f"The books as of {verification.as_of}", ["", "claim", "first wrong row"], rows))
        screen.print(
            "[bold green]The books are clean.[/]" if verification.clean else "[bold red]The books are wrong.[/]"
        )


def as_document(verification: book.Verification) -> dict[str, Any]:
    """The verification as `--json` prints it."""
    return {
        "clean": verification.clean,
        "as_of": verification.as_of,
        "checks": [
            {
                "name": finding.check.name,
                "claim": finding.check.claim,
                "wrong_rows": finding.wrong_rows,
                "first": {"subject": finding.subject, "problem": finding.problem} if finding.wrong_rows else None,
            }
            for finding in verification.findings
        ],
    }
