"""Whoever owns the database can switch every guard off. Each way to falsify it then is found, and the row is named."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from conversion.reconciliation.importing import import_statement
from conversion.reconciliation.reading import differences
from conversion.services import convert_hour
from conversion.voiding import Author, void_win
from ledger import book
from ledger.verification import registered_checks
from ledger.verification_records import Mode, verify_and_record
from tests.approvals import approved, fees_paid, rule_added, somebody
from tests.conversion.helpers import HOUR, OVER, win
from tests.conversion.statements import a_file, ours
from tests.factories import a_player, an_entry, post
from tests.ledger.test_seals import seal_journal
from tests.sql import run

pytestmark = [pytest.mark.django_db, pytest.mark.breaks_books]
Names = dict[str, Any]


@pytest.fixture
def world(tmp_path: Path, settings: Any) -> Names:
    """Small books with everything in them: ids by name, as text."""
    settings.LEDGER_ANCHOR_FILE = str(tmp_path / "anchor.jsonl")
    settings.SEAL_ENTRIES = 2
    ada, bob = sorted([a_player(), a_player()])
    first, second = win(ada, "1"), win(ada, "2")
    cheated = win(bob, "1.5")
    convert_hour(hour=HOUR, now=OVER)
    pending = win(ada, "0.5", at=OVER)
    mistaken = win(ada, "0.25", at=OVER)
    post(an_entry(bob, ("player:usd", "usd:cash", "0.1"), kind="payout"))
    void_win(win_id=mistaken, reason="mistake", author=Author())
    void_win(win_id=cheated, reason="cheating", author=Author())
    settlement = fees_paid("0.001", "bank 1")
    import_statement(content=a_file(ours()[1:]), imported_by=somebody("ada"))
    [difference] = differences(limit=2)
    approved("difference", {"difference": str(difference.id), "right": "provider"})
    funding = approved("funding", {"amount": "10"})
    book.close_period(ends_at=datetime(2020, 1, 1, tzinfo=UTC))
    approved("reopening", {"back_to": "2019-01-01T00:00:00Z"})
    rule_added(datetime(2030, 1, 1, tzinfo=UTC))
    seal_journal()
    assert found() == {}
    one = {
        "line": "SELECT entry_id FROM conversion_conversion WHERE tokens = 3",
        "other_line": "SELECT entry_id FROM conversion_conversion WHERE tokens = 1.5",
        "share": "SELECT entry_id FROM conversion_voidedconversion",
        "void": f"SELECT entry_id FROM rewards_void WHERE win_id = '{mistaken}'",
        "payout": "SELECT id FROM ledger_journalentry WHERE kind = 'payout'",
        "run": "SELECT hour::text FROM conversion_conversionrun",
        "rate": "SELECT id FROM conversion_rate",
        "difference": "SELECT id FROM conversion_difference",
        "adjustment": "SELECT entry_id FROM conversion_differenceresolution",
        "win_posting": f"SELECT id FROM ledger_posting WHERE entry_id = '{pending}'",
        "last_seal": "SELECT max(number) FROM ledger_seal",
        "today": "SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date",
    }
    names: Names = {name: run(sql)[0][0] for name, sql in one.items()}
    return names | {
        "ada": ada,
        "bob": bob,
        "first": first,
        "second": second,
        "cheated": cheated,
        "pending": pending,
        "mistaken": mistaken,
        "settlement": settlement,
        "request": funding.id,
        "funding": funding.entry_ids[0],
    }


def found() -> dict[str, book.Finding]:
    return {finding.check.name: finding for finding in book.verify().findings if finding.wrong_rows}


POSTING = "INSERT INTO ledger_posting (id, entry_id, holder, debit_id, credit_id, asset, amount) VALUES (uuidv7(), {})"
ENTRY = (
    "INSERT INTO ledger_journalentry (id, holder, kind, memo, metadata, transaction, posted_at)"
    " SELECT '00000000-0000-7000-8000-0000000000ff', holder, '{kind}', '', '{{{{}}}}', transaction, posted_at"
    " FROM ledger_journalentry WHERE id = '{like}'"
)
# (what was falsified, how, the claim that breaks, the row that is named). Names in braces are the world's.
FALSIFICATIONS: list[tuple[str, str, str, str]] = [
    # Entries and postings
    ("an entry without postings", ENTRY.format(kind="gift", like="{pending}"), "entries-have-postings", "00000000-0000-7000-8000-0000000000ff"),
    ("a win's postings are gone", "DELETE FROM ledger_posting WHERE entry_id = '{pending}'", "entries-have-postings", "{pending}"),
    ("a posting without its entry", "DELETE FROM ledger_journalentry WHERE id = '{pending}'", "postings-fit-entries-and-accounts", "{win_posting}"),
    ("a posting of another holder", "UPDATE ledger_posting SET holder = '{bob}' WHERE id = '{win_posting}'", "postings-fit-entries-and-accounts", "{win_posting}"),
    ("an asset that is not the accounts'", "UPDATE ledger_posting SET asset = 'USD' WHERE id = '{win_posting}'", "postings-fit-entries-and-accounts", "{win_posting}"),
    ("an account that does not exist", "UPDATE ledger_posting SET debit_id = 'usd:nowhere' WHERE id = '{win_posting}'", "postings-fit-entries-and-accounts", "{win_posting}"),
    ("a posting to itself", "UPDATE ledger_posting SET debit_id = credit_id WHERE id = '{win_posting}'", "postings-fit-entries-and-accounts", "{win_posting}"),
    ("not a number", "UPDATE ledger_posting SET amount = 'NaN' WHERE id = '{win_posting}'", "postings-fit-entries-and-accounts", "{win_posting}"),
    ("a negative amount", "UPDATE ledger_posting SET amount = -1 WHERE id = '{win_posting}'", "postings-fit-entries-and-accounts", "{win_posting}"),
    ("a nineteenth decimal", "UPDATE ledger_posting SET amount = amount + 1e-19 WHERE id = '{win_posting}'", "postings-fit-entries-and-accounts", "{win_posting}"),
    ("a fee that a player bears", "UPDATE ledger_posting SET debit_id = 'player:usd' WHERE credit_id = 'usd:fees-payable' AND entry_id = '{line}'", "fees-never-touch-players", ""),
    ("a reversal of less", "UPDATE ledger_posting SET amount = amount / 2 WHERE entry_id = '{void}'", "reversals-mirror-originals", "{void}"),
    ("a reversal of another's entry", "UPDATE ledger_journalentry SET reverses_id = '{payout}' WHERE id = '{void}'", "reversals-mirror-originals", "{void}"),
    ("a reversal that reverses nothing", "UPDATE ledger_journalentry SET reverses_id = NULL WHERE id = '{void}'", "voids-equal-reversals", "{mistaken}"),
    # Balances
    ("a richer player", "UPDATE ledger_balance SET amount = amount + 1 WHERE holder = '{ada}' AND account_id = 'player:usd'", "balances-equal-postings", "{ada} player:usd"),
    ("a wallet from nowhere", "INSERT INTO ledger_balance (holder, account_id, amount, movement) VALUES ('00000000-0000-4000-8000-000000000001', 'player:usd', 5, 5)", "balances-equal-postings", "00000000-0000-4000-8000-000000000001 player:usd"),
    ("a wallet that is gone", "DELETE FROM ledger_balance WHERE holder = '{ada}' AND account_id = 'player:usd'", "balances-equal-postings", "{ada} player:usd"),
    ("a debt forgiven", "UPDATE ledger_balance SET amount = 0 WHERE holder = '{bob}' AND account_id = 'player:usd-owed'", "balances-equal-postings", "{bob} player:usd-owed"),
    ("tokens from nowhere", "UPDATE ledger_balance SET amount = amount + 1 WHERE holder = '{ada}' AND account_id = 'player:dream'", "issued-equals-held-and-redeemed", "DREAM"),
    ("a wallet beyond its wins", "UPDATE ledger_balance SET amount = amount + 1 WHERE holder = '{ada}' AND account_id = 'player:dream'", "wallets-equal-pending-wins", "{ada}"),
    # Days and wins
    ("a day that counts less", "UPDATE rewards_allowance SET won = won - 0.5 WHERE player_id = '{ada}'", "allowances-equal-wins", "{ada} 2026-11-10"),
    ("a day over its cap", "UPDATE rewards_allowance SET cap = 1 WHERE player_id = '{ada}'", "allowances-equal-wins", "{ada} 2026-11-10"),
    ("a win made larger", "UPDATE rewards_win SET amount = 4 WHERE entry_id = '{pending}'", "wins-equal-entries", "{pending}"),
    ("a win that is gone", "DELETE FROM rewards_win WHERE entry_id = '{pending}'", "wins-equal-entries", "{pending}"),
    ("a win of another player", "UPDATE rewards_win SET player_id = '{bob}' WHERE entry_id = '{pending}'", "wins-equal-entries", "{pending}"),
    ("an entry that calls itself a win", "UPDATE ledger_journalentry SET kind = 'win' WHERE id = '{payout}'", "wins-equal-entries", "{payout}"),
    ("a win at another time", "UPDATE rewards_win SET won_at = won_at + interval '1 day' WHERE entry_id = '{pending}'", "wins-lie-in-their-days", "{pending}"),
    ("a win in no game", "UPDATE rewards_win SET game_id = '{bob}' WHERE entry_id = '{pending}'", "wins-lie-in-their-days", "{pending}"),
    ("a second day over the first", "INSERT INTO rewards_allowance (player_id, day, starts_at, ends_at, cap, won) SELECT player_id, day + 1, starts_at + interval '1 hour', ends_at, cap, 0 FROM rewards_allowance WHERE player_id = '{ada}'", "days-in-order", "{ada} 2026-11-11"),
    ("an erasure on paper", "INSERT INTO rewards_erasure (player_id) VALUES ('{bob}')", "erased-are-erased", "{bob}"),
    ("an erasure that nobody recorded", "UPDATE rewards_player SET status = 'erased', timezone = 'UTC' WHERE id = '{bob}'", "erased-are-erased", "{bob}"),
    ("a void undone", "UPDATE rewards_win SET voided_by_id = NULL WHERE entry_id = '{mistaken}'", "voids-equal-reversals", "{mistaken}"),
    ("a void without its record", "DELETE FROM rewards_void WHERE win_id = '{mistaken}'", "voids-equal-reversals", "{mistaken}"),
    ("a win voided by nothing", "UPDATE rewards_win SET voided_by_id = '{payout}' WHERE entry_id = '{pending}'", "voids-equal-reversals", "{pending}"),
    # Conversions, rates, fees
    ("a converted win made pending", "UPDATE rewards_win SET converted_by_id = NULL WHERE entry_id = '{first}'", "conversions-equal-wins", "{line}"),
    ("a win in another's conversion", "UPDATE rewards_win SET converted_by_id = '{other_line}' WHERE entry_id = '{first}'", "converted-wins-have-conversions", "{first}"),
    ("more dollars", "UPDATE conversion_conversion SET usd = usd + 1 WHERE entry_id = '{line}'", "conversions-equal-entries", "{line}"),
    ("more dollars, and posted", "UPDATE conversion_conversion SET usd = usd + 1 WHERE entry_id = '{line}'; UPDATE ledger_posting SET amount = amount + 1 WHERE entry_id = '{line}' AND credit_id = 'player:usd'", "usd-equals-tokens-at-rate", "{line}"),
    ("a conversion that is gone", "DELETE FROM conversion_conversion WHERE entry_id = '{line}'", "conversions-equal-entries", "{line}"),
    ("a conversion with a fifth leg", POSTING.format("'{line}', '{ada}', 'usd:cash', 'usd:adjustments', 'USD', 1"), "conversions-equal-entries", "{line}"),
    ("another rate", "UPDATE conversion_rate SET price = 0.2", "usd-equals-tokens-at-rate", ""),
    ("a rate that was refused", "UPDATE conversion_rate SET state = 'refused', reason = 'x'", "usd-equals-tokens-at-rate", ""),
    ("a rate that one person let pass", "UPDATE conversion_rate SET decides_id = id, decided_by_id = 1", "decided-rates-have-two-people", "{rate}"),
    ("no fee", "UPDATE conversion_conversion SET fee = 0 WHERE entry_id = '{line}'", "fees-follow-rules", "{line}"),
    ("another fee rule", "UPDATE conversion_feerule SET percentage = 0.5", "fees-follow-rules", ""),
    ("a fee rule that nobody approved", "UPDATE conversion_feerule SET request_id = '{request}' WHERE request_id IS NOT NULL", "fee-rules-are-approved", ""),
    ("a fee rule of other terms", "UPDATE conversion_feerule SET percentage = 0.5 WHERE request_id IS NOT NULL", "fee-rules-are-approved", ""),
    ("a settlement that nobody approved", "UPDATE conversion_feesettlement SET reference = 'bank 9'", "settlements-are-approved", "{settlement}"),
    ("a run that converted less", "UPDATE conversion_conversionrun SET usd = usd - 0.1", "runs-equal-lines", "{run}"),
    ("a run that fees were taken from", "UPDATE conversion_conversionrun SET fees = 0", "fees-payable-equal-fees", "usd:fees-payable"),
    ("a run without its life", "DELETE FROM conversion_runtransition", "runs-equal-transitions", "{run}"),
    ("a settlement made smaller", "UPDATE conversion_feesettlement SET amount = 0.0001", "settlements-equal-entries", "{settlement}"),
    ("a settlement that is gone", "DELETE FROM conversion_feesettlement", "settlements-equal-entries", "{settlement}"),
    ("a share taken back that is gone", "DELETE FROM conversion_voidedconversion", "voids-take-conversions-back", "{cheated}"),
    ("a share of another conversion", "UPDATE conversion_voidedconversion SET conversion_id = '{line}'", "voids-take-conversions-back", "{cheated}"),
    ("less owed than was spent", "UPDATE conversion_voidedconversion SET owed = 0", "voided-conversions-equal-entries", "{share}"),
    ("fewer dollars taken back", "UPDATE conversion_voidedconversion SET usd = usd - 0.01", "voided-usd-equals-tokens-at-rate", "{other_line}"),
    ("a debt that nobody made", "UPDATE conversion_voidedconversion SET owed = owed / 2", "owed-equals-voids-less-recovered", "{bob}"),
    ("wins that no run will take", "INSERT INTO conversion_conversionrun (hour, state, finished_at) SELECT hour, 'done', hour FROM generate_series('2026-11-10T11:00Z', '2026-11-20T00:00Z', interval '1 hour') AS hour", "old-pending-wins-are-dust", "{ada} at "),
    # What two people carry
    ("an entry by hand that nobody approved", "UPDATE ledger_journalentry SET kind = 'adjustment' WHERE id = '{payout}'", "entries-by-hand-are-approved", "{payout}"),
    ("an approval of the asker's own", "UPDATE ledger_approvaldecision SET decided_by_id = asked_by_id WHERE request_id = '{request}'", "decisions-are-anothers", "{request}"),
    ("more posted than was approved", "UPDATE ledger_posting SET amount = amount * 2 WHERE entry_id = '{funding}'", "approved-requests-have-their-outcome", "{request}"),
    ("more asked for than was posted", "UPDATE ledger_approvalrequest SET plan = '[]' WHERE id = '{request}'", "approved-requests-have-their-outcome", "{request}"),
    ("an approval that came to nothing", "DELETE FROM ledger_approvaloutcome WHERE request_id = '{request}'", "approved-requests-have-their-outcome", "{request}"),
    ("a period that nobody opened", "UPDATE ledger_periodclose SET request_id = NULL", "reopenings-are-approved", ""),
    ("a period opened further back", "UPDATE ledger_periodclose SET ends_at = '2018-01-01Z' WHERE request_id IS NOT NULL", "reopenings-are-approved", ""),
    # Closed days, seals, the anchor
    ("a day closed with other totals", "INSERT INTO ledger_closedday VALUES ('{today}', '1', now(), 1); INSERT INTO ledger_daytotal (day, account_id, debits, credits) VALUES ('{today}', 'usd:cash', 1, 2)", "closed-days-equal-postings", "{today} dream:issued"),
    ("totals of a day without entries", "INSERT INTO ledger_closedday VALUES ('2026-01-01', '1', now(), 1); INSERT INTO ledger_daytotal (day, account_id, debits, credits) VALUES ('2026-01-01', 'usd:cash', 1, 2)", "closed-days-equal-postings", "2026-01-01 usd:cash"),
    ("a memo rewritten", "UPDATE ledger_journalentry SET memo = 'harmless' WHERE id = '{payout}'", "seals-match-the-journal", ""),
    ("a date moved", "UPDATE ledger_journalentry SET posted_at = posted_at - interval '1 microsecond' WHERE id = '{payout}'", "seals-match-the-journal", ""),
    ("a digest made up", "UPDATE ledger_seal SET digest = sha256('x') WHERE number = 1", "seals-match-the-journal", "000000000001"),
    ("a seal cut out", "DELETE FROM ledger_seal WHERE number = 2", "seals-match-the-journal", "000000000003"),
    ("the last seal cut off", "DELETE FROM ledger_seal WHERE number = {last_seal}", "seals-match-their-anchor", "seal {last_seal}"),
    ("a chain made anew", "UPDATE ledger_journalentry SET memo = 'harmless' WHERE id = '{payout}'; DELETE FROM ledger_seal; SELECT seal_journal(1) FROM generate_series(1, {last_seal})", "seals-match-their-anchor", "seal "),
    ("a cluster that counts anew", "UPDATE ledger_seal SET ends = '9999999999' WHERE number = {last_seal}", "transactions-go-on-behind-the-seals", "cluster"),
    ("a line of the provider's statement", "UPDATE conversion_statementline SET fee = fee + 1", "statements-equal-lines", "default 2026-11"),
    ("a line that is gone", "DELETE FROM conversion_statementline", "statements-equal-lines", "default 2026-11"),
    ("a difference that is gone", "DELETE FROM conversion_difference", "differences-follow-from-statements", "default 2026-11"),
    ("a difference that is resolved with another amount", "UPDATE conversion_differenceresolution SET amount = amount - 1", "resolutions-equal-entries", "{adjustment}"),
    ("a resolution for us that is booked", "UPDATE conversion_differenceresolution SET \"right\" = 'us'", "resolutions-equal-entries", "{adjustment}"),
    ("a resolution that is gone", "DELETE FROM conversion_differenceresolution", "resolutions-equal-entries", "{adjustment}"),
    ("what a difference would cost", "UPDATE conversion_difference SET fee_effect = 0", "differences-follow-from-statements", "default 2026-11"),
]  # fmt: skip
IN_THE_WAY = [
    ("ledger_posting", "posting_two_accounts"),
    ("ledger_posting", "posting_amount_bounds"),
    ("ledger_posting", "posting_amount_precision"),
    ("ledger_posting", "posting_fee_never_touches_player"),
    ("rewards_allowance", "allowance_cap"),
    ("ledger_approvaldecision", "approval_decision_by_another"),
]


def falsify(statements: str, world: Names) -> None:
    """As the superuser, past every trigger, foreign key and CHECK."""
    for table, constraint in IN_THE_WAY:
        run(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
    run("SET session_replication_role = replica")
    for statement in statements.format(**world).split("; "):
        run(statement)
    run("SET session_replication_role = origin")


@pytest.mark.parametrize(
    ("statements", "check", "subject"), [case[1:] for case in FALSIFICATIONS], ids=[case[0] for case in FALSIFICATIONS]
)
def test_a_falsification_is_found_and_the_row_is_named(world: Names, statements: str, check: str, subject: str) -> None:
    falsify(statements, world)
    finding = found()[check]
    assert finding.subject.startswith(subject.format(**world))
    assert finding.subject
    assert finding.problem


def test_every_claim_is_broken_by_a_falsification_and_there_are_sixty() -> None:
    elsewhere = {"closed-hours-equal-journal"}  # what the centre is told: tests/world
    assert {check for _, _, check, _ in FALSIFICATIONS} == {check.name for check in registered_checks()} - elsewhere
    assert len(FALSIFICATIONS) >= 60


def test_the_anchor_that_is_lost_cut_or_of_other_books_is_found(world: Names, settings: Any, tmp_path: Path) -> None:
    run("SET session_replication_role = replica")
    run("UPDATE ledger_seal SET sealed_at = sealed_at - interval '1 hour'")
    run("SET session_replication_role = origin")
    assert found() == {}
    anchor = Path(settings.LEDGER_ANCHOR_FILE)
    whole = anchor.read_text()
    anchor.write_text(whole.replace('"number": 2', '"number": 7777'))
    assert found()["seals-match-their-anchor"].wrong_rows == 2
    anchor.unlink()
    finding = found()["seals-match-their-anchor"]
    assert (finding.subject, finding.wrong_rows) == ("seal 1", world["last_seal"])
    assert str(anchor) in finding.problem


RECENT: dict[str, tuple[str, str]] = {
    "a balance": ("UPDATE ledger_balance SET amount = amount + 1 WHERE holder = '{ada}'", "balances-equal-postings"),
    "a posting": ("UPDATE ledger_posting SET amount = 0.125 WHERE entry_id = '{new}'", "balances-equal-postings"),
    "an asset": ("UPDATE ledger_posting SET asset = 'USD' WHERE entry_id = '{new}'", "postings-fit-entries-and-accounts"),
    "postings that are gone": ("DELETE FROM ledger_posting WHERE entry_id = '{new}'", "entries-have-postings"),
    "a win": ("UPDATE rewards_win SET amount = 0.125 WHERE entry_id = '{new}'", "wins-equal-entries"),
    "a win that is gone": ("DELETE FROM rewards_win WHERE entry_id = '{new}'", "wins-equal-entries"),
    "a win's time": ("UPDATE rewards_win SET won_at = won_at + interval '1 day' WHERE entry_id = '{new}'", "wins-lie-in-their-days"),
    "a day": ("UPDATE rewards_allowance SET won = won - 0.1 WHERE player_id = '{ada}'", "allowances-equal-wins"),
    "days": (FALSIFICATIONS[[case[0] for case in FALSIFICATIONS].index("a second day over the first")][1], "days-in-order"),
    "tokens": ("UPDATE ledger_balance SET amount = amount + 1 WHERE holder = '{ada}' AND account_id = 'player:dream'", "issued-equals-held-and-redeemed"),
    "a wallet": ("UPDATE ledger_balance SET amount = amount + 1 WHERE holder = '{ada}' AND account_id = 'player:dream'", "wallets-equal-pending-wins"),
    "a void": ("UPDATE rewards_win SET voided_by_id = NULL WHERE entry_id = '{new_voided}'", "voids-equal-reversals"),
    "a reversal": ("UPDATE ledger_posting SET amount = 0.125 WHERE entry_id = (SELECT id FROM ledger_journalentry WHERE reverses_id = '{new_voided}')", "reversals-mirror-originals"),
    "a conversion": ("UPDATE conversion_conversion SET usd = usd + 1 WHERE entry_id = '{new_line}'", "conversions-equal-entries"),
    "a conversion's rate": ("UPDATE conversion_rate SET price = 0.2 WHERE hour = '2026-11-10T11:00Z'", "usd-equals-tokens-at-rate"),
    "a fee": ("UPDATE conversion_conversion SET fee = 0 WHERE entry_id = '{new_line}'", "fees-follow-rules"),
    "a fee that a player bears": ("UPDATE ledger_posting SET debit_id = 'player:usd' WHERE credit_id = 'usd:fees-payable' AND entry_id = '{new_line}'", "fees-never-touch-players"),
    "a converted win": ("UPDATE rewards_win SET converted_by_id = NULL WHERE converted_by_id = '{new_line}'", "conversions-equal-wins"),
    "a converted win's conversion": ("UPDATE rewards_win SET converted_by_id = entry_id WHERE converted_by_id = '{new_line}'", "converted-wins-have-conversions"),
    "a run": ("UPDATE conversion_conversionrun SET usd = usd + 1, finished_at = now() WHERE hour = '2026-11-10T11:00Z'", "runs-equal-lines"),
    "a share": ("DELETE FROM conversion_voidedconversion WHERE win_id = '{new_cheated}'", "voids-take-conversions-back"),
    "a share's dollars": ("UPDATE conversion_voidedconversion SET usd = usd - 0.01 WHERE win_id = '{new_cheated}'", "voided-usd-equals-tokens-at-rate"),
    "a share's entry": ("UPDATE conversion_voidedconversion SET owed = 0.01 WHERE win_id = '{new_cheated}'", "voided-conversions-equal-entries"),
    "a debt": ("UPDATE conversion_voidedconversion SET owed = 0.01 WHERE win_id = '{new_cheated}'", "owed-equals-voids-less-recovered"),
    "a settlement": ("UPDATE conversion_feesettlement SET amount = 0.0001 WHERE reference = 'bank 2'", "settlements-equal-entries"),
    "an entry by hand": ("UPDATE ledger_journalentry SET kind = 'adjustment' WHERE id = '{new}'", "entries-by-hand-are-approved"),
    "what is owed for fees": ("UPDATE conversion_conversionrun SET fees = 0", "fees-payable-equal-fees"),
    "a statement of the provider": ("UPDATE conversion_providerstatement SET fees = fees + 1", "statements-equal-lines"),
    "a resolution": ("UPDATE conversion_differenceresolution SET amount = amount - 1", "resolutions-equal-entries"),
    "a difference": ("DELETE FROM conversion_difference", "differences-follow-from-statements"),
    "a seal": ("UPDATE ledger_journalentry SET memo = 'x' WHERE id = '{new}'", "seals-match-the-journal"),
    "a day's totals": ("INSERT INTO ledger_closedday VALUES ('{today}', '1', clock_timestamp(), 1)", "closed-days-equal-postings"),
}  # fmt: skip


@pytest.mark.parametrize("what", RECENT)
def test_what_was_falsified_since_the_last_clean_verification_is_found_by_a_quick_one(world: Names, what: str) -> None:
    """Every claim that a quick verification narrows down is broken within what is new."""
    assert verify_and_record(Mode.FULL).clean
    cheated = win(world["bob"], "1", at=OVER)
    convert_hour(hour=OVER, now=OVER.replace(hour=12))
    voided = win(world["ada"], "0.25", at=OVER.replace(hour=12))
    void_win(win_id=voided, reason="mistake", author=Author())
    void_win(win_id=cheated, reason="cheating", author=Author())
    fees_paid("0.001", "bank 2")
    new = {
        "new": win(world["ada"], "0.5", at=OVER.replace(hour=12)),
        "new_voided": voided,
        "new_cheated": cheated,
        "new_line": run(f"SELECT converted_by_id FROM rewards_win WHERE entry_id = '{cheated}'")[0][0],
    }
    seal_journal()
    quick = verify_and_record(Mode.INCREMENTAL)
    assert quick.clean, [(each.check.name, each.subject, each.problem) for each in quick.findings if each.wrong_rows]
    run("SET session_replication_role = replica")
    run("DELETE FROM ledger_verificationrun WHERE mode = 'incremental'")
    run("SET session_replication_role = origin")
    statements, check = RECENT[what]
    falsify(statements, world | new)
    assert check in {each.check.name for each in verify_and_record(Mode.INCREMENTAL).findings if each.wrong_rows}


def test_every_claim_that_a_quick_verification_narrows_down_is_broken_within_what_is_new() -> None:
    assert {check for _, check in RECENT.values()} == {check.name for check in registered_checks() if check.recent}
