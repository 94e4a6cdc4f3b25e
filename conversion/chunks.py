"""One chunk of players, converted in one transaction of a fixed number of statements.

Locks are taken in this order: the run (shared), wins by player and entry, balances by holder and account
(docs/data-model.md, "Locks"). A chunk that was lost, to a crash or to somebody faster, has changed nothing.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection, transaction

from conversion.errors import PostConditionFailed
from conversion.lots import Line, Lot, entry_of, recovering, worth_something
from conversion.money import total
from conversion.rates import Terms
from conversion.runs import RunFacts
from dreamland.lib.arrays import numbers, texts, uuids
from dreamland.lib.races import LostRace
from ledger import book


@transaction.atomic(durable=True)
def convert_chunk(run: RunFacts, terms: Collection[Terms], players: Sequence[UUID]) -> None:
    """Converts the pending lots of `players` in the hours of `terms`; nothing where the run is finished by now.

    Posting locks the players' shares, and their next wins wait from then on: for the end of a chunk, not for all of it
    (docs/performance.md). Only where somebody owes us something they are locked before, since what is recovered depends
    on it; that nobody else owes anything by then is proved at the end.

    Raises PostConditionFailed where the result does not add up, LostRace where somebody owes us something by now.
    """
    lots = claim(run, [each.hour for each in terms], players)
    lines = worth_something(lots, terms)
    if not lines:
        return
    locked = any(lot.owes for lot in lots)
    if locked:
        lines = recovering(lines, book.lock_balances(line.lot.player for line in lines))
    marked = book.post_and_tell((entry_of(line) for line in lines), beside=_facts(run, lines), told=MARKED)
    _prove_marked(lines, *marked)
    _prove(lines, locked=locked)


OWED = book.SHARE.format(holder="{player}", account="'player:usd-owed'")

# An unfinished run is held, and stays so until this transaction ends; of a finished one nothing is claimed.
#
# A row that somebody else held is checked again once it is free (READ COMMITTED), so wins that he converted or voided
# drop out. A lot that has a line in this run already (its win came late, between two passes) waits for the next run;
# NOT IN is hashed once, where NOT EXISTS was planned as a loop over the whole run for each win.
CLAIM = f"""
WITH run AS MATERIALIZED (
    SELECT id FROM conversion_conversionrun WHERE id = %(run)s AND state <> 'done' FOR SHARE
), claimed AS MATERIALIZED (
    SELECT win.entry_id, win.player_id, date_trunc('hour', win.won_at, 'UTC') AS hour, allowance.day, win.amount
    FROM rewards_win win
    JOIN rewards_allowance allowance ON allowance.player_id = win.player_id AND allowance.id = win.allowance_id
    WHERE EXISTS (SELECT FROM run) AND win.player_id = ANY(%(players)s::uuid[])
      AND win.converted_by_id IS NULL AND win.voided_by_id IS NULL
      AND date_trunc('hour', win.won_at, 'UTC') = ANY(%(hours)s::timestamptz[])
      AND (win.player_id, date_trunc('hour', win.won_at, 'UTC'), allowance.day) NOT IN (
          SELECT player_id, hour, day FROM conversion_conversion
          WHERE run_id = %(run)s AND player_id = ANY(%(players)s::uuid[]))
    ORDER BY win.player_id, win.entry_id
    FOR NO KEY UPDATE OF win
)
SELECT player_id, array_position(%(hours)s::timestamptz[], hour), day, sum(amount), count(*),
       array_agg(entry_id ORDER BY entry_id)::text, coalesce({OWED.format(player="player_id")}, 0) > 0
FROM claimed GROUP BY player_id, hour, day ORDER BY player_id, hour, day
"""


def claim(run: RunFacts, hours: Sequence[datetime], players: Sequence[UUID]) -> list[Lot]:
    """Locks the pending wins of `players` in `hours`, and adds them up by player, hour and local day.

    Holds the run first, in the same statement; none where it is finished by now.
    """
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, {"run": run.id, "hours": list(hours), "players": uuids(players)})
        # Of the hours there are few: their places are read ten times as fast as so many instants.
        return [Lot(player, hours[place - 1], *rest) for player, place, *rest in cursor.fetchall()]


WRITE_LINES = """
INSERT INTO conversion_conversion
    (entry_id, run_id, player_id, hour, day, rate_id, fee_rule_id, tokens, usd, fee, recovered, converted_at)
SELECT entry, %s, player, hour, day, rate, fee_rule, tokens, usd, fee, recovered, posted_at
FROM unnest(%s::uuid[], %s::uuid[], %s::timestamptz[], %s::date[], %s::uuid[], %s::uuid[], %s::numeric[],
            %s::numeric[], %s::numeric[], %s::numeric[])
    AS line (entry, player, hour, day, rate, fee_rule, tokens, usd, fee, recovered)
JOIN entries ON entries.id = line.entry
ORDER BY player, entry
"""


def _facts(run: RunFacts, lines: Sequence[Line]) -> book.Facts:
    """The lines of the run and the marks on their wins, beside the entries."""
    entries = uuids(line.entry for line in lines)
    return book.Facts(
        {"lines": WRITE_LINES, "marked": MARK_WINS},
        [
            run.id,
            entries,
            uuids(line.lot.player for line in lines),
            texts([line.lot.hour for line in lines]),
            texts([line.lot.day for line in lines]),
            texts([line.terms.rate_id for line in lines]),
            texts([line.terms.fee_rule_id for line in lines]),
            numbers(line.lot.tokens for line in lines),
            numbers(line.usd for line in lines),
            numbers(line.fee for line in lines),
            numbers(line.recovered for line in lines),
            texts([line.lot.wins for line in lines]),
            entries,
        ],
    )


# What is pending is said so that no index of it serves, and only the wins' own key leads to them: through that index
# every chunk would walk through all that is pending where that looks short to the planner (it was empty when PostgreSQL
# last counted). For the same reason the player is left out: through him, all that he ever won would be read.
MARK_WINS = """
UPDATE rewards_win win SET converted_by_id = lot.entry
FROM unnest(%s::text[], %s::uuid[]) AS lot (wins, entry)
CROSS JOIN LATERAL unnest(lot.wins::uuid[]) AS claimed (win)
WHERE win.entry_id = claimed.win AND coalesce(win.converted_by_id, win.voided_by_id) IS NULL
RETURNING win.amount
"""
MARKED = "SELECT count(*), coalesce(sum(amount), 0) FROM marked"


def _prove_marked(lines: Sequence[Line], marked: int, tokens: Decimal) -> None:
    wanted = sum(line.lot.win_count for line in lines)
    _hold(marked == wanted, f"{marked} wins were marked of {wanted} that were claimed")
    claimed = total(line.lot.tokens for line in lines)
    _hold(tokens == claimed, f"the marked wins hold {tokens} DREAM, the lots {claimed}")


# What was posted, what the lines say, the first player whose wallet is not his pending wins, and whether somebody owes
# us something who was not asked for it. Postings are joined pair by pair: asked for by two lists of keys, they had
# another plan in the middle of a run, fifty times slower.
OUTCOME = f"""
SELECT posted.tokens, posted.usd, posted.fee, posted.recovered, line.tokens, line.usd, line.fee, line.recovered, (
    SELECT format('player %%s: wallet %%s, pending %%s', player, coalesce(wallet.amount, 0), pending.amount)
    FROM (SELECT DISTINCT unnest(%(players)s::uuid[]) AS player) AS its
    LEFT JOIN ledger_balance wallet ON wallet.holder = player AND wallet.account_id = 'player:dream'
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(amount), 0) AS amount FROM rewards_win
        WHERE player_id = player AND converted_by_id IS NULL AND voided_by_id IS NULL
    ) pending
    WHERE coalesce(wallet.amount, 0) <> pending.amount
    ORDER BY player LIMIT 1
), EXISTS (
    SELECT FROM unnest(%(without_debt)s::uuid[]) AS its (player) WHERE {OWED.format(player="its.player")} > 0
)
FROM (
    SELECT sum(amount) FILTER (WHERE debit_id = 'player:dream' AND credit_id = 'dream:redeemed') AS tokens,
           sum(amount) FILTER (WHERE debit_id = 'usd:rewards-expense' AND credit_id = 'player:usd') AS usd,
           coalesce(sum(amount) FILTER (
               WHERE debit_id = 'usd:conversion-fees' AND credit_id = 'usd:fees-payable'), 0) AS fee,
           coalesce(sum(amount) FILTER (
               WHERE debit_id = 'player:usd' AND credit_id = 'player:usd-owed'), 0) AS recovered
    FROM unnest(%(players)s::uuid[], %(entries)s::uuid[]) AS its (player, entry)
    JOIN ledger_posting posting ON posting.holder = its.player AND posting.entry_id = its.entry
) posted, (
    SELECT sum(tokens) AS tokens, sum(usd) AS usd, sum(fee) AS fee, sum(recovered) AS recovered
    FROM conversion_conversion WHERE entry_id = ANY(%(entries)s::uuid[])
) line
"""


def _prove(lines: Sequence[Line], *, locked: bool) -> None:
    """The post-conditions of a chunk, read back from what stands in the database now.

    Raises LostRace for a debt that nobody knew of, where the shares were not `locked` before they were looked at.
    """
    its = {
        "players": uuids(line.lot.player for line in lines),
        "entries": uuids(line.entry for line in lines),
        "without_debt": uuids(set() if locked else {line.lot.player for line in lines}),
    }
    with connection.cursor() as cursor:
        cursor.execute(OUTCOME, its)
        *sums, wallet, new_debt = cursor.fetchone()
    wanted = [
        total(line.lot.tokens for line in lines),
        total(line.usd for line in lines),
        total(line.fee for line in lines),
        total(line.recovered for line in lines),
    ]
    _hold(sums[:4] == wanted, f"posted {sums[:4]} of tokens, USD, fees, recovered; wanted {wanted}")
    _hold(sums[4:] == wanted, f"the lines hold {sums[4:]} of tokens, USD, fees, recovered; wanted {wanted}")
    _hold(wallet is None, str(wallet))
    if new_debt:
        raise LostRace


def _hold(promise: bool, otherwise: str) -> None:
    if not promise:
        raise PostConditionFailed(otherwise)
