"""What the HTTP door itself refuses. Codes, statuses and titles stand in `catalogue`."""

from typing import ClassVar

from dreamland.lib.errors import DomainError


class MalformedJSON(DomainError):
    """The body is not JSON as this API takes it."""

    code: ClassVar[str] = "malformed-json"


class DuplicateKey(DomainError):
    """An object names a key twice."""

    code: ClassVar[str] = "duplicate-key"


class BodyTooLarge(DomainError):
    """The body exceeds the call's limit. It was not parsed."""

    code: ClassVar[str] = "body-too-large"


class UnknownParameter(DomainError):
    """The query names what the call does not know."""

    code: ClassVar[str] = "unknown-parameter"


class InvalidCursor(DomainError):
    """The cursor was not given out by this list."""

    code: ClassVar[str] = "invalid-cursor"


class ScopeMissing(DomainError):
    """The credential does not carry the scope of the call."""

    code: ClassVar[str] = "scope-missing"


class PlayersNeverGrant(DomainError):
    """A player's token came with a call that writes."""

    code: ClassVar[str] = "players-never-grant"


class Forbidden(DomainError):
    """The credential is valid, but this call is not for its kind of caller."""

    code: ClassVar[str] = "forbidden"
