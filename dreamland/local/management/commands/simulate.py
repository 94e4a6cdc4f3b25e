"""`manage.py simulate`: many players, games and faults over HTTP, and then every answer against the books."""

import os
import secrets
import signal
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from decimal import Decimal
from http.client import HTTPException
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from conversion.selectors import database_clock
from dreamland.lib.console import console, print_json, table
from dreamland.local import DEMO_ROOT, LocalServerError, attach
from dreamland.local.fresh import emptied
from dreamland.local.simulation import Plan, a_plan, loopback
from dreamland.local.simulation_audit import booked_players, booked_wins, differences, tallied
from dreamland.local.simulation_load import Load, Server, percentiles
from dreamland.local.supervisor import Stack
from ledger import book
from rewards.keys import create_game_key, revoke_game_key
from rewards.models import Scope
from rewards.services import create_game, register_player

SHOWN_DIFFERENCES = 20
PLAYERS_ASKED = 50  # whose stats are compared with the answers over HTTP
UNAUTHENTICATED = 401
# The own stack is there to be loaded: rate limits have their own tests.
UNLIMITED = {"API_GAME_BURST_LIMIT": "1000000", "API_GAME_SUSTAINED_LIMIT": "100000000"}


class Command(BaseCommand):
    help = "Loads the API with players, games and faults; exits 1 if an answer and the books disagree."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--players", type=positive, default=200, metavar="N")
        parser.add_argument("--games", type=positive, default=3, metavar="N")
        parser.add_argument("--seconds", type=positive, default=20, metavar="S", help="how long to call")
        parser.add_argument("--concurrency", type=positive, default=8, metavar="C", help="calls at a time")
        parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same plan")
        parser.add_argument(
            "--base-url", type=own_machine, help="a stack of this checkout that runs (`manage.py up`); else its own"
        )
        parser.add_argument("--json", action="store_true", help="one JSON document instead of tables")

    def handle(self, *args: Any, **options: Any) -> None:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: what was started is ended
        screen = console(self.stderr if options["json"] else self.stdout)
        try:
            with target(options["base_url"], screen) as base_url:
                document = simulation(base_url, screen, options)
        except LocalServerError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            print_json(self.stdout, document)
        else:
            self._print(document)
        if not document["right"]:
            raise SystemExit(1)

    def _print(self, document: Mapping[str, Any]) -> None:
        screen = console(self.stdout)
        columns = ["p50", "p90", "p99", "max"]
        rows = [
            (call, str(found["count"]), *(f"{found[column]:.1f}" for column in columns))
            for call, found in document["latency_ms"].items()
        ]
        screen.print(table("Latency, ms", ["call", "answers", *columns], rows, numbers=["answers", *columns]))
        claims = document["claims"]
        screen.print(f"{document['calls']} answers in {document['seconds']} s: {document['calls_per_second']} a second")
        screen.print(f"Answers: {_counts(document['statuses'])}. Faults: {_counts(document['faults'])}")
        screen.print(
            f"Wins: {claims['recorded']} recorded, refused: {_counts(claims['refused'])};"
            f" {claims['settled_after_silence']} were called again after silence"
        )
        for difference in document["differences"]:
            screen.print(difference, style="bold red", markup=False)
        screen.print(
            "[bold green]Every answer agrees with the books, and the books are clean.[/]"
            if document["right"]
            else f"[bold red]{document['differences_found']} differences.[/]"
        )


@contextmanager
def target(base_url: str | None, screen: Any) -> Iterator[str]:
    """Where to call: the stack that runs there, or one of our own on emptied servers."""
    if base_url is not None:
        _answers(base_url)
        yield base_url
        return
    servers = attach(DEMO_ROOT)
    if servers.embedded != {"postgres", "valkey"}:
        raise CommandError("a simulation of its own uses its own servers: unset DATABASE_URL and REDIS_URL")
    os.environ.update(UNLIMITED)
    with emptied(servers), Stack(DEMO_ROOT, report=screen.print) as stack:
        screen.print(f"PostgreSQL, Valkey, web, worker and beat run at {stack.base_url}")
        yield stack.base_url


def simulation(base_url: str, screen: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Prepares players and games, calls for that long, and compares. `right`: no difference and clean books."""
    salt = f"-{secrets.token_hex(4)}" if options["base_url"] else ""
    plan = a_plan(
        seed=options["seed"], players=options["players"], games=options["games"], now=database_clock(), salt=salt
    )
    for player in plan.players:
        register_player(player_id=player.id, timezone=player.timezone)
    with ExitStack() as afterwards:
        keys = {}
        for slug in plan.games:
            key = create_game_key(game_id=create_game(slug=slug, name=slug).id, scopes=Scope.values)
            afterwards.callback(revoke_game_key, key_id=key.key_id)
            keys[slug] = key.plaintext
        connection.close()
        _same_books(base_url, plan, keys)
        load = Load(plan, base_url, keys)
        with progress(screen, options["seconds"]) as watch:
            took = load.run(seconds=options["seconds"], concurrency=options["concurrency"], watch=watch)
        wrong = [*load.log.surprises, *audit(load), *_stats(load, base_url, keys)]
    return _document(load, took, wrong, options)


def _answers(base_url: str) -> None:
    """Raises CommandError where nobody answers."""
    try:
        Server(base_url, "").send("GET", "/livez", None)
    except (OSError, HTTPException, ValueError) as error:
        raise CommandError(f"nobody of ours answers at {base_url}: {error}") from error


def _same_books(base_url: str, plan: Plan, keys: Mapping[str, str]) -> None:
    """Raises CommandError where the stack at that address keeps other books than the ones compared afterwards."""
    game, key = next(iter(keys.items()))
    status, *_ = Server(base_url, key).send("GET", f"/v1/players/{plan.players[0].id}", None)
    if status == UNAUTHENTICATED:
        raise CommandError(f"{base_url} does not know the new key of {game}: it works with another database")


def audit(load: Load) -> Iterator[str]:
    """Where the answers and the books disagree."""
    players = [player.id for player in load.plan.players]
    yield from differences(load.log.told.values(), booked_wins(load.plan.games), booked_players(players))
    for finding in book.verify().findings:
        if finding.wrong_rows:
            yield f"verify_books: {finding.check.name}: {finding.subject}: {finding.problem}"


def _stats(load: Load, base_url: str, keys: Mapping[str, str]) -> Iterator[str]:
    """Where a player's stats over HTTP are not what the answers add up to."""
    server = Server(base_url, next(iter(keys.values())))
    for player in load.plan.players[:PLAYERS_ASKED]:
        status, stats, _ = server.send("GET", f"/v1/players/{player.id}/stats", None)
        today = datetime.fromisoformat(stats["day"]).date() if "day" in stats else None
        won = sum(
            (
                told.claim.amount
                for told in load.log.told.values()
                if (told.created or told.replayed)
                and told.claim.player == player
                and told.claim.won_at.astimezone(ZoneInfo(player.timezone)).date() == today
            ),
            Decimal(0),
        )
        if today is None or Decimal(stats["tokens_won_today"]) != won:
            yield f"player {player.id}: told {won} DREAM today, stats answer {status} {stats.get('tokens_won_today')}"


def _document(load: Load, took: float, wrong: list[str], options: Mapping[str, Any]) -> dict[str, Any]:
    log = load.log
    return {
        "right": not wrong,
        "plan": {name: options[name] for name in ("players", "games", "concurrency", "seed")},
        "seconds": round(took, 1),
        "calls": log.calls,
        "calls_per_second": round(log.calls / took),
        "latency_ms": {
            call: {"count": len(found), **percentiles(found)} for call, found in sorted(log.milliseconds.items())
        },
        "statuses": {str(status): count for status, count in sorted(log.statuses.items())},
        "faults": dict(sorted(log.faults.items())),
        "claims": tallied(log.told.values()),
        "differences_found": len(wrong),
        "differences": list(islice(wrong, SHOWN_DIFFERENCES)),
    }


@contextmanager
def progress(screen: Any, seconds: int) -> Iterator[Callable[[float, int], None]]:
    """A bar that fills with time and tells how many calls there were."""
    columns = (TextColumn("{task.description:>16}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=screen) as bars:
        task = bars.add_task("calls", total=seconds)

        def watch(elapsed: float, calls: int) -> None:
            bars.update(task, completed=elapsed, description=f"{calls} calls")

        yield watch


def positive(text: str) -> int:
    """A whole number above zero."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise ArgumentTypeError(f"{text!r} is no whole number above zero")
    return number


def own_machine(text: str) -> str:
    """An address on this machine."""
    try:
        return loopback(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


def _counts(counts: Mapping[Any, int]) -> str:
    return ", ".join(f"{count} x {name}" for name, count in counts.items()) or "none"
