"""Wins counted as they are answered, and what waits for its conversion."""

from collections import Counter as Tally
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from django.db import connection
from prometheus_client import Counter
from prometheus_client.core import Metric

from dreamland.lib.api.log import Call
from dreamland.lib.logs import note
from dreamland.lib.metrics import REGISTRY, gauge

ONE, BATCH = "wins", "wins-batch"  # names of the addresses that take wins
RECORDED, REPLAYED, REFUSED = "recorded", "replayed", "refused"
CREATED, REDIRECTED, SERVER_ERROR = 201, 300, 500  # what is sent on to another region was refused here
NOT_ABOUT_THE_WIN = {401, 403, 405, 406, 429}  # the call was refused, and says nothing of a win
CAP = "daily-cap-exceeded"

WINS = Counter(
    "dreamland_wins",
    "Wins that games reported, by what became of them; `code` says why one was refused.",
    ["outcome", "code"],
    registry=REGISTRY,
)
CAP_HITS = Counter(
    "dreamland_cap_hits",
    "Wins refused or clipped because the player's day was full, by game (dreamland_game_info names it).",
    ["game_id"],
    registry=REGISTRY,
)


def observe(call: Call) -> Mapping[str, object]:
    """Counts the wins of a call, and tells for its line which or how many (settings.API_OBSERVERS)."""
    if call.method != "POST":
        return {}
    if call.name == BATCH and call.code == "":
        results = [_outcome(result["status"], result) for result in call.data["results"]]
        _count(call, results)
        return {
            "wins": len(results),
            **{outcome: sum(1 for found, *_ in results if found == outcome) for outcome in (RECORDED, REPLAYED)},
            REFUSED: dict(Tally(code for outcome, code, _ in results if outcome == REFUSED)),
        }
    if call.name == ONE and call.status not in NOT_ABOUT_THE_WIN and call.status < SERVER_ERROR:
        outcome = _outcome(call.status, {"win": call.data, "problem": {"code": call.code}})
        _count(call, [outcome])
        if call.code == "":
            note(win_id=call.data["id"], player_id=call.data["player_id"])
        return {"outcome": outcome[0]}
    return {}


Outcome = tuple[str, str, bool]  # what became of the win, why it was refused, whether the cap had a part in it


def _outcome(status: int, result: Mapping[str, Any]) -> Outcome:
    if status >= REDIRECTED:
        code = str(result["problem"]["code"])
        return REFUSED, code, code == CAP
    clipped = Decimal(result["win"].get("forfeited") or 0) > 0
    return (RECORDED, "", clipped) if status == CREATED else (REPLAYED, "", False)


def _count(call: Call, outcomes: Iterable[Outcome]) -> None:
    for outcome, code, capped in outcomes:
        WINS.labels(outcome, code).inc()
        if capped:
            CAP_HITS.labels(call.game_id).inc()


# The index win_pending holds these rows and no others: it grows with what waits, not with history. A wallet holds
# exactly the pending wins, so the difference is an imbalance that is exact and needs no posting.
PENDING = """
SELECT pending.wins, pending.tokens, coalesce(extract(epoch FROM clock_timestamp() - pending.oldest), 0),
       (SELECT coalesce(sum(amount), 0) FROM ledger_balance WHERE account_id = 'player:dream') - pending.tokens
FROM (SELECT count(*) AS wins, coalesce(sum(amount), 0) AS tokens, min(won_at) AS oldest
      FROM rewards_win WHERE converted_by_id IS NULL AND voided_by_id IS NULL) pending
"""


def readings() -> Iterable[Metric]:
    """What waits for its conversion, whether the wallets hold exactly that, and the games' names. Two statements."""
    with connection.cursor() as cursor:
        cursor.execute(PENDING)
        wins, tokens, oldest_seconds, imbalance = cursor.fetchone()
        cursor.execute("SELECT id::text, slug FROM rewards_game ORDER BY slug")
        games = cursor.fetchall()
    yield gauge("pending_wins", "Wins that are not converted yet.", [((), wins)])
    yield gauge("unconverted_tokens", "DREAM that is not converted yet.", [((), tokens)])
    yield gauge("oldest_pending_win_seconds", "Time since the oldest of them was won.", [((), oldest_seconds)])
    yield gauge(
        "wallets_imbalance",
        "DREAM in the wallets less DREAM of the pending wins; anything but 0 is an alarm.",
        [((), imbalance)],
    )
    yield gauge("game_info", "1 for each game: its slug.", [(game, 1) for game in games], ["game_id", "game"])
