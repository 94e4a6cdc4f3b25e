"""`manage.py rates`: what is known of the rates, and asking a provider for one."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from conversion.oversight import Health, RateFacts, provider_health, rates
from conversion.selectors import database_clock
from conversion.services import fetch_rate
from dreamland.lib.arguments import instant
from dreamland.lib.console import console, print_json, table
from dreamland.lib.errors import DomainError

WAITING, USAGE = 1, 2
MOST_RATES = 100


class Command(BaseCommand):
    help = (
        "Shows the latest rates and the health of the providers. A quarantined rate is let pass by two people"
        " (manage.py approvals --ask quarantined-rate). Exits 1 if --fetch came back without an accepted rate, 2 for a"
        " wrong call."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--hour", type=instant, metavar="INSTANT", help="only the UTC hour that begins then")
        parser.add_argument("--fetch", action="store_true", help="ask for the rate of --hour, unless it has one")
        parser.add_argument("--json", action="store_true", help="one JSON document instead of tables")

    def handle(self, *args: Any, hour: datetime | None, **options: Any) -> None:
        missing = None
        try:
            if options["fetch"]:
                if hour is None:
                    raise CommandError("--fetch needs --hour", returncode=USAGE)
                missing = fetch_rate(hour=hour, now=database_clock())
        except DomainError as error:
            self.stderr.write(error.detail)
            raise SystemExit(USAGE) from error
        found = rates(hour=hour, limit=MOST_RATES)
        if options["json"]:
            health = [asdict(each) for each in provider_health()]
            print_json(self.stdout, {"rates": [asdict(each) for each in found], "providers": health})
        else:
            self._print(found)
        if missing:
            self.stderr.write(f"no rate that can be accepted: {missing.code}")
            raise SystemExit(WAITING)

    def _print(self, found: tuple[RateFacts, ...]) -> None:
        screen = console(self.stdout)
        columns = ["hour", "price", "state", "why", "provider", "asked first", "quoted", "id"]
        screen.print(table("Rates", columns, map(_rate, found), numbers=["price"]))
        columns = ["provider", "last success", "last failure", "why", "failures in a row", "latency (ms)"]
        screen.print(table("Providers", columns, map(_provider, provider_health())))


def _rate(rate: RateFacts) -> list[Any]:
    shown = [rate.hour, rate.price, rate.state, rate.reason, rate.provider, rate.failed_before, rate.quoted_at]
    return [_or_dash(value) for value in [*shown, rate.id]]


def _provider(health: Health) -> list[Any]:
    shown = [health.provider, health.last_success_at, health.last_failure_at, health.last_failure_code]
    return [_or_dash(value) for value in [*shown, str(health.consecutive_failures), str(health.latency_ms)]]


def _or_dash(value: Any) -> Any:
    return "-" if value is None else value
