"""`python -m tests.bench.back_office [--keep] [ENTRIES]`: every list and report of the back-office on a million journal entries.

Wins and their conversions come by the services; then the entries are dated over the last thirty days, which only the
owner of a database can do, and the days are closed. Prints for each page its queries, the time of the database in them
and the whole time (median of the rounds, first one left out), through Django's test client on this machine. `--keep`
goes on with the database of the last call and adds what it lacks: filling takes minutes, and may be done apart.
"""

import os
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from tests.bench.harness import attach, query, say

ENTRIES = 1_000_000
WINS_FOR_A_PLAYER = 5
ROUNDS = 3
DAYS = 30
SLOW_SECONDS = 1.0
DATE_BACK = """
UPDATE ledger_journalentry entry SET posted_at = %(start)s + placed.share * %(length)s::interval
FROM (SELECT id, (row_number() OVER (ORDER BY id))::numeric / count(*) OVER () AS share FROM ledger_journalentry) placed
WHERE placed.id = entry.id
"""


def main() -> int:
    """Fills a database and prints a line for each page; 1 if one took longer than a second."""
    os.environ.update(
        INSECURE_HTTP="1",
        ALLOWED_HOSTS="testserver",
        SECRET_KEY="only-for-the-bench-" * 4,
        STAFF_SECOND_FACTOR="0",
    )
    attach()
    from tests import databases

    numbers = [int(each) for each in sys.argv[1:] if each.isdigit()]
    if "--keep" not in sys.argv:
        databases.copy(databases.template(), "bench_back_office")
    databases.use("bench_back_office")
    fill(numbers[0] if numbers else ENTRIES)
    return measure()


def fill(entries: int) -> None:
    """Six entries for each player: five wins and their conversion."""
    from conversion.services import convert_due_hours
    from ledger.days import close_days
    from rewards.keys import create_game_key
    from rewards.services import Claim, create_game, record_wins

    began = time.monotonic()
    [(there, stored)] = query(
        "SELECT (SELECT count(*) FROM rewards_allowance), (SELECT count(*) FROM ledger_journalentry)"
    )
    count = entries // (WINS_FOR_A_PLAYER + 1) - there
    if count <= 0 and stored >= entries * 99 // 100:
        say(f"== {stored:,} entries are there")
        return
    now = datetime.now(UTC)
    hour = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    game = create_game(slug="bench", name="Bench")
    keys = query("SELECT id FROM rewards_gamekey ORDER BY created_at LIMIT 1")
    key_id = keys[0][0] if keys else create_game_key(game_id=game.id, scopes=["wins:write"]).key_id
    players = sorted(uuid4() for _ in range(max(count, 0)))
    query(
        "INSERT INTO rewards_player (id, timezone, status) SELECT id, 'UTC', 'active' FROM unnest(%s::uuid[]) AS id",
        [players],
    )
    for start in range(0, len(players), 200):
        claims = [
            Claim(player, f"r{n}", Decimal(n + 1) / 4, hour + timedelta(minutes=n))
            for player in players[start : start + 200]
            for n in range(WINS_FOR_A_PLAYER)
        ]
        record_wins(game_id=game.id, claims=claims, now=now, key_id=key_id)
    query("VACUUM ANALYZE")
    convert_due_hours(now=datetime.now(UTC))
    query("SET session_replication_role = replica")
    query(DATE_BACK, {"start": now - timedelta(days=DAYS), "length": timedelta(days=DAYS)})
    query("SET session_replication_role = DEFAULT")
    close_days()
    query("VACUUM ANALYZE")
    [(stored,)] = query("SELECT count(*) FROM ledger_journalentry")
    [(postings,)] = query("SELECT count(*) FROM ledger_posting")
    seconds = time.monotonic() - began
    say(f"== {stored:,} entries, {postings:,} postings, {there + count:,} players; filled in {seconds:.0f} s")


def pages() -> dict[str, str]:
    """Every list, lists with their filters and searches, deep pages, pages of rows, and reports."""
    import json

    from django.contrib import admin
    from django.urls import reverse

    from conversion.models import Conversion, ConversionRun
    from dreamland.lib.admin import ListPage, list_address
    from ledger.models import JournalEntry
    from rewards.models import GameKey, Player, Win

    def listing(model: Any) -> str:
        return reverse(list_address(model))

    found = {"overview": reverse("admin:index")}
    for model, page in admin.site._registry.items():
        if isinstance(page, ListPage):
            found[f"list {model._meta.label}"] = listing(model)
    [(middle,)] = query("SELECT id FROM ledger_journalentry OFFSET 500000 LIMIT 1") or query(
        "SELECT id FROM ledger_journalentry LIMIT 1"
    )
    player, win, line, run, key = (
        model._default_manager.order_by("pk").values_list("pk", flat=True)[0]
        for model in (Player, Win, Conversion, ConversionRun, GameKey)
    )
    day = datetime.now(UTC) - timedelta(days=DAYS // 2)
    times = f"posted_at_from_0={day:%Y-%m-%d}&posted_at_to_0={day + timedelta(days=1):%Y-%m-%d}"
    begun = f"posted_at_from_0={day:%Y-%m-%d}"
    statement = reverse("admin:ledger_account_statement", args=["player:usd"])
    month = f"since={day - timedelta(days=14):%Y-%m-%dT00:00}"
    return found | {
        "journal, half way down": f"{listing(JournalEntry)}?after={json.dumps([str(middle)])}",
        "journal, a player": f"{listing(JournalEntry)}?q={player}",
        "journal, one day": f"{listing(JournalEntry)}?{times}",
        "journal, since half a month": f"{listing(JournalEntry)}?{begun}",
        "journal, by a person": f"{listing(JournalEntry)}?posted_by__isnull=False",
        "journal, reversals": f"{listing(JournalEntry)}?reverses__isnull=False",
        "wins, half way down": f"{listing(Win)}?after={json.dumps([str(middle)])}",
        "wins, pending": f"{listing(Win)}?state=pending",
        "wins, of a key": f"{listing(Win)}?key__id__exact={key}",
        "wins, of a player": f"{listing(Win)}?q={player}",
        "conversions, of a run": f"{listing(Conversion)}?run__id__exact={run}",
        "players, suspended": f"{listing(Player)}?status=suspended",
        "page of an entry": reverse("admin:ledger_journalentry_change", args=[middle]),
        "page of a player": reverse("admin:rewards_player_change", args=[player]),
        "page of a win": reverse("admin:rewards_win_change", args=[win]),
        "page of a conversion": reverse("admin:conversion_conversion_change", args=[line]),
        "page of a run": reverse("admin:conversion_conversionrun_change", args=[run]),
        "statement of a player": reverse("admin:rewards_player_statement", args=[player]),
        "statement of an account, a month": f"{statement}?{month}",
        "statement of an account, a day": f"{statement}?since={day:%Y-%m-%dT00:00}&until={day + timedelta(days=1):%Y-%m-%dT00:00}",
        "trial balance, now": reverse("admin:ledger_account_trialbalance"),
        "trial balance, an hour of a past day": f"{reverse('admin:ledger_account_trialbalance')}?until={day:%Y-%m-%dT13:00}",
    }


def measure() -> int:
    """A line for each page."""
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from tests.people import signed_in

    client = signed_in(User.objects.create_superuser("bench", password="x"))
    slow = []
    say(f"{'page':45} {'queries':>7} {'database':>9} {'whole':>9}")
    for name, address in pages().items():
        whole, database, queries = [], [], 0
        for _ in range(ROUNDS + 1):
            with CaptureQueriesContext(connection) as captured:
                began = time.perf_counter()
                answer = client.get(address)
                whole.append(time.perf_counter() - began)
            assert answer.status_code == 200, (name, answer.status_code)
            queries = len(captured)
            database.append(sum(float(each["time"]) for each in captured.captured_queries))
        middle = statistics.median(whole[1:])
        say(f"{name:45} {queries:>7} {statistics.median(database[1:]) * 1_000:>6.0f} ms {middle * 1_000:>6.0f} ms")
        if middle > SLOW_SECONDS:
            slow.append(name)
            worst = max(captured.captured_queries, key=lambda each: float(each["time"]))
            say(f"    {worst['time']} s: {worst['sql'][:600]}")
    say(f"slower than {SLOW_SECONDS} s: {', '.join(slow) or 'none'}")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
