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
        message = getattr(getattr(violation.__cause__, "diag", None), "message_primary", None)
        raise error(message or str(violation)) from violation
