"""`manage.py export_journal`: the journal for other programs, with control totals that prove it whole."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dreamland.lib.arguments import instant
from dreamland.lib.console import console, plain, table
from ledger.exports import FORMATS, Selection, Totals, export
from ledger.exports.reader import JournalDiffersError
from ledger.management.arguments import holder

WRONG, WRONGLY_ASKED = 1, 2


class Command(BaseCommand):
    help = (
        "Exports the journal by (posted_at, id), from one snapshot, in memory that does not grow. Control totals go to "
        "standard error. Exits 1 if what was read does not add up to them; a file is then not written."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--format", required=True, choices=sorted(FORMATS))
        parser.add_argument("--from", dest="since", type=instant, help="only entries dated at or after this instant")
        parser.add_argument("--to", dest="until", type=instant, help="only entries dated before this instant")
        parser.add_argument("--holder", type=holder, help="one player's book, by id, or Dreamland's own: `house`")
        parser.add_argument("--output", default="-", help="file, replaced when all is written; - is standard output")
        parser.add_argument("--totals", help="file for the control totals as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        selection = Selection(options["since"], options["until"], options["holder"])
        if selection.since and selection.until and selection.since >= selection.until:
            raise CommandError("--from must lie before --to", returncode=WRONGLY_ASKED)
        try:
            with output(options["output"]) as out:
                totals = export(selection, file_format=options["format"], out=out)
        except JournalDiffersError as error:
            raise CommandError(f"the export is not whole: {error}", returncode=WRONG) from error
        except BrokenPipeError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter fails again at its end
            raise CommandError("whoever read the export went away before its end", returncode=WRONG) from error
        except ImportError as error:
            raise CommandError(
                f"{error.name} is missing: install the extra `{options['format']}`", returncode=WRONGLY_ASKED
            ) from error
        if options["totals"]:
            with output(options["totals"]) as out:
                out.write(json.dumps(totals.as_document(), default=plain, indent=2).encode() + b"\n")
        self.stderr.style_func = None  # a table is no error, and need not be red
        console(self.stderr).print(as_table(totals))


@contextmanager
def output(name: str) -> Iterator[BinaryIO]:
    """Where bytes go. A file appears, readable by its owner alone, when everything is written, and not before."""
    if name == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(name)
    if path.exists() and not path.is_file():
        raise CommandError(f"{name} is no regular file", returncode=WRONGLY_ASKED)
    try:
        part = NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False)  # noqa: SIM115  (renamed below)
    except OSError as error:
        raise CommandError(f"cannot write {name}: {error.strerror}", returncode=WRONGLY_ASKED) from error
    try:
        with part:
            yield part  # type: ignore[misc]  # a file in all but its class
            part.flush()
            os.fsync(part.fileno())
        Path(part.name).replace(path)
    finally:
        Path(part.name).unlink(missing_ok=True)


def as_table(totals: Totals) -> Any:
    """The control totals as people read them."""
    selection = totals.selection
    rows: list[tuple[Any, ...]] = [
        (line.account, line.opening, line.debits, line.credits, line.balance, line.asset) for line in totals.accounts
    ]
    rows += [("[bold]debits[/]", "", amount, "", "", asset) for asset, amount in totals.debits.items()]
    asked = [
        f"from {plain(selection.since)}" if selection.since else "",
        f"to {plain(selection.until)}" if selection.until else "",
        f"holder {selection.holder}" if selection.holder else "",
    ]
    return table(
        f"{totals.entries} entries, {totals.postings} postings as of {plain(totals.as_of)}"
        f" {', '.join(filter(None, asked))}".rstrip(),
        ["account", "opening", "debits", "credits", "balance", "asset"],
        rows,
        numbers=["opening", "debits", "credits", "balance"],
    )
