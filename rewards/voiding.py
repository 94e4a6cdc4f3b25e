"""Taking wins back, one or a thousand by the same statements: lock, decide, reverse, write.

Locks are taken in this order: days (by player and date), wins (by player and entry), balances (by holder and account).
So voids of one day come one after the other, and none meets a recording or a conversion head-on (docs/data-model.md,
"Locks").

What a converted win had become stands above this app: who calls gives a `TakeBack` that says what is posted beside the
reversals (`conversion.voiding`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from dreamland.lib.races import try_again
from ledger import book
from rewards.errors import AlreadyVoided, InvalidReason, WinNotFound
from rewards.models import REASON_MAX_LENGTH
from rewards.selectors import VoidFacts, WinFacts, wins_by_id

Shares = Mapping[UUID, Mapping[str, Decimal]]  # by holder, then by account


@dataclass(frozen=True, slots=True)
class Author:
    """Who takes a win back: a game by its key, one of the staff, or neither where it was done at the shell."""

    key_id: str | None = None
    user_id: int | None = None


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What is posted beside the reversals of converted wins, and what is written once it is (entry: posted at)."""

    entries: Sequence[book.Entry]
    write: Callable[[Mapping[UUID, datetime]], None]


Sign = Callable[[book.Entry], book.Entry]
TakeBack = Callable[[Sequence[WinFacts], Shares], TakenBack]


@dataclass(frozen=True, slots=True)
class Voided:
    """The win is taken back. `replayed`: it already was before this call."""

    win: WinFacts
    replayed: bool


def void_win(*, win_id: UUID, reason: str, author: Author, take_back: TakeBack, game_id: UUID | None = None) -> Voided:
    """Takes a win back, whatever became of it: once; the same reason again finds it done.

    Its tokens leave the books, its day gets them back, and what it was converted to is taken back (`take_back`).
    `game_id`: only a win of that game. Raises WinNotFound, AlreadyVoided, InvalidReason; Unavailable.
    """
    _assert_reason(reason)

    def use_case() -> Voided:
        found = _void([win_id], reason, author, take_back, game_id)
        if not found:
            raise WinNotFound("there is no such win")
        [voided] = found
        assert voided.win.void is not None
        if voided.replayed and voided.win.void.reason != reason:
            raise AlreadyVoided("the win was taken back for another reason", voided_at=voided.win.void.voided_at)
        return voided

    return try_again(use_case)


def void_wins(*, win_ids: Collection[UUID], reason: str, author: Author, take_back: TakeBack) -> tuple[Voided, ...]:
    """Takes these wins back, all or none; those that were voided before, for whatever reason, stay as they are.

    By player and id; ids of no win are left out. At most WINS_PER_BATCH. Raises InvalidReason, Unavailable.
    """
    _assert_reason(reason)
    if len(win_ids) > settings.WINS_PER_BATCH:
        raise AssertionError(f"at most {settings.WINS_PER_BATCH} wins go together")
    return try_again(lambda: _void(list(win_ids), reason, author, take_back))


def _assert_reason(reason: str) -> None:
    if not reason.strip() or len(reason) > REASON_MAX_LENGTH:
        raise InvalidReason(f"a reason has 1 to {REASON_MAX_LENGTH} characters", field="reason")


@transaction.atomic(durable=True)
def _void(
    win_ids: Sequence[UUID], reason: str, author: Author, take_back: TakeBack, game_id: UUID | None = None
) -> tuple[Voided, ...]:
    lock_wins(win_ids, game_id)
    wins = list(wins_by_id(win_ids, game_id=game_id).values())
    fresh = [win for win in wins if win.voided_by is None]
    voids, _ = _write(fresh, reason, author, take_back) if fresh else ({}, ())
    return tuple(Voided(voids.get(win.id, win), replayed=win.id not in voids) for win in wins)


def void_locked(
    wins: Sequence[WinFacts], *, reason: str, author: Author, take_back: TakeBack, sign: Sign
) -> tuple[UUID, ...]:
    """Takes back wins that stand, inside the caller's transaction, which has locked them (`lock_wins`).

    `sign` puts a name and a request to each entry (`book.Order.signed`). Returns the entries. Raises InvalidReason.
    """
    _assert_reason(reason)
    _, entries = _write(wins, reason, author, take_back, sign)
    return entries


THESE = "entry_id = ANY(%s::uuid[]) AND (%s::uuid IS NULL OR game_id = %s::uuid)"
LOCK_DAYS = f"""
SELECT day.id FROM rewards_allowance day
WHERE day.id IN (SELECT allowance_id FROM rewards_win WHERE {THESE})
ORDER BY day.player_id, day.day
FOR NO KEY UPDATE
"""
LOCK_WINS = f"SELECT entry_id FROM rewards_win WHERE {THESE} ORDER BY player_id, entry_id FOR NO KEY UPDATE"


def lock_wins(win_ids: Sequence[UUID], game_id: UUID | None = None) -> None:
    """Locks the days of the wins, then the wins. What became of them is read afterwards: it may have changed."""
    these = [list(win_ids), game_id, game_id]
    with connection.cursor() as cursor:
        cursor.execute(LOCK_DAYS, these)
        cursor.execute(LOCK_WINS, these)


# The trigger marks the wins and gives their days back what they took (sql/void.sql, sql/win.sql).
WRITE = """
INSERT INTO rewards_void (entry_id, win_id, player_id, reason, voided_at, key_id, user_id)
SELECT entry_id, win_id, player_id, %s::text, voided_at, %s::text, %s::int
FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::timestamptz[]) AS void (entry_id, win_id, player_id, voided_at)
"""


def _write(
    wins: Sequence[WinFacts], reason: str, author: Author, take_back: TakeBack, sign: Sign = lambda entry: entry
) -> tuple[dict[UUID, WinFacts], tuple[UUID, ...]]:
    """Posts the reversals, with what takes conversions back, in one statement; writes the facts beside them.

    Returns the wins as they are then, and all the entries.
    """
    shares = book.lock_balances(win.player_id for win in wins)
    converted = [win for win in wins if win.converted_by is not None]
    taken = take_back(converted, shares) if converted else TakenBack((), lambda _: None)
    # The reason stays out of the journal: people write names into such texts, and the journal is for ever.
    reversals = book.reversals([win.id for win in wins], memo="", kind="void", posted_by=author.user_id)
    receipts = book.post([sign(entry) for entry in (*taken.entries, *reversals)])
    posted_at = {receipt.entry_id: receipt.posted_at for receipt in receipts}
    taken.write(posted_at)
    with connection.cursor() as cursor:
        cursor.execute(
            WRITE,
            [
                reason,
                author.key_id,
                author.user_id,
                [entry.id for entry in reversals],
                [win.id for win in wins],
                [win.player_id for win in wins],
                [posted_at[entry.id] for entry in reversals],
            ],
        )
    voided = {
        win.id: replace(win, voided_by=entry.id, void=VoidFacts(reason, posted_at[entry.id]))
        for win, entry in zip(wins, reversals, strict=True)
    }
    return voided, tuple(receipt.entry_id for receipt in receipts)
