"""Rates, fee rules, runs and conversions in the back-office."""

from collections.abc import Sequence

from django.contrib import admin
from django.http import HttpRequest
from django.urls import URLPattern, path, reverse

from conversion import deed_pages, pages
from conversion.models import (
    Conversion,
    ConversionRun,
    FeeRule,
    FeeSettlement,
    ProviderHealth,
    Rate,
    RunTransition,
    VoidedConversion,
)
from conversion.reconciliation import admin as reconciliation_admin  # noqa: F401  (registers its pages)
from dreamland.lib.admin import ReadOnlyAdmin, amount, identifier, state
from dreamland.lib.columns import listing
from dreamland.lib.pages import Block, Door

MENU, OPERATIONS, BOOKS = "Conversion", "Operations", "Books"


@admin.register(Rate)
class RateAdmin(ReadOnlyAdmin):
    exports = True
    menu, icon, menu_order = MENU, "currency_exchange", 20
    list_display = [
        "hour",
        amount("price", "USD for 1 DREAM"),
        state("state", pages.RATE_COLOURS),
        "reason",
        "provider",
        "failed_before",
        "quoted_at",
        "fetched_at",
    ]
    list_filter = ["state"]
    empty_text = "A rate is asked for when the first hour with a win is over."

    def page_title(self, row: Rate) -> str:
        return f"Rate of {pages.hour_text(row.hour)}"

    def blocks(self, request: HttpRequest, row: Rate) -> list[Block]:
        return pages.rate_blocks(row)

    def doors(self, request: HttpRequest, row: Rate) -> list[Door]:
        return [Door("Run of this hour", listing("conversion_conversionrun", hour=row.hour.isoformat()))]


@admin.register(FeeRule)
class FeeRuleAdmin(ReadOnlyAdmin):
    exports = True
    menu, icon, menu_order = MENU, "percent", 30
    keyset = ("-effective_from",)
    list_display = ["effective_from", "provider", amount("percentage"), amount("fixed"), amount("minimum")]
    empty_text = "Without a fee rule no hour can be converted: somebody asks for one, somebody else approves."

    def page_title(self, row: FeeRule) -> str:
        return f"Fee rule from {row.effective_from:%Y-%m-%d %H:%M} UTC"

    def blocks(self, request: HttpRequest, row: FeeRule) -> list[Block]:
        return pages.fee_rule_blocks(row)


@admin.register(ConversionRun)
class ConversionRunAdmin(ReadOnlyAdmin):
    exports = True
    export_totals = (
        "conversions",
        "tokens",
        "usd",
        "fees",
    )
    menu, icon, menu_order = MENU, "schedule", 10
    keyset = ("-hour",)
    list_display = [
        "hour",
        state("state", pages.RUN_COLOURS),
        "reason",
        "conversions",
        amount("tokens", "DREAM"),
        amount("usd", "USD"),
        amount("fees", "fees, USD"),
        "finished_at",
    ]
    list_filter = ["state"]
    empty_text = "The first run is made when the first hour with a win is over."

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        return [
            path("<uuid:run_id>/retry/", guarded(deed_pages.retry), name="conversion_conversionrun_retry"),
            *super().get_urls(),
        ]

    links_filter_by = ("hour",)

    def page_title(self, row: ConversionRun) -> str:
        return f"Run of {pages.hour_text(row.hour)}"

    def blocks(self, request: HttpRequest, row: ConversionRun) -> list[Block]:
        return pages.run_blocks(row)

    def doors(self, request: HttpRequest, row: ConversionRun) -> list[Door]:
        doors = [
            Door("Conversions", listing("conversion_conversion", run__id__exact=row.pk), icon="swap_horiz"),
            Door(
                "Rates of this hour",
                listing("conversion_rate", hour=row.hour.isoformat()),
                icon="currency_exchange",
            ),
        ]
        if row.state != ConversionRun.State.DONE and request.user.has_perm(deed_pages.RETRY):
            address = reverse("admin:conversion_conversionrun_retry", args=[row.pk])
            doors.append(Door("Try again", address, icon="replay", is_main=True))
        return doors


@admin.register(Conversion)
class ConversionAdmin(ReadOnlyAdmin):
    exports = True
    export_totals = (
        "tokens",
        "usd",
        "fee",
        "recovered",
    )
    menu, icon, menu_order = MENU, "swap_horiz", 15
    list_display = [
        "converted_at",
        identifier("entry_id", description="conversion"),
        identifier("player_id", "rewards_player"),
        "hour",
        "day",
        amount("tokens", "DREAM"),
        amount("usd", "USD"),
        amount("fee", "fee, USD"),
    ]
    list_display_links = ["converted_at", "id_entry_id"]
    search_ids = ("pk", "player")
    search_help_text = "A whole entry or player id"
    empty_text = "Tokens are converted when the hour in which they were won is over."

    def get_keyset(self, request: HttpRequest) -> Sequence[str]:
        """The lines of one run are found by the run's index, and so in its order."""
        one_run = "run__id__exact" in request.GET
        return ("player_id", "hour", "day", "entry_id") if one_run else ("-entry_id",)

    links_filter_by = ("run__id__exact",)

    def page_title(self, row: Conversion) -> str:
        return f"Conversion of {row.tokens.normalize():f} DREAM"

    def blocks(self, request: HttpRequest, row: Conversion) -> list[Block]:
        return pages.conversion_blocks(row)


@admin.register(VoidedConversion)
class VoidedConversionAdmin(ReadOnlyAdmin):
    exports = True
    export_totals = (
        "tokens",
        "usd",
        "owed",
    )
    menu, icon, menu_order = MENU, "undo", 40
    list_display = [
        "voided_at",
        identifier("entry_id", description="entry"),
        identifier("win_id", "rewards_win"),
        identifier("player_id", "rewards_player"),
        "hour",
        amount("tokens", "DREAM"),
        amount("usd", "USD"),
        amount("owed", "owed, USD"),
    ]
    list_display_links = ["voided_at", "id_entry_id"]
    search_ids = ("win", "player")
    search_help_text = "A whole win or player id"
    empty_text = "No converted win was taken back."

    def page_title(self, row: VoidedConversion) -> str:
        return f"Taken back: {row.tokens.normalize():f} DREAM"


@admin.register(RunTransition)
class RunTransitionAdmin(ReadOnlyAdmin):
    exports = True
    menu, icon, menu_order = MENU, "timeline", 50
    list_display = ["at", "run", "from_state", state("to_state", pages.RUN_COLOURS), "cause", "by_role"]
    list_select_related = ["run"]
    search_ids = ("run",)
    search_help_text = "A whole run id"
    empty_text = "No hour was converted yet."

    def page_title(self, row: RunTransition) -> str:
        return f"{row.from_state or 'nothing'} to {row.to_state}"


@admin.register(ProviderHealth)
class ProviderHealthAdmin(ReadOnlyAdmin):
    exports = True
    menu, icon, menu_order = OPERATIONS, "monitor_heart", 30
    keyset = ("provider",)
    list_display = [
        "provider",
        "last_success_at",
        "last_failure_at",
        "last_failure_code",
        "consecutive_failures",
        "latency_ms",
    ]
    empty_text = "No provider was asked for a rate yet."


@admin.register(FeeSettlement)
class FeeSettlementAdmin(ReadOnlyAdmin):
    exports = True
    export_totals = ("amount",)
    menu, icon, menu_order = BOOKS, "payments", 70
    list_display = [
        "settled_at",
        "reference",
        amount("amount", "USD"),
        "posted_by",
        identifier("entry_id", "ledger_journalentry"),
    ]
    list_select_related = ["posted_by"]
    empty_text = "No fees were paid yet."

    def page_title(self, row: FeeSettlement) -> str:
        return f"Payment {row.reference}"
