"""A single win in the plain case: one statement that looks, decides and writes, and is its own transaction.

Plain is a new win of an active player, of a day that is open and has room for all of it. PostgreSQL says whether it is,
with that day under lock; whatever is not plain is left to `rewards.recording`, which knows every case and says why. So
nothing is refused here, and a rule that comes in there has to come in here too: `tests/rewards/test_plain.py` records
the same histories by both roads (docs/decisions/0015-a-plain-win-is-one-statement.md).
"""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection

from dreamland.lib.ids import uuid7
from ledger import book
from rewards.claims import Claim, malformed, out_of_time
from rewards.selectors import WinFacts, sight

# Parameters stand in subqueries, as in `recording.LOOK`, and for the same reason.
PLAIN = """
SELECT game.slug, game.over_cap = 'clip' AS clips, day.day, day.id AS allowance_id
FROM rewards_game game
JOIN rewards_player player ON player.id = (SELECT %s::uuid) AND player.status = 'active'
JOIN rewards_allowance day ON day.player_id = player.id AND day.day >= (SELECT %s::date)
 AND day.starts_at <= (SELECT %s::timestamptz) AND day.ends_at > (SELECT %s::timestamptz)
WHERE game.id = (SELECT %s::uuid) AND day.cap - day.won >= (SELECT %s::numeric)
  AND NOT EXISTS (
      SELECT FROM rewards_win win
      WHERE win.player_id = player.id AND win.game_id = game.id AND win.reference = (SELECT %s::text)
  )
FOR NO KEY UPDATE OF day
"""
WRITE = """
INSERT INTO rewards_win (entry_id, player_id, game_id, key_id, reference, amount, won_at, recorded_at, allowance_id)
SELECT entries.id, %s::uuid, %s::uuid, %s::text, %s::text, %s::numeric, %s::timestamptz, entries.posted_at,
       premise.allowance_id
FROM entries CROSS JOIN premise
"""


def record_plain(*, game_id: UUID, claim: Claim, now: datetime, key_id: str | None) -> WinFacts | None:
    """The win, recorded and committed; or None where it is not plain, and then nothing was written.

    Raises IntegrityError where another transaction was faster (`errors.LOST_RACES`).
    """
    if connection.in_atomic_block or malformed(claim) or out_of_time(claim, now=now):
        return None
    player, amount, won_at = claim.player_id, claim.amount, claim.won_at
    win_id = uuid7()
    posted = book.post_where(
        [win_entry(win_id, player, amount)],
        premise=book.Premise(
            PLAIN, [player, sight(now)["from_date"], won_at, won_at, game_id, amount, claim.reference]
        ),
        beside=book.Facts({"wins": WRITE}, [player, game_id, key_id, claim.reference, amount, won_at]),
    )
    if posted is None:
        return None
    [receipt], (slug, clips, day, _) = posted
    return WinFacts(
        id=win_id,
        reference=claim.reference,
        player_id=player,
        game=slug,
        amount=amount,
        won_at=won_at,
        recorded_at=receipt.posted_at,
        day=day,
        clips=clips,
    )


def win_entry(win_id: UUID, player_id: UUID, amount: Decimal) -> book.Entry:
    """The journal entry of a win; it and the win share their id."""
    return book.Entry(
        id=win_id,
        holder=player_id,
        kind="win",
        postings=(book.Posting("dream:issued", "player:dream", amount),),
    )
