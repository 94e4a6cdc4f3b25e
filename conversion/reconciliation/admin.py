"""The provider's statements in the back-office, and how they differ from ours. Imported by `conversion.admin`."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from conversion.models import Difference, DifferenceResolution, ProviderStatement, StatementLine
from conversion.reconciliation.reading import DifferenceFacts, differences
from dreamland.lib.admin import ReadOnlyAdmin, amount, identifier, state
from dreamland.lib.columns import BAD, GOOD, NEWS, WAITS, listing, page_address
from dreamland.lib.pages import Block, Door, Facts, Link, Table

MENU = "Conversion"
Right = DifferenceResolution.Right
MOST_DIFFERENCES = 100  # on the page of a statement; the list has them all
COLOURS: dict[str, str] = {
    Difference.Kind.MISSING_THERE: NEWS,
    Difference.Kind.MISSING_HERE: BAD,
    Difference.Kind.AMOUNT: WAITS,
    Difference.Kind.FEE: WAITS,
    Difference.Kind.HOUR: WAITS,
    Difference.Kind.DOUBLED: BAD,
}

OUTCOMES: dict[str, str] = {"open": BAD, Right.PROVIDER.label: GOOD, Right.US.label: GOOD}


@admin.register(ProviderStatement)
class ProviderStatementAdmin(ReadOnlyAdmin):
    exports = True
    menu, icon, menu_order = MENU, "request_quote", 60
    list_display = [
        "imported_at",
        "provider",
        "reference",
        "starts",
        "ends",
        "lines",
        amount("usd", "USD"),
        amount("fees", "fees, USD"),
        "imported_by",
    ]
    list_select_related = ["imported_by"]
    empty_text = "No statement of the provider was imported yet: manage.py reconcile --import."

    def page_title(self, row: ProviderStatement) -> str:
        return f"Statement {row.reference} of {row.provider}"

    def doors(self, request: HttpRequest, row: ProviderStatement) -> list[Door]:
        return [
            Door("Its differences", listing("conversion_difference", statement__id__exact=row.pk)),
            Door("Its lines", listing("conversion_statementline", statement__id__exact=row.pk)),
        ]

    def blocks(self, request: HttpRequest, row: ProviderStatement) -> list[Block]:
        facts = Facts(
            [
                ("Provider", row.provider),
                ("Number", row.reference),
                ("Runs from", row.starts),
                ("Runs until", row.ends),
                ("Lines", row.lines),
                ("Tokens, DREAM", row.tokens),
                ("USD", row.usd),
                ("Fees, USD", row.fees),
                ("SHA-256 of the file", bytes(row.digest).hex()),
                ("Imported at", row.imported_at),
                ("Imported by", row.imported_by),
            ]
        )
        found = differences(statement=str(row.pk), include_resolved=True, limit=MOST_DIFFERENCES)
        table = Table(
            title=f"Differences (the newest {MOST_DIFFERENCES})" if len(found) == MOST_DIFFERENCES else "Differences",
            headers=["Kind", "Reference", "Line", "Their fee", "Our fee", "We would owe more", "Right"],
            numbers=["Line", "Their fee", "Our fee", "We would owe more"],
            rows=[
                [
                    Link(each.kind, page_address("conversion_difference", each.id)),
                    each.reference,
                    each.line,
                    each.their_fee,
                    each.our_fee,
                    each.fee_effect,
                    each.right or "open",
                ]
                for each in found
            ],
            empty="Every line is one of our conversions, and every conversion is on a line.",
        )
        return [facts, table]


@admin.register(StatementLine)
class StatementLineAdmin(ReadOnlyAdmin):
    exports = True
    export_totals = ("tokens", "usd", "fee")
    menu, icon, menu_order = MENU, "receipt_long", 61
    list_display = [
        "number",
        identifier("statement_id", "conversion_providerstatement"),
        "reference",
        "hour",
        amount("tokens", "DREAM"),
        amount("usd", "USD"),
        amount("fee", "fee, USD"),
    ]
    links_filter_by = ("statement__id__exact",)
    search_fields = ("reference",)
    search_help_text = "A whole reference: of ours, the id of a conversion"
    empty_text = "No statement of the provider was imported yet."

    def get_keyset(self, request: HttpRequest) -> Sequence[str]:
        """The lines of one statement in the order of its file."""
        return ("number", "id") if "statement__id__exact" in request.GET else ("-id",)

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[StatementLine], search_term: str
    ) -> tuple[models.QuerySet[StatementLine], bool]:
        """By the whole reference: a part of one would be a scan."""
        return (queryset.filter(reference=search_term) if search_term else queryset), False

    def page_title(self, row: StatementLine) -> str:
        return f"Line {row.number}: {row.reference}"


@admin.register(Difference)
class DifferenceAdmin(ReadOnlyAdmin):
    exports = True
    export_totals = ("fee_effect",)
    menu, icon, menu_order = MENU, "difference", 62
    list_display = [
        identifier("id", description="difference"),
        state("kind", COLOURS),
        identifier("statement_id", "conversion_providerstatement"),
        identifier("line_id", "conversion_statementline"),
        identifier("conversion_id", "conversion_conversion"),
        amount("fee_effect", "we would owe more, USD"),
        state("outcome", OUTCOMES),
    ]
    list_select_related = ["resolution"]
    list_filter = ["kind"]
    links_filter_by = ("statement__id__exact",)
    search_ids = ("pk", "conversion")
    search_help_text = "A whole difference or conversion id"
    empty_text = "Every statement that was imported agrees with ours."

    def complete_page(self, rows: list[Difference]) -> list[Difference]:
        for row in rows:
            found = getattr(row, "resolution", None)
            row.outcome = found.get_right_display() if found else "open"  # type: ignore[attr-defined]
        return rows

    def page_title(self, row: Difference) -> str:
        return f"Difference: {row.get_kind_display()}"

    def blocks(self, request: HttpRequest, row: Difference) -> list[Block]:
        [facts] = differences(difference_id=row.pk, include_resolved=True, limit=1)
        return [_facts(row, facts), _sides(facts)]


@admin.register(DifferenceResolution)
class DifferenceResolutionAdmin(ReadOnlyAdmin):
    exports = True
    export_totals = ("amount",)
    menu, icon, menu_order = MENU, "handshake", 63
    keyset = ("-difference_id",)
    list_display = [
        "resolved_at",
        identifier("difference_id", "conversion_difference"),
        "right",
        amount("amount", "we owe more, USD"),
        identifier("request_id", "ledger_approvalrequest"),
        identifier("entry_id", "ledger_journalentry"),
    ]
    search_ids = ("pk", "request", "entry")
    search_help_text = "A whole difference, request or entry id"
    empty_text = "No difference was resolved yet: its page leads to the request."

    def page_title(self, row: DifferenceResolution) -> str:
        return f"Resolved: {row.get_right_display()}"


def _facts(row: Difference, facts: DifferenceFacts) -> Facts:
    return Facts(
        [
            ("Kind", row.get_kind_display()),
            ("Reference", facts.reference),
            (
                "Statement",
                Link(
                    f"{facts.provider} {facts.statement}",
                    page_address("conversion_providerstatement", row.statement_id),
                ),
            ),
            ("Line in the file", facts.line),
            (
                "Our conversion",
                Link(row.conversion_id, page_address("conversion_conversion", row.conversion_id))
                if row.conversion_id
                else None,
            ),
            ("If the provider is right, we owe more by USD", row.fee_effect),
            ("Resolved", _resolved(row)),
        ]
    )


def _resolved(row: Difference) -> Any:
    """Who was right, with the request of two people; nothing while it is open."""
    found = getattr(row, "resolution", None)
    if found is None:
        return "open"
    return Link(found.get_right_display(), page_address("ledger_approvalrequest", found.request_id))


def _sides(facts: DifferenceFacts) -> Table:
    """What each says, side by side."""

    def row(name: str, theirs: Any, ours: Any) -> list[Any]:
        return [name, theirs, ours]

    return Table(
        title="What each says",
        headers=["", "The provider", "We"],
        numbers=["The provider", "We"],
        rows=[
            row("Hour of the run", facts.their_hour, facts.our_hour),
            row("Tokens, DREAM", facts.their_tokens, facts.our_tokens),
            row("USD", facts.their_usd, facts.our_usd),
            row("Fee, USD", facts.their_fee, facts.our_fee),
        ],
    )
