"""Rates, fee rules, runs and conversions in the back-office: read-only."""

from django.contrib import admin

from conversion.models import Conversion, ConversionRun, FeeRule, Rate
from dreamland.lib.admin import ReadOnlyAdmin, amount


@admin.register(Rate)
class RateAdmin(ReadOnlyAdmin):
    list_display = ["hour", amount("price"), "state", "reason", "provider", "quoted_at", "fetched_at"]
    list_filter = ["state", "provider"]
    ordering = ["-hour"]


@admin.register(FeeRule)
class FeeRuleAdmin(ReadOnlyAdmin):
    list_display = ["effective_from", "provider", amount("percentage"), amount("fixed")]
    ordering = ["-effective_from"]


@admin.register(ConversionRun)
class ConversionRunAdmin(ReadOnlyAdmin):
    list_display = [
        "hour",
        "state",
        "reason",
        "conversions",
        amount("tokens"),
        amount("usd"),
        amount("fees"),
        "finished_at",
    ]
    list_filter = ["state"]
    ordering = ["-hour"]


@admin.register(Conversion)
class ConversionAdmin(ReadOnlyAdmin):
    list_display = [
        "entry_id",
        "player_id",
        "hour",
        "day",
        amount("tokens"),
        amount("usd"),
        amount("fee"),
        "converted_at",
    ]
    ordering = ["-entry"]
    search_fields = ["=entry__id", "=player__id"]
    search_help_text = "A whole entry or player id"
