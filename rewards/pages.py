"""Pages about games, players and wins. Nothing here writes."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils import timezone

from dreamland.lib.columns import BAD, GOOD, NEWS, WAITS, listing, page_address
from dreamland.lib.forms import Period, choice, month_of
from dreamland.lib.pages import Block, Door, Facts, Form, Label, Link, Notice, Page, Table, instant_text
from dreamland.lib.statements import statement_blocks
from ledger import book
from rewards.keys import list_game_keys
from rewards.models import Allowance, Game, Player, Void, Win
from rewards.selectors import get_win, stats

WIN_COLOURS = {"pending": WAITS, "converted": GOOD, "voided": BAD}
STATUS_COLOURS = {"active": GOOD, "suspended": WAITS, "closed": BAD, "moving": WAITS, "moved": NEWS, "erased": BAD}
KEY_COLOURS = {"live": GOOD, "expired": WAITS, "revoked": BAD}
HELD = ("player:usd", "player:dream", "player:usd-owed")
DAYS_SHOWN = 14


# --- Players ---------------------------------------------------------------------------------------------------------


def player_blocks(player: Player) -> list[Block]:
    """Status, the day, the wallet, the latest days. Who lives elsewhere has no day here."""
    now = timezone.now()
    shares = book.balances([player.pk])[player.pk]
    days = Allowance.objects.filter(player=player).order_by("-day")[:DAYS_SHOWN]
    return [
        Facts(
            [
                ("Player", str(player.pk)),
                ("Status", Label(player.status, STATUS_COLOURS[player.status])),
                *([("Region", player.region)] if player.region else []),
                ("Time zone", player.timezone),
                ("Since", player.created_at),
            ]
        ),
        *([] if player.status == Player.Status.MOVED else [_today(player, now)]),
        Facts(
            [
                ("We owe, USD", shares["player:usd"]),
                ("Waits for its conversion, DREAM", shares["player:dream"]),
                ("Owes us, USD", shares["player:usd-owed"]),
                ("As of", now),
            ],
            title="Balances",
        ),
        Table(
            title=f"Latest {DAYS_SHOWN} days with a win",
            headers=["Day", "From", "Until", "Won", "Of at most"],
            numbers=["Won", "Of at most"],
            rows=[[day.day, day.starts_at, day.ends_at, day.won, day.cap] for day in days],
            empty="This player has not won anything yet.",
            note=f"Days in {player.timezone}; bounds in UTC.",
        ),
    ]


def _today(player: Player, now: datetime) -> Facts:
    told = stats(player.pk, now=now)
    return Facts(
        [
            ("Day", f"{told.day} in {told.timezone}"),
            ("Won today, DREAM", told.tokens_won_today),
            ("Left today, DREAM", told.tokens_remaining_today),
            ("Next day begins", told.resets_at),
        ],
        title="Today",
    )


def player_doors(player: Player) -> list[Door]:
    """The player's statement, wins and entries."""
    statement = reverse("admin:rewards_player_statement", args=[player.pk])
    return [
        Door("Statement", statement, icon="receipt_long", is_main=True),
        Door("Wins", listing("rewards_win", q=player.pk), icon="emoji_events"),
        Door("Entries", listing("ledger_journalentry", q=player.pk), icon="menu_book"),
    ]


class Which(Period):
    """Which account of a player, and when."""

    account = choice("Account", [(code, code) for code in HELD])


def player_statement_page(request: HttpRequest, player_id: str) -> Page:
    """One of a player's accounts over a time, line by line."""
    player = Player.objects.filter(pk=_uuid(player_id)).first()
    if player is None:
        raise Http404
    now = timezone.now()
    form = Which(request.GET) if "account" in request.GET else Which(initial={"since": month_of(now)})
    given = form.cleaned_data if form.is_bound and form.is_valid() else {}
    account = given.get("account") or HELD[0]
    since, until = given.get("since") or (None if form.is_bound else month_of(now)), given.get("until") or now
    beginning = instant_text(since) if since else "the beginning"
    blocks: list[Block]
    try:
        blocks = statement_blocks(book.statement(account=account, holder=player.pk, since=since, until=until))
    except book.StatementTooLong as refused:
        blocks = [Notice(f"{refused.detail}.", "warning")]
    return Page(
        title="Statement of a player",
        subtitle=f"{account} of {player.pk}, {beginning} to {instant_text(until)}.",
        path=[*PLAYERS(), (f"Player {str(player.pk)[:8]}…", page_address("rewards_player", player.pk))],
        blocks=[Form(form, "Show"), *blocks],
    )


def PLAYERS() -> list[tuple[str, str]]:  # noqa: N802
    return [("Players", reverse("admin:rewards_player_changelist"))]


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise Http404 from error


# --- Wins ------------------------------------------------------------------------------------------------------------


def win_blocks(win: Win) -> list[Block]:
    """A win, what became of it and who reported it."""
    facts = get_win(win.pk)
    rows: list[tuple[str, Any]] = [
        ("Amount, DREAM", facts.amount),
        ("State", Label(facts.state, WIN_COLOURS[facts.state])),
        ("Player", Link(facts.player_id, page_address("rewards_player", facts.player_id))),
        ("Game", Link(facts.game, page_address("rewards_game", win.game_id))),
        ("Reference", facts.reference),
        ("Won at", facts.won_at),
        ("Recorded at", facts.recorded_at),
        ("Counts for the day", facts.day),
        ("Reported with key", Link(win.key_id, page_address("rewards_gamekey", win.key_id)) if win.key_id else None),
        ("Journal entry", Link(win.pk, page_address("ledger_journalentry", win.pk))),
    ]
    if facts.forfeited:
        rows[1:1] = [("Asked for, DREAM", facts.requested), ("Forfeited over the cap, DREAM", facts.forfeited)]
    if facts.converted_by:
        address = page_address("conversion_conversion", facts.converted_by)
        rows.append(("Converted by", Link(facts.converted_by, address)))
    if facts.voided_by and facts.void:
        rows.append(("Voided because", facts.void.reason))
        rows.append(("Voided at", facts.void.voided_at))
        rows.append(("Voided by", Link(facts.voided_by, page_address("rewards_void", facts.voided_by))))
    return [Facts(rows)]


def behind_entry(entry_id: UUID, holder: UUID) -> Iterator[tuple[str, Any]]:
    """The win or the void that a journal entry is (dreamland.lib.pages.register_behind)."""
    win = Win.objects.filter(pk=entry_id).select_related("game").first()
    if win:
        yield "Win", Link(f"{win.amount.normalize():f} DREAM in {win.game}", page_address("rewards_win", win.pk))
        yield "Reference", win.reference
        yield "Won at", win.won_at
    void = Void.objects.filter(pk=entry_id).first()
    if void:
        yield "Void of win", Link(void.win_id, page_address("rewards_win", void.win_id))
        yield "Because", void.reason


# --- Games -----------------------------------------------------------------------------------------------------------


def game_blocks(game: Game) -> list[Block]:
    """A game, what becomes of its wins over the cap, and its keys."""
    keys = list_game_keys(slug=game.slug, now=timezone.now())
    return [
        Facts(
            [
                ("Name", game.name),
                ("Slug", game.slug),
                ("Wins over the cap", Label(game.over_cap, NEWS)),
                ("Since", game.created_at),
            ]
        ),
        Table(
            title="Keys",
            headers=["Key", "State", "May", "Made", "Last used", "Expires", "Revoked", "Wins"],
            rows=[
                [
                    Link(key.key_id, page_address("rewards_gamekey", key.key_id)),
                    Label(key.state, KEY_COLOURS.get(key.state, "")),
                    ", ".join(key.scopes),
                    key.created_at,
                    key.last_used_at,
                    key.expires_at,
                    key.revoked_at,
                    Link("Show", listing("rewards_win", key__id__exact=key.key_id)),
                ]
                for key in keys
            ],
            empty="This game has no key, so it cannot report wins.",
            note="Two keys may live at once, while a game's servers change from one to the next.",
        ),
    ]
