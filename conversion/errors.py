"""What the conversion refuses, and what it finds wrong with itself."""

from typing import ClassVar

from dreamland.lib.errors import DomainError


class PostConditionFailed(Exception):
    """What was just written does not add up. Our own mistake: the transaction is lost, and somebody must look."""


class NotAnHour(DomainError):
    """A UTC hour is named by the instant that it begins at."""

    code: ClassVar[str] = "not-an-hour"


class HourNotOver(DomainError):
    """An hour is converted when it is over."""

    code: ClassVar[str] = "hour-not-over"


class RateNotFound(DomainError):
    """There is no such rate in quarantine."""

    code: ClassVar[str] = "rate-not-found"


class RateAlreadyAccepted(DomainError):
    """The hour has its rate already; it never gets another one."""

    code: ClassVar[str] = "rate-already-accepted"
