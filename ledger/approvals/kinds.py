"""Kinds of requests: what one says, on what ground, what it would do, and what carries it out.

Each app registers the kinds of its own facts, as it registers its checks.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from rest_framework.exceptions import ValidationError

from dreamland.lib.api.fields import StrictSerializer
from ledger.errors import InvalidRequest, UnknownKind
from ledger.journal import Entry, post

Payload = Mapping[str, Any]  # validated: Decimals, UUIDs, instants


@dataclass(frozen=True, slots=True)
class Order:
    """An approved request, to be carried out inside the transaction that approves it."""

    request_id: UUID
    payload: Payload
    reference: str
    reason_code: str
    asked_by: int
    decided_by: int

    def signed(self, entry: Entry) -> Entry:
        """The entry in the name of who asked, naming the request: PostgreSQL refuses it otherwise."""
        metadata = {**entry.metadata, "request": str(self.request_id)}
        return replace(entry, posted_by=self.asked_by, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an order came to: the entries that it posted, and in `result` what else it made."""

    entry_ids: tuple[UUID, ...] = ()
    result: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """What would be different afterwards, in words and figures for people; for what is no entry."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]


def no_entries(payload: Payload) -> Sequence[Entry]:
    return ()


def no_amounts(payload: Payload) -> Mapping[str, Decimal]:
    return {}


def no_lock(payload: Payload) -> None:
    return None


def no_change(payload: Payload) -> Change:
    return Change({}, {})


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of request.

    `code` is its name in data and in `--kind`; the permissions are `<app>.ask_<code>` and `<app>.decide_<code>`, with
    `_` for `-`. `reasons` is the closed list of why (code: words). `payload` says what it consists of.

    `subject` tells what a request is about: two open ones about the same thing are refused, and with `is_once` one
    after an approved one. `ground` returns the facts on which it stands; they must be the same when it is decided. It
    raises a DomainError where there is nothing to be asked. `lock` keeps them from moving until the transaction ends.
    `entries` are what it would post; with `is_binding` exactly these, known when it is asked. `amounts` is how much of
    each asset it moves, for the limits. `carry_out` does it, and by default posts `entries`.
    """

    code: str
    app: str
    title: str
    reasons: Mapping[str, str]
    payload: type[StrictSerializer]
    subject: Callable[[Payload, str], str]
    ground: Callable[[Payload], Mapping[str, Any]]
    carry_out: Callable[[Order], Outcome] | None = None
    entries: Callable[[Payload], Sequence[Entry]] = no_entries
    amounts: Callable[[Payload], Mapping[str, Decimal]] = no_amounts
    change: Callable[[Payload], Change] = no_change
    lock: Callable[[Payload], None] = no_lock
    is_once: bool = True
    is_binding: bool = True

    def permission(self, verb: str) -> str:
        """`ledger.ask_adjustment`: what a person must have to "ask" or to "decide"."""
        return f"{self.app}.{verb}_{self.code.replace('-', '_')}"

    def read(self, given: Mapping[str, Any]) -> Payload:
        """The payload, validated. Raises InvalidRequest, which names every field that is wrong."""
        serializer = self.payload(data=given)
        try:
            serializer.is_valid(raise_exception=True)
        except ValidationError as error:
            raise InvalidRequest(_first(error.detail), errors=error.detail) from error
        return dict(serializer.validated_data)

    def canonical(self, payload: Payload) -> dict[str, Any]:
        """The payload as it is stored: strings alone, in one spelling."""
        return dict(self.payload(payload).data)

    def do(self, order: Order) -> Outcome:
        """Carries an approved request out."""
        if self.carry_out is not None:
            return self.carry_out(order)
        receipts = post([order.signed(entry) for entry in self.entries(order.payload)])
        return Outcome(tuple(receipt.entry_id for receipt in receipts))


def _first(detail: Any, place: str = "") -> str:
    """The first thing that is wrong, with its place."""
    if isinstance(detail, Mapping):
        name, inner = next(iter(detail.items()))
        return _first(inner, f"{place}.{name}".strip("."))
    if isinstance(detail, list) and detail:
        return _first(next(each for each in detail if each), place)
    return f"{place}: {detail}"


_kinds: dict[str, Kind] = {}


def register_kinds(kinds: Iterable[Kind]) -> None:
    """Adds kinds of requests; a code that is known is replaced."""
    for kind in kinds:
        _kinds[kind.code] = kind


def registered_kinds() -> tuple[Kind, ...]:
    """Every kind, in the order of registration."""
    return tuple(_kinds.values())


def kind_of(code: str) -> Kind:
    """Raises UnknownKind."""
    if code not in _kinds:
        raise UnknownKind(f"there is no kind {code!r}; there are {', '.join(sorted(_kinds))}")
    return _kinds[code]
