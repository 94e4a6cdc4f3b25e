"""No guard without an attack: what PostgreSQL refuses in the books and in the rewards is named by some test."""

import re
from pathlib import Path

import pytest

from tests.sql import refusal, run

TESTS = Path(__file__).parent.parent
# Guards that no statement can reach, because another one stands before them: each with its reason.
OUT_OF_REACH = {
    "account_code_asset_unique": "what the foreign keys of postings refer to; the code alone is unique already",
    "approval_decision_verdict_known": "approval_decision_by_another knows the three verdicts too, and comes first",
    "approval_outcome_decision_exists": "approval_outcome_of_approved wants the decision of this very transaction",
    "approval_request_attempt_counts": "approval_request_one_open counts the attempts before it",
    "approval_request_of_person": "what a decision's foreign key refers to; the id alone is unique already",
    "period_close_request_exists": "period_reopening_is_approved wants the request approved in this very transaction",
    "void_of_win": "what a win's foreign key to its void refers to; the entry alone is unique already",
}
# CHECKs, foreign keys, unique constraints and triggers of our own name. What Django names ends with a hash.
CONSTRAINTS = """
SELECT constraint_.conname FROM pg_constraint constraint_ JOIN pg_class on_table ON on_table.oid = constraint_.conrelid
WHERE on_table.relname ~ '^(ledger|rewards)_' AND constraint_.contype IN ('c', 'f', 'u', 'x')
UNION
SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class on_table ON on_table.oid = indrelid
WHERE on_table.relname ~ '^(ledger|rewards)_' AND indisunique AND NOT indisprimary
"""
DJANGOS_OWN = re.compile(r"_[0-9a-f]{8}(_\w*)?$|_key$|_like$")
NAMED_IN_TRIGGERS = re.compile(r"CONSTRAINT = '(\w+)'|refuse\('(\w+)'|THEN '(\w+)' ELSE '(\w+)' END")
TRIGGERS = """
SELECT pg_get_functiondef(trigger_.tgfoid) || pg_get_triggerdef(trigger_.oid)
FROM pg_trigger trigger_ JOIN pg_class on_table ON on_table.oid = trigger_.tgrelid
WHERE NOT tgisinternal AND on_table.relname ~ '^(ledger|rewards)_'
"""


@pytest.mark.django_db
def test_every_guard_of_the_books_and_of_the_rewards_is_attacked_by_its_name() -> None:
    guards = {name for (name,) in run(CONSTRAINTS) if not DJANGOS_OWN.search(name)}
    for (definition,) in run(TRIGGERS):
        guards |= {name for found in NAMED_IN_TRIGGERS.findall(definition) for name in found if name}
    assert len(guards) > 80
    here = Path(__file__)
    attacks = "\n".join(path.read_text() for path in TESTS.rglob("*.py") if path != here)
    assert {guard for guard in guards if not re.search(rf"\b{guard}\b", attacks)} == OUT_OF_REACH.keys()


NOT_ENFORCED = {
    *("posting_entry_exists", "posting_debit_has_asset", "posting_credit_has_asset"),
    *("win_entry_exists", "win_allowance_exists", "win_game_exists"),
}
# What those keys refer to can neither be deleted nor get another key, also by the owner: who sees to it.
REFERRED_TO = {
    "ledger_journalentry": ("id", "journal_entry_is_final", "journal_entry_is_final"),
    "ledger_account": ("code", "account_is_fixed", "account_stays"),
    "rewards_allowance": ("id", "allowance_is_fixed", "allowance_stays"),
    "rewards_game": ("id", "game_stays", "game_stays"),
}


@pytest.mark.django_db
def test_a_key_that_is_not_enforced_row_by_row_is_looked_after_by_a_guard() -> None:
    """A key that another migration leaves unenforced fails here, until somebody says what stands in for it."""
    found = run("SELECT conname, confrelid::regclass::text FROM pg_constraint WHERE contype = 'f' AND NOT conenforced")
    assert {name for name, _ in found} == NOT_ENFORCED
    assert {table for _, table in found} == REFERRED_TO.keys()
    for table, (key, fixed, stays) in REFERRED_TO.items():
        changed = f"{key} || 'x'" if key == "code" else "gen_random_uuid()"
        assert refusal(f"UPDATE {table} SET {key} = {changed}") == fixed
        assert refusal(f"DELETE FROM {table}") == stays
