"""What the books refuse, and the constraints that say so."""

from typing import ClassVar

from dreamland.lib.errors import DomainError


class InvalidPosting(DomainError):
    """The amount, the accounts or the holder of a posting cannot be."""

    code: ClassVar[str] = "invalid-posting"


class InsufficientFunds(DomainError):
    """A holder's share of an account would fall below zero."""

    code: ClassVar[str] = "insufficient-funds"


class PeriodClosed(DomainError):
    """The date lies in a closed period, or the period cannot be closed there."""

    code: ClassVar[str] = "period-closed"


class AlreadyReversed(DomainError):
    """An entry is reversed once, and a reversal never."""

    code: ClassVar[str] = "already-reversed"


class EntryNotFound(DomainError):
    """There is no such journal entry."""

    code: ClassVar[str] = "entry-not-found"


class StatementTooLong(DomainError):
    """The statement has more lines than STATEMENT_MAX_LINES; ask for a shorter time."""

    code: ClassVar[str] = "statement-too-long"


# Constraint names (models.py, sql/) and the error a caller of the door gets. What stands in none of these lines can
# only be our own mistake, and stays an IntegrityError.
REFUSALS: dict[str, type[DomainError]] = {
    "posting_amount_bounds": InvalidPosting,
    "posting_amount_precision": InvalidPosting,
    "posting_usd_precision": InvalidPosting,
    "posting_two_accounts": InvalidPosting,
    "posting_debit_has_asset": InvalidPosting,
    "posting_credit_has_asset": InvalidPosting,
    "posting_house_holds_no_share": InvalidPosting,
    "posting_fee_never_touches_player": InvalidPosting,
    "journal_entry_kind_form": InvalidPosting,
    "journal_entry_memo_length": InvalidPosting,
    "balance_amount_not_negative": InsufficientFunds,
    "journal_entry_period_is_open": PeriodClosed,
    "period_close_moves_forward": PeriodClosed,
    "journal_entry_reversed_once": AlreadyReversed,
    "journal_entry_reverses_original": AlreadyReversed,
}
