"""Deciding what becomes of claimed wins. Pure: facts and limits in, decisions out; the services load and write."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.conf import settings

from dreamland.lib.errors import DomainError
from dreamland.lib.fields import AMOUNT_DECIMALS, AMOUNT_LIMIT
from dreamland.lib.ids import uuid7
from rewards.days import Day
from rewards.errors import (
    DailyCapExceeded,
    InvalidAmount,
    InvalidReference,
    PlayerClosed,
    PlayerElsewhere,
    PlayerMoving,
    PlayerNotFound,
    PlayerSuspended,
    ReferenceReused,
    WonAtInFuture,
    WonAtTooOld,
)
from rewards.models import REFERENCE_MAX_LENGTH, Player
from rewards.selectors import PlayerDays, WinFacts


@dataclass(frozen=True, slots=True)
class Claim:
    """A game says: this player won `amount` DREAM at `won_at`. `reference` is the game's own name for it."""

    player_id: UUID
    reference: str
    amount: Decimal
    won_at: datetime

    @property
    def key(self) -> tuple[UUID, str]:
        return self.player_id, self.reference

    def same_as(self, win: WinFacts) -> bool:
        """Whether `win` was asked for with this very content: the same values, whatever their spelling."""
        return win.requested == self.amount and win.won_at == self.won_at


@dataclass(frozen=True, slots=True)
class Recorded:
    """The win stands in the books. `replayed`: it already did before this call."""

    win: WinFacts
    replayed: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was written for this claim."""

    error: DomainError


@dataclass(slots=True)
class OpenDay:
    """What a player may still win on a day, while claims are decided. Without an allowance it is still to be opened."""

    player_id: UUID
    day: Day
    remaining: Decimal
    allowance_id: UUID | None


@dataclass(slots=True)
class Draft:
    """An accepted claim on its way into the books, credited with `amount`."""

    claim: Claim
    day: OpenDay
    amount: Decimal
    id: UUID = field(default_factory=uuid7)
    recorded_at: datetime | None = None

    @property
    def forfeited(self) -> Decimal:
        return self.claim.amount - self.amount


def malformed(claim: Claim) -> DomainError | None:
    """What is wrong with a claim by itself."""
    if not claim.amount.is_finite() or claim.amount <= 0:
        return InvalidAmount("a win is more than nothing")
    if claim.amount >= AMOUNT_LIMIT:
        return InvalidAmount(f"an amount is less than {AMOUNT_LIMIT:f}")
    exponent = claim.amount.normalize().as_tuple().exponent
    if isinstance(exponent, int) and exponent < -AMOUNT_DECIMALS:
        return InvalidAmount(f"an amount has at most {AMOUNT_DECIMALS} decimals")
    if not 1 <= len(claim.reference) <= REFERENCE_MAX_LENGTH:
        return InvalidReference(f"a reference has 1 to {REFERENCE_MAX_LENGTH} characters", field="reference")
    return None


def unacceptable(claim: Claim, player: PlayerDays | None, *, now: datetime) -> DomainError | None:
    """Why a new claim is refused before its day is looked at."""
    if player is None:
        return PlayerNotFound("there is no such player")
    return status_refusal(player.status, player.region) or out_of_time(claim, now=now)


def out_of_time(claim: Claim, *, now: datetime) -> DomainError | None:
    """Why a win is refused for when it was won."""
    if claim.won_at > now + settings.WIN_FUTURE_LIMIT:
        return WonAtInFuture("the win lies in the future", limit_seconds=int(settings.WIN_FUTURE_LIMIT.total_seconds()))
    if claim.won_at < now - settings.WIN_LATE_LIMIT:
        return WonAtTooOld(
            "the win lies too far in the past", limit_seconds=int(settings.WIN_LATE_LIMIT.total_seconds())
        )
    return None


def status_refusal(status: str, region: str) -> DomainError | None:
    """Why a player of that status wins nothing here; `region` is where he is going, or lives."""
    match status:
        case Player.Status.SUSPENDED:
            return PlayerSuspended("the player is suspended and wins nothing for now")
        case Player.Status.CLOSED:
            return PlayerClosed("the player's account is closed")
        case Player.Status.ERASED:
            return PlayerClosed("the player is erased")
        case Player.Status.MOVING:
            return PlayerMoving("the player is moving to another region", region=region)
        case Player.Status.MOVED:
            return PlayerElsewhere("the player lives in another region", region=region)
    return None


def replay(claim: Claim, known: WinFacts) -> Recorded | Refused:
    """What a claim gets whose reference is known already."""
    if claim.same_as(known):
        return Recorded(known, replayed=True)
    return Refused(ReferenceReused("this reference names another win of this player", win_id=known.id))


def repeat(claim: Claim, draft: Draft) -> Draft | Refused:
    """What a claim gets whose reference came earlier in the same call."""
    if (claim.amount, claim.won_at) == (draft.claim.amount, draft.claim.won_at):
        return draft
    return Refused(ReferenceReused("this reference names another win of this player", win_id=draft.id))


def take(claim: Claim, day: OpenDay, *, clips: bool) -> Decimal | DailyCapExceeded:
    """Takes the claim from what the day has left, and says how much of it; or says what is left.

    Exactly the cap is allowed. Over it the whole claim is refused, or what is left is taken where the game `clips`; of
    a day with nothing left nothing can be, and then there is no win.
    """
    taken = min(claim.amount, day.remaining) if clips else claim.amount
    if not 0 < taken <= day.remaining:
        return DailyCapExceeded(
            "nothing is left of what the player may win on that day"
            if clips
            else "the win would exceed what the player may win on that day",
            remaining=day.remaining,
            resets_at=day.day.ends_at,
        )
    day.remaining -= taken
    return taken
