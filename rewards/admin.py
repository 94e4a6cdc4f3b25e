"""Games, players, days and wins in the back-office."""

from django.contrib import admin

from dreamland.lib.admin import ReadOnlyAdmin, amount
from rewards.models import Allowance, Game, GameKey, Player, Void, Win


@admin.register(Game)
class GameAdmin(ReadOnlyAdmin):
    list_display = ["slug", "name", "over_cap", "created_at"]


@admin.register(GameKey)
class GameKeyAdmin(ReadOnlyAdmin):
    list_display = ["id", "game", "scopes", "created_at", "expires_at", "revoked_at"]
    fields = ["id", "game", "scopes", "created_at", "expires_at", "revoked_at"]
    list_select_related = ["game"]


@admin.register(Player)
class PlayerAdmin(ReadOnlyAdmin):
    list_display = ["id", "timezone", "status", "created_at"]
    ordering = ["-id"]
    search_fields = ["=id"]
    search_help_text = "A whole player id"


@admin.register(Allowance)
class AllowanceAdmin(ReadOnlyAdmin):
    list_display = ["player", "day", "starts_at", "ends_at", amount("won"), amount("cap")]
    ordering = ["-id"]
    search_fields = ["=player__id"]
    search_help_text = "A whole player id"


@admin.register(Win)
class WinAdmin(ReadOnlyAdmin):
    list_display = [
        "entry_id",
        "game",
        "player_id",
        "reference",
        amount("amount"),
        amount("forfeited"),
        "won_at",
        "recorded_at",
        "key_id",
    ]
    list_select_related = ["game"]
    ordering = ["-entry"]
    search_fields = ["=entry__id", "=player__id", "=reference"]
    search_help_text = "A whole win or player id, or a reference"


@admin.register(Void)
class VoidAdmin(ReadOnlyAdmin):
    list_display = ["entry_id", "win_id", "player_id", "reason", "voided_at", "key_id", "user_id"]
    ordering = ["-entry"]
    search_fields = ["=win__entry__id", "=player__id"]
    search_help_text = "A whole win or player id"
