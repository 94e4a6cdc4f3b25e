"""Every column says what it is; and what is personal is in no log, export, task or message, through whatever door."""

import inspect
import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
import redis
from django.core.management import CommandError, call_command
from django.urls import reverse

from conversion.services import convert_due_hours
from dreamland.celery import app
from dreamland.lib.data_map import Classed, Column, DataClass, classed, problems
from dreamland.lib.logs import json_formatter
from rewards.erasing import erase_player
from rewards.services import record_wins
from tests.factories import NOON, a_claim, a_game, hours
from tests.http import Api, a_client
from tests.people import a_person, signed_in
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


# --- What is known about a person is nowhere else ----------------------------------------------------------------

MARKED = {"name": "Marked Nobody", "email": "marked.nobody@example.org", "country": "CH"}
NEEDLES = ("Marked Nobody", "marked.nobody")


@pytest.fixture
def lines() -> Iterator[StringIO]:
    """Everything that is logged, as it is written in production, down to the last debug line."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(json_formatter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.setLevel(level)
    root.removeHandler(handler)


def text_of(answer: Any) -> str:
    parts: list[bytes] = list(answer.streaming_content) if answer.streaming else [answer.content]
    return b"".join(parts).decode()


def marked_in(text: str) -> list[str]:
    return [needle for needle in NEEDLES if needle.lower() in text.lower()]


def test_nothing_of_a_profile_is_in_a_log_an_error_a_task_an_export_or_the_broker(
    lines: StringIO, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """A profile goes every way that it can go, also those that fail, by every door."""
    player, game = uuid4(), a_game()
    client, address = a_client(game), f"/v1/players/{player}"
    answers = [client.put(address, {"timezone": "UTC", "profile": MARKED}, format="json")]
    assert answers[-1].status_code == 201
    for broken in (
        {"name": "Marked Nobody\n"},
        {"email": "marked.nobody@"},
        "Marked Nobody",
        {"country": "Marked Nobody"},
    ):
        answers.append(client.put(address, {"timezone": "UTC", "profile": broken}, format="json"))
        assert answers[-1].status_code in {400, 422}
    answers.append(client.put(address, {"timezone": "Nowhere", "profile": MARKED}, format="json"))

    def crash(*_: Any) -> None:
        raise RuntimeError(f"no room for {MARKED}")

    with monkeypatch.context() as patch:
        patch.setattr("rewards.services.write_profile", crash)
        changed = {"timezone": "UTC", "profile": MARKED | {"country": "DE"}}
        answers.append(client.put(address, changed, format="json"))
        assert answers[-1].status_code == 500
    run("ALTER TABLE rewards_profile ADD CONSTRAINT too_long CHECK (length(sealed) < 1) NOT VALID")
    answers.append(client.put(address, changed, format="json"))
    run("ALTER TABLE rewards_profile DROP CONSTRAINT too_long")
    assert answers[-1].status_code == 500
    settings.VAULT_KEY_DIR, keys = "/nowhere", settings.VAULT_KEY_DIR
    answers.append(client.put(address, changed, format="json"))
    settings.VAULT_KEY_DIR = keys
    assert answers[-1].status_code == 503
    record_wins(game_id=game.id, claims=[a_claim(player)], now=NOON)
    convert_due_hours(now=NOON + hours(2))

    told = "".join(answer.content.decode() for answer in answers)
    assert marked_in(told) == []
    assert marked_in(lines.getvalue()) == []
    assert str(player) in lines.getvalue()  # control: these are the lines of those calls

    boss = a_person("boss", is_superuser=True)
    staff = signed_in(boss)
    seen = staff.post(reverse("admin:rewards_player_person", args=[player]), {"reason": "ticket 12"}).content.decode()
    assert marked_in(seen) == list(NEEDLES)  # control: it is there, and so is the way to it
    erase_player(player_id=player, now=NOON, leave_open=True)
    files = "".join(
        text_of(staff.get(reverse("admin:backoffice_export_new", args=[what, "csv"])))
        for what in ("rewards.player", "rewards.win", "ledger.journalentry", "conversion.conversion")
    )
    assert str(player) in files
    assert marked_in(files + Api().get("/metrics").content.decode()) == []
    assert marked_in(lines.getvalue()) == []
    tables = [name for (name,) in run("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    rows = "".join(str(run(f'SELECT t::text FROM "{table}" t')) for table in tables)
    assert marked_in(rows) == []
    with redis.Redis.from_url(settings.CELERY_BROKER_URL) as broker:
        kept = b"".join(key + (broker.dump(key) or b"") for key in broker.keys("*"))
    assert marked_in(kept.decode("latin-1")) == []


def test_a_task_takes_ids_and_instants_and_nothing_else() -> None:
    """What a task is sent lies in the broker, in clear: so nothing personal is ever an argument."""
    app.loader.import_default_modules()
    ours = {name: task for name, task in app.tasks.items() if not name.startswith("celery.")}
    assert len(ours) >= 6
    taken = {parameter for task in ours.values() for parameter in inspect.signature(task.run).parameters}
    assert taken <= {"run_id", "first", "last"}
