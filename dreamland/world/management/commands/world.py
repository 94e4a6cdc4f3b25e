"""`manage.py world`: two regions and a centre on this machine, to be looked at, tried out and checked."""

import json
import logging
import os
import re
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from django.core.management.base import BaseCommand, CommandError
from rich.table import Table

from dreamland.lib.console import console
from dreamland.local.attachment import ROOT
from dreamland.local.errors import LocalServerError
from dreamland.world import checking, keeper
from dreamland.world.centre import DATABASE
from dreamland.world.clusters import REGIONS, World
from dreamland.world.contract import FACTS
from dreamland.world.joining import NotFitError, Passwords, Place, connect_all, facts_of
from dreamland.world.reference import NotFreshError
from dreamland.world.subscriptions import NotReadyError

FINDING, COULD_NOT = 1, 2
WHERE = ROOT / "world"
REGION_NAME = re.compile(r"[a-z]{2,8}")


class Command(BaseCommand):
    help = "Two regions and a centre on this machine: real PostgreSQL clusters with Dreamland's own schema."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--root", type=Path, default=WHERE, help="where the clusters lie (.local/world)")
        steps = parser.add_subparsers(dest="step", required=True)
        up = steps.add_parser("up", help="start the clusters, make them where there are none, and let them run")
        tour = steps.add_parser("tour", help="show every promise on the running clusters; exits 1 if one is broken")
        for step in (up, tour):
            step.add_argument(
                "--hour",
                type=float,
                default=keeper.SPAN_SECONDS,
                help="how long an 'hour' is, in seconds (%(default)s)",
            )
        connect = steps.add_parser("connect", help="make databases a world, or what changed since; safe twice")
        connect.add_argument("--centre", required=True, metavar="URL", help="of the centre's Dreamland, as its owner")
        connect.add_argument("--analytics", required=True, metavar="URL", help="of the empty analytics database")
        connect.add_argument(
            "--region", action="append", required=True, metavar="NAME=URL", help="once for each region"
        )
        connect.add_argument(
            "--seen-as",
            action="append",
            default=[],
            metavar="NAME=HOST:PORT",
            help="how the other servers reach a region, or `centre`, where that differs from its URL",
        )
        connect.add_argument("--sslmode", default="verify-full", help="of the streams (%(default)s)")
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
        except (LocalServerError, psycopg.Error, NotReadyError, NotFreshError, NotFitError) as error:
            raise CommandError(str(error), returncode=COULD_NOT) from error

    def _up(self, root: Path, options: Any) -> None:
        world = keeper.up(root, span_seconds=options["hour"])
        for cell in world.cells.values():
            parts = urlsplit(cell.url)
            password = cell.postgres.home / "password"
            self.stdout.write(
                f"{cell.name:8} {parts.hostname}:{parts.port}, user {parts.username}, password: {password}"
            )
        self.stdout.write("manage.py world tour, status, verify; the end: manage.py world down")

    def _down(self, root: Path, _options: Any) -> None:
        self.stdout.write("ended" if keeper.down(root) else "nothing runs")

    def _tour(self, root: Path, options: Any) -> None:
        from dreamland.world.tour import BrokenPromiseError, Tour

        logging.getLogger("conversion").setLevel(logging.WARNING)  # the tour says itself what it sees
        started = keeper.running(root) is None
        world = keeper.up(root, span_seconds=options["hour"])
        try:
            Tour(world, lambda promise, seen: self.stdout.write(f"{promise:45} {seen}")).walk()
        except BrokenPromiseError as error:
            raise CommandError(f"a promise is broken: {error}", returncode=FINDING) from error
        finally:
            if started:
                keeper.down(root)

    def _connect(self, _root: Path, options: Any) -> None:
        regions, seen_as = _named(options["region"]), _named(options["seen_as"])
        if unknown := seen_as.keys() - {*regions, "centre"}:
            raise CommandError(
                f"--seen-as names {', '.join(sorted(unknown))}, and no --region does", returncode=COULD_NOT
            )

        def place(name: str, url: str) -> Place:
            return Place(url, _reached(url, seen_as.get(name, ""), options["sslmode"]))

        passwords = Passwords(_secret("ANALYTICS_READER_PASSWORD"), _secret("REFERENCE_READER_PASSWORD"))
        for told in connect_all(
            centre_place=place("centre", options["centre"]),
            analytics_url=options["analytics"],
            regions={name: place(name, url) for name, url in regions.items()},
            passwords=passwords,
        ):
            self.stdout.write(told)

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
        screen = console(self.stdout)
        screen.print(_regions(regions))
        screen.print(_balances(lines, world.regions))
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
            sys.exit(FINDING)

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


def _named(pairs: Sequence[str]) -> dict[str, str]:
    found = {name: value for name, _, value in (pair.partition("=") for pair in pairs)}
    if len(found) < len(pairs) or not all(REGION_NAME.fullmatch(name) and value for name, value in found.items()):
        raise CommandError("say NAME=VALUE, once for each; a name is 2 to 8 letters", returncode=COULD_NOT)
    return found


def _reached(url: str, seen_as: str, sslmode: str) -> dict[str, str]:
    """How another server reaches the database of this URL."""
    known = psycopg.conninfo.conninfo_to_dict(url)
    host, _, port = (seen_as or f"{known.get('host', '')}:{known.get('port', 5432)}").rpartition(":")
    if not (host and port.isdecimal() and known.get("dbname")):
        raise CommandError(
            "an address has a host, a port and a database: postgres://owner@host/database", returncode=COULD_NOT
        )
    return {"host": host, "port": port, "dbname": str(known["dbname"]), "sslmode": sslmode}


def _secret(name: str) -> str:
    """From the environment, and not from the command line, which others on the machine can read."""
    value = os.environ.get(name, "")
    if not value:
        raise CommandError(f"{name} is not set: the password of that role", returncode=COULD_NOT)
    return value


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
