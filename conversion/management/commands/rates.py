"""`manage.py rates`: what is known of the rates, asking for one, and letting a quarantined one pass by two people."""

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from conversion.oversight import Health, RateFacts, provider_health, rates
from conversion.selectors import database_clock
from conversion.services import decide_rate, fetch_rate, propose_rate_decision
from dreamland.lib.arguments import instant
from dreamland.lib.console import console, print_json, table
from dreamland.lib.errors import DomainError

WAITING, USAGE = 1, 2
MOST_RATES = 100


class Command(BaseCommand):
    help = (
        "Shows the latest rates and the health of the providers. A quarantined rate is let pass by two people:"
        " --propose RATE --as ADA, then --approve or --reject PROPOSAL --as BOB, each with --reason."
        " Exits 1 if --fetch came back without an accepted rate, 2 for a wrong call."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--hour", type=instant, metavar="INSTANT", help="only the UTC hour that begins then")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--fetch", action="store_true", help="ask for the rate of --hour, unless it has one")
        what.add_argument("--propose", type=UUID, metavar="RATE", help="ask that a quarantined rate be let pass")
        what.add_argument("--approve", type=UUID, metavar="PROPOSAL", help="let it pass; never by who proposed it")
        what.add_argument("--reject", type=UUID, metavar="PROPOSAL", help="the hour is asked for again")
        parser.add_argument("--as", dest="user", metavar="USER", help="the name of who proposes or decides")
        parser.add_argument("--reason", default="", help="why; needed to propose and to decide")
        parser.add_argument("--json", action="store_true", help="one JSON document instead of tables")

    def handle(self, *args: Any, hour: datetime | None, **options: Any) -> None:
        missing = None
        try:
            if options["fetch"]:
                if hour is None:
                    raise CommandError("--fetch needs --hour", returncode=USAGE)
                missing = fetch_rate(hour=hour, now=database_clock())
            self._decide(**options)
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

    def _decide(self, *, propose: UUID | None, approve: UUID | None, reject: UUID | None, **options: Any) -> None:
        if not (propose or approve or reject):
            return
        person = get_user_model().objects.filter(username=options["user"], is_active=True).first()
        if person is None:
            raise CommandError("--as names an active user of the back-office", returncode=USAGE)
        if propose:
            proposal = propose_rate_decision(rate_id=propose, proposed_by=person.pk, reason=options["reason"])
            self.stderr.write(f"proposal {proposal}: somebody else approves or rejects it")
        elif decided := approve or reject:
            decide_rate(
                proposal_id=decided, decided_by=person.pk, approve=approve is not None, reason=options["reason"]
            )

    def _print(self, found: tuple[RateFacts, ...]) -> None:
        screen = console(self.stdout)
        columns = ["hour", "price", "state", "why", "provider", "asked first", "quoted", "id", "open proposal"]
        screen.print(table("Rates", columns, map(_rate, found), numbers=["price"]))
        columns = ["provider", "last success", "last failure", "why", "failures in a row", "latency (ms)"]
        screen.print(table("Providers", columns, map(_provider, provider_health())))


def _rate(rate: RateFacts) -> list[Any]:
    shown = [rate.hour, rate.price, rate.state, rate.reason, rate.provider, rate.failed_before, rate.quoted_at]
    return [_or_dash(value) for value in [*shown, rate.id, rate.proposal]]


def _provider(health: Health) -> list[Any]:
    shown = [health.provider, health.last_success_at, health.last_failure_at, health.last_failure_code]
    return [_or_dash(value) for value in [*shown, str(health.consecutive_failures), str(health.latency_ms)]]


def _or_dash(value: Any) -> Any:
    return "-" if value is None else value
