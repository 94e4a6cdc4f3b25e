"""Converting pending wins: claimed under lock in chunks of players, each chunk one transaction of a fixed number of
statements.

Locks are taken in this order: the run (shared), wins by player and entry, balances by holder and account
(docs/data-model.md, "Locks"). A chunk that was lost, to a crash or to somebody faster, has changed nothing, and the
next pass takes it up.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, OperationalError, connection, transaction

from conversion.errors import PostConditionFailed
from conversion.money import fee_of, total, usd_of
from conversion.quotes import HOUR
from conversion.rates import Terms
from conversion.runs import EVERYBODY, KeyRange, RunFacts
from dreamland.lib.errors import DomainError
from dreamland.lib.ids import uuid7
from dreamland.lib.races import Unavailable, try_again
from ledger import book

logger = logging.getLogger(__name__)
Progress = Callable[[int], None]


def unheard(players: int) -> None:
    """Progress that nobody listens to."""


# Two processes at one run can both see a player's next lot as free; the index lets one line in, and the other looks
# again.
LOST_RACES = {"conversion_line_once"}
# PostgreSQL, appendix A: lock_not_available, query_canceled (a timeout): somebody sits on these rows.
BUSY_SQLSTATES = {"55P03", "57014"}


@dataclass(frozen=True, slots=True)
class Lot:
    """A player's pending wins of one hour and one local day, claimed."""

    player: UUID
    hour: datetime
    day: date
    tokens: Decimal
    wins: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A lot and what it becomes."""

    lot: Lot
    terms: Terms
    usd: Decimal
    fee: Decimal
    recovered: Decimal = Decimal(0)
    entry: UUID = field(default_factory=uuid7)


def convert_lots(
    *,
    run: RunFacts,
    terms: Collection[Terms],
    ranges: Iterable[KeyRange] = (EVERYBODY,),
    progress: Progress = unheard,
) -> str:
    """Converts every lot of the hours in `terms`, one pass over the players of `ranges`, in key order in each.
    `progress` hears how many players were passed, chunk by chunk.

    Returns '' or the code of a trouble that left players out: `busy` (others hold their rows), `books-refuse` (their
    books do not add up; logged with each player). The others are converted all the same, unless the books refuse
    CONVERSION_BROKEN_PLAYERS_PER_RUN of them: then it is not the players, and the error is raised.
    """
    work = _Pass(run, terms)
    for between in ranges:
        for players in _chunks(run.hour + HOUR, [each.hour for each in terms], between):
            work.convert(players)
            progress(len(players))
    return work.trouble


# The queue, in key order: index win_pending.
PLAYERS = """
SELECT DISTINCT player_id FROM rewards_win
WHERE converted_by_id IS NULL AND voided_by_id IS NULL
  AND won_at < %(end)s AND date_trunc('hour', won_at, 'UTC') = ANY(%(hours)s::timestamptz[])
  AND player_id BETWEEN %(first)s AND %(last)s
ORDER BY player_id LIMIT %(limit)s
"""


def _chunks(end: datetime, hours: Sequence[datetime], between: KeyRange) -> Iterator[list[UUID]]:
    first, last = between
    while hours:
        with connection.cursor() as cursor:
            limit = settings.CONVERSION_PLAYERS_PER_CHUNK
            cursor.execute(PLAYERS, {"end": end, "hours": list(hours), "first": first, "last": last, "limit": limit})
            players = [row[0] for row in cursor.fetchall()]
        if players:
            yield players
        if len(players) < limit or players[-1] == last:
            return
        first = UUID(int=players[-1].int + 1)


@dataclass(slots=True)
class _Pass:
    """One pass of a run over the players: what went wrong so far does not stop it, up to a limit."""

    run: RunFacts
    terms: Collection[Terms]
    trouble: str = ""
    broken_players: int = 0

    def convert(self, players: list[UUID]) -> None:
        """Converts a chunk. Where the books refuse it, halves it until the player whom they refuse stands alone."""
        try:
            try_again(lambda: convert_chunk(self.run, self.terms, players), lost_races=LOST_RACES)
        except (Unavailable, OperationalError) as error:
            cause = error.__cause__
            if isinstance(error, OperationalError) and getattr(cause, "sqlstate", None) not in BUSY_SQLSTATES:
                raise
            logger.warning("players not converted: their rows are busy", extra={"first_player": str(players[0])})
            self.trouble = self.trouble or "busy"
        except (PostConditionFailed, DomainError, IntegrityError):
            if len(players) > 1:
                middle = len(players) // 2
                self.convert(players[:middle])
                self.convert(players[middle:])
                return
            logger.exception("a player was not converted: the books refuse", extra={"player": str(players[0])})
            self.trouble, self.broken_players = "books-refuse", self.broken_players + 1
            if self.broken_players >= settings.CONVERSION_BROKEN_PLAYERS_PER_RUN:
                raise


@transaction.atomic(durable=True)
def convert_chunk(run: RunFacts, terms: Collection[Terms], players: Sequence[UUID]) -> None:
    """Converts the pending lots of `players` in the hours of `terms`; nothing where the run is finished by now.

    Raises PostConditionFailed where the result does not add up.
    """
    if not _hold_open(run):
        return
    lots = claim(run, [each.hour for each in terms], players)
    lines = worth_something(lots, terms)
    if not lines:
        return
    lines = recovering(lines, book.lock_balances(line.lot.player for line in lines))
    receipts = book.post(entry_of(line) for line in lines)
    _write_lines(run, lines, [receipt.posted_at for receipt in receipts])
    _mark_wins(lines)
    _prove(lines)


HOLD_OPEN = "SELECT id FROM conversion_conversionrun WHERE id = %s AND state <> 'done' FOR SHARE"


def _hold_open(run: RunFacts) -> bool:
    """Whether the run is unfinished; it stays so until this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(HOLD_OPEN, [run.id])
        return cursor.fetchone() is not None


# A row that somebody else held is checked again once it is free (READ COMMITTED), so wins that he converted or voided
# drop out. A lot that has a line in this run already (its win came late, between two passes) waits for the next run;
# NOT IN is hashed once, where NOT EXISTS was planned as a loop over the whole run for each win.
CLAIM = """
WITH claimed AS MATERIALIZED (
    SELECT win.entry_id, win.player_id, date_trunc('hour', win.won_at, 'UTC') AS hour, allowance.day, win.amount
    FROM rewards_win win
    JOIN rewards_allowance allowance ON allowance.player_id = win.player_id AND allowance.id = win.allowance_id
    WHERE win.player_id = ANY(%(players)s::uuid[])
      AND win.converted_by_id IS NULL AND win.voided_by_id IS NULL
      AND date_trunc('hour', win.won_at, 'UTC') = ANY(%(hours)s::timestamptz[])
      AND (win.player_id, date_trunc('hour', win.won_at, 'UTC'), allowance.day) NOT IN (
          SELECT player_id, hour, day FROM conversion_conversion
          WHERE run_id = %(run)s AND player_id = ANY(%(players)s::uuid[]))
    ORDER BY win.player_id, win.entry_id
    FOR NO KEY UPDATE OF win
)
SELECT player_id, hour, day, sum(amount), array_agg(entry_id ORDER BY entry_id)
FROM claimed GROUP BY player_id, hour, day ORDER BY player_id, hour, day
"""


def claim(run: RunFacts, hours: Sequence[datetime], players: Sequence[UUID]) -> list[Lot]:
    """Locks the pending wins of `players` in `hours`, and adds them up by player, hour and local day."""
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, {"run": run.id, "hours": list(hours), "players": list(players)})
        return [Lot(player, hour, day, tokens, tuple(wins)) for player, hour, day, tokens, wins in cursor.fetchall()]


def worth_something(lots: Sequence[Lot], terms: Collection[Terms]) -> list[Line]:
    """What the lots become. A lot that rounds to no USD at all stays in the wallet, and pending."""
    of_hour = {each.hour: each for each in terms}
    lines = []
    for lot in lots:
        its = of_hour[lot.hour]
        if usd := usd_of(lot.tokens, its.price):
            lines.append(Line(lot, its, usd, fee_of(usd, its.percentage, its.fixed, its.minimum)))
    return lines


def recovering(lines: Sequence[Line], shares: Mapping[UUID, Mapping[str, Decimal]]) -> list[Line]:
    """The lines, of which each first pays what its player still owes us (a win was voided after its USD were spent)."""
    owed = {player: accounts["player:usd-owed"] for player, accounts in shares.items()}
    paid = []
    for line in lines:
        recovered = min(line.usd, owed[line.lot.player])
        owed[line.lot.player] -= recovered
        paid.append(replace(line, recovered=recovered))
    return paid


def entry_of(line: Line) -> book.Entry:
    """The journal entry of a conversion: tokens taken back, USD owed to the player, the fee owed by us.

    What the player owes us is paid from the new USD in the same entry, where everybody sees it.
    """
    postings = [
        book.Posting("player:dream", "dream:redeemed", line.lot.tokens),
        book.Posting("usd:rewards-expense", "player:usd", line.usd),
    ]
    if line.recovered:
        postings.append(book.Posting("player:usd", "player:usd-owed", line.recovered))
    if line.fee:
        postings.append(book.Posting("usd:conversion-fees", "usd:fees-payable", line.fee))
    return book.Entry(holder=line.lot.player, kind="conversion", postings=tuple(postings), id=line.entry)


WRITE_LINES = """
INSERT INTO conversion_conversion
    (entry_id, run_id, player_id, hour, day, rate_id, fee_rule_id, tokens, usd, fee, recovered, converted_at)
SELECT entry, %s, player, hour, day, rate, fee_rule, tokens, usd, fee, recovered, converted_at
FROM unnest(%s::uuid[], %s::uuid[], %s::timestamptz[], %s::date[], %s::uuid[], %s::uuid[], %s::numeric[],
            %s::numeric[], %s::numeric[], %s::numeric[], %s::timestamptz[])
    AS line (entry, player, hour, day, rate, fee_rule, tokens, usd, fee, recovered, converted_at)
"""


def _write_lines(run: RunFacts, lines: Sequence[Line], converted_at: Sequence[datetime]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            WRITE_LINES,
            [
                run.id,
                [line.entry for line in lines],
                [line.lot.player for line in lines],
                [line.lot.hour for line in lines],
                [line.lot.day for line in lines],
                [line.terms.rate_id for line in lines],
                [line.terms.fee_rule_id for line in lines],
                [line.lot.tokens for line in lines],
                [line.usd for line in lines],
                [line.fee for line in lines],
                [line.recovered for line in lines],
                list(converted_at),
            ],
        )


MARK_WINS = """
WITH marked AS (
    UPDATE rewards_win win SET converted_by_id = claimed.entry
    FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[]) AS claimed (win, player, entry)
    WHERE win.entry_id = claimed.win AND win.player_id = claimed.player
      AND win.converted_by_id IS NULL AND win.voided_by_id IS NULL
    RETURNING win.amount
)
SELECT count(*), coalesce(sum(amount), 0) FROM marked
"""


def _mark_wins(lines: Sequence[Line]) -> None:
    wins = [(win, line.lot.player, line.entry) for line in lines for win in line.lot.wins]
    with connection.cursor() as cursor:
        cursor.execute(MARK_WINS, [list(column) for column in zip(*wins, strict=True)])
        marked, tokens = cursor.fetchone()
    _hold(marked == len(wins), f"{marked} wins were marked of {len(wins)} that were claimed")
    claimed = total(line.lot.tokens for line in lines)
    _hold(tokens == claimed, f"the marked wins hold {tokens} DREAM, the lots {claimed}")


# What was posted, what the lines say, and the first player whose wallet is not exactly his pending wins.
OUTCOME = """
SELECT posted.tokens, posted.usd, posted.fee, posted.recovered, line.tokens, line.usd, line.fee, line.recovered, (
    SELECT format('player %%s: wallet %%s, pending %%s', player, coalesce(wallet.amount, 0), pending.amount)
    FROM unnest(%(players)s::uuid[]) AS player
    LEFT JOIN ledger_balance wallet ON wallet.holder = player AND wallet.account_id = 'player:dream'
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(amount), 0) AS amount FROM rewards_win
        WHERE player_id = player AND converted_by_id IS NULL AND voided_by_id IS NULL
    ) pending
    WHERE coalesce(wallet.amount, 0) <> pending.amount
    ORDER BY player LIMIT 1
)
FROM (
    SELECT sum(amount) FILTER (WHERE debit_id = 'player:dream' AND credit_id = 'dream:redeemed') AS tokens,
           sum(amount) FILTER (WHERE debit_id = 'usd:rewards-expense' AND credit_id = 'player:usd') AS usd,
           coalesce(sum(amount) FILTER (
               WHERE debit_id = 'usd:conversion-fees' AND credit_id = 'usd:fees-payable'), 0) AS fee,
           coalesce(sum(amount) FILTER (
               WHERE debit_id = 'player:usd' AND credit_id = 'player:usd-owed'), 0) AS recovered
    FROM ledger_posting WHERE holder = ANY(%(players)s::uuid[]) AND entry_id = ANY(%(entries)s::uuid[])
) posted, (
    SELECT sum(tokens) AS tokens, sum(usd) AS usd, sum(fee) AS fee, sum(recovered) AS recovered
    FROM conversion_conversion WHERE entry_id = ANY(%(entries)s::uuid[])
) line
"""


def _prove(lines: Sequence[Line]) -> None:
    """The post-conditions of a chunk, read back from what stands in the database now."""
    players = sorted({line.lot.player for line in lines})
    with connection.cursor() as cursor:
        cursor.execute(OUTCOME, {"players": players, "entries": [line.entry for line in lines]})
        *sums, wallet = cursor.fetchone()
    wanted = [
        total(line.lot.tokens for line in lines),
        total(line.usd for line in lines),
        total(line.fee for line in lines),
        total(line.recovered for line in lines),
    ]
    _hold(sums[:4] == wanted, f"posted {sums[:4]} of tokens, USD, fees, recovered; wanted {wanted}")
    _hold(sums[4:] == wanted, f"the lines hold {sums[4:]} of tokens, USD, fees, recovered; wanted {wanted}")
    _hold(wallet is None, str(wallet))


def _hold(promise: bool, otherwise: str) -> None:
    if not promise:
        raise PostConditionFailed(otherwise)
