"""Games, players, days and wins in the back-office."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db import models
from django.db.models import Q
from django.http import HttpRequest
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from dreamland.lib.admin import ReadOnlyAdmin, amount, as_uuid, identifier, state
from dreamland.lib.columns import listing, page_address
from dreamland.lib.deeds import reading
from dreamland.lib.pages import Block, Door, Facts, Link
from rewards import key_pages, pages, person_pages
from rewards.models import Allowance, Game, GameKey, Player, Void, Win

MENU, OPERATIONS = "Players and wins", "Operations"


@admin.register(Game)
class GameAdmin(ReadOnlyAdmin):
    exports = True
    menu, icon, menu_order = OPERATIONS, "sports_esports", 50
    keyset = ("slug",)
    list_display = ["slug", "name", "over_cap", "created_at"]
    empty_text = "Make the first game: it needs a key to report wins."

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        return [
            path("new/", guarded(key_pages.new_game), name="rewards_game_new"),
            path("<uuid:game_id>/policy/", guarded(key_pages.game_policy), name="rewards_game_policy"),
            path("<uuid:game_id>/new-key/", guarded(key_pages.new_key), name="rewards_game_newkey"),
            *super().get_urls(),
        ]

    def list_doors(self, request: HttpRequest) -> list[Door]:
        if not request.user.has_perm(key_pages.ADD_GAME):
            return []
        return [Door("New game", reverse("admin:rewards_game_new"), icon="add", is_main=True)]

    def page_title(self, row: Game) -> str:
        return row.name

    def blocks(self, request: HttpRequest, row: Game) -> list[Block]:
        return pages.game_blocks(row)

    def doors(self, request: HttpRequest, row: Game) -> list[Door]:
        doors = []
        if request.user.has_perm(key_pages.ADD_KEY):
            doors.append(Door("New key", reverse("admin:rewards_game_newkey", args=[row.pk]), icon="key", is_main=True))
        if request.user.has_perm(key_pages.CHANGE_GAME):
            doors.append(Door("Wins over the cap", reverse("admin:rewards_game_policy", args=[row.pk]), icon="tune"))
        return doors


@admin.register(GameKey)
class GameKeyAdmin(ReadOnlyAdmin):
    exports = True
    menu, icon, menu_order = OPERATIONS, "key", 60
    keyset = ("-created_at", "-pk")
    list_display = ["id", "game", state("state", pages.KEY_COLOURS), "created_at", "last_used_at", "expires_at"]
    list_select_related = ["game"]
    empty_text = "Open a game to make a key for it."

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        return [
            path("<str:key_id>/rotate/", guarded(key_pages.rotate), name="rewards_gamekey_rotate"),
            path("<str:key_id>/revoke/", guarded(key_pages.revoke), name="rewards_gamekey_revoke"),
            *super().get_urls(),
        ]

    def complete_page(self, rows: list[GameKey]) -> list[GameKey]:
        now = timezone.now()
        for row in rows:
            expired = row.expires_at is not None and row.expires_at <= now
            row.state = "revoked" if row.revoked_at else "expired" if expired else "live"  # type: ignore[attr-defined]
        return rows

    def page_title(self, row: GameKey) -> str:
        return f"Key {row.pk}"

    def blocks(self, request: HttpRequest, row: GameKey) -> list[Block]:
        self.complete_page([row])
        return [
            Facts(
                [
                    ("Game", Link(row.game.slug, page_address("rewards_game", row.game_id))),
                    ("State", row.state),  # type: ignore[attr-defined]
                    ("May", ", ".join(row.scopes)),
                    ("Made", row.created_at),
                    ("Last used, to the minute", row.last_used_at),
                    ("Expires", row.expires_at),
                    ("Revoked", row.revoked_at),
                ]
            )
        ]

    def doors(self, request: HttpRequest, row: GameKey) -> list[Door]:
        doors = [Door("Wins it reported", listing("rewards_win", key__id__exact=row.pk), icon="emoji_events")]
        if row.revoked_at is None and request.user.has_perm(key_pages.CHANGE_KEY):
            if request.user.has_perm(key_pages.ADD_KEY):
                doors.append(Door("Rotate", reverse("admin:rewards_gamekey_rotate", args=[row.pk]), icon="autorenew"))
            doors.append(Door("Revoke", reverse("admin:rewards_gamekey_revoke", args=[row.pk]), icon="block"))
        return doors


class NotActive(admin.SimpleListFilter):
    """Players who are suspended or closed; by a partial index (player_not_active)."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, label) for value, label in Player.Status.choices if value != Player.Status.ACTIVE]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return queryset.filter(~Q(status="active"), status=self.value()) if self.value() else queryset


@admin.register(Player)
class PlayerAdmin(ReadOnlyAdmin):
    exports = True
    menu, icon, menu_order = MENU, "person", 10
    list_display = ["id", "timezone", state("status", pages.STATUS_COLOURS), "created_at"]
    list_filter = [NotActive]
    search_ids = ("id",)
    search_help_text = "A whole player id"
    empty_text = "Games register players before their first win."

    def get_urls(self) -> list[URLPattern]:
        statement = reading("rewards.view_player", "ledger.view_journalentry")(pages.player_statement_page)
        guarded = self.admin_site.admin_view
        return [
            path("<str:player_id>/statement/", guarded(statement), name="rewards_player_statement"),
            path("find/", guarded(person_pages.find), name="rewards_player_find"),
            path("<str:player_id>/person/", guarded(person_pages.person), name="rewards_player_person"),
            path("<str:player_id>/export/", guarded(person_pages.export), name="rewards_player_export"),
            path("<str:player_id>/erase/", guarded(person_pages.erase), name="rewards_player_erase"),
            *super().get_urls(),
        ]

    def page_title(self, row: Player) -> str:
        return f"Player {str(row.pk)[:8]}…"

    def blocks(self, request: HttpRequest, row: Player) -> list[Block]:
        return pages.player_blocks(row)

    def doors(self, request: HttpRequest, row: Player) -> list[Door]:
        return [*pages.player_doors(row), *person_pages.person_doors(request, row)]

    def list_doors(self, request: HttpRequest) -> list[Door]:
        if not request.user.has_perm(person_pages.LOOK):
            return []
        return [Door("Find by e-mail", reverse("admin:rewards_player_find"), icon="alternate_email")]


@admin.register(Allowance)
class AllowanceAdmin(ReadOnlyAdmin):
    exports = True
    export_totals = ("won",)
    menu, icon, menu_order = MENU, "calendar_today", 30
    list_display = [
        "day",
        identifier("player_id", "rewards_player"),
        "starts_at",
        "ends_at",
        amount("won"),
        amount("cap"),
    ]
    search_ids = ("player",)
    search_help_text = "A whole player id"
    empty_text = "A day is opened with its first win."

    def page_title(self, row: Allowance) -> str:
        return f"Day {row.day}"


class StillPending(admin.SimpleListFilter):
    """Wins that wait for their conversion: the queue itself (win_pending)."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("pending", "Waits for its conversion")]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return queryset.filter(converted_by=None, voided_by=None) if self.value() else queryset


@admin.register(Win)
class WinAdmin(ReadOnlyAdmin):
    exports = True
    export_totals = (
        "amount",
        "forfeited",
    )
    menu, icon, menu_order = MENU, "emoji_events", 20
    list_display = [
        "won_at",
        identifier("entry_id", description="win"),
        "game",
        identifier("player_id", "rewards_player"),
        "reference",
        amount("amount"),
        amount("forfeited"),
        state("state", pages.WIN_COLOURS),
    ]
    list_display_links = ["won_at", "id_entry_id"]
    list_select_related = ["game"]
    list_filter = [StillPending]
    search_ids = ("pk", "player")
    search_help_text = "A whole win or player id; or a player id and a reference"
    empty_text = "Games report wins to POST /v1/wins."

    def get_keyset(self, request: HttpRequest) -> Sequence[str]:
        """What is pending is found by its own index, and so in its order."""
        return ("player_id", "won_at", "entry_id") if request.GET.get("state") else ("-entry_id",)

    links_filter_by = ("key__id__exact",)

    def search(self, queryset: models.QuerySet[Any], words: Sequence[str]) -> models.QuerySet[Any]:
        """A reference is unique to a player and a game, so it is found through its player."""
        if len(words) > 1 and (player := as_uuid(words[0])):
            return queryset.filter(player=player, reference=" ".join(words[1:]))
        return super().search(queryset, words)

    def complete_page(self, rows: list[Win]) -> list[Win]:
        for row in rows:
            ended = "voided" if row.voided_by_id else "converted" if row.converted_by_id else "pending"
            row.state = ended  # type: ignore[attr-defined]
        return rows

    def page_title(self, row: Win) -> str:
        return f"Win {row.reference}"

    def blocks(self, request: HttpRequest, row: Win) -> list[Block]:
        return pages.win_blocks(row)


@admin.register(Void)
class VoidAdmin(ReadOnlyAdmin):
    exports = True
    menu, icon, menu_order = MENU, "undo", 40
    list_display = [
        "voided_at",
        identifier("entry_id", description="void"),
        identifier("win_id", "rewards_win"),
        identifier("player_id", "rewards_player"),
        "reason",
        identifier("key_id", "rewards_gamekey"),
        "user",
    ]
    list_display_links = ["voided_at", "id_entry_id"]
    list_select_related = ["user"]
    search_ids = ("win", "player")
    search_help_text = "A whole win or player id"
    empty_text = "No win was taken back."

    def page_title(self, row: Void) -> str:
        return "Void of a win"
