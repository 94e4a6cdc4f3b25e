"""What the conversion refuses, and what it finds wrong with itself."""

from typing import ClassVar

from dreamland.lib.errors import DomainError


class PostConditionFailed(Exception):
    """What was just written does not add up. Our own mistake: the transaction is lost, and somebody must look."""


class NotAnHour(DomainError):
    """A UTC hour is named by the instant that it begins at."""

    code: ClassVar[str] = "not-an-hour"


class HourNotOver(DomainError):
    """An hour is converted when it is over."""

    code: ClassVar[str] = "hour-not-over"


class RateNotFound(DomainError):
    """There is no such rate in quarantine."""

    code: ClassVar[str] = "rate-not-found"


class RateAlreadyAccepted(DomainError):
    """The hour has its rate already; it never gets another one."""

    code: ClassVar[str] = "rate-already-accepted"


class InvalidFeeRule(DomainError):
    """A part of the fee is out of bounds, or the rule does not begin with a whole hour."""

    code: ClassVar[str] = "invalid-fee-rule"


class FeeRuleTooEarly(DomainError):
    """The rule would begin before an hour whose terms are settled, or together with another rule."""

    code: ClassVar[str] = "fee-rule-too-early"


class InvalidSettlement(DomainError):
    """The amount or the reference of a settlement cannot be."""

    code: ClassVar[str] = "invalid-settlement"


class SettlementExceedsPayable(DomainError):
    """More than is owed for fees."""

    code: ClassVar[str] = "settlement-exceeds-payable"


class SettlementConflict(DomainError):
    """The reference was settled before."""

    code: ClassVar[str] = "settlement-conflict"


class InvalidStatement(DomainError):
    """The file is no statement in the format of docs/reconciliation.md; `problems` names every line that is wrong."""

    code: ClassVar[str] = "invalid-statement"


class StatementConflict(DomainError):
    """The statement was imported before, with other content."""

    code: ClassVar[str] = "statement-conflict"


class StatementOverlaps(DomainError):
    """Another statement of the provider tells of some of these hours."""

    code: ClassVar[str] = "statement-overlaps"


class StatementTooEarly(DomainError):
    """An hour of the statement is not converted yet: both sides have to be complete."""

    code: ClassVar[str] = "statement-too-early"


class DifferenceNotFound(DomainError):
    """There is no such difference with the provider."""

    code: ClassVar[str] = "difference-not-found"


class DifferenceResolved(DomainError):
    """Two people have said who is right about this difference."""

    code: ClassVar[str] = "difference-resolved"


# Constraint names (models.py, controls.py, sql/) and the error a caller gets.
REFUSALS: dict[str, type[DomainError]] = {
    "fee_rule_percentage_bounds": InvalidFeeRule,
    "fee_rule_percentage_precision": InvalidFeeRule,
    "fee_rule_fixed_bounds": InvalidFeeRule,
    "fee_rule_fixed_precision": InvalidFeeRule,
    "fee_rule_minimum_bounds": InvalidFeeRule,
    "fee_rule_minimum_precision": InvalidFeeRule,
    "fee_rule_hour_is_whole": InvalidFeeRule,
    "fee_rule_after_settled_hours": FeeRuleTooEarly,
    "conversion_feerule_effective_from_key": FeeRuleTooEarly,
    "settlement_amount_bounds": InvalidSettlement,
    "settlement_amount_precision": InvalidSettlement,
    "settlement_usd_precision": InvalidSettlement,
    "settlement_reference_said": InvalidSettlement,
    "settlement_within_payable": SettlementExceedsPayable,
    "conversion_differenceresolution_pkey": DifferenceResolved,
    "statement_periods_apart": StatementOverlaps,
    "statement_of_converted_hours": StatementTooEarly,
    "settlement_reference_once": SettlementConflict,
}
