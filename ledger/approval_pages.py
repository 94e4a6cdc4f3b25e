"""Requests that two people carry, in the browser: the queue, the page of one, what it would do, and the doors that lead
there from other rows. Nothing here writes; asking and deciding is ledger.approval_deeds."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.text import capfirst

from dreamland.lib.columns import GOOD, REQUEST_COLOURS, WAITS, page_address
from dreamland.lib.errors import DomainError
from dreamland.lib.pages import Block, Door, Facts, Label, Link, Notice, Page, Table
from dreamland.lib.tiles import Tile
from ledger.approvals.kinds import Kind, kind_of, registered_kinds
from ledger.approvals.models import ApprovalRequest
from ledger.approvals.reading import Preview, Request, preview, request_by_id, waiting_for
from ledger.approvals.rights import ASK, DECIDE, limits, person
from ledger.errors import InvalidRequest, RequestNotFound
from ledger.journal import Entry
from ledger.models import HOUSE

WAITING_SHOWN = 100
MOVEMENTS_SHOWN, ENTRIES_SHOWN = 50, 5  # of a preview: what somebody can still read
# What a payload names, and where it stands.
PAGES_OF = {
    "player": "rewards_player",
    "entry": "ledger_journalentry",
    "corrects": "ledger_journalentry",
    "rate": "conversion_rate",
    "win": "rewards_win",
}


def requests_path() -> list[tuple[str, str]]:
    return [("Requests", reverse("admin:ledger_approvalrequest_changelist"))]


def request_address(request_id: UUID) -> str:
    return page_address("ledger_approvalrequest", request_id)


def title_of(code: str) -> str:
    return str(capfirst(kind_of(code).title))


# --- The queue -------------------------------------------------------------------------------------------------------


def waiting_page(request: HttpRequest) -> Page:
    """What this person could decide now, the newest first."""
    found = waiting_for(person_of(request), limit=WAITING_SHOWN)
    return Page(
        "What waits for you",
        [
            Table(
                headers=["Asked at", "What", "By", "Because", "Reference", "State", "Until"],
                rows=[
                    [
                        Link(each.asked_at, request_address(each.id)),
                        title_of(each.kind),
                        each.asker,
                        kind_of(each.kind).reasons.get(each.reason_code, each.reason_code),
                        each.reference,
                        Label(each.state, REQUEST_COLOURS[each.state]),
                        each.expires_at,
                    ]
                    for each in found
                ],
                empty="Nothing waits for you. What you asked for yourself waits for somebody else.",
            )
        ],
        path=requests_path(),
    )


def list_doors(request: HttpRequest) -> list[Door]:
    """To what waits, and to what this person may ask for. Short words: a phone is narrow."""
    waiting = Door("Waiting", reverse("admin:ledger_approvalrequest_waiting"), is_main=True)
    asking = Door("Ask", reverse("admin:ledger_approvalrequest_kinds"), icon="add")
    return [waiting, asking] if kinds_for(request) else [waiting]


def kinds_for(request: HttpRequest) -> list[Kind]:
    return [kind for kind in registered_kinds() if request.user.has_perm(kind.permission(ASK))]


def kinds_page(request: HttpRequest) -> Page:
    """What this person may ask for, why one would, and how much at a time."""
    most = limits(person(person_of(request)), ASK)
    told = ", ".join(f"{limit:,f} {asset}" for asset, limit in sorted(most.items()))
    rows = [
        [Link(capfirst(kind.title), ask_address(kind)), "; ".join(kind.reasons.values())] for kind in kinds_for(request)
    ]
    table = Table(
        headers=["What", "Because"],
        rows=rows,
        empty="You may ask for nothing; the group Finance operator may.",
        note=f"At most {told} at a time. Somebody else decides." if told else "",
    )
    return Page("What to ask for", [table], path=requests_path())


def ask_address(kind: Kind, query: str = "") -> str:
    address = reverse("admin:ledger_approvalrequest_ask", args=[kind.code])
    return f"{address}?{query}" if query else address


@dataclass(frozen=True, slots=True)
class About:
    """From a row to asking for `kind`: the field of its payload that is the row's key; whether its player is named."""

    kind: str
    field: str = ""
    with_player: bool = False


def doors_for(*about: About) -> Callable[[HttpRequest, Any], Iterator[Door]]:
    """From a row straight to the requests about it that this person may ask for, where they make sense."""

    def doors(request: HttpRequest, row: Any) -> Iterator[Door]:
        for each in about:
            kind = kind_of(each.kind)
            known = {each.field: str(row.pk)} if each.field else {}
            if each.with_player and (player := _player_of(row)):
                known["player"] = player
            if request.user.has_perm(kind.permission(ASK)) and _makes_sense(kind, known):
                yield Door(f"Ask for {kind.title}", ask_address(kind, urlencode(known)), icon="rate_review")

    return doors


def list_doors_for(code: str) -> Callable[[HttpRequest], Iterator[Door]]:
    """From a list to asking for what would add a row to it."""

    def doors(request: HttpRequest) -> Iterator[Door]:
        kind = kind_of(code)
        if request.user.has_perm(kind.permission(ASK)):
            yield Door("Ask for one", ask_address(kind), icon="add", is_main=True)  # short: a phone is narrow

    return doors


def _player_of(row: Any) -> str:
    player = getattr(row, "player_id", None) or getattr(row, "holder", HOUSE)
    return str(player) if player != HOUSE else ""


def _makes_sense(kind: Kind, known: Mapping[str, str]) -> bool:
    """False where the row alone tells that it would be refused: an entry that is reversed, a rate that passed."""
    try:
        kind.ground(kind.read(known))
    except InvalidRequest:
        return True  # more has to be said
    except DomainError:
        return False
    return True


# --- A request -------------------------------------------------------------------------------------------------------


def found_request(request_id: Any) -> Request:
    try:
        return request_by_id(request_id)
    except RequestNotFound as error:
        raise Http404 from error


def request_blocks(row: Any) -> list[Block]:
    """What was asked, by whom and why, what it would do now or did, and what was decided."""
    told = found_request(row.pk)
    kind = kind_of(told.kind)
    blocks: list[Block] = []
    if told.state == "stale":
        blocks.append(Notice("What it stands on has moved. It can be refused or withdrawn, and asked anew.", "danger"))
    blocks.append(
        Facts(
            [
                ("What", capfirst(kind.title)),
                ("State", Label(told.state, REQUEST_COLOURS[told.state])),
                ("Because", kind.reasons.get(told.reason_code, told.reason_code)),
                ("Reference", told.reference),
                ("Note", told.note),
                ("Asked by", told.asker),
                ("Asked at", told.asked_at),
                ("Open until", told.expires_at),
                ("Decided by", told.decider),
                ("Decided at", told.decided_at),
                ("Word", told.word),
            ]
        )
    )
    blocks.append(Facts(payload_facts(told.payload), title="Asked for"))
    if told.entry_ids:
        links = [("Entry", Link(entry, page_address("ledger_journalentry", entry))) for entry in told.entry_ids]
        blocks.append(Facts(links, title="Done"))
    if told.state in {"open", "stale"}:
        blocks += looked_at(told)
    return blocks


def looked_at(told: Request) -> list[Block]:
    try:
        return preview_blocks(preview(kind=told.kind, payload=told.payload))
    except DomainError as refused:
        return [Notice(f"It could not be done now: {refused.detail}.", "warning")]


def payload_facts(payload: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The payload, one line for each thing in it."""
    rows: list[tuple[str, Any]] = []
    for name, value in payload.items():
        if isinstance(value, list):
            rows += [(f"{label_of(name)} {n}", _spelled(each)) for n, each in enumerate(value, start=1)]
        elif value not in (None, ""):
            page = PAGES_OF.get(name)
            rows.append((label_of(name), Link(value, page_address(page, value)) if page else str(value)))
    return rows


def _spelled(each: Any) -> str:
    if isinstance(each, Mapping) and {"debit", "credit", "amount"} <= set(each):
        return f"{each['debit']} / {each['credit']} {each['amount']}"
    return str(each)


def label_of(name: str) -> str:
    return str(capfirst(name.replace("_", " ")))


def preview_blocks(told: Preview) -> list[Block]:
    """What it would do as of now: balances before and after, its entries, or what else would change."""
    blocks: list[Block] = []
    if told.movements:
        blocks.append(
            Table(
                title="Balances before and after",
                headers=["Account", "Of", "Before", "Movement", "After", "Asset"],
                numbers=["Before", "Movement", "After"],
                note=_left_out(len(told.movements), MOVEMENTS_SHOWN, "balances"),
                rows=[
                    [
                        each.account,
                        Link(each.holder, page_address("rewards_player", each.holder)) if each.holder else "Dreamland",
                        each.before,
                        each.after - each.before,
                        each.after,
                        each.asset,
                    ]
                    for each in told.movements[:MOVEMENTS_SHOWN]
                ],
            )
        )
        blocks += [_entry_table(entry) for entry in told.entries[:ENTRIES_SHOWN]]
        if more := _left_out(len(told.entries), ENTRIES_SHOWN, "entries"):
            blocks.append(Notice(more, "info"))
    names = sorted({*told.change.before, *told.change.after})
    if names:
        rows = [[label_of(name), told.change.before.get(name), told.change.after.get(name)] for name in names]
        blocks.append(Table(title="What would change", headers=["", "Before", "After"], rows=rows))
    return blocks


def _left_out(there: int, shown: int, what: str) -> str:
    return f"The first {shown} of {there} {what}." if there > shown else ""


def _entry_table(entry: Entry) -> Table:
    rows: list[list[Any]] = []
    for posting in entry.postings:
        rows.append([posting.debit, posting.amount, None])
        rows.append([posting.credit, None, posting.amount])
    return Table(
        title=f"Entry: {entry.kind}", headers=["Account", "Debit", "Credit"], numbers=["Debit", "Credit"], rows=rows
    )


def request_doors(request: HttpRequest, row: Any) -> list[Door]:
    """What this person may do about it: decide about others', withdraw one's own."""
    told = found_request(row.pk)
    if told.state not in {"open", "stale"}:
        return []
    if told.asked_by == request.user.pk:
        return [_door("Withdraw", "withdraw", told)]
    if not request.user.has_perm(kind_of(told.kind).permission(DECIDE)):
        return []
    approve = [] if told.state == "stale" else [_door("Approve", "approve", told, is_main=True)]
    return [*approve, _door("Refuse", "refuse", told)]


def _door(text: str, verb: str, told: Request, *, is_main: bool = False) -> Door:
    return Door(text, reverse(f"admin:ledger_approvalrequest_{verb}", args=[told.id]), is_main=is_main)


def person_of(request: HttpRequest) -> int:
    person = request.user.pk
    assert isinstance(person, int)
    return person


def tiles() -> Iterator[Tile]:
    """How many requests wait for somebody's word."""
    waiting = ApprovalRequest.objects.filter(decision=None, expires_at__gte=timezone.now()).count()
    yield Tile(
        "Requests to decide",
        waiting,
        reverse("admin:ledger_approvalrequest_waiting"),
        note="Whoever asked cannot decide." if waiting else "Nobody waits for a word.",
        colour=WAITS if waiting else GOOD,
        order=14,
    )
