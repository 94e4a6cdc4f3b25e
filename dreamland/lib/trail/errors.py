"""What the audit trail refuses."""

from collections.abc import Mapping
from typing import ClassVar

from dreamland.lib.errors import DomainError


class ReasonMissing(DomainError):
    """Nobody looks at personal data without saying why."""

    code: ClassVar[str] = "reason-missing"


class ReasonTooLong(DomainError):
    """The reason does not fit."""

    code: ClassVar[str] = "reason-too-long"


REFUSALS: Mapping[str, type[DomainError]] = {"look_reason_said": ReasonMissing, "look_reason_length": ReasonTooLong}
