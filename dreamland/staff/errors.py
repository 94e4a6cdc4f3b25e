"""What signing in refuses."""

from collections.abc import Mapping
from typing import ClassVar

from dreamland.lib.errors import DomainError
from dreamland.lib.trail.errors import ReasonMissing, ReasonTooLong


class TooManyAttempts(DomainError):
    """Too many tries within a window. `retry_after_seconds`: when the window is over."""

    code: ClassVar[str] = "too-many-attempts"


class CodeRefused(DomainError):
    """The code is not the device's at this time, was used before, or is no recovery code that is left."""

    code: ClassVar[str] = "code-refused"


class AlreadyEnrolled(DomainError):
    """There is a second factor already: only who shows it may replace it."""

    code: ClassVar[str] = "already-enrolled"


class ResetByOneself(DomainError):
    """Nobody resets the own second factor."""

    code: ClassVar[str] = "reset-by-oneself"


class NotPermitted(DomainError):
    """The person may not reset anybody's second factor."""

    code: ClassVar[str] = "not-permitted"


class NothingToReset(DomainError):
    """The person has no second factor."""

    code: ClassVar[str] = "nothing-to-reset"


REFUSALS: Mapping[str, type[DomainError]] = {
    "factor_reset_by_another": ResetByOneself,
    "factor_reset_reason_said": ReasonMissing,
    "factor_reset_reason_length": ReasonTooLong,
}
