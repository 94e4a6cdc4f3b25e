"""Every answer that was given against the books, and every row of the books against the answers."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection

from dreamland.local.simulation import Claim
from dreamland.local.simulation_load import Told

Key = tuple[str, UUID, str]
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class BookedWin:
    """A win as it stands in the books: its row, and what its entry issued."""

    id: str
    key: Key
    amount: Decimal
    won_at: datetime
    issued: Decimal
    postings: int


@dataclass(frozen=True, slots=True)
class BookedPlayer:
    """All that the books say of a player's tokens: put into the wallet, taken out by conversions, there now."""

    issued: Decimal
    redeemed: Decimal
    wallet: Decimal


# Postings are counted from the win's side and added up by player from the postings alone: two roads to one sum.
WINS = """
SELECT win.entry_id::text, game.slug, win.player_id, win.reference, win.amount, win.won_at,
       coalesce(sum(posting.amount) FILTER (
           WHERE posting.debit_id = 'dream:issued' AND posting.credit_id = 'player:dream'), 0),
       count(posting.id)
FROM rewards_win win
JOIN rewards_game game ON game.id = win.game_id
LEFT JOIN ledger_posting posting ON posting.holder = win.player_id AND posting.entry_id = win.entry_id
WHERE game.slug = ANY(%s)
GROUP BY win.entry_id, game.slug
ORDER BY win.entry_id
"""
PLAYERS = """
SELECT player, coalesce(sum(amount) FILTER (WHERE debit_id = 'dream:issued' AND credit_id = 'player:dream'), 0),
       coalesce(sum(amount) FILTER (WHERE debit_id = 'player:dream' AND credit_id = 'dream:redeemed'), 0),
       coalesce((SELECT amount FROM ledger_balance WHERE holder = player AND account_id = 'player:dream'), 0)
FROM (SELECT DISTINCT unnest(%s::uuid[]) AS player) asked LEFT JOIN ledger_posting posting ON posting.holder = player
GROUP BY player
"""


def booked_wins(games: Sequence[str]) -> list[BookedWin]:
    """Every win of these games, read from the database."""
    with connection.cursor() as cursor:
        cursor.execute(WINS, [list(games)])
        return [
            BookedWin(entry, (game, player, reference), amount, won_at, issued, postings)
            for entry, game, player, reference, amount, won_at, issued, postings in cursor.fetchall()
        ]


def booked_players(players: Sequence[UUID]) -> dict[UUID, BookedPlayer]:
    """The tokens of these players, read from the database."""
    with connection.cursor() as cursor:
        cursor.execute(PLAYERS, [list(players)])
        return {player: BookedPlayer(*sums) for player, *sums in cursor.fetchall()}


def differences(told: Iterable[Told], wins: Iterable[BookedWin], players: Mapping[UUID, BookedPlayer]) -> Iterator[str]:
    """Where the answers and the books disagree, in words; nothing where every answer was true.

    A 201 is in the books once, with its amount and time; a refusal is not; a call without an answer was repeated until
    there was one; nothing else is in the books; and per player the sums are the same.
    """
    rows: dict[Key, list[BookedWin]] = defaultdict(list)
    for win in wins:
        rows[win.key].append(win)
    sums: dict[UUID, Decimal] = defaultdict(Decimal)
    for each in told:
        yield from _of_claim(each, rows.pop(each.claim.key, []))
        if each.created or each.replayed:
            sums[each.claim.player.id] += each.claim.amount
    for key, unasked in rows.items():
        yield f"{_named(key)}: in the books as {unasked[0].id}, and nobody was told so"
    for player, booked in players.items():
        if booked.issued != sums[player]:
            yield f"player {player}: told {sums[player]} DREAM, the books issued {booked.issued}"
        if booked.wallet != booked.issued - booked.redeemed:
            yield f"player {player}: wallet {booked.wallet}, issued {booked.issued} less {booked.redeemed} redeemed"


def _of_claim(told: Told, rows: list[BookedWin]) -> Iterator[str]:
    name, ids = _named(told.claim.key), {*told.created, *told.replayed}
    if ids and not rows:
        yield f"{name}: told as recorded ({min(ids)}), and not in the books"
    if not ids and rows:
        yield f"{name}: told as {told.refused[0] if told.refused else 'unknown'}, and in the books as {rows[0].id}"
    if len(rows) > 1:
        yield f"{name}: in the books {len(rows)} times"
    if ids:
        for row in rows:
            yield from _of_row(name, told.claim, row, ids)
    yield from _of_answers(name, told, ids)


def _of_answers(name: str, told: Told, ids: set[str]) -> Iterator[str]:
    """Where the answers to one claim contradict each other, whatever the books say."""
    if len(told.created) > 1:
        yield f"{name}: told 201 {len(told.created)} times"
    if len(ids) > 1:
        yield f"{name}: told as several wins: {', '.join(sorted(ids))}"
    if told.replayed and not told.created and not told.unheard:
        yield f"{name}: told 200, though it was never told 201 and every call had its answer"
    if ids and told.refused:
        yield f"{name}: told as recorded and also refused as {told.refused[0]}"
    if not ids and not told.refused:
        yield f"{name}: never told whether it is recorded"


def _of_row(name: str, claim: Claim, row: BookedWin, ids: set[str]) -> Iterator[str]:
    if row.id not in ids:
        yield f"{name}: told as {min(ids)}, in the books as {row.id}"
    if row.amount != claim.amount:
        yield f"{name}: claimed {claim.amount} DREAM, the books have {row.amount}"
    if row.issued != claim.amount or row.postings != 1:
        yield f"{name}: claimed {claim.amount} DREAM, {row.postings} postings issued {row.issued}"
    if row.won_at != claim.won_at:
        yield f"{name}: won at {claim.won_at}, the books have {row.won_at}"


def _named(key: Key) -> str:
    game, player, reference = key
    return f"{game} {reference} of {player}"


def tallied(told: Iterable[Told]) -> dict[str, object]:
    """How many claims came out which way."""
    refused: dict[str, int] = defaultdict(int)
    recorded = settled = 0
    for each in told:
        recorded += bool(each.created or each.replayed)
        settled += bool(each.unheard)
        for code in each.refused[:1]:
            refused[code] += 1
    return {"recorded": recorded, "refused": dict(sorted(refused.items())), "settled_after_silence": settled}
