"""The books in the back-office: read-only by construction."""

from django.contrib import admin
from unfold.admin import TabularInline

from dreamland.lib.admin import ReadOnly, ReadOnlyAdmin, amount
from ledger.models import Account, JournalEntry, PeriodClose, Posting


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    list_display = ["code", "name", "asset", "kind", "normal_side", "held"]
    list_filter = ["asset", "kind", "held"]


class PostingInline(ReadOnly, TabularInline):  # type: ignore[misc]  # unfold over Django's stubs
    model = Posting
    fields = ("debit", "credit", "exact_amount", "asset")
    readonly_fields = ("exact_amount",)
    exact_amount = staticmethod(amount("amount"))
    extra = 0


@admin.register(JournalEntry)
class JournalEntryAdmin(ReadOnlyAdmin):
    list_display = ["id", "posted_at", "kind", "holder", "memo"]
    ordering = ["-id"]
    search_fields = ["=id", "=holder"]
    search_help_text = "A whole entry or holder id"
    fields = ["id", "posted_at", "kind", "holder", "memo", "posted_by", "reverses", "metadata"]
    inlines = [PostingInline]


@admin.register(PeriodClose)
class PeriodCloseAdmin(ReadOnlyAdmin):
    list_display = ["ends_at", "closed_at", "closed_by"]
