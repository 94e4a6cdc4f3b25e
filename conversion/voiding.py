"""Taking back what a voided win had become (docs/decisions/0007-void-of-converted-wins.md).

A conversion is one entry for all wins of a lot, so it cannot be reversed for one of them. The void of a converted win
posts two entries in one statement. For a win of 1 DREAM that became 0.15 USD, of which 0.10 are still in the wallet:

    conversion-void   dream:redeemed   / player:dream          1      the token comes back,
                      player:usd       / usd:rewards-expense   0.10   its dollars go, as far as they are there,
                      player:usd-owed  / usd:rewards-expense   0.05   and the rest is owed to us
    void              player:dream     / dream:issued          1      the win itself is reversed

                     before  after                       before  after
    player:dream   cr   0      0    usd:rewards-expense dr 0.15    0
    dream:issued   dr   1      0    player:usd          cr 0.10    0
    dream:redeemed cr   1      0    player:usd-owed     dr 0       0.05

(The other 0.05 had been paid out before.) Issued is held and redeemed, as it was. The fee stays ours: the provider did
convert. What is owed is paid from the next conversions (`conversion.lots`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection

from conversion.money import usd_of
from dreamland.lib.ids import uuid7
from ledger import book
from rewards import voiding
from rewards.selectors import WinFacts
from rewards.voiding import Author, Shares, TakenBack, Voided

__all__ = ["Author", "Voided", "take_back", "void_win", "void_wins"]


def void_win(*, win_id: UUID, reason: str, author: Author, game_id: UUID | None = None) -> Voided:
    """Takes a win back, pending or converted: `rewards.voiding.void_win`, with what it had become."""
    return voiding.void_win(win_id=win_id, reason=reason, author=author, take_back=take_back, game_id=game_id)


def void_wins(*, win_ids: Sequence[UUID], reason: str, author: Author) -> tuple[Voided, ...]:
    """Takes these wins back, pending or converted: `rewards.voiding.void_wins`, with what they had become."""
    return voiding.void_wins(win_ids=win_ids, reason=reason, author=author, take_back=take_back)


@dataclass(slots=True)
class Converted:
    """A conversion whose wins are taken back one after another: what its voided wins came to so far."""

    id: UUID
    hour: datetime
    day: date
    price: Decimal
    voided_tokens: Decimal

    def take(self, tokens: Decimal) -> Decimal:
        """The USD of the next `tokens`: what all voided ones are worth, less what was taken back for them so far.

        So however the wins of a line are rounded, all of them together give back exactly the USD of the line.
        """
        before = usd_of(self.voided_tokens, self.price)
        self.voided_tokens += tokens
        return usd_of(self.voided_tokens, self.price) - before


@dataclass(frozen=True, slots=True)
class Share:
    """A voided win's share of its conversion; of its `usd` the wallet no longer held `owed`."""

    win: WinFacts
    conversion: Converted
    usd: Decimal
    owed: Decimal
    entry: UUID = field(default_factory=uuid7)


def take_back(wins: Sequence[WinFacts], shares: Shares) -> TakenBack:
    """What is posted and written to undo the conversion of these wins: a `rewards.voiding.TakeBack`.

    Their days and their holders' balances are locked by the caller, so the sums read here hold.
    """
    conversions = _conversions_of(wins)
    wallets = {player: accounts["player:usd"] for player, accounts in shares.items()}
    taken = []
    for win in wins:
        assert win.converted_by is not None
        conversion = conversions[win.converted_by]
        usd = conversion.take(win.amount)
        covered = min(usd, wallets[win.player_id])
        wallets[win.player_id] -= covered
        taken.append(Share(win, conversion, usd, usd - covered))
    return TakenBack([entry_of(share) for share in taken], lambda posted_at: _write(taken, posted_at))


CONVERSIONS = """
SELECT line.entry_id, line.hour, line.day, rate.price, coalesce(sum(voided.tokens), 0)
FROM conversion_conversion line
JOIN conversion_rate rate ON rate.id = line.rate_id
LEFT JOIN conversion_voidedconversion voided
  ON voided.player_id = line.player_id AND voided.conversion_id = line.entry_id
WHERE line.player_id = ANY(%s::uuid[]) AND line.entry_id = ANY(%s::uuid[])
GROUP BY line.entry_id, rate.price
"""


def _conversions_of(wins: Iterable[WinFacts]) -> dict[UUID, Converted]:
    players, entries = {win.player_id for win in wins}, {win.converted_by for win in wins}
    with connection.cursor() as cursor:
        cursor.execute(CONVERSIONS, [list(players), list(entries)])
        return {row[0]: Converted(*row) for row in cursor.fetchall()}


def entry_of(share: Share) -> book.Entry:
    """The journal entry that undoes one win's part of a conversion; the win itself is reversed by another."""
    postings = [book.Posting("dream:redeemed", "player:dream", share.win.amount)]
    if covered := share.usd - share.owed:
        postings.append(book.Posting("player:usd", "usd:rewards-expense", covered))
    if share.owed:
        postings.append(book.Posting("player:usd-owed", "usd:rewards-expense", share.owed))
    return book.Entry(holder=share.win.player_id, kind="conversion-void", postings=tuple(postings), id=share.entry)


WRITE = """
INSERT INTO conversion_voidedconversion
    (entry_id, conversion_id, win_id, player_id, hour, day, tokens, usd, owed, voided_at)
SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::uuid[], %s::timestamptz[], %s::date[], %s::numeric[],
                     %s::numeric[], %s::numeric[], %s::timestamptz[])
"""


def _write(shares: Sequence[Share], posted_at: Mapping[UUID, datetime]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            WRITE,
            [
                [share.entry for share in shares],
                [share.conversion.id for share in shares],
                [share.win.id for share in shares],
                [share.win.player_id for share in shares],
                [share.conversion.hour for share in shares],
                [share.conversion.day for share in shares],
                [share.win.amount for share in shares],
                [share.usd for share in shares],
                [share.owed for share in shares],
                [posted_at[share.entry] for share in shares],
            ],
        )
