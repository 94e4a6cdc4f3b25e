"""Taking many wins back: one person asks, and it is done when another one approves (docs/data-model.md, "Approvals").

Which wins: one of them, a player's, or those that a key reported; recorded in a time. A game does so for its own wins
by the API, one at a time.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from conversion.voiding import Author, take_back
from dreamland.lib.api.fields import InstantField, StrictSerializer, StrictUUIDField, TextField
from ledger import book
from rewards.models import REASON_MAX_LENGTH
from rewards.selectors import WinFacts, wins_by_id
from rewards.voiding import lock_wins, void_locked

KEY_ID_LENGTH = 16
WHICH = ("win", "player", "key")


class VoidPayload(StrictSerializer):
    win = StrictUUIDField(default=None, allow_null=True, help_text="One win, or ...")
    player = StrictUUIDField(default=None, allow_null=True, help_text="... those of a player, or ...")
    key = TextField(max_length=KEY_ID_LENGTH, default=None, allow_null=True, help_text="... those that a key reported.")
    since = InstantField(default=None, allow_null=True, help_text="Recorded then or later.")
    until = InstantField(default=None, allow_null=True, help_text="Recorded before then.")


# By the index of whichever is named; one more than may be, so that too many are told from just enough.
STANDING = """
SELECT win.entry_id FROM rewards_win win
WHERE {which} = %(named)s AND win.voided_by_id IS NULL
  AND win.recorded_at >= coalesce(%(since)s::timestamptz, '-infinity')
  AND win.recorded_at < coalesce(%(until)s::timestamptz, 'infinity')
ORDER BY win.entry_id LIMIT %(limit)s
"""
COLUMNS = {"win": "win.entry_id", "player": "win.player_id", "key": "win.key_id"}


def standing(payload: book.Payload) -> list[UUID]:
    """The wins that are named and stand. Raises InvalidRequest for none or several names, and for too many wins."""
    named = [name for name in WHICH if payload[name] is not None]
    if len(named) != 1:
        raise book.InvalidRequest("one of win, player and key says which wins", field="win")
    [which] = named
    most = settings.VOIDS_PER_REQUEST
    asked = {"named": payload[which], "since": payload["since"], "until": payload["until"], "limit": most + 1}
    with connection.cursor() as cursor:
        cursor.execute(STANDING.format(which=COLUMNS[which]), asked)
        found = [row[0] for row in cursor.fetchall()]
    if len(found) > most:
        raise book.InvalidRequest(f"more than {most} wins: ask for them in several times, by since and until")
    return found


def ground(payload: book.Payload) -> Mapping[str, Any]:
    """The very wins: with one more or less it is another request. What has become of them is taken back with them."""
    found = standing(payload)
    if not found:
        raise book.NothingToAsk("no win of these stands")
    return {"wins": found}


def wins(payload: book.Payload) -> list[WinFacts]:
    return list(wins_by_id(standing(payload)).values())


def amounts(payload: book.Payload) -> Mapping[str, Decimal]:
    return {"DREAM": sum((win.amount for win in wins(payload)), Decimal(0))}


def entries(payload: book.Payload) -> Sequence[book.Entry]:
    """What would be posted as of now: of the converted ones also what they became."""
    found = wins(payload)
    converted = [win for win in found if win.converted_by is not None]
    taken = take_back(converted, book.balances({win.player_id for win in converted})).entries if converted else ()
    return [*taken, *book.reversals([win.id for win in found], memo="", kind="void")]


def lock(payload: book.Payload) -> None:
    """The days, the wins, and then the balances of all of them, each in key order: as every void does, and no later."""
    found = standing(payload)
    lock_wins(found)
    book.lock_balances({win.player_id for win in wins_by_id(found).values()})


def carry_out(order: book.Order) -> book.Outcome:
    """Takes them back, VOIDS_PER_CHUNK in a statement, all in the transaction that approves it."""
    found, posted, size = wins(order.payload), list[UUID](), settings.VOIDS_PER_CHUNK
    for start in range(0, len(found), size):
        posted += void_locked(
            found[start : start + size],
            reason=f"{order.reason_code}: {order.reference}"[:REASON_MAX_LENGTH],
            author=Author(user_id=order.asked_by),
            take_back=take_back,
            sign=order.signed,
        )
    return book.Outcome(tuple(posted), {"wins": len(found)})


VOIDS = book.Kind(
    code="void-of-many",
    app="conversion",
    title="a void of wins",
    reasons={
        "cheating": "Somebody cheated",
        "mistake": "The game reported what was not won",
        "leaked-key": "The key that reported them was compromised",
    },
    payload=VoidPayload,
    subject=lambda payload, _: " ".join(
        f"{name}={payload[name]}" for name in (*WHICH, "since", "until") if payload[name] is not None
    ),
    ground=ground,
    entries=entries,
    lock=lock,
    amounts=amounts,
    carry_out=carry_out,
    is_once=False,  # what was recorded afterwards may be asked for again
    is_binding=False,  # what is posted depends on what has been converted until it is approved
)

book.register_kinds([VOIDS])
