"""What a view says about each of its calls, for the contract: what comes in, what goes out, what is refused."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rest_framework import serializers

Action = TypeVar("Action", bound=Callable[..., Any])
Shape = type[serializers.Serializer[Any]]


@dataclass(frozen=True, slots=True)
class Described:
    """Describes an action of a view, as its decorator. The action's docstring is the text.

    `name` is the operationId, `answers` are the successes by status, with `headers` of their own. `problems` are the
    codes of this call alone: those that every call has (401, 403, 429, 5xx, those of a body or of a query) are added.
    `links` names calls that a success leads to, with where their parameters are found (OpenAPI, "Link Object").
    """

    name: str
    answers: Mapping[int, Shape]
    body: Shape | None = None
    problems: Sequence[str] = ()
    headers: Mapping[int, Sequence[str]] = field(default_factory=dict)
    links: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __call__(self, action: Action) -> Action:
        action.described = self  # type: ignore[attr-defined]
        return action


def page_of(item: Shape) -> Shape:
    """The shape of a keyset page of such items (pages.page)."""
    return type(
        item.__name__.removesuffix("Out") + "Page",
        (serializers.Serializer,),
        {
            "__doc__": "A page. `next_cursor` is null on the last one.",
            "items": item(many=True),
            "next_cursor": serializers.CharField(allow_null=True),
        },
    )
