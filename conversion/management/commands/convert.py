"""`manage.py convert`: the hourly conversion by hand; the same services as Celery's tick."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from conversion.selectors import Totals, database_clock, run_totals
from conversion.services import RunFacts, convert_due_hours, convert_hour
from dreamland.lib.console import console, money, print_json, table
from dreamland.lib.errors import DomainError

DONE, WAITING, USAGE = 0, 1, 2


def instant(text: str) -> datetime:
    """An RFC 3339 instant; the offset must be said."""
    try:
        given = datetime.fromisoformat(text)
        if given.tzinfo is None:
            raise ValueError(text)
        return given.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no RFC 3339 instant such as 2026-11-20T10:00:00Z") from error


class Command(BaseCommand):
    help = "Converts the hours that are over. Exits 0 if all of them are done, 1 if some wait, 2 for a wrong call."

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--hour", type=instant, metavar="INSTANT", help="only the UTC hour that begins then")
        which.add_argument("--until", type=instant, metavar="INSTANT", help="only hours that end by then")
        parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")

    def handle(self, *args: Any, hour: datetime | None, until: datetime | None, **options: Any) -> None:
        now = database_clock()
        try:
            runs = [convert_hour(hour=hour, now=now)] if hour else _convert_all(min(until or now, now))
        except DomainError as error:
            self.stderr.write(error.detail)
            raise SystemExit(USAGE) from error
        if options["json"]:
            print_json(self.stdout, {"runs": [asdict(run) for run in runs], "totals": asdict(run_totals())})
        else:
            self._print(runs, run_totals())
        if any(run.state != "done" for run in runs):
            raise SystemExit(WAITING)

    def _print(self, runs: Sequence[RunFacts], totals: Totals) -> None:
        screen = console(self.stdout)
        if runs:
            columns = ["hour", "state", "why", "conversions", "DREAM", "USD", "fees"]
            screen.print(table("Runs", columns, map(_row, runs), numbers=columns[3:]))
        else:
            screen.print("No hour is due.")
        screen.print(
            f"So far: {totals.conversions} conversions, {money(totals.tokens, 2)} DREAM, {money(totals.usd, 2)} USD,"
            f" {money(totals.fees, 2)} USD of fees."
        )


def _row(run: RunFacts) -> Sequence[Any]:
    colour = "green" if run.state == "done" else "yellow"
    why = f"{run.reason} (rate of {run.waits_for:%Y-%m-%dT%H:%MZ})" if run.waits_for else run.reason
    return (
        run.hour,
        f"[{colour}]{run.state}[/]",
        why,
        str(run.conversions),
        money(run.tokens, 2),
        money(run.usd, 2),
        money(run.fees, 2),
    )


def _convert_all(now: datetime) -> list[RunFacts]:
    """Every due hour, call after call as long as one gets on; the latest report of each hour, oldest first."""
    reports: dict[datetime, RunFacts] = {}
    progress = True
    while progress:
        outcome = convert_due_hours(now=now)
        reports |= {run.hour: run for run in outcome.runs}
        progress = bool(outcome.done)
    return [reports[hour] for hour in sorted(reports)]
