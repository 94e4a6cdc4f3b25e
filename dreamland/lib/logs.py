"""Structured logs: one JSON object a line, with ids and without secrets or personal data (docs/operations.md, "Logs").

Every line carries what is bound to its context: the request's id, game, key, player and win, or the task's id and the
hour it converts. Two things could carry what a caller sent into a line, so both are cut here for whoever logs: objects
(a request shows its query) and the messages of exceptions.
"""

import functools
import logging
import traceback
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from types import TracebackType
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

import structlog
from celery.signals import task_postrun, task_prerun
from django.db import OperationalError
from structlog.typing import EventDict, WrappedLogger

P = ParamSpec("P")
T = TypeVar("T")

PLAIN = (str, int, float, bool, type(None))  # a float here is a time in seconds
SPELLED = (Decimal, UUID, date)  # date: datetime too
FRAMES = 40  # of a traceback, the innermost
CAUSES = 5  # of an exception


def json_formatter() -> logging.Formatter:
    """The formatter of the standard library's handlers; it also renders what structlog logs."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            shown_exception,
            plain_values,
            structlog.processors.JSONRenderer(),
        ],
    )


def note(**ids: object) -> None:
    """Binds ids to every further line of this request or task: who, which, and nothing about them."""
    structlog.contextvars.bind_contextvars(**{name: str(value) for name, value in ids.items()})


def with_ids(*names: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorates a keyword-only function: these of its arguments are bound to every line that it logs, and no longer."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(function)
        def noted(*args: P.args, **kwargs: P.kwargs) -> T:
            ids = {name: spelled(kwargs[name]) for name in names if name in kwargs}
            with structlog.contextvars.bound_contextvars(**ids):
                return function(*args, **kwargs)

        return noted

    return decorate


def spelled(value: object) -> object:
    """A value as a line can hold it: plain ones as they are, amounts, ids and instants as text, of others the type."""
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, SPELLED):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): spelled(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [spelled(item) for item in value]
    return f"<{type(value).__name__}>"


def plain_values(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The last word before a line is written: no object shows itself, since a request would show its query."""
    return {name: spelled(value) for name, value in event.items()}


def shown_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replaces `exc_info` by what went wrong and where, without any value: no local variable and no source line."""
    given = event.pop("exc_info", None)
    error = given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["exception"] = exception_facts(error, speak="request_id" not in event)
    return event


def exception_facts(error: BaseException, *, speak: bool) -> list[dict[str, object]]:
    """An exception and its causes, the outermost first: type, place, and of the database SQLSTATE and constraint.

    A message may quote what a caller sent. So it is told only where nobody calls (`speak`), and where it cannot:
    the operating system's and the database's about their own availability.
    """
    facts: list[dict[str, object]] = []
    seen: BaseException | None = error
    while seen is not None and len(facts) < CAUSES:
        diagnostics = getattr(seen, "diag", None)
        told = {
            "type": f"{type(seen).__module__}.{type(seen).__qualname__}",
            "message": str(seen) if speak or isinstance(seen, OSError | OperationalError) else None,
            "sqlstate": getattr(seen, "sqlstate", None),
            "constraint": getattr(diagnostics, "constraint_name", None),
            "at": _places(seen.__traceback__),
        }
        facts.append({name: value for name, value in told.items() if value})
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return facts


def _places(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace)[-FRAMES:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


# --- Celery: connected where this module is loaded, which is in every process that logs by `json_formatter` ---------


@task_prerun.connect
def _bind_task(task_id: str, task: Any, **_: Any) -> None:
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(task_id=task_id, task=task.name)


@task_postrun.connect
def _unbind_task(**_: Any) -> None:
    structlog.contextvars.clear_contextvars()
