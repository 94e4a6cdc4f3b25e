"""Every column says what it is; and what is personal is in no log, export, task or message, through whatever door."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from dreamland.lib.data_map import Classed, Column, DataClass, classed, problems
from tests.sql import run

pytestmark = pytest.mark.django_db


def test_every_column_is_classed_and_none_that_smells_of_a_person_is_classed_as_something_else() -> None:
    wrong = "\n".join(f"{path} {problem}" for path, problem in problems())
    assert not wrong, f"{wrong}\nSay what it is in data_classes.py of its app (docs/privacy.md)."
    assert len(classed()) > 200


@pytest.mark.parametrize(
    ("statement", "path", "problem"),
    [
        ("ALTER TABLE rewards_win ADD device_ip inet", "rewards_win.device_ip", "is of type inet"),
        ("ALTER TABLE rewards_player ADD birthday date", "rewards_player.birthday", "has a name like one"),
        ("ALTER TABLE rewards_player ADD display_name text", "rewards_player.display_name", "has a name like one"),
        ("ALTER TABLE ledger_posting ADD memo text", "ledger_posting.memo", "has a name like one"),
        ("ALTER TABLE conversion_conversion ADD extra jsonb", "conversion_conversion.extra", "anything can stand"),
        ("ALTER TABLE conversion_conversion ADD paid boolean", "conversion_conversion.paid", "has no class"),
        ("CREATE TABLE notes (id uuid)", "notes.id", "has no class"),
        ("CREATE MATERIALIZED VIEW mails AS SELECT 1 AS email", "mails.email", "has a name like one"),
        ("ALTER TABLE rewards_game DROP COLUMN over_cap", "rewards_game.over_cap", "does not exist"),
    ],
)
def test_control_a_column_that_nobody_classed_is_found(statement: str, path: str, problem: str) -> None:
    run(statement)
    [(found, said)] = problems()
    assert found == path
    assert problem in said
    with pytest.raises(CommandError, match=path.replace(".", r"\.")):
        call_command("personal_data_map", check=True, stdout=StringIO())


@pytest.mark.parametrize(
    ("column", "data_class", "because", "wrong"),
    [
        (Column("t", "email", "varchar", None, False), DataClass.OPERATIONAL, None, True),
        (Column("t", "email", "varchar", None, False), DataClass.PERSON, None, False),
        (Column("t", "email_index", "bytea", None, False), DataClass.REFERENCE, None, True),
        (Column("t", "code", "text", None, False), DataClass.REFERENCE, None, True),
        (Column("t", "code", "text", None, False), DataClass.REFERENCE, "our own codes", False),
        (Column("t", "code", "text", None, True), DataClass.REFERENCE, None, False),
        (Column("t", "code", "text", "ledger_account", False), DataClass.LEDGER, None, False),
        (Column("t", "who", "uuid", "rewards_player", False), DataClass.LEDGER, None, True),
        (Column("t", "who", "uuid", "rewards_player", False), DataClass.PSEUDONYM, None, False),
        (Column("t", "holder", "uuid", None, False), DataClass.LEDGER, None, True),
        (Column("t", "approved_by_id", "int4", None, False), DataClass.LEDGER, None, True),
        (Column("t", "amount", "numeric", None, False), DataClass.LEDGER, None, False),
        (Column("t", "amount", "numeric", None, False), DataClass.LEDGER, "of course", True),
        (Column("t", "amount", "numeric", None, False), None, None, True),
    ],
)
def test_what_smells_needs_a_class_for_persons_or_a_reason(
    column: Column, data_class: DataClass | None, because: str | None, wrong: bool
) -> None:
    assert (Classed(column, data_class, because).problem is not None) is wrong


def test_the_map_is_printed_for_people_and_machines(capsys: Any) -> None:
    out = StringIO()
    call_command("personal_data_map", stdout=out)
    assert "rewards_profile.sealed" in out.getvalue()
    out = StringIO()
    call_command("personal_data_map", as_json=True, stdout=out)
    assert '"class": "person"' in out.getvalue()
