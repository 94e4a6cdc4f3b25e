"""`manage.py world`: two regions and a centre on this machine, to be looked at, tried out and checked."""

import json
import logging
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table

from dreamland.local.attachment import ROOT
from dreamland.local.errors import LocalServerError
from dreamland.world import checking, keeper
from dreamland.world.centre import DATABASE
from dreamland.world.clusters import REGIONS, World, facts_of
from dreamland.world.contract import FACTS
from dreamland.world.subscriptions import NotReadyError

FINDING, COULD_NOT = 1, 2
WHERE = ROOT / "world"


class Command(BaseCommand):
    help = "Two regions and a centre on this machine: real PostgreSQL clusters with Dreamland's own schema."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--root", type=Path, default=WHERE, help="where the clusters lie (.local/world)")
        steps = parser.add_subparsers(dest="step", required=True)
        steps.add_parser("up", help="start the clusters, make them where there are none, and let them run")
        steps.add_parser("tour", help="show every promise on the running clusters; exits 1 if one is broken")
        status = steps.add_parser("status", help="what the centre has of each region, and how far behind it is")
        status.add_argument("--json", action="store_true")
        verify = steps.add_parser("verify", help="is the centre right? 0: yes; 1: no; 2: it could not be checked")
        verify.add_argument("--json", action="store_true")
        verify.add_argument("--centre", help="URL of an analytics database in production, instead of the one here")
        verify.add_argument("--regions", default=",".join(REGIONS), help="whose facts it has (%(default)s)")
        for name, text in (
            ("repair", "fetch again what the centre lacks of a region, or has otherwise, in closed hours"),
            ("reseed", "throw away what the centre has of a region and take it all again; the others stream on"),
        ):
            steps.add_parser(name, help=text).add_argument("region")
        steps.add_parser("down", help="end the clusters; what they hold stays")

    def handle(self, *_: Any, step: str, root: Path, **options: Any) -> None:
        try:
            getattr(self, f"_{step}")(root.resolve(), options)
        except (LocalServerError, psycopg.Error, NotReadyError) as error:
            raise CommandError(str(error), returncode=COULD_NOT) from error

    def _up(self, root: Path, _options: Any) -> None:
        world = keeper.up(root)
        for cell in world.cells.values():
            parts = urlsplit(cell.url)
            password = cell.postgres.home / "password"
            self.stdout.write(
                f"{cell.name:8} {parts.hostname}:{parts.port}, user {parts.username}, password: {password}"
            )
        self.stdout.write("manage.py world tour, status, verify; the end: manage.py world down")

    def _down(self, root: Path, _options: Any) -> None:
        self.stdout.write("ended" if keeper.down(root) else "nothing runs")

    def _tour(self, root: Path, _options: Any) -> None:
        from dreamland.world.tour import BrokenPromiseError, Tour

        logging.getLogger("conversion").setLevel(logging.WARNING)  # the tour says itself what it sees
        started = keeper.running(root) is None
        world = keeper.up(root)
        try:
            Tour(world, lambda promise, seen: self.stdout.write(f"{promise:45} {seen}")).walk()
        except BrokenPromiseError as error:
            raise CommandError(f"a promise is broken: {error}", returncode=FINDING) from error
        finally:
            if started:
                keeper.down(root)

    def _status(self, root: Path, options: Any) -> None:
        world = _running(root)
        with world.centre.connect(DATABASE) as connection:
            regions = checking.status(connection, world.regions)
            lines = checking.trial_balance(connection)
            moving = connection.execute("SELECT count(*) FROM settlement WHERE NOT is_settled").fetchone()
        if options["json"]:
            found = {"regions": [asdict(each) for each in regions], "trial_balance": [asdict(line) for line in lines]}
            self.stdout.write(json.dumps(found, default=str, indent=2))
            return
        console = Console()
        console.print(_regions(regions))
        console.print(_balances(lines, world.regions))
        self.stdout.write(f"players on the way: {moving[0] if moving else 0}")

    def _verify(self, root: Path, options: Any) -> None:
        if options["centre"]:
            streams = {region: facts_of(region) for region in options["regions"].split(",")}
            with psycopg.connect(options["centre"], autocommit=True) as connection:
                findings = checking.verify_centre(connection, FACTS, streams)
        else:
            findings = _running(root).verify()
        if options["json"]:
            self.stdout.write(json.dumps([asdict(finding) for finding in findings]))
        else:
            for finding in findings:
                self.stdout.write(f"{finding.region} {finding.kind}: {finding.subject} {finding.problem}")
            self.stdout.write(f"{len(findings)} findings" if findings else "the centre is right")
        if findings:
            raise SystemExit(FINDING)

    def _repair(self, root: Path, options: Any) -> None:
        for mended in _running(root).repair(_known(root, options["region"])):
            self.stdout.write(
                f"{mended.table}, hour from {mended.starts_at}: {mended.removed} removed, {mended.added} added"
            )

    def _reseed(self, root: Path, options: Any) -> None:
        _running(root).reseed(_known(root, options["region"]))
        self.stdout.write(f"{options['region']} is taken anew")


def _running(root: Path) -> World:
    world = keeper.running(root)
    if world is None:
        raise CommandError("No world runs. Start one: manage.py world up", returncode=COULD_NOT)
    return world


def _known(root: Path, region: str) -> str:
    if region not in _running(root).regions:
        raise CommandError(f"there is no region {region!r}", returncode=COULD_NOT)
    return region


def _regions(found: Sequence[checking.RegionStatus]) -> Table:
    table = Table("region", "entries", "postings", "hours", "ended", "lag", "last beat")
    for each in found:
        lag, since = (f"{delta.total_seconds():.3f} s" if delta else "none" for delta in (each.lag, each.since_beat))
        table.add_row(
            each.region,
            str(each.entries),
            str(each.postings),
            str(each.hours_closed),
            each.last_hour_ended[11:19],
            lag,
            f"{since} ago" if each.since_beat else since,
        )
    return table


def _balances(lines: Sequence[checking.TrialBalanceLine], regions: Sequence[str]) -> Table:
    """Debits less credits of every account: a column for each region, and one for all."""
    table = Table("debits less credits", *regions, "all")
    table.columns[0].no_wrap = True
    balances = {(line.region, line.account): line.debits - line.credits for line in lines}
    for account in sorted({line.account for line in lines}):
        table.add_row(account, *(f"{balances.get((name, account), Decimal(0)):f}" for name in (*regions, "")))
    return table
