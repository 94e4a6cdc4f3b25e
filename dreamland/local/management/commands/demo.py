"""`manage.py demo`: a day of wins becomes dollars, on real servers, and everything is checked against the answers."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx2
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from conversion.selectors import database_clock, run_totals, unfinished_runs
from conversion.tasks import convert_due_hours_task
from dreamland.lib.console import console, money, print_json, table
from dreamland.local import DEMO_ROOT, LocalServerError, attach
from dreamland.local.day import GAMES, Expected, Player, a_day
from dreamland.local.fresh import emptied
from dreamland.local.supervisor import Stack
from ledger import book
from ledger.management.commands import trial_balance as trial_balance_command
from rewards.keys import create_game_key
from rewards.models import Scope
from rewards.services import create_game

REQUEST_SECONDS = 10.0
CONVERSION_SECONDS = 60.0
POLL_SECONDS = 0.2
TOLD_TO_RETRY = {429, 503}
ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class PlayerResult:
    """What became of one player. Tokens in DREAM, amounts in USD; `right`: the API says what the answers add up to."""

    player: str
    timezone: str
    tokens_won: Decimal
    tokens_in_wallet: Decimal
    usd: Decimal
    tokens_remaining_today: Decimal
    right: bool


class Command(BaseCommand):
    help = "Plays a day of wins over HTTP on empty embedded servers, converts it, and proves the result."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON document instead of tables")

    def handle(self, *args: Any, **options: Any) -> None:
        started = time.monotonic()
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: what was started is ended
        quiet = options["json"]
        screen = console(self.stderr if quiet else self.stdout)
        servers = attach(DEMO_ROOT)
        if servers.embedded != {"postgres", "valkey"}:
            raise CommandError(
                "the demo empties its servers first, so it uses its own: unset DATABASE_URL and REDIS_URL"
            )
        try:
            with emptied(servers), Stack(DEMO_ROOT, report=screen.print) as stack:
                screen.print(f"PostgreSQL, Valkey, web, worker and beat run at {stack.base_url}")
                document = self._day(stack.base_url, screen)
        except LocalServerError as error:
            raise CommandError(str(error)) from error
        document["seconds"] = round(time.monotonic() - started, 1)
        if quiet:
            print_json(self.stdout, document)
        else:
            self._print(document)
        if not document["right"]:
            raise SystemExit(1)

    def _day(self, base_url: str, screen: Any) -> dict[str, Any]:
        now = _away_from_the_hour()
        players, wins = a_day(now)
        expected = Expected(now)
        with progress(screen) as bar, games(base_url) as clients:
            registering = next(iter(clients.values()))
            for player in bar("players", players):
                status = call(registering, "PUT", f"/v1/players/{player.id}", {"timezone": player.timezone}).status_code
                if status != httpx2.codes.CREATED:
                    expected.surprises.append(f"player {player.id}: answered {status}")
            for win in bar("wins", wins):
                for number in range(1, win.calls + 1):
                    answer = call(clients[win.game], "POST", "/v1/wins", win.body)
                    expected.answer(win, number, answer.status_code)
            convert_due_hours_task.delay()
            self._await_conversion(expected, screen)
            results = [result(registering, player, expected) for player in bar("stats", players)]
        return self._document(results, expected)

    def _await_conversion(self, expected: Expected, screen: Any) -> None:
        """Waits until the worker has finished every hour that is over."""
        this_hour = expected.now.replace(minute=0, second=0, microsecond=0)
        deadline = time.monotonic() + CONVERSION_SECONDS
        while True:
            totals = run_totals(until=this_hour)
            if totals.tokens == sum(tokens for _, tokens in expected.converted()) and not unfinished_runs(limit=1):
                screen.print(f"The worker converted {totals.conversions} lots of tokens.")
                return
            if time.monotonic() > deadline:
                expected.surprises.append("the worker did not convert everything in time")
                return
            time.sleep(POLL_SECONDS)

    def _document(self, results: list[PlayerResult], expected: Expected) -> dict[str, Any]:
        totals, balance, verification = run_totals(), book.trial_balance(), book.verify()
        balanced = all(debits == credits for debits, credits in balance.totals().values())
        fees_are_ours = balance.balance("usd:conversion-fees") == totals.fees == balance.balance("usd:fees-payable")
        return {
            "right": verification.clean
            and balanced
            and fees_are_ours
            and not expected.surprises
            and all(player.right for player in results),
            "players": [asdict(player) for player in results],
            "answers": {str(status): count for status, count in sorted(expected.answers.items())},
            "surprises": expected.surprises,
            "converted": asdict(totals),
            "fees_borne_by_dreamland": totals.fees,
            "trial_balance": trial_balance_command.as_document(balance),
            "books_are_clean": verification.clean,
            "findings": [finding.check.name for finding in verification.findings if finding.wrong_rows],
            "checks": len(verification.findings),
        }

    def _print(self, document: dict[str, Any]) -> None:
        screen = console(self.stdout)
        screen.print(
            table(
                "A day of wins",
                ["player", "time zone", "won, DREAM", "in the wallet", "USD", "left today", "as answered"],
                [
                    (
                        player["player"][:8],
                        player["timezone"],
                        money(player["tokens_won"], 2),
                        money(player["tokens_in_wallet"], 2),
                        money(player["usd"], 2),
                        money(player["tokens_remaining_today"], 2),
                        "[green]yes[/]" if player["right"] else "[bold red]NO[/]",
                    )
                    for player in document["players"]
                ],
                numbers=["won, DREAM", "in the wallet", "USD", "left today"],
            )
        )
        screen.print(trial_balance_command.as_table(book.trial_balance()))
        answers = ", ".join(f"{count} x {status}" for status, count in document["answers"].items())
        screen.print(f"Answers to the games: {answers} (201 new, 200 replayed, 422 over the cap)")
        screen.print(f"Fees borne by Dreamland: {money(document['fees_borne_by_dreamland'], 2)} USD")
        for surprise in document["surprises"]:
            screen.print(f"[bold red]{surprise}[/]", markup=True)
        verdict = (
            "[bold green]clean[/]" if document["books_are_clean"] else f"[bold red]wrong: {document['findings']}[/]"
        )
        screen.print(f"verify_books, {document['checks']} claims: {verdict}")
        screen.print(
            f"[bold green]All of it is right[/] after {document['seconds']} s."
            if document["right"]
            else "[bold red]Something is wrong.[/]"
        )


def _away_from_the_hour() -> datetime:
    """The database's clock; waits out the turn of an hour, so that the day has one `now` from end to end."""
    while (now := database_clock()).minute == 59 and now.second > 35:
        time.sleep(1)
    return now


@contextmanager
def games(base_url: str) -> Iterator[dict[str, httpx2.Client]]:
    """A client with a key of its own for each game."""
    clients: dict[str, httpx2.Client] = {}
    try:
        for slug, name in GAMES.items():
            key = create_game_key(game_id=create_game(slug=slug, name=name).id, scopes=Scope.values)
            clients[slug] = httpx2.Client(
                base_url=base_url,
                headers={"Authorization": f"Bearer {key.plaintext}"},
                timeout=REQUEST_SECONDS,
                trust_env=False,
            )
        connection.close()
        yield clients
    finally:
        for client in clients.values():
            client.close()


def call(client: httpx2.Client, method: str, path: str, body: dict[str, str] | None = None) -> httpx2.Response:
    """One call, sent again as a game server should: where there was no answer, or one that says so."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            answer = client.request(method, path, json=body)
        except httpx2.TransportError:
            if attempt == ATTEMPTS:
                raise
        else:
            if answer.status_code not in TOLD_TO_RETRY or attempt == ATTEMPTS:
                return answer
        time.sleep(POLL_SECONDS * attempt)
    raise AssertionError("unreachable")


def result(client: httpx2.Client, player: Player, expected: Expected) -> PlayerResult:
    """What the API says of a player, compared with what the answers add up to."""
    stats = call(client, "GET", f"/v1/players/{player.id}/stats").json()
    history = call(client, "GET", f"/v1/players/{player.id}/usd-history?limit=200").json()
    price = Decimal(settings.RATE_FIXED_PRICE)
    usd = Decimal(stats["usd_balance"])
    today = datetime.fromisoformat(stats["day"]).date()
    in_wallet = book.balances([player.id])[player.id]["player:dream"]
    converted = sum((tokens for owner, tokens in expected.converted() if owner == player.id), Decimal(0))
    earlier = [Decimal(line["usd"]) for line in history["items"]]
    right = (
        usd == expected.usd(player.id, price)
        and Decimal(stats["tokens_won_today"]) == expected.tokens_on(player.id, today)
        and in_wallet == expected.tokens(player.id) - converted
        and sum(earlier) <= usd
        and all(datetime.fromisoformat(line["day"]).date() < today for line in history["items"])
    )
    return PlayerResult(
        str(player.id),
        player.timezone,
        expected.tokens(player.id),
        in_wallet,
        usd,
        Decimal(stats["tokens_remaining_today"]),
        right,
    )


Bar = Callable[[str, list[Any]], Iterator[Any]]


@contextmanager
def progress(screen: Any) -> Iterator[Bar]:
    """A progress bar for each list that is walked."""
    columns = (TextColumn("{task.description:>8}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=screen) as bars:

        def bar(name: str, items: list[Any]) -> Iterator[Any]:
            yield from bars.track(items, description=name)

        yield bar
