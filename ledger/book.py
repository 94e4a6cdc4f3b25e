"""The door to the books. Code outside `ledger` imports this module and nothing else of it.

    with transaction.atomic(durable=True):
        book.post([book.Entry(holder=player, kind="win", postings=(book.Posting(debit, credit, amount),))])

Writing happens in the caller's transaction: a refusal (`DomainError`) leaves that transaction unusable, so that money
and the facts beside it stand or fall together (docs/data-model.md, "The door").

What people may do goes through `ask` and `approve`: two people, one transaction (docs/data-model.md, "Approvals").
"""

from ledger.approvals.deciding import approve, ask, refuse, withdraw
from ledger.approvals.kinds import (
    Change,
    Kind,
    Order,
    Outcome,
    Payload,
    kind_of,
    register_kinds,
    registered_kinds,
)
from ledger.approvals.own import register_holder_check, register_reversible
from ledger.approvals.reading import (
    Movement,
    Preview,
    Request,
    open_requests_of,
    preview,
    request_by_id,
    requests,
    waiting_for,
)
from ledger.errors import (
    AlreadyDecided,
    AlreadyReversed,
    EntryNotFound,
    InsufficientFunds,
    InvalidPosting,
    InvalidRequest,
    NotAllowed,
    NothingToAsk,
    OverLimit,
    PeriodClosed,
    RequestDone,
    RequestExpired,
    RequestNotFound,
    RequestOpen,
    RequestStale,
    SamePerson,
    StatementTooLong,
    UnknownKind,
)
from ledger.journal import Entry, Facts, Posting, Premise, Receipt, lock_balances, post, post_where, reversals
from ledger.models import HOUSE
from ledger.periods import close_period, lock_date
from ledger.selectors import (
    SHARE,
    Statement,
    StatementLine,
    TrialBalance,
    TrialBalanceLine,
    balances,
    last_posted_at,
    statement,
    trial_balance,
)
from ledger.verification import RECENT_ENTRIES, SINCE, Check, Finding, Frontier, Verification, register_checks, verify
from ledger.verification_records import VerificationRecord, latest_verifications

__all__ = [
    "HOUSE",
    "RECENT_ENTRIES",
    "SHARE",
    "SINCE",
    "AlreadyDecided",
    "AlreadyReversed",
    "Change",
    "Check",
    "Entry",
    "EntryNotFound",
    "Facts",
    "Finding",
    "Frontier",
    "InsufficientFunds",
    "InvalidPosting",
    "InvalidRequest",
    "Kind",
    "Movement",
    "NotAllowed",
    "NothingToAsk",
    "Order",
    "Outcome",
    "OverLimit",
    "Payload",
    "PeriodClosed",
    "Posting",
    "Premise",
    "Preview",
    "Receipt",
    "Request",
    "RequestDone",
    "RequestExpired",
    "RequestNotFound",
    "RequestOpen",
    "RequestStale",
    "SamePerson",
    "Statement",
    "StatementLine",
    "StatementTooLong",
    "TrialBalance",
    "TrialBalanceLine",
    "UnknownKind",
    "Verification",
    "VerificationRecord",
    "approve",
    "ask",
    "balances",
    "close_period",
    "kind_of",
    "last_posted_at",
    "latest_verifications",
    "lock_balances",
    "lock_date",
    "open_requests_of",
    "post",
    "post_where",
    "preview",
    "refuse",
    "register_checks",
    "register_holder_check",
    "register_kinds",
    "register_reversible",
    "registered_kinds",
    "request_by_id",
    "requests",
    "reversals",
    "statement",
    "trial_balance",
    "verify",
    "waiting_for",
    "withdraw",
]
