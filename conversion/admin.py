"""Rates, fee rules, runs and conversions in the back-office: read-only."""

from django.contrib import admin

from conversion.models import (
    Conversion,
    ConversionRun,
    FeeRule,
    FeeSettlement,
    ProviderHealth,
    Rate,
    RateDecision,
    RateProposal,
    RunTransition,
    VoidedConversion,
)
from dreamland.lib.admin import ReadOnlyAdmin, amount


@admin.register(Rate)
class RateAdmin(ReadOnlyAdmin):
    list_display = ["hour", amount("price"), "state", "reason", "provider", "failed_before", "quoted_at", "fetched_at"]
    list_filter = ["state", "provider"]
    ordering = ["-hour"]


@admin.register(FeeRule)
class FeeRuleAdmin(ReadOnlyAdmin):
    list_display = ["effective_from", "provider", amount("percentage"), amount("fixed"), amount("minimum")]
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


@admin.register(VoidedConversion)
class VoidedConversionAdmin(ReadOnlyAdmin):
    list_display = [
        "entry_id",
        "win_id",
        "player_id",
        "hour",
        "day",
        amount("tokens"),
        amount("usd"),
        amount("owed"),
        "voided_at",
    ]
    ordering = ["-entry"]
    search_fields = ["=win__entry__id", "=player__id"]
    search_help_text = "A whole win or player id"


@admin.register(RunTransition)
class RunTransitionAdmin(ReadOnlyAdmin):
    list_display = ["at", "run", "from_state", "to_state", "cause", "by_role"]
    list_select_related = ["run"]
    ordering = ["-id"]
    search_fields = ["=run__id"]
    search_help_text = "A whole run id"


@admin.register(ProviderHealth)
class ProviderHealthAdmin(ReadOnlyAdmin):
    list_display = [
        "provider",
        "last_success_at",
        "last_failure_at",
        "last_failure_code",
        "consecutive_failures",
        "latency_ms",
    ]
    ordering = ["provider"]


@admin.register(RateProposal)
class RateProposalAdmin(ReadOnlyAdmin):
    list_display = ["proposed_at", "rate", "attempt", "reason", "proposed_by"]
    list_select_related = ["rate", "proposed_by"]
    ordering = ["-id"]


@admin.register(RateDecision)
class RateDecisionAdmin(ReadOnlyAdmin):
    list_display = ["decided_at", "proposal_id", "approved", "reason", "proposed_by", "decided_by"]
    list_select_related = ["proposed_by", "decided_by"]
    ordering = ["-proposal"]


@admin.register(FeeSettlement)
class FeeSettlementAdmin(ReadOnlyAdmin):
    list_display = ["settled_at", "reference", amount("amount"), "posted_by", "entry_id"]
    list_select_related = ["posted_by"]
    ordering = ["-settled_at"]
