"""What moving a player refuses, and the constraints that say so."""

from typing import ClassVar

from dreamland.lib.errors import DomainError


class MoveNotFound(DomainError):
    """No such move, or it is at another step."""

    code: ClassVar[str] = "move-not-found"


class AlreadyMoving(DomainError):
    """The player is on the way to another region than the one asked for."""

    code: ClassVar[str] = "already-moving"


class PlayerLivesHere(DomainError):
    """The player already lives where he should go."""

    code: ClassVar[str] = "player-lives-here"


class WaitsForConversion(DomainError):
    """Wins are pending. `pending`: how many; the next run of the hour takes them."""

    code: ClassVar[str] = "waits-for-conversion"


class LuggageSealedOtherwise(DomainError):
    """What came along was sealed under another key, or for another move."""

    code: ClassVar[str] = "luggage-sealed-otherwise"


MOVE_REFUSALS: dict[str, type[DomainError]] = {"transfer_each_end_once": MoveNotFound}
