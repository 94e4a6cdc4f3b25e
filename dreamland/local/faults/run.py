"""One run of faults: load, conversions and trouble at the same time, then peace, then the proof."""

import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection

from conversion.selectors import database_clock
from conversion.services import convert_due_hours, convert_hour
from conversion.tasks import convert_due_hours_task
from dreamland.local.faults.edges import examine
from dreamland.local.faults.kinds import CONTEXT, Saboteur
from dreamland.local.faults.load import Answers, Game
from dreamland.local.faults.rates import LyingRates
from dreamland.local.faults.world import World
from ledger import book
from ledger.tasks import close_books_task
from rewards.keys import create_game_key
from rewards.models import Scope
from rewards.services import create_game, register_player

GAMES = 4
PLAYERS = 40
HOURS = 66  # how many past hours the run lives through; wins may be 72 hours late
RING_SECONDS = 1.0
FAULTS_PER_SECOND = 1.6
LINES = 4
SETTLE_SECONDS = 120.0
ZONES = ["UTC", "Asia/Kathmandu", "America/New_York", "Pacific/Kiritimati"]


@dataclass(slots=True)
class Result:
    """What a run came to. `differences` is empty where nothing was lost, doubled or wrong."""

    seed: int
    seconds: float
    faults: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    lives_at_edges: int = 0
    restarts: int = 0
    calls: int = 0
    calls_without_answer: int = 0
    acknowledged: int = 0
    refused: int = 0
    conversions: int = 0
    converted_wins: int = 0
    seals: int = 0
    claims_verified: int = 0
    losses: int = 0
    duplicates: int = 0
    differences: list[str] = field(default_factory=list)

    @property
    def right(self) -> bool:
        return not self.differences


class Hours:
    """The clock of the run: it lives through the last HOURS hours from one end to the other."""

    def __init__(self, now: datetime, seconds: float) -> None:
        self.first = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS + 1)
        self.started, self.seconds = time.monotonic(), seconds

    def __call__(self) -> datetime:
        passed = min((time.monotonic() - self.started) / self.seconds, 1.0)
        return self.first + timedelta(hours=int(passed * HOURS))


def run(world: World, rates: LyingRates, *, seed: int, seconds: float, say: Callable[[str], None]) -> Result:
    """Faults for `seconds`, then the proof. The world is up and stays so."""
    started = time.monotonic()
    result, answers, ending = Result(seed, seconds), Answers(), threading.Event()
    hours = Hours(database_clock(), seconds)
    games = _games(world, seed, answers, hours, ending)
    connection.close()
    ringer = threading.Thread(target=_ring_until, args=(ending, seconds), name="ringer", daemon=True)
    for thread in (*games, ringer):
        thread.start()
    saboteur = Saboteur(world, rates, random.Random(seed), _ring)  # noqa: S311  a plan, not a secret
    plan = saboteur.plan(max(1, int(seconds * FAULTS_PER_SECOND)))
    result.skipped = saboteur.skipped()
    _do(saboteur, plan, seconds, result, say)
    ending.set()
    for thread in (*games, ringer):
        thread.join()
    say("peace: everything comes back, every game gets its answer, every hour is converted")
    rates.be_honest()
    world.wait_for_web()
    result.restarts = world.restarts
    _answer_everything(games, answers)
    _convert_everything(result)
    _finish_lives(saboteur, result)
    result.calls, result.calls_without_answer = answers.calls, answers.unanswered
    result.acknowledged, result.refused = len(answers.acknowledged), len(answers.refused)
    result.differences += answers.contradictions
    _compare(answers, result)
    result.seconds = round(time.monotonic() - started, 1)
    return result


def _games(world: World, seed: int, answers: Answers, hours: Hours, ending: threading.Event) -> list[Game]:
    dice = random.Random(f"{seed}/players")  # noqa: S311  a plan, not a secret
    players = [uuid.UUID(int=dice.getrandbits(128), version=4) for _ in range(PLAYERS)]
    for number, player in enumerate(players):
        register_player(player_id=player, timezone=ZONES[number % len(ZONES)])
    games = []
    for number in range(GAMES):
        game = create_game(slug=f"faulty-{number}", name=f"Faulty {number}")
        key = create_game_key(game_id=game.id, scopes=Scope.values).plaintext
        games.append(Game(number, seed, world.base_url, key, players, answers, hours, ending))
    return games


def _ring() -> None:
    """Rings the doorbell; a broker that is away is no concern of the one who rings."""
    try:
        convert_due_hours_task.apply_async(expires=60, retry=False)
    except Exception:  # noqa: BLE001  kombu and redis raise a dozen kinds for "away"
        time.sleep(RING_SECONDS / 2)


def _ring_until(ending: threading.Event, seconds: float) -> None:
    while not ending.wait(min(RING_SECONDS, seconds / HOURS)):
        _ring()


def _do(saboteur: Saboteur, plan: Sequence[str], seconds: float, result: Result, say: Callable[[str], None]) -> None:
    """The faults of the plan, spread over the time, in several lines at once, so that they meet each other."""
    began = time.monotonic()
    due = [(began + number * seconds / len(plan), kind) for number, kind in enumerate(plan)]
    faults, waiting, lock = Counter[str](), due[::-1], threading.Lock()

    def line() -> None:
        while True:
            with lock:
                if not waiting:
                    return
                moment, kind = waiting.pop()
            time.sleep(max(0.0, moment - time.monotonic()))
            saboteur.do(kind)
            with lock:
                faults[kind] += 1
                say(f"{sum(faults.values())} of {len(plan)}: {kind}")

    lines = [threading.Thread(target=line, daemon=True) for _ in range(LINES)]
    for thread in lines:
        thread.start()
    for thread in lines:
        thread.join()
    result.faults = dict(sorted(faults.items()))


def _answer_everything(games: list[Game], answers: Answers) -> None:
    """What is still open is sent until it is answered."""
    for sent in list(answers.open.values()):
        games[int(sent.reference.partition("-")[0])].report(sent)


def _convert_everything(result: Result) -> None:
    """Every hour that is over, and then the one that is not yet, as if it were: what came late falls to it."""
    connection.close()
    deadline = time.monotonic() + SETTLE_SECONDS
    while (reports := convert_due_hours(now=database_clock())).runs:
        if time.monotonic() > deadline:
            waiting = [f"{run.hour}: {run.reason}" for run in reports.waiting]
            result.differences.append(f"hours still wait after everything came back: {waiting}")
            return
    this_hour = database_clock().replace(minute=0, second=0, microsecond=0)
    while (last := convert_hour(hour=this_hour, now=this_hour + timedelta(hours=2))).state != "done":
        if time.monotonic() > deadline:  # an attempt asks for some rates at most
            break
    pending = _rows(
        "SELECT date_trunc('hour', won_at, 'UTC')::text, count(*) FROM rewards_win WHERE converted_by_id IS NULL"
        " GROUP BY 1 ORDER BY 1"
    )
    if pending or last.state != "done":
        result.differences.append(f"not converted after everything came back: {pending}; the last run: {last}")


def _finish_lives(saboteur: Saboteur, result: Result) -> None:
    """Every life at an edge of the calendar comes to its end, and to what it must."""
    hears, tells = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=examine, args=(saboteur.lives, saboteur.world.edges, tells), daemon=True)
    process.start()
    tells.close()
    try:
        result.differences += hears.recv() if hears.poll(SETTLE_SECONDS) else ["lives at edges do not come to an end"]
    except EOFError:
        result.differences.append("lives at edges could not be examined")
    process.kill()
    process.join()
    result.lives_at_edges = len(saboteur.lives)


def _rows(sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def _compare(answers: Answers, result: Result) -> None:
    """Every answer against the books, and the books against themselves."""
    _compare_wins(answers, result)
    twice = _rows(
        "SELECT run_id, player_id, hour, day FROM conversion_conversion GROUP BY 1, 2, 3, 4 HAVING count(*) > 1"
    )
    result.duplicates += len(twice)
    result.differences += [f"converted twice: {row}" for row in twice]
    ((result.conversions,),) = _rows("SELECT count(*) FROM conversion_conversion")
    ((result.converted_wins,),) = _rows("SELECT count(*) FROM rewards_win WHERE converted_by_id IS NOT NULL")
    balance = book.trial_balance()
    issued, redeemed = -balance.balance("dream:issued"), balance.balance("dream:redeemed")
    if issued != redeemed + balance.balance("player:dream"):
        result.differences.append("tokens issued are not those held and redeemed")
    if issued != sum((sent.amount for sent, _ in answers.acknowledged.values()), Decimal(0)):
        result.differences.append("tokens issued are not those acknowledged")
    close_books_task()  # so that seals and their anchor are verified over the whole run
    ((result.seals,),) = _rows("SELECT count(*) FROM ledger_seal")
    findings = book.verify().findings
    result.claims_verified = len(findings)
    result.differences += [
        f"{finding.check.name}: {finding.subject}: {finding.problem}" for finding in findings if finding.wrong_rows
    ]


def _compare_wins(answers: Answers, result: Result) -> None:
    """Each acknowledged win is in the books once and as it was acknowledged; no other is."""
    stored: dict[str, list[tuple[str, Decimal]]] = {}
    for reference, entry, amount in _rows("SELECT reference, entry_id::text, amount FROM rewards_win"):
        stored.setdefault(reference, []).append((entry, amount))
    for reference, (sent, win_id) in answers.acknowledged.items():
        if reference not in stored:
            result.losses += 1
            result.differences.append(f"{reference}: acknowledged as {win_id}, and not in the books")
        elif (win_id, sent.amount) not in stored[reference]:
            result.differences.append(f"{reference}: acknowledged as {win_id}, in the books as {stored[reference]}")
    for reference, wins in stored.items():
        if len(wins) > 1:
            result.duplicates += len(wins) - 1
            result.differences.append(f"{reference}: {len(wins)} times in the books")
        if reference not in answers.acknowledged:
            result.differences.append(f"{reference}: in the books, and never acknowledged")
