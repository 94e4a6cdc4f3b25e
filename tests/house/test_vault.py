"""Sealing: what is sealed opens for its own purpose only, and a destroyed epoch opens nothing."""

from pathlib import Path
from typing import Any

import pytest

from dreamland.lib.vault.checks import key_provider, keys_are_somewhere
from dreamland.lib.vault.providers import EpochDestroyed, FileKeys, KeysUnavailable, Unreadable, newest_epoch, provider
from dreamland.lib.vault.sealing import PADDED_TO_BYTES, DataKey, new_key, unwrap


@pytest.fixture
def keys(tmp_path: Path, settings: Any) -> FileKeys:
    """An epoch in a directory of its own."""
    settings.VAULT_KEY_DIR = str(tmp_path)
    made = provider()
    assert isinstance(made, FileKeys)
    made.begin_epoch()
    return made


def test_what_is_sealed_opens_for_its_own_purpose_and_no_other(keys: FileKeys) -> None:
    key, _ = new_key(bound_to=b"a")
    sealed = key.seal({"name": "Ada"}, bound_to=b"a")
    assert key.open(sealed, bound_to=b"a") == {"name": "Ada"}
    with pytest.raises(Unreadable):
        key.open(sealed, bound_to=b"b")
    with pytest.raises(Unreadable):
        DataKey(bytes(32)).open(sealed, bound_to=b"a")


def test_every_changed_byte_is_noticed(keys: FileKeys) -> None:
    key, _ = new_key(bound_to=b"a")
    sealed = key.seal({"name": "Ada"}, bound_to=b"a")
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(Unreadable):
            key.open(bytes(changed), bound_to=b"a")
    for cut in (b"", sealed[:11], sealed[:-1]):
        with pytest.raises(Unreadable):
            key.open(cut, bound_to=b"a")


def test_the_same_facts_are_sealed_differently_and_as_long_as_others(keys: FileKeys) -> None:
    key, _ = new_key(bound_to=b"a")
    short, again, longer = (key.seal({"name": name}, bound_to=b"a") for name in ("A", "A", "A" * 100))
    assert short != again
    assert len(short) == len(longer)
    assert len(key.seal({"name": "A" * PADDED_TO_BYTES}, bound_to=b"a")) == len(short) + PADDED_TO_BYTES


def test_a_wrapped_key_opens_for_its_own_purpose_and_epoch_only(keys: FileKeys) -> None:
    key, stored = new_key(bound_to=b"a")
    assert unwrap(stored, bound_to=b"a") == key
    with pytest.raises(Unreadable):
        unwrap(stored, bound_to=b"b")
    keys.begin_epoch()
    with pytest.raises(Unreadable):
        keys.unwrap("000002", stored.wrapped, bound_to=b"a")
    assert unwrap(stored, bound_to=b"a") == key  # the older epoch still opens


def test_a_destroyed_epoch_opens_nothing_and_its_number_never_comes_again(keys: FileKeys) -> None:
    _, stored = new_key(bound_to=b"a")
    secret = (keys.directory / "000001.key").read_bytes()
    keys.begin_epoch()
    for _ in range(2):
        keys.destroy_epoch("000001")
    for use in (lambda: unwrap(stored, bound_to=b"a"), lambda: keys.mac("000001", b"x")):
        with pytest.raises(EpochDestroyed):
            use()
    assert keys.epochs() == ("000002",)
    keys.destroy_epoch("000002")
    assert keys.begin_epoch() == "000003"
    assert all(secret not in path.read_bytes() for path in keys.directory.iterdir())
    # A key file that somebody copies back is not used: the mark of its end stands beside it.
    (keys.directory / "000001.key").write_bytes(secret)
    (keys.directory / "000001.key").chmod(0o600)
    assert keys.epochs() == ("000003",)
    with pytest.raises(EpochDestroyed):
        unwrap(stored, bound_to=b"a")


def test_a_blind_index_is_the_same_under_one_epoch_and_another_under_the_next(keys: FileKeys) -> None:
    keys.begin_epoch()
    assert keys.mac("000001", b"x") == keys.mac("000001", b"x")
    assert len({keys.mac("000001", b"x"), keys.mac("000002", b"x"), keys.mac("000001", b"y")}) == 3


def test_key_files_are_their_owners_alone(keys: FileKeys) -> None:
    path = keys.directory / "000001.key"
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with pytest.raises(KeysUnavailable, match="read by others"):
        new_key(bound_to=b"a")


def test_without_keys_nothing_is_sealed_and_none_is_made_up(tmp_path: Path, settings: Any) -> None:
    settings.VAULT_KEY_DIR = ""
    with pytest.raises(KeysUnavailable):
        provider()
    settings.VAULT_KEY_DIR = str(tmp_path / "not-mounted")
    with pytest.raises(KeysUnavailable):
        newest_epoch()
    settings.VAULT_KEY_DIR = str(tmp_path)
    with pytest.raises(KeysUnavailable, match="first-epoch"):
        newest_epoch()
    assert list(tmp_path.iterdir()) == []


def test_keys_never_show_themselves(keys: FileKeys) -> None:
    key, stored = new_key(bound_to=b"a")
    assert (repr(key), repr(stored)) == ("DataKey()", "WrappedKey(epoch='000001')")


class Lacking:
    def epochs(self) -> tuple[str, ...]:
        return ()


def test_a_provider_that_cannot_do_what_is_asked_fails_the_system_check(settings: Any) -> None:
    settings.VAULT_KEY_PROVIDER = "tests.house.test_vault.Lacking"
    [error] = key_provider(None)
    assert (error.id, "wrap" in error.msg, "epochs" in error.msg) == ("dreamland.E013", True, False)
    settings.VAULT_KEY_PROVIDER = "nowhere.Keys"
    assert [error.id for error in key_provider(None)] == ["dreamland.E013"]
    assert keys_are_somewhere(None) == []
    settings.VAULT_KEY_PROVIDER, settings.VAULT_KEY_DIR = "file", ""
    assert key_provider(None) == []
    assert [error.id for error in keys_are_somewhere(None)] == ["dreamland.E014"]
