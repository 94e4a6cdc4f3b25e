"""Stats, today's wins and the USD history over HTTP, for players with 10, 1,000 and 100,000 rows of history.

As many wins of today as conversions of earlier days, and as many wins behind those; made by set-based SQL with every
guard on, and verified. The floor is a bare DRF view with one SELECT by the same index (tests/bench/bare.py). A page
has at most 50 rows on both sides. Whether history costs anything is asked of ourselves, with pages of the same length.
"""

from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

from tests.bench import harness
from tests.bench.harness import Report, Side, query
from tests.bench.serving import FLOOR, OURS, Web, call, request, served

ROWS = (10, 1_000, 100_000)
CALLS = ("stats", "wins", "usd-history")
CONNECTIONS = 4
SECONDS = 1.0
ROUNDS = 3
PROMISE = 1.5
HISTORY_PROMISE = 1.15

# A hundred thousand hours go back beyond the first rule.
EARLY_RULE = """
INSERT INTO conversion_feerule (effective_from, provider, percentage, fixed)
VALUES ('2000-01-01T00:00:00Z', 'default', 0.01, 0.001)
"""
RATES = """
INSERT INTO conversion_rate (hour, base, quote, price, provider, quoted_at, raw, state, reason)
SELECT hour, 'DREAM', 'USD', 0.15, 'fixed', hour, '', 'accepted', ''
FROM generate_series(%(first)s, %(today)s::timestamptz - interval '1 hour', interval '1 hour') AS hour
"""
RUNS = """
INSERT INTO conversion_conversionrun (hour) SELECT hour FROM conversion_rate ORDER BY hour;
UPDATE conversion_conversionrun SET state = 'running', started_at = now() WHERE state = 'due'
"""
DAYS = """
INSERT INTO rewards_allowance (player_id, day, starts_at, ends_at, cap)
SELECT %(player)s::uuid, starts::date, starts, starts + interval '1 day', 5
FROM generate_series(%(today)s - make_interval(days => %(rows)s / 24 + 1), %(today)s::timestamptz, interval '1 day') AS starts
"""
# One win in each of the hours before today; after them, as many wins of today.
DRAWN = """
CREATE TEMP TABLE drawn ON COMMIT DROP AS
SELECT uuidv7() AS entry, day.player_id, day.id AS allowance, number, amount, won_at
FROM (
    SELECT number, 0.1 AS amount, %(today)s - make_interval(hours => number + 1) + interval '5 minutes' AS won_at
    FROM generate_series(0, %(rows)s - 1) AS number WHERE NOT %(of_today)s
    UNION ALL
    SELECT %(rows)s + number, 0.00004, %(today)s::timestamptz
    FROM generate_series(0, %(rows)s - 1) AS number WHERE %(of_today)s
) AS win
JOIN rewards_allowance day
  ON day.player_id = %(player)s AND win.won_at >= day.starts_at AND win.won_at < day.ends_at
"""


def measure(report: Report) -> None:
    """Each call with each history beside the floor, then the longest history beside the shortest."""
    from rewards.keys import create_game_key
    from rewards.models import Scope
    from rewards.services import create_game

    harness.kept(f"bench_reads_{datetime.now(UTC):%Y%m%d}", fill)
    reader = create_game(slug=f"reader-{uuid4().hex[:12]}", name="Reader")  # a game has two keys at most
    key = create_game_key(game_id=reader.id, scopes=[Scope.PLAYERS_READ, Scope.WINS_READ]).plaintext
    with served(OURS) as ours, served(FLOOR) as floor:
        for web in (ours, floor):
            for what in CALLS * 2:  # each of the web process's connections learns its plans anew
                get(web, key, what, ROWS[0])
        for what in CALLS:
            for rows in report.sizes(ROWS):
                report.add(
                    harness.in_turns(
                        f"{what} over HTTP",
                        partial(get, ours, key, what, rows),
                        partial(get, floor, "", what, rows),
                        size=rows,
                        size_unit="rows of history",
                        unit="ms a call",
                        rounds=ROUNDS,
                        promise=PROMISE,
                        at_least=False,
                        of=milliseconds,
                    )
                )
            if not report.sizes(ROWS[-1:]):
                continue
            report.add(
                harness.in_turns(
                    f"{what} over HTTP, against itself with {ROWS[0]} rows",
                    partial(get, ours, key, what, ROWS[-1], f"?limit={ROWS[0]}"),
                    partial(get, ours, key, what, ROWS[0], f"?limit={ROWS[0]}"),
                    size=ROWS[-1],
                    size_unit="rows of history",
                    unit="ms a call",
                    rounds=ROUNDS,
                    promise=HISTORY_PROMISE,
                    at_least=False,
                    of=milliseconds,
                )
            )


def player(rows: int) -> UUID:
    return UUID(int=rows, version=4)


def fill() -> None:
    """Rates and runs of every hour of the longest history, then the players."""
    from django.db import transaction

    from rewards.services import create_game
    from tests.bench import verification

    game = create_game(slug="bench", name="Bench")
    query("SET session_replication_role = replica")  # a rule that is asked for begins later than what is settled
    query(EARLY_RULE)
    query("SET session_replication_role = DEFAULT")
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    query(RATES, {"first": today - timedelta(hours=max(ROWS) + 24), "today": today})
    for statement in RUNS.split(";"):
        query(statement)
    query("ANALYZE")
    to_lines = [
        each.replace("%(day)s::date", "(lines.hour AT TIME ZONE 'UTC')::date") for each in verification.CONVERSIONS
    ]
    for rows in ROWS:
        given = {"player": player(rows), "rows": rows, "today": today, "day": "r", "game": game.id}
        query("INSERT INTO rewards_player (id, timezone, status) VALUES (%(player)s, 'UTC', 'active')", given)
        query(DAYS, given)
        for of_today in (False, True):
            with transaction.atomic():
                for statement in (DRAWN, *verification.WINS[1:], *(() if of_today else to_lines)):
                    query(statement, given | {"of_today": of_today} if "%(" in statement else None)
    query(verification.RUNS_DONE)
    query("UPDATE conversion_conversionrun SET state = 'done', finished_at = clock_timestamp() WHERE state = 'running'")
    query("VACUUM ANALYZE")
    assert_clean()


def assert_clean() -> None:
    """Nothing that is measured here is an impossible book."""
    from ledger import book

    wrong = [finding for finding in book.verify().findings if finding.wrong_rows]
    assert not wrong, wrong


def get(web: Web, key: str, what: str, rows: int, parameters: str = "") -> Side:
    """The same call again and again."""
    if what == "stats":
        parameters = ""
    question = request("GET", f"/v1/players/{player(rows)}/{what}{parameters}", key=key)
    return call(web, lambda: question, connections=CONNECTIONS, seconds=SECONDS, expect=200)


def milliseconds(side: Side) -> float:
    """From call to call of one connection."""
    return side.seconds / side.operations * 1_000 * CONNECTIONS
