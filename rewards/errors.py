"""What recording wins refuses, and the constraints that say so."""

from typing import ClassVar

from dreamland.lib.errors import DomainError, Elsewhere


class PlayerNotFound(DomainError):
    """No such player, or not the caller's to see: both answer the same."""

    code: ClassVar[str] = "player-not-found"


class PlayerSuspended(DomainError):
    """A suspended player wins nothing until finance lifts it."""

    code: ClassVar[str] = "player-suspended"


class PlayerClosed(DomainError):
    """A closed account stays closed, and an erased player erased."""

    code: ClassVar[str] = "player-closed"


class PlayerMoving(DomainError):
    """The player is on the way to another region; soon calls are answered there. `region`: where to."""

    code: ClassVar[str] = "player-moving"


class PlayerElsewhere(Elsewhere):
    """The player lives in another region (`region`), which answers the same call."""


class GameNotFound(DomainError):
    """There is no game of that slug."""

    code: ClassVar[str] = "game-not-found"


class InvalidTimezone(DomainError):
    """The time zone is no name of the IANA database."""

    code: ClassVar[str] = "invalid"


class InvalidPlayer(DomainError):
    """The id cannot be a player's."""

    code: ClassVar[str] = "invalid"


class InvalidProfile(DomainError):
    """A value of the profile is not right, or there is none. The refusal does not repeat it."""

    code: ClassVar[str] = "invalid"


class WinNotFound(DomainError):
    """No such win, or another game's: both answer the same."""

    code: ClassVar[str] = "win-not-found"


class InvalidAmount(DomainError):
    """A win is more than nothing, and exact at 18 decimals."""

    code: ClassVar[str] = "invalid-amount"


class InvalidReference(DomainError):
    """A reference has 1 to 200 characters."""

    code: ClassVar[str] = "invalid"


class WonAtInFuture(DomainError):
    """Further ahead than a game's clock may be (WIN_FUTURE_LIMIT)."""

    code: ClassVar[str] = "won-at-in-future"


class WonAtTooOld(DomainError):
    """Later than a win is taken (WIN_LATE_LIMIT)."""

    code: ClassVar[str] = "won-at-too-old"


class DailyCapExceeded(DomainError):
    """The whole win is refused. `remaining`: DREAM still to be won on that day; `resets_at`: when the day ends.

    A game that clips meets it only where nothing remains: there is nothing to credit, and so no win.
    """

    code: ClassVar[str] = "daily-cap-exceeded"


class ReferenceReused(DomainError):
    """The game used this reference for this player with another content."""

    code: ClassVar[str] = "reference-reused"


class InvalidReason(DomainError):
    """A void says why, in 1 to 200 characters."""

    code: ClassVar[str] = "invalid"


class AlreadyVoided(DomainError):
    """The win was taken back before, for another reason. `voided_at`: when."""

    code: ClassVar[str] = "already-voided"


# Another transaction was faster: trying again sees what it wrote.
LOST_RACES = {
    *("win_reference_once", "allowance_days_in_order", "allowance_cap", "win_forfeits_only_over_cap"),
    *("win_player_lives_here", "win_player_is_not_erased"),
}
LOST_PROFILE_RACES = {"key_epoch_is_usable", "player_stays_erased", "erased_keeps_the_minimum"}
