"""No guard without an attack: what PostgreSQL refuses in the books and in the rewards is named by some test."""

import re
from pathlib import Path

import pytest

from tests.sql import run

TESTS = Path(__file__).parent.parent
# Guards that no statement can reach, because another one stands before them: each with its reason.
OUT_OF_REACH = {
    "account_code_asset_unique": "what the foreign keys of postings refer to; the code alone is unique already",
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
