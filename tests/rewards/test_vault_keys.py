"""Epochs: begun, followed by what they wrap, destroyed; and an old backup that nobody can read any more."""

import json
from collections.abc import Callable
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from dreamland.lib.vault.providers import KeysUnavailable, provider
from dreamland.lib.vault.sealing import WrappedKey
from rewards import profiles, services, vault_keys
from rewards.models import KeyEpoch, PlayerKey
from rewards.profile_values import ProfileFacts
from rewards.profiles import find_players, read_profile
from rewards.services import register_player
from rewards.vault_keys import (
    EpochInUse,
    EpochNotFound,
    KeysLost,
    begin_epoch,
    begin_first_epoch,
    destroy_epoch,
    list_epochs,
    rewrap,
    rewrap_player,
)
from tests.sql import APP, acting_as, in_parallel, refusal, run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, settings: Any) -> Path:
    """Keys of this test alone, with a first epoch."""
    settings.VAULT_KEY_DIR = str(tmp_path)
    assert begin_first_epoch() == "000001"
    return tmp_path


def a_person(name: str = "Ada", player: UUID | None = None) -> UUID:
    profile = {"name": name, "email": f"{name.lower()}@example.org"}
    return register_player(player_id=player or uuid4(), timezone="UTC", profile=profile).player.id


def epochs_in_use() -> set[str]:
    return set(PlayerKey.objects.values_list("epoch_id", flat=True))


def test_after_a_rotation_everything_is_read_and_found_as_before() -> None:
    people = {a_person(name): name for name in ("Ada", "Eve", "Bob")}
    assert begin_epoch() == "000002"
    newcomer = a_person("New")
    assert epochs_in_use() == {"000001", "000002"}
    assert find_players(email="ada@example.org")
    assert rewrap() == 3
    assert epochs_in_use() == {"000002"}
    for player, name in {**people, newcomer: "New"}.items():
        assert read_profile(player) == ProfileFacts(name=name, email=f"{name.lower()}@example.org")
        assert find_players(email=f"{name.lower()}@example.org") == (player,)
    assert rewrap() == 0


def test_rewrapping_is_bounded_and_goes_on_where_it_was(settings: Any) -> None:
    settings.VAULT_REWRAP_CHUNK = 2
    for number in range(5):
        a_person(f"Ada{number}")
    begin_epoch()
    told: list[int] = []
    assert [rewrap(limit=3, each=told.append), rewrap(limit=3), rewrap(limit=3)] == [3, 2, 0]
    assert told == [2, 3]


def test_the_app_role_can_rotate_and_write_profiles() -> None:
    with acting_as(APP):
        run("SELECT 1")
    player = a_person()
    run("SET ROLE dreamland_test_app")
    try:
        begin_epoch()
        assert rewrap() == 1
        a_person("Eve")
        register_player(player_id=player, timezone="UTC", profile=None)
        destroy_epoch(name="000001")
    finally:
        run("RESET ROLE")
    assert epochs_in_use() == {"000002"}


def test_an_epoch_that_wraps_anything_or_is_the_newest_is_not_destroyed() -> None:
    a_person()
    with pytest.raises(EpochInUse):
        destroy_epoch(name="000001")
    begin_epoch()
    with pytest.raises(EpochInUse):
        destroy_epoch(name="000001")
    assert provider().epochs() == ("000001", "000002")
    with pytest.raises(EpochNotFound):
        destroy_epoch(name="000009")
    rewrap()
    destroy_epoch(name="000001")
    destroy_epoch(name="000001")
    assert provider().epochs() == ("000002",)
    assert [epoch.name for epoch in list_epochs() if epoch.destroyed_at] == ["000001"]


def test_a_destruction_that_was_cut_off_is_finished_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    a_person()
    begin_epoch()
    rewrap()

    def cut(_epoch: str) -> None:
        raise KeysUnavailable("no answer")

    with monkeypatch.context() as cable:
        cable.setattr(provider(), "destroy_epoch", cut)
        with pytest.raises(KeysUnavailable):
            destroy_epoch(name="000001")
    assert refusal("UPDATE rewards_playerkey SET epoch_id = '000001'") == "key_epoch_is_usable"
    destroy_epoch(name="000001")
    assert provider().epochs() == ("000002",)


def backup() -> list[tuple[Any, ...]]:
    """The rows as an old dump has them."""
    return run("""
        SELECT key.player_id, key.epoch_id, key.wrapped, profile.format, profile.sealed, profile.email_index
        FROM rewards_playerkey key JOIN rewards_profile profile USING (player_id)
    """)


def read_backup(row: tuple[Any, ...]) -> ProfileFacts | None:
    player, epoch, wrapped, version, sealed, _ = row
    stored = profiles.Stored(WrappedKey(epoch, bytes(wrapped)), version, bytes(sealed))
    return profiles.opened(player, stored)


def test_an_old_backup_is_readable_until_its_epoch_is_destroyed_and_then_by_nobody() -> None:
    player = a_person()
    [old] = backup()
    register_player(player_id=player, timezone="UTC", profile=None)
    assert read_backup(old) == ProfileFacts(name="Ada", email="ada@example.org")  # control: until then it is there
    begin_epoch()
    rewrap()
    assert read_backup(old) == ProfileFacts(name="Ada", email="ada@example.org")
    destroy_epoch(name="000001")
    assert read_backup(old) is None
    # Not even that this address was known can be told from the old row.
    assert bytes(old[5]) not in {provider().mac(epoch, b"email:ada@example.org") for epoch in provider().epochs()}


def test_a_restored_profile_whose_epoch_is_destroyed_is_none_and_can_be_written_anew() -> None:
    """A backup from before the rotation is restored into the database: the rows come back, and say nothing."""
    player = a_person()
    rows = backup()
    begin_epoch()
    rewrap()
    destroy_epoch(name="000001")
    run("ALTER TABLE rewards_playerkey DISABLE TRIGGER USER")
    run("UPDATE rewards_playerkey SET epoch_id = %s, wrapped = %s", rows[0][1:3])
    run("ALTER TABLE rewards_playerkey ENABLE TRIGGER USER")
    assert read_profile(player) is None
    assert rewrap() == 0
    a_person("Ada", player)
    assert read_profile(player) == ProfileFacts(name="Ada", email="ada@example.org")
    assert epochs_in_use() == {"000002"}


def test_without_its_keys_a_database_gets_no_first_epoch(directory: Path) -> None:
    assert begin_first_epoch() is None
    a_person()
    (directory / "000001.key").unlink()
    with pytest.raises(KeysLost):
        begin_first_epoch()
    assert provider().epochs() == ()


def test_a_profile_written_while_its_key_is_wrapped_anew_is_read_and_found(monkeypatch: pytest.MonkeyPatch) -> None:
    player = a_person()
    begin_epoch()
    index = vault_keys._index
    held: list[str] = []

    def meanwhile(player_id: UUID, stored: profiles.Stored, epoch: str) -> bytes | None:
        if not held:
            held.append(epoch)
            a_person("Eve", player)
        return index(player_id, stored, epoch)

    monkeypatch.setattr(vault_keys, "_index", meanwhile)
    assert rewrap_player(player)
    assert read_profile(player) == ProfileFacts(name="Eve", email="eve@example.org")
    assert find_players(email="eve@example.org") == (player,)
    assert find_players(email="ada@example.org") == ()


def test_rotations_and_profiles_at_once_leave_every_profile_readable_and_found() -> None:
    people = [a_person(f"Ada{number}") for number in range(8)]

    def rotate() -> object:
        begin_epoch()
        return rewrap()

    def change(number: int) -> object:
        return a_person(f"Eve{number}", people[number])

    work: list[Callable[[], object]] = [rotate, rewrap, *(partial(change, number) for number in range(4))]
    results = in_parallel(work)
    assert not [result for result in results if isinstance(result, Exception)]
    rewrap()
    for number, player in enumerate(people):
        name = f"{'Eve' if number < 4 else 'Ada'}{number}"
        assert read_profile(player) == ProfileFacts(name=name, email=f"{name.lower()}@example.org")
        assert find_players(email=f"{name.lower()}@example.org") == (player,)


def test_who_wrapped_with_an_epoch_that_is_destroyed_meanwhile_wraps_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sealed_draft = profiles.sealed_draft
    held: list[profiles.Draft] = []

    def stale(player_id: UUID, profile: ProfileFacts, stored: profiles.Stored) -> profiles.Draft:
        draft = sealed_draft(player_id, profile, stored)
        if not held:
            held.append(draft)
            begin_epoch()
            destroy_epoch(name="000001")
        return draft

    monkeypatch.setattr(services, "sealed_draft", stale)
    player = a_person()
    assert held[0].new_key is not None
    assert held[0].new_key.epoch == "000001"
    assert read_profile(player) == ProfileFacts(name="Ada", email="ada@example.org")
    assert epochs_in_use() == {"000002"}


def test_destroying_waits_for_who_is_wrapping_and_then_refuses() -> None:
    """Without the shared lock on the epoch's row the destroyer would not see the key that commits a moment later."""
    a_person()
    begin_epoch()
    rewrap()
    player = register_player(player_id=uuid4(), timezone="UTC").player.id

    def wrap_slowly() -> None:
        with transaction.atomic():
            run(
                "INSERT INTO rewards_playerkey (player_id, epoch_id, wrapped)"
                " SELECT %s, '000001', wrapped FROM rewards_playerkey LIMIT 1",
                [player],
            )
            run("SELECT pg_sleep(0.5)")

    def destroy() -> None:
        run("SELECT pg_sleep(0.2)")
        destroy_epoch(name="000001")

    wrapped, destroyed = in_parallel([wrap_slowly, destroy])
    assert wrapped is None
    assert isinstance(destroyed, EpochInUse)
    assert provider().epochs() == ("000001", "000002")


# --- The command -------------------------------------------------------------------------------------------------


def vault(*arguments: str) -> str:
    out = StringIO()
    call_command("vault", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_rotates_and_says_what_stands_where() -> None:
    a_person()
    assert "already" in vault("--first-epoch")
    assert "000002" in vault("--begin-epoch")
    assert "1 keys" in vault("--rewrap", "--limit", "10")
    assert "destroyed" in vault("--destroy", "000001")
    told = json.loads(vault("--json"))
    assert [(epoch["name"], epoch["keys"], epoch["usable"]) for epoch in told["epochs"]] == [
        ("000001", 0, False),
        ("000002", 1, True),
    ]
    for refused in (["--destroy", "000002"], ["--limit", "3"], ["--rewrap", "--limit", "0"], ["--destroy", "x"]):
        with pytest.raises(CommandError):
            vault(*refused)


def test_the_command_says_what_is_missing_where_there_are_no_keys(settings: Any) -> None:
    settings.VAULT_KEY_DIR = ""
    with pytest.raises(CommandError, match="VAULT_KEY_DIR"):
        vault()


def test_an_epoch_is_remembered_by_the_database() -> None:
    a_person()
    assert list(KeyEpoch.objects.values_list("name", "destroyed_at")) == [("000001", None)]
