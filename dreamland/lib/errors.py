"""What a caller did wrong, and how a constraint's name becomes that error."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from django.db import IntegrityError


class DomainError(Exception):
    """A refusal that a caller can understand and act on. Nothing was written.

    `code` is stable: callers branch on it, and docs/problems/ has a page for each. `detail` is for people. `extra`
    holds machine-readable facts of this refusal (amounts as Decimal, instants as aware datetimes).
    """

    code: ClassVar[str] = "invalid"

    def __init__(self, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra = extra


class Elsewhere(DomainError):
    """Another region answers this; its name is the fact `region`. Over HTTP it becomes a redirect."""

    code: ClassVar[str] = "player-elsewhere"


def constraint_name(error: IntegrityError) -> str:
    """The name of the constraint that PostgreSQL says was violated; empty where it names none."""
    diagnostics = getattr(error.__cause__, "diag", None)
    return getattr(diagnostics, "constraint_name", None) or ""


@contextmanager
def named_refusals(errors: Mapping[str, type[DomainError]]) -> Iterator[None]:
    """Turns the violation of a constraint named in `errors` into its DomainError; any other passes through."""
    try:
        yield
    except IntegrityError as violation:
        error = errors.get(constraint_name(violation))
        if error is None:
            raise
        raise error(_told(violation) or _promise(error)) from violation


def _told(violation: IntegrityError) -> str | None:
    """What a guard of ours says. PostgreSQL's own words about a CHECK name tables and rows: nothing for a caller."""
    diagnostics = getattr(violation.__cause__, "diag", None)
    ours = getattr(diagnostics, "source_function", None) == "exec_stmt_raise"  # RAISE in PL/pgSQL
    return getattr(diagnostics, "message_primary", None) if ours else None


def _promise(error: type[DomainError]) -> str:
    """The first line of what the error says about itself, as a detail."""
    first = (error.__doc__ or error.code).partition("\n")[0].rstrip(".")
    return first[:1].lower() + first[1:]
