"""`manage.py verify_books`: recomputes everything that can be derived and names the first wrong row of each kind."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import Error

from dreamland.lib.console import console, plain, print_json, progress, table
from ledger import book
from ledger.verification import registered_checks
from ledger.verification_records import Mode, verify_and_record

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
        parser.add_argument(
            "--workers",
            type=int,
            choices=range(1, 17),
            metavar="N",
            default=settings.VERIFY_WORKERS,
            help="connections that share the checks and one snapshot, 1 to 16",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        mode = Mode.INCREMENTAL if options["incremental"] else Mode.FULL
        try:
            with progress(console(self.stderr), len(registered_checks())) as step:
                verification = verify_and_record(
                    mode, workers=options["workers"], progress=lambda check: step(check.claim)
                )
        except (Error, OSError) as error:  # the database, or the file of the anchor
            self.stderr.write(f"could not check: {error}")
            raise SystemExit(COULD_NOT_CHECK) from error
        if options["json"]:
            print_json(self.stdout, as_document(verification))
        else:
            self._print(verification)
        if not verification.clean:
            raise SystemExit(WRONG)

    def _print(self, verification: book.Verification) -> None:
        findings = sorted(verification.findings, key=lambda finding: finding.wrong_rows == 0)  # what is wrong first
        rows = [
            (
                "[green]holds[/]" if not finding.wrong_rows else f"[red]{finding.wrong_rows} wrong[/]",
                f"{finding.seconds:.2f}",
                finding.check.claim,
                f"{finding.subject}: {finding.problem}" if finding.wrong_rows else "",
            )
            for finding in findings
        ]
        screen = console(self.stdout)
        what = f"since {plain(verification.since.as_of)}" if verification.since else "all of it"
        title = f"The books as of {plain(verification.as_of)}, {what}"
        screen.print(table(title, ["", "seconds", "claim", "first wrong row"], rows, numbers=["seconds"]))
        wrong = sum(finding.wrong_rows > 0 for finding in findings)
        if wrong:
            screen.print(f"[bold red]The books are wrong: {wrong} of {len(findings)} claims do not hold.[/]")
        elif verification.since:
            screen.print(f"[bold green]What is new is clean: {len(findings)} claims hold.[/]")
        else:
            screen.print(f"[bold green]The books are clean: {len(findings)} claims hold.[/]")


def as_document(verification: book.Verification) -> dict[str, Any]:
    """The verification as `--json` prints it."""
    return {
        "clean": verification.clean,
        "as_of": verification.as_of,
        "since": verification.since.as_of if verification.since else None,
        "checks": [
            {
                "name": finding.check.name,
                "claim": finding.check.claim,
                "wrong_rows": finding.wrong_rows,
                "first": {"subject": finding.subject, "problem": finding.problem} if finding.wrong_rows else None,
                "seconds": finding.seconds,
            }
            for finding in verification.findings
        ],
    }
