"""`manage.py convert`: the hourly conversion by hand; the same services as Celery's tick."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from conversion.errors import HourNotOver, NotAnHour
from conversion.preview import Preview, preview
from conversion.quotes import HOUR
from conversion.runs import pending_players, read, win_hours
from conversion.selectors import Totals, database_clock, run_totals
from conversion.services import Helpers, RunFacts, convert_hour, due_hours
from conversion.workers import helping
from dreamland.lib.arguments import instant
from dreamland.lib.console import console, money, print_json, table
from dreamland.lib.errors import DomainError

DONE, WAITING, USAGE = 0, 1, 2
MOST_WORKERS = 64


def hours_between(text: str) -> list[datetime]:
    """The hours from A to B of `A..B`, both included."""
    first, separator, last = text.partition("..")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is no range such as 2026-11-20T10:00Z..2026-11-20T18:00Z")
    start, end = instant(first), instant(last)
    count = (end - start) // HOUR + 1
    if not 0 < count <= settings.CONVERSION_HOURS_PER_COMMAND:
        raise argparse.ArgumentTypeError(f"a range has 1 to {settings.CONVERSION_HOURS_PER_COMMAND} hours")
    return [start + HOUR * place for place in range(count)]


def workers(text: str) -> int:
    """How many processes share the work."""
    count = int(text)
    if not 1 <= count <= MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"1 to {MOST_WORKERS} workers")
    return count


class Command(BaseCommand):
    help = (
        "Converts the hours that are over. Exits 0 if all of them are done, 1 if some wait, 2 for a wrong call;"
        " a dry run as the run would."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--hour", type=instant, metavar="INSTANT", help="only the UTC hour that begins then")
        which.add_argument("--range", type=hours_between, metavar="A..B", help="the hours from A to B, both included")
        which.add_argument("--until", type=instant, metavar="INSTANT", help="only hours that end by then")
        parser.add_argument("--dry-run", action="store_true", help="show what would be converted; write nothing at all")
        parser.add_argument("--workers", type=workers, default=1, help="processes that share the players of a run (1)")
        parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")

    def handle(self, *args: Any, hour: datetime | None, until: datetime | None, **options: Any) -> None:
        now = database_clock()
        hours: list[datetime] | None = options["range"] or ([hour] if hour else None)
        up_to = min(until or now, now)
        try:
            if options["dry_run"]:
                previews = preview(_asked_for(hours, now) or due_hours(now=up_to), now=now)
                self._show(previews, options["json"])
                _exit_for(previews)
                return
            with self._progress(options["json"]) as bar:
                crew = helping(options["workers"], bar.moved) if options["workers"] > 1 else nullcontext()
                with crew as helpers:
                    runs = convert_all(hours, now=up_to if hours is None else now, helpers=helpers, bar=bar)
        except DomainError as error:
            self.stderr.write(error.detail)
            raise SystemExit(USAGE) from error
        if options["json"]:
            print_json(self.stdout, {"runs": [asdict(run) for run in runs], "totals": asdict(run_totals())})
        else:
            self._print(runs, run_totals())
        _exit_for(runs)

    @contextmanager
    def _progress(self, quiet: bool) -> "Iterator[Bar]":
        """A bar on standard error, where somebody looks at one."""
        columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
        shown = Progress(*columns, console=console(self.stderr), disable=quiet or not self.stderr.isatty())
        with shown:
            yield Bar(shown)

    def _show(self, previews: Sequence[Preview], as_json: bool) -> None:
        if as_json:
            print_json(self.stdout, {"dry_run": True, "runs": [asdict(each) for each in previews]})
            return
        screen = console(self.stdout)
        columns = ["hour", "would be", "why", "conversions", "DREAM", "USD", "fees", "dust"]
        rows = [[*_row(each), str(each.dust)] for each in previews]
        screen.print(table("Dry run: nothing was written", columns, rows, numbers=columns[3:]))

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


class Bar:
    """One bar for each hour: players passed, of those who had something to convert when it began."""

    def __init__(self, shown: Progress) -> None:
        self.shown = shown
        self.task = shown.add_task("", total=0)

    def begin(self, hour: datetime) -> None:
        """Begins an hour. Counting its players is a scan, and done only where somebody looks."""
        if not self.shown.disable:
            players = pending_players(win_hours(hour))
            self.shown.reset(self.task, description=f"{hour:%Y-%m-%dT%H:%MZ}", total=players)

    def moved(self, players: int) -> None:
        """So many players more were passed."""
        self.shown.advance(self.task, players)


def _asked_for(hours: list[datetime] | None, now: datetime) -> list[datetime] | None:
    """The hours as they were named, if they can be converted at all."""
    for hour in hours or []:
        if hour != hour.replace(minute=0, second=0, microsecond=0):
            raise NotAnHour("a UTC hour is named by the instant that it begins at", hour=hour)
        if hour + HOUR > now:
            raise HourNotOver("an hour is converted when it is over", hour=hour)
    return hours


def convert_all(hours: list[datetime] | None, *, now: datetime, helpers: Helpers | None, bar: Bar) -> list[RunFacts]:
    """The hours named, or every due hour, round after round as long as one gets on; the latest report of each."""
    reports: dict[datetime, RunFacts] = {}

    def convert(hour: datetime) -> RunFacts:
        bar.begin(hour)
        reports[hour] = convert_hour(hour=hour, now=now, helpers=helpers, progress=bar.moved)
        return reports[hour]

    if hours is not None:
        for hour in _asked_for(hours, now) or []:
            convert(hour)
    else:
        while _round(convert, due_hours(now=now)):
            pass
    return [_by_now(reports[hour]) for hour in sorted(reports)]


def _by_now(run: RunFacts) -> RunFacts:
    """Where the run is now: one that was unfinished when we left it, another process may have finished since."""
    return run if run.state == "done" else read(run.id) or run


def _round(convert: Callable[[datetime], RunFacts], hours: Sequence[datetime]) -> bool:
    """One round over the hours that are due; whether one of them was done."""
    return any([convert(hour).state == "done" for hour in hours])  # noqa: C419  # not only up to the first


def _exit_for(runs: Sequence[RunFacts | Preview]) -> None:
    """A dry run exits as the run would."""
    if any(run.state != "done" for run in runs):
        raise SystemExit(WAITING)


def _row(run: RunFacts | Preview) -> list[Any]:
    colour = "green" if run.state == "done" else "yellow"
    why = f"{run.reason} (rate of {run.waits_for:%Y-%m-%dT%H:%MZ})" if run.waits_for else run.reason
    return [
        run.hour,
        f"[{colour}]{run.state}[/]",
        why,
        str(run.conversions),
        money(run.tokens, 2),
        money(run.usd, 2),
        money(run.fees, 2),
    ]
