"""Everything that is keyed to one player, as one document, and only for who says why."""

import json
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from conversion.services import convert_due_hours
from conversion.voiding import Author, void_win
from dreamland.lib.data_map import columns, problems
from dreamland.lib.portability import left_out, tables_of_players
from dreamland.lib.trail.errors import ReasonMissing
from dreamland.lib.trail.looks import Viewer
from dreamland.lib.trail.models import Look
from rewards import data_classes
from rewards.erasing import erase_player, find_erasure
from rewards.errors import PlayerNotFound
from rewards.models import Player
from rewards.portability import export_player
from rewards.profiles import read_profile
from rewards.services import Recorded, record_wins, register_player
from tests.factories import NOON, a_claim, a_game, hours
from tests.people import a_person
from tests.sql import run

pytestmark = pytest.mark.django_db

ADA = {"name": "Ada Lovelace", "email": "ada@example.org", "country": "GB"}


@pytest.fixture(autouse=True)
def noon(time_machine: Any) -> None:
    time_machine.move_to(NOON)


def a_life(profile: Any = ADA) -> UUID:
    """A player with a row in as many tables as one can have by playing."""
    player, game = register_player(player_id=uuid4(), timezone="Europe/London", profile=profile).player.id, a_game()
    for amount in ("1.5", "0.000000000000000001"):
        [outcome] = record_wins(game_id=game.id, claims=[a_claim(player, amount)], now=NOON)
        assert isinstance(outcome, Recorded)
        taken = outcome.win.id
    convert_due_hours(now=NOON + hours(2))
    void_win(win_id=taken, reason="a bug of the game", author=Author())
    return player


def exported(player: UUID, reason: str = "request 7") -> dict[str, Any]:
    viewer, file = Viewer(a_person(f"officer-{uuid4()}").pk, "a test"), StringIO()
    export_player(player_id=player, viewer=viewer, reason=reason, to=file, now=NOON)
    told: dict[str, Any] = json.loads(file.getvalue())
    return told


def test_the_document_tells_the_profile_and_every_row_of_the_player_and_of_nobody_else() -> None:
    player, other = a_life(), a_life()
    told = exported(player)
    assert (told["form"], told["player"]) == ("dreamland-player-export/1", str(player))
    assert told["profile"] == ADA
    tables = told["tables"]
    assert {name: len(tables[name]) for name in tables} == {
        name: run(f"SELECT count(*) FROM {name} WHERE {condition}", {"player": player})[0][0]
        for name, condition in tables_of_players().items()
    }
    filled = {name for name in tables if tables[name]}
    assert filled >= {"rewards_player", "rewards_allowance", "rewards_win", "rewards_void", "conversion_conversion"}
    assert filled >= {"ledger_journalentry", "ledger_posting", "ledger_balance", "trail_look"}
    text = json.dumps(told)
    assert str(other) not in text
    assert {row["amount"] for row in tables["rewards_win"]} >= {"1.5", "0.000000000000000001"}


def test_every_column_is_told_or_left_out_with_a_reason() -> None:
    told = exported(a_life())
    there = {column.path for column in columns() if column.table in told["tables"] and told["tables"][column.table]}
    said = {f"{table}.{name}" for table, rows in told["tables"].items() for row in rows for name in row}
    assert said | (told["left_out"].keys() & there) == there
    assert not said & left_out().keys()


def test_every_table_that_leads_to_a_player_is_in_the_document() -> None:
    leads = {
        column.table
        for column in columns()
        if column.refers_to == "rewards_player" or (column.type == "uuid" and column.name in {"player_id", "holder"})
    }
    assert leads >= {"rewards_win", "ledger_posting", "world_playerreference"}
    assert leads <= tables_of_players().keys()


def test_control_a_table_about_persons_that_nobody_assigned_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(data_classes.OF_PLAYER, "rewards_win")
    assert ("rewards_win", "is neither in OF_PLAYER nor in OF_OTHERS") in problems()
    monkeypatch.setitem(data_classes.KEPT, "no reason", "rewards_win.device")
    assert ("rewards_win.device", "is left out or kept, and does not exist") in problems()


def test_who_asks_is_recorded_before_anything_is_told_and_without_a_reason_nothing_is() -> None:
    player, person = a_life(), a_person("officer")
    with pytest.raises(ReasonMissing):
        exported(player, reason=" ")
    assert Look.objects.count() == 0

    class Broken(StringIO):
        def write(self, _text: str) -> int:
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        export_player(player_id=player, viewer=Viewer(person.pk, "a test"), reason="request 7", to=Broken(), now=NOON)
    look = Look.objects.get()
    assert (look.subject, look.what, look.reason, look.username) == (player, "everything", "request 7", "officer")
    with pytest.raises(PlayerNotFound):
        exported(uuid4())


def test_an_erased_player_is_exported_with_what_is_kept() -> None:
    player = a_life()
    erase_player(player_id=player, now=NOON, leave_open=True)
    told = exported(player)
    assert told["profile"] == {"name": "Ada Lovelace", "email": None, "country": "GB"}
    [erasure] = told["tables"]["rewards_erasure"]
    assert erasure["retain_until"]
    assert erasure["basis"]


def test_the_command_makes_a_file_for_its_owner_and_overwrites_none(tmp_path: Path) -> None:
    a_person("officer")
    player, path = a_life(), tmp_path / "ada.json"
    call_command("player_export", str(player), by="officer", reason="request 7", output=path, stdout=StringIO())
    assert json.loads(path.read_text())["profile"] == ADA
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(CommandError, match="exists") as refused:
        call_command("player_export", str(player), by="officer", reason="request 7", output=path)
    assert refused.value.returncode == 2
    with pytest.raises(CommandError, match="no such player"):
        call_command("player_export", str(uuid4()), by="officer", reason="request 7", output=tmp_path / "x.json")
    assert not (tmp_path / "x.json").exists()


def test_the_command_prints_the_document_where_no_file_is_asked_for(capsys: Any) -> None:
    a_person("officer")
    call_command("player_export", str(a_life()), by="officer", reason="request 7")
    assert json.loads(capsys.readouterr().out)["profile"] == ADA


# --- In the back-office ------------------------------------------------------------------------------------------


@pytest.fixture
def boss() -> Client:
    client = Client()
    client.force_login(a_person("boss", is_superuser=True))
    return client


def page(name: str, *arguments: Any) -> str:
    return reverse(f"admin:rewards_player_{name}", args=arguments)


def everything(answer: Any) -> str:
    if getattr(answer, "streaming", False):
        return b"".join(answer.streaming_content).decode()
    text: str = answer.content.decode()
    return text


def test_the_person_is_shown_once_it_is_said_why_and_the_look_is_recorded(boss: Client) -> None:
    player = a_life()
    asked = boss.get(page("person", player))
    assert "Ada" not in everything(asked)
    assert Look.objects.count() == 0
    unsaid = boss.post(page("person", player), {"reason": "  "})
    assert "Ada" not in everything(unsaid)
    shown = boss.post(page("person", player), {"reason": "ticket 12"}, headers={"X-Request-ID": "r-9"})
    assert "Ada Lovelace" in everything(shown)
    assert "no-store" in shown["Cache-Control"]
    look = Look.objects.get()
    assert (look.subject, look.what, look.reason, look.place) == (
        player, "profile", "ticket 12", "admin:rewards_player_person",
    )  # fmt: skip
    assert look.request_id == "r-9"
    nobody = boss.post(page("person", a_life(profile=None)), {"reason": "ticket 13"})
    assert "Nothing is known" in everything(nobody)


def test_the_file_is_given_to_who_says_why(boss: Client) -> None:
    player = a_life()
    answer = boss.post(page("export", player), {"reason": "request 7"})
    assert answer["Content-Type"] == "application/json", everything(answer)
    assert "attachment" in answer["Content-Disposition"]
    assert json.loads(everything(answer))["profile"] == ADA
    assert Look.objects.get().what == "everything"


def test_a_player_is_erased_in_the_back_office_and_a_refusal_is_a_sentence(boss: Client) -> None:
    player = a_life()
    refused = boss.post(page("erase", player), {})
    assert "The player has" in everything(refused)
    assert find_erasure(player) is None
    done = boss.post(page("erase", player), {"leave_open": "on"}, follow=True)
    assert "The player is erased" in everything(done)
    assert run("SELECT erased_by_id FROM rewards_erasure") == run("SELECT id FROM auth_user WHERE username = 'boss'")
    assert "erased" in everything(boss.get(reverse("admin:rewards_player_change", args=[player])))


def test_players_are_found_by_an_address_without_a_profile_being_opened(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, other = a_life(), a_life(ADA | {"email": "eve@example.org"})

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a profile was opened")

    monkeypatch.setattr("rewards.profiles.opened", never)
    answer = everything(boss.post(page("find"), {"email": "ADA@example.org", "reason": "ticket 12"}))
    assert str(found) in answer
    assert str(other) not in answer
    assert [(look.subject, look.what) for look in Look.objects.all()] == [(found, "address")]
    assert "No player has this" in everything(boss.post(page("find"), {"email": "x@example.org", "reason": "t"}))
    bad = boss.post(page("find"), {"email": "not an address", "reason": "t"})
    assert (bad.status_code, Look.objects.count()) == (200, 1)


@pytest.mark.parametrize("name", ["person", "export", "erase"])
def test_an_id_of_nobody_is_not_found(name: str, boss: Client) -> None:
    for player in (uuid4(), "x", "\x00"):
        assert boss.get(page(name, player)).status_code == 404


def test_a_member_of_staff_sees_the_ways_that_he_may_go(boss: Client) -> None:
    player = a_life()
    address = reverse("admin:rewards_player_change", args=[player])
    officer = a_person("officer", "Support")
    client = Client()
    client.force_login(officer)
    assert page("person", player) not in everything(client.get(address))
    assert client.get(page("person", player)).status_code == 403
    officer.user_permissions.add(Permission.objects.get(codename="view_profile"))
    assert page("person", player) in everything(client.get(address))
    assert page("erase", player) not in everything(client.get(address))
    assert client.get(page("person", player)).status_code == 200
    assert client.post(page("erase", player), {"leave_open": "on"}).status_code == 403
    assert read_profile(player) is not None


@pytest.mark.parametrize("status", Player.Status.values)
def test_the_page_of_a_player_opens_in_every_state(status: str, boss: Client) -> None:
    player = a_life()
    if status == "erased":
        erase_player(player_id=player, now=NOON, leave_open=True)
    else:
        Player.objects.filter(pk=player).update(status=status, region="us" if status in {"moving", "moved"} else "")
    shown = boss.get(reverse("admin:rewards_player_change", args=[player]))
    assert shown.status_code == 200
    assert status in everything(shown)
