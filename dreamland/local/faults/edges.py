"""Edges of the calendar: a player's wins around one of them, hour after hour, as if it were now; and SIGKILL meanwhile.

No database's clock can be turned without turning the machine's. So these lives are led in a database of their own on
the same server, by the same services, which are told what time it is. What must come of them is reckoned here from the
time zone database and from lengths of days written by hand, not by the code that is tried.
"""

import os
import signal
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from multiprocessing.connection import Connection
from uuid import UUID
from zoneinfo import ZoneInfo

HOUR = timedelta(hours=1)
INSTANT = timedelta(microseconds=1)
AMOUNT = Decimal("0.5")
TOO_MUCH = Decimal(5)  # of a day that holds some wins already
PRICE = Decimal("0.15")
CENT_MILLIONTH = Decimal("1e-8")
OFFSETS = (-2 * HOUR, -HOUR, -INSTANT, 0 * HOUR, INSTANT, HOUR - INSTANT, HOUR, 2 * HOUR)
ROUNDS = 5  # of an hour whose rate did not come


@dataclass(frozen=True, slots=True)
class Edge:
    """Something happens to the local clock at `at`; the local day that holds it is `day` and lasts `hours`."""

    zone: str
    at: datetime
    day: date
    hours: float


def _edge(zone: str, at: str, day: str, hours: float) -> Edge:
    return Edge(zone, datetime.fromisoformat(at), date.fromisoformat(day), hours)


EDGES = {
    "clock: month ends, +05:45": _edge("Asia/Kathmandu", "2026-10-31T18:15Z", "2026-11-01", 24),
    "clock: year ends, +14:00": _edge("Pacific/Kiritimati", "2025-12-31T10:00Z", "2026-01-01", 24),
    "clock: leap day ends, -03:30": _edge("America/St_Johns", "2024-03-01T03:30Z", "2024-03-01", 24),
    "clock: an hour forward": _edge("America/New_York", "2026-03-08T07:00Z", "2026-03-08", 23),
    "clock: an hour back": _edge("Europe/Berlin", "2026-10-25T01:00Z", "2026-10-25", 25),
    "clock: half an hour back": _edge("Australia/Lord_Howe", "2026-04-04T15:00Z", "2026-04-05", 24.5),
    "clock: no midnight": _edge("America/Santiago", "2026-09-06T04:00Z", "2026-09-06", 23),
    "clock: forward, +12:45": _edge("Pacific/Chatham", "2026-09-26T14:00Z", "2026-09-27", 23),
}


@dataclass(frozen=True, slots=True)
class Life:
    """One player at one edge."""

    edge: str
    player: UUID

    def moments(self) -> Iterator[datetime]:
        """When the player wins AMOUNT, in order: around the edge, and around the end of its day, long or short."""
        edge = EDGES[self.edge]
        ends = datetime.combine(edge.day + timedelta(days=1), time.min, ZoneInfo(edge.zone)).astimezone(UTC)
        yield from (edge.at + offset for offset in OFFSETS)
        yield from (ends - INSTANT, ends)


def enter(database: dict[str, str]) -> None:
    """Makes this process work in the database of the edges. Whatever it meets there is told by the books, not by it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 2)
    import django

    django.setup()
    from django.conf import settings
    from django.db import connection

    connection.settings_dict.update(database)
    settings.LEDGER_ANCHOR_FILE = ""  # that of the other database


def live(life: Life, database: dict[str, str]) -> None:
    """Leads a life from its beginning; whoever was killed at it before has done a part of it already."""
    enter(database)
    lead(life)


def lead(life: Life) -> None:
    """The wins, each as soon as it is won, and the hours, each as soon as it is over."""
    from conversion.services import convert_hour
    from rewards.services import Claim, create_game, record_wins, register_player

    edge = EDGES[life.edge]
    game = create_game(slug="edges", name="Edges")
    register_player(player_id=life.player, timezone=edge.zone)

    def claim(reference: str, amount: Decimal, at: datetime) -> None:
        claims = [Claim(life.player, reference, amount, at)]
        record_wins(game_id=game.id, claims=claims, now=at + timedelta(seconds=1))

    moments = list(life.moments())
    for hour in sorted({hour_of(at) for at in moments}):
        for number, at in enumerate(moments):
            if hour_of(at) == hour:
                claim(str(number), AMOUNT, at)
                claim(f"{number}-too-much", TOO_MUCH, at)
        for _ in range(ROUNDS):
            if convert_hour(hour=hour, now=hour + HOUR).state == "done":
                break


def lead_on(life: Life) -> None:
    """The hours in between, and one after: they take the wins of those who came when an hour was closed already."""
    from conversion.services import convert_hour

    hour, last = (hour_of(each(life.moments())) for each in (min, max))
    while hour <= last + HOUR:
        convert_hour(hour=hour, now=hour + HOUR)
        hour += HOUR


def hour_of(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def examine(lives: Sequence[Life], database: dict[str, str], answer: "Connection[list[str], None]") -> None:
    """Lets every life come to its end, and sends what is wrong with them."""
    enter(database)
    from ledger import book

    wrong: list[str] = []
    for life in lives:
        lead(life)
    for life in {life.edge: life for life in lives}.values():
        lead_on(life)
    for life in lives:
        wrong += compare(life)
    wrong += [
        f"edges: {finding.check.name}: {finding.subject}: {finding.problem}"
        for finding in book.verify().findings
        if finding.wrong_rows
    ]
    answer.send(wrong)
    answer.close()


def expected(life: Life) -> tuple[dict[date, Decimal], dict[tuple[datetime, date], Decimal]]:
    """Tokens by local day, and by UTC hour and local day."""
    zone = ZoneInfo(EDGES[life.edge].zone)
    days: dict[date, Decimal] = defaultdict(Decimal)
    lines: dict[tuple[datetime, date], Decimal] = defaultdict(Decimal)
    for at in life.moments():
        day = at.astimezone(zone).date()
        days[day] += AMOUNT
        lines[hour_of(at), day] += AMOUNT
    return dict(days), dict(lines)


def compare(life: Life) -> list[str]:
    """What is in the books of a life that came to its end, against what must be."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT day, won, ends_at - starts_at FROM rewards_allowance WHERE player_id = %s", [life.player]
        )
        opened = {day: (won, length) for day, won, length in cursor.fetchall()}
        cursor.execute(
            "SELECT hour, day, tokens, usd FROM conversion_conversion WHERE player_id = %s ORDER BY hour, day",
            [life.player],
        )
        converted = cursor.fetchall()
    edge, (days, lines) = EDGES[life.edge], expected(life)
    wanted = [
        (hour, day, tokens, (tokens * PRICE).quantize(CENT_MILLIONTH, ROUND_HALF_EVEN))
        for (hour, day), tokens in sorted(lines.items())
    ]
    wrong = []
    if {day: won for day, (won, _) in opened.items()} != days:
        wrong.append(f"{life}: days {opened}, expected {days}")
    elif opened[edge.day][1] != timedelta(hours=edge.hours):
        wrong.append(f"{life}: {edge.day} lasts {opened[edge.day][1]}, expected {edge.hours} hours")
    if converted != wanted:
        wrong.append(f"{life}: converted {converted}, expected {wanted}")
    return wrong
