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


class InvalidRequest(DomainError):
    """What is asked is not what its kind consists of, or its reason or reference is missing."""

    code: ClassVar[str] = "invalid-request"


class UnknownKind(DomainError):
    """There is no such kind of request."""

    code: ClassVar[str] = "unknown-kind"


class NothingToAsk(DomainError):
    """What is asked cannot be done, or is so already."""

    code: ClassVar[str] = "nothing-to-ask"


class RequestNotFound(DomainError):
    """There is no such request."""

    code: ClassVar[str] = "request-not-found"


class RequestOpen(DomainError):
    """Somebody has asked for this already, and nobody has decided yet."""

    code: ClassVar[str] = "request-open"


class RequestDone(DomainError):
    """That was asked for and done before; a payment has its reference once."""

    code: ClassVar[str] = "request-done"


class RequestStale(DomainError):
    """What the request stands on has moved since it was asked. It is withdrawn, and asked anew."""

    code: ClassVar[str] = "request-stale"


class RequestExpired(DomainError):
    """Nobody decided in time."""

    code: ClassVar[str] = "request-expired"


class AlreadyDecided(DomainError):
    """The request was decided before, otherwise or by somebody else."""

    code: ClassVar[str] = "already-decided"


class SamePerson(DomainError):
    """Who asks does not decide, and only who asked withdraws."""

    code: ClassVar[str] = "same-person"


class NotAllowed(DomainError):
    """Without the permission to ask or to decide this kind."""

    code: ClassVar[str] = "not-allowed"


class OverLimit(DomainError):
    """More at a time than the groups of the person may ask for or decide."""

    code: ClassVar[str] = "over-limit"


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
    "approval_request_one_open": RequestOpen,
    "approval_request_attempt_once": RequestOpen,
    "approval_request_done_once": RequestDone,
    "approval_request_names_its_player": InvalidRequest,
    "approval_request_adjusts_usd": InvalidRequest,
    "approval_request_reference_said": InvalidRequest,
    "approval_request_note_length": InvalidRequest,
    "approval_decision_by_another": SamePerson,
    "approval_decision_in_time": RequestExpired,
    "approval_decision_word_length": InvalidRequest,
    "approval_decision_refusal_says_why": InvalidRequest,
    "period_reopening_moves_back": NothingToAsk,
}
