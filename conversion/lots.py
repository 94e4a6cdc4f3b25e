"""Lots of tokens, and what they become: the arithmetic of a conversion and its journal entry. Nothing here is read
or written."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from conversion.money import fee_of, usd_of
from conversion.rates import Terms
from dreamland.lib.ids import uuid7
from ledger import book


@dataclass(frozen=True, slots=True)
class Lot:
    """A player's pending wins of one hour and one local day, claimed. Who they are only PostgreSQL looks at again."""

    player: UUID
    hour: datetime
    day: date
    tokens: Decimal
    win_count: int
    wins: str  # their ids, as an array literal
    owes: bool  # whether the player owes us something, seen without a lock


@dataclass(frozen=True, slots=True)
class Line:
    """A lot and what it becomes."""

    lot: Lot
    terms: Terms
    usd: Decimal
    fee: Decimal
    recovered: Decimal = Decimal(0)
    entry: UUID = field(default_factory=uuid7)


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
        paid.append(replace(line, recovered=recovered) if recovered else line)
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
