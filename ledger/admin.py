"""The books in the back-office: read-only by construction."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.views.main import SEARCH_VAR
from django.db import models
from django.http import HttpRequest
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from dreamland.lib.admin import ReadOnlyAdmin, as_uuid, identifier, state
from dreamland.lib.columns import BAD, GOOD, NEWS, REQUEST_COLOURS, WAITS, amount_text
from dreamland.lib.deeds import reading
from dreamland.lib.filters import InstantRange, WhetherSet
from dreamland.lib.pages import Block, Door, Facts
from ledger import approval_deeds, approval_pages, deed_pages, pages
from ledger.approvals.models import ApprovalRequest
from ledger.lines import postings_of
from ledger.models import (
    HOUSE,
    Account,
    AnchorHealth,
    ClosedDay,
    JournalEntry,
    PeriodClose,
    Posting,
    Seal,
    VerificationRun,
)
from ledger.selectors import trial_balance

MENU = "Books"
KIND_COLOURS = {"win": NEWS, "conversion": GOOD, "reversal": WAITS, "void": WAITS}


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    exports = True
    menu, icon, menu_order = MENU, "account_tree", 30
    keyset = ("code",)
    list_display = ["code", "name", "asset", "kind", "normal_side", "balance"]

    def get_urls(self) -> list[URLPattern]:
        site = self.admin_site
        seen = reading("ledger.view_account")
        return [
            path(
                "trial-balance/",
                site.admin_view(seen(pages.trial_balance_page)),
                name="ledger_account_trialbalance",
            ),
            path(
                "<str:code>/statement/",
                site.admin_view(seen(pages.account_statement_page)),
                name="ledger_account_statement",
            ),
            *super().get_urls(),
        ]

    def complete_page(self, rows: list[Account]) -> list[Account]:
        books = trial_balance()
        for row in rows:
            row.books_balance = books.balance(row.code)  # type: ignore[attr-defined]
        return rows

    @admin.display(description="balance")
    def balance(self, row: Account) -> SafeString:
        return format_html("{} {}", amount_text(row.books_balance), row.asset)  # type: ignore[attr-defined]

    def page_title(self, row: Account) -> str:
        return f"Account {row.code}"

    def blocks(self, request: HttpRequest, row: Account) -> list[Block]:
        books = {line.account: line for line in trial_balance().lines}[row.code]
        return [
            Facts(
                [
                    ("Name", row.name),
                    ("Asset", row.asset),
                    ("Kind", row.kind),
                    ("Normal side", row.normal_side),
                    ("Held by players", row.held),
                    ("Debits", books.debits),
                    ("Credits", books.credits),
                    ("Balance", books.balance),
                ]
            )
        ]

    def doors(self, request: HttpRequest, row: Account) -> list[Door]:
        return [Door("Statement", pages.statement_address(row.code), icon="receipt_long", is_main=True)]


class ByPerson(WhetherSet):
    named, chosen_as = "who", "A person"


class IsReversal(WhetherSet):
    named, chosen_as = "what", "Takes another entry back"


@admin.register(JournalEntry)
class JournalEntryAdmin(ReadOnlyAdmin):
    exports = True
    menu, icon, menu_order = MENU, "menu_book", 10
    list_display = ["posted_at", state("kind", KIND_COLOURS), "moved", "book", "why"]
    list_select_related = ["posted_by"]
    list_filter = [("posted_at", InstantRange), ("posted_by", ByPerson), ("reverses", IsReversal)]
    list_filter_submit = True
    search_ids = ("id", "holder")
    search_help_text = "A whole entry or player id"
    empty_text = "The first win that a game reports is the first entry."

    def get_keyset(self, request: HttpRequest) -> Sequence[str]:
        """By date where an index over dates finds the rows (a time, a holder); else by id, which grows with it."""
        by_date = request.GET.get(SEARCH_VAR) or any(name.startswith("posted_at_") for name in request.GET)
        return ("-posted_at", "-id") if by_date else ("-id",)

    def complete_page(self, rows: list[JournalEntry]) -> list[JournalEntry]:
        postings = postings_of(rows)
        for row in rows:
            row.moves = postings[row.id]  # type: ignore[attr-defined]
        return rows

    @admin.display(description="debit / credit")
    def moved(self, row: JournalEntry) -> SafeString:
        moves = (
            (move.debit, move.credit, amount_text(move.amount), move.asset)
            for move in row.moves  # type: ignore[attr-defined]
        )
        return format_html('<div class="bo-moves">{}</div>', format_html_join("", "<div>{} / {} {} {}</div>", moves))

    @admin.display(description="book of")
    def book(self, row: JournalEntry) -> Any:
        return "Dreamland" if row.holder == HOUSE else identifier("holder", "rewards_player")(row)

    @admin.display(description="who, why")
    def why(self, row: JournalEntry) -> str:
        who = row.posted_by.get_username() if row.posted_by else "Dreamland"
        return f"{who}: {row.memo}" if row.memo else who

    def page_title(self, row: JournalEntry) -> str:
        return f"Journal entry: {row.kind}"

    def blocks(self, request: HttpRequest, row: JournalEntry) -> list[Block]:
        return pages.entry_blocks(row)

    def doors(self, request: HttpRequest, row: JournalEntry) -> list[Door]:
        return pages.entry_doors(request, row)


@admin.register(Posting)
class PostingAdmin(ReadOnlyAdmin):
    exports = True
    export_totals = ("amount",)
    export_totals_by = "asset"
    menu, icon, menu_order = MENU, "swap_horiz", 20
    list_display = [
        identifier("id"),
        identifier("entry_id", "ledger_journalentry"),
        "debit_id",
        "credit_id",
        "exact_amount",
        "asset",
        identifier("holder", "rewards_player"),
    ]
    search_ids = ("id", "holder")
    search_help_text = "A whole posting, entry or player id"
    empty_text = "The first win that a game reports is the first posting."

    @admin.display(description="amount")
    def exact_amount(self, row: Posting) -> SafeString:
        return amount_text(row.amount)

    def search(self, queryset: models.QuerySet[Any], words: Sequence[str]) -> models.QuerySet[Any]:
        """By entry through the entry's holder, as the index wants it."""
        wanted: UUID | None = as_uuid(words[0]) if len(words) == 1 else None
        entry = JournalEntry.objects.filter(id=wanted).first() if wanted else None
        if entry is not None:
            return queryset.filter(holder=entry.holder, entry=entry.id)
        return super().search(queryset, words)


@admin.register(PeriodClose)
class PeriodCloseAdmin(ReadOnlyAdmin):
    exports = True
    menu, icon, menu_order = MENU, "lock_clock", 60
    list_display = ["ends_at", "closed_at", "closed_by", "request_id"]
    list_select_related = ["closed_by"]
    empty_text = "No period was closed yet."

    def get_urls(self) -> list[URLPattern]:
        close = self.admin_site.admin_view(deed_pages.close)
        return [path("close/", close, name="ledger_periodclose_close"), *super().get_urls()]

    def list_doors(self, request: HttpRequest) -> list[Door]:
        if not request.user.has_perm(deed_pages.CLOSE):
            return []
        return [Door("Close a period", reverse("admin:ledger_periodclose_close"), is_main=True)]

    def page_title(self, row: PeriodClose) -> str:
        return f"Closed until {row.ends_at:%Y-%m-%d %H:%M} UTC"


@admin.register(ClosedDay)
class ClosedDayAdmin(ReadOnlyAdmin):
    exports = True
    menu, icon, menu_order = MENU, "event_available", 50
    list_display = ["day", "entries", "closed_at"]
    fields = ["day", "entries", "closed_at"]
    empty_text = "A day is counted a few minutes after it is over."

    def page_title(self, row: ClosedDay) -> str:
        return f"Day {row.day}"


@admin.register(Seal)
class SealAdmin(ReadOnlyAdmin):
    exports = True
    menu, icon, menu_order = MENU, "verified", 55
    list_display = ["number", "entries", "sealed_at", "digest_text"]
    fields = ["number", "entries", "sealed_at", "hash_version"]
    empty_text = "The journal is sealed every five minutes."

    @admin.display(description="digest")
    def digest_text(self, row: Seal) -> str:
        return f"{bytes(row.digest).hex()[:16]}…"

    def blocks(self, request: HttpRequest, row: Seal) -> list[Block]:
        return [*super().blocks(request, row), Facts([("Digest", bytes(row.digest).hex())])]


@admin.register(AnchorHealth)
class AnchorHealthAdmin(ReadOnlyAdmin):
    menu, icon, menu_order = MENU, "anchor", 56
    list_display = ["anchor", "holds", "outcome", "reached_at", "failed_at", "reason"]
    fields = ["anchor", "holds", "reached_at", "failed_at", "failures", "reason"]
    empty_text = "The seals are kept nowhere but in the database, or none was made yet."

    outcome = staticmethod(state("outcome", {"reached": GOOD, "away": BAD}))

    def complete_page(self, rows: list[AnchorHealth]) -> list[AnchorHealth]:
        for row in rows:
            row.outcome = "away" if row.failures else "reached"  # type: ignore[attr-defined]
        return rows

    def page_title(self, row: AnchorHealth) -> str:
        return f"Anchor {row.anchor}"


@admin.register(VerificationRun)
class VerificationRunAdmin(ReadOnlyAdmin):
    exports = True
    menu, icon, menu_order = MENU, "fact_check", 40
    list_display = ["as_of", "mode", "outcome", "seconds"]
    empty_text = "The books are verified every hour, twenty minutes past."

    outcome = staticmethod(state("outcome", {"clean": GOOD, "wrong": BAD}))

    def complete_page(self, rows: list[VerificationRun]) -> list[VerificationRun]:
        for row in rows:
            row.outcome = "clean" if row.is_clean else "wrong"  # type: ignore[attr-defined]
        return rows

    def page_title(self, row: VerificationRun) -> str:
        return f"Verification of {row.as_of:%Y-%m-%d %H:%M:%S} UTC"

    def blocks(self, request: HttpRequest, row: VerificationRun) -> list[Block]:
        return pages.verification_blocks(row)


@admin.register(ApprovalRequest)
class ApprovalRequestAdmin(ReadOnlyAdmin):
    exports = True
    menu, icon, menu_order = "Corrections", "rate_review", 10
    list_display = ["asked_at", "title", state("state", REQUEST_COLOURS), "reason_code", "reference", "asked_by"]
    list_select_related = ["asked_by", "decision"]
    empty_text = "Nobody has asked for anything yet: whatever changes money by hand is decided by a second person."

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        waiting = reading("ledger.view_approvalrequest")(approval_pages.waiting_page)
        kinds = reading("ledger.view_approvalrequest")(approval_pages.kinds_page)
        name = "ledger_approvalrequest"
        return [
            path("waiting/", guarded(waiting), name=f"{name}_waiting"),
            path("kinds/", guarded(kinds), name=f"{name}_kinds"),
            path("ask/<str:code>/", guarded(approval_deeds.ask_page), name=f"{name}_ask"),
            path("<uuid:request_id>/approve/", guarded(approval_deeds.approve), name=f"{name}_approve"),
            path("<uuid:request_id>/refuse/", guarded(approval_deeds.refuse), name=f"{name}_refuse"),
            path("<uuid:request_id>/withdraw/", guarded(approval_deeds.withdraw), name=f"{name}_withdraw"),
            *super().get_urls(),
        ]

    def complete_page(self, rows: list[ApprovalRequest]) -> list[ApprovalRequest]:
        now = timezone.now()
        for row in rows:
            decision = getattr(row, "decision", None)
            row.state = decision.verdict if decision else "open" if row.expires_at >= now else "expired"  # type: ignore[attr-defined]
        return rows

    @admin.display(description="what")
    def title(self, row: ApprovalRequest) -> str:
        return approval_pages.title_of(row.kind)

    def list_doors(self, request: HttpRequest) -> list[Door]:
        return approval_pages.list_doors(request)

    def page_title(self, row: ApprovalRequest) -> str:
        return f"Request: {approval_pages.title_of(row.kind)}"

    def blocks(self, request: HttpRequest, row: ApprovalRequest) -> list[Block]:
        return approval_pages.request_blocks(row)

    def doors(self, request: HttpRequest, row: ApprovalRequest) -> list[Door]:
        return approval_pages.request_doors(request, row)
