"""Game keys: what is stored, what opens, what does not, and that no third key is ever live."""

import hashlib
import io
import json
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from rewards.keys import (
    FORM,
    InvalidKey,
    InvalidScopes,
    KeyExpired,
    KeyNotFound,
    TooManyKeys,
    create_game_key,
    revoke_game_key,
    rotate_game_key,
    verify_game_key,
)
from rewards.models import Game, GameKey, Scope
from tests.factories import a_game
from tests.sql import APP, OWNER, refusal, run, without_triggers

pytestmark = pytest.mark.django_db

ALL = Scope.values


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


def live_keys(game: Game) -> int:
    """How many keys of the game open something, found by trying them would need secrets: so by their dates."""
    return sum(
        key.revoked_at is None and (key.expires_at is None or key.expires_at > datetime.now(UTC))
        for key in GameKey.objects.filter(game=game)
    )


def test_a_key_names_its_environment_and_carries_256_bits(settings: Any) -> None:
    settings.ENVIRONMENT = "live"
    issued = create_game_key(game_id=a_game().id, scopes=ALL)
    prefix, environment, key_id, secret = issued.plaintext.split("_")
    assert (prefix, environment, key_id) == ("dl", "live", issued.key_id)
    assert len(bytes.fromhex(secret)) == 32
    assert FORM.fullmatch(issued.plaintext)


def test_two_keys_have_nothing_in_common() -> None:
    game = a_game()
    first, second = (create_game_key(game_id=game.id, scopes=ALL).plaintext.split("_")[2:] for _ in range(2))
    assert not set(first) & set(second)


def test_only_the_hash_of_the_secret_is_stored() -> None:
    issued = create_game_key(game_id=a_game().id, scopes=ALL)
    secret = issued.plaintext.split("_")[3]
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret_sha256, gamekey::text FROM rewards_gamekey AS gamekey")
        stored, whole_row = cursor.fetchone()
    assert bytes(stored) == hashlib.sha256(secret.encode()).digest()
    assert secret not in whole_row
    assert bytes.fromhex(secret) not in bytes(stored)


def test_an_issued_key_does_not_show_itself_in_logs() -> None:
    issued = create_game_key(game_id=a_game().id, scopes=ALL)
    assert issued.plaintext.split("_")[3] not in repr(issued)


def test_a_key_opens_for_its_game_with_its_scopes_by_one_query() -> None:
    game = a_game()
    issued = create_game_key(game_id=game.id, scopes=[Scope.WINS_READ, Scope.WINS_WRITE])
    verify_game_key(issued.plaintext)  # the first use within a minute is written down
    with CaptureQueriesContext(connection) as queries:
        credential = verify_game_key(issued.plaintext)
    assert (credential.key_id, credential.game_id) == (issued.key_id, game.id)
    assert credential.scopes == {"wins:read", "wins:write"}
    assert len(queries) == 1


def test_an_unknown_key_costs_the_same_query_as_a_wrong_secret() -> None:
    issued = create_game_key(game_id=a_game().id, scopes=ALL)
    for wrong in (f"dl_test_{issued.key_id}_{'0' * 64}", f"dl_test_{'0' * 16}_{'0' * 64}"):
        with CaptureQueriesContext(connection) as queries, pytest.raises(InvalidKey) as refused:
            verify_game_key(wrong)
        assert len(queries) == 1
        assert refused.value.detail == "the key is not valid"


def wrong_spellings(key: str) -> list[str]:
    prefix, environment, key_id, secret = key.split("_")
    return [
        "",
        "dl_",
        key[:-1],
        key + "0",
        key + "\n",
        " " + key,
        key.upper(),
        f"{prefix}_live_{key_id}_{secret}",
        f"{prefix}_{environment}_{key_id}",
        f"{prefix}_{environment}__{secret}",
        f"xx_{environment}_{key_id}_{secret}",
        f"{prefix}_{environment}_{key_id}_{secret[::-1]}",
        f"{prefix}_{environment}_{key_id[::-1]}_{secret}",
        f"{prefix}_{environment}_{key_id}_{hashlib.sha256(secret.encode()).hexdigest()}",  # what a thief of the table has
    ]


def test_nothing_but_the_exact_key_of_this_environment_opens() -> None:
    issued = create_game_key(game_id=a_game().id, scopes=ALL)
    for wrong in wrong_spellings(issued.plaintext):
        with pytest.raises(InvalidKey):
            verify_game_key(wrong)
    assert verify_game_key(issued.plaintext)


def test_a_key_opens_until_it_expires_and_not_at_that_instant(time_machine: Any) -> None:
    expires_at = datetime(2031, 1, 1, tzinfo=UTC)
    issued = create_game_key(game_id=a_game().id, scopes=ALL, expires_at=expires_at)
    time_machine.move_to(expires_at - timedelta(microseconds=1), tick=False)
    assert verify_game_key(issued.plaintext)
    time_machine.move_to(expires_at, tick=False)
    with pytest.raises(KeyExpired):
        verify_game_key(issued.plaintext)


def test_a_revoked_key_is_shut_at_once_and_stays_shut() -> None:
    issued = create_game_key(game_id=a_game().id, scopes=ALL)
    revoke_game_key(key_id=issued.key_id)
    revoked_at = GameKey.objects.get().revoked_at
    with pytest.raises(KeyExpired):
        verify_game_key(issued.plaintext)
    revoke_game_key(key_id=issued.key_id)
    assert GameKey.objects.get().revoked_at == revoked_at


def test_only_who_knows_the_secret_learns_that_a_key_was_revoked() -> None:
    issued = create_game_key(game_id=a_game().id, scopes=ALL)
    revoke_game_key(key_id=issued.key_id)
    with pytest.raises(InvalidKey):
        verify_game_key(f"dl_test_{issued.key_id}_{'0' * 64}")


def test_a_game_has_two_live_keys_and_a_third_is_refused() -> None:
    game, other = a_game(), a_game("go")
    first = create_game_key(game_id=game.id, scopes=ALL)
    create_game_key(game_id=game.id, scopes=ALL)
    with pytest.raises(TooManyKeys):
        create_game_key(game_id=game.id, scopes=ALL)
    create_game_key(game_id=other.id, scopes=ALL)  # another game's keys do not count
    revoke_game_key(key_id=first.key_id)
    create_game_key(game_id=game.id, scopes=ALL)
    assert GameKey.objects.filter(game=game).count() == 3


def test_an_expired_key_leaves_room_for_another() -> None:
    game = a_game()
    for _ in range(3):
        create_game_key(game_id=game.id, scopes=ALL, expires_at=datetime(2020, 1, 1, tzinfo=UTC))
    create_game_key(game_id=game.id, scopes=ALL, expires_at=soon())
    create_game_key(game_id=game.id, scopes=ALL)
    with pytest.raises(TooManyKeys):
        create_game_key(game_id=game.id, scopes=ALL)


def race(count: int, act: Any) -> list[Any]:
    """What `act` gave or raised in each of `count` threads that began together."""
    start, outcomes = threading.Barrier(count), []

    def run() -> None:
        try:
            start.wait(10)
            outcomes.append(act())
        except Exception as error:  # noqa: BLE001
            outcomes.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(outcomes) == count
    return outcomes


def test_eight_racing_for_keys_get_two() -> None:
    game = a_game()
    outcomes = race(8, lambda: create_game_key(game_id=game.id, scopes=ALL))
    assert sum(isinstance(outcome, TooManyKeys) for outcome in outcomes) == 6
    assert live_keys(game) == 2


def test_without_the_lock_the_same_race_makes_more_than_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: it is a lock that the race above depends on, ours or the trigger's."""
    from rewards import keys

    game, both_counted = a_game(), threading.Barrier(8)
    issue = keys._digest

    def digest(secret: str) -> bytes:  # runs between counting and writing
        both_counted.wait(10)
        return issue(secret)

    monkeypatch.setattr(keys, "_digest", digest)
    monkeypatch.setattr(type(Game.objects.all()), "select_for_update", lambda self, **_: self.all())
    with without_triggers("rewards_gamekey"):
        race(8, lambda: create_game_key(game_id=game.id, scopes=ALL))
    assert live_keys(game) == 8


def test_with_the_trigger_alone_eight_racing_for_keys_get_two(monkeypatch: pytest.MonkeyPatch) -> None:
    game = a_game()
    monkeypatch.setattr(type(Game.objects.all()), "select_for_update", lambda self, **_: self.all())
    outcomes = race(8, lambda: create_game_key(game_id=game.id, scopes=ALL))
    assert sum(isinstance(outcome, TooManyKeys) for outcome in outcomes) == 6
    assert live_keys(game) == 2


def test_rotation_keeps_both_keys_open_until_the_overlap_ends(time_machine: Any) -> None:
    game = a_game()
    old = create_game_key(game_id=game.id, scopes=[Scope.WINS_WRITE])
    new = rotate_game_key(key_id=old.key_id, overlap=timedelta(hours=1))
    assert verify_game_key(old.plaintext).game_id == verify_game_key(new.plaintext).game_id == game.id
    assert verify_game_key(new.plaintext).scopes == {"wins:write"}
    time_machine.move_to(datetime.now(UTC) + timedelta(hours=1, seconds=1))
    assert verify_game_key(new.plaintext)
    with pytest.raises(KeyExpired):
        verify_game_key(old.plaintext)


def test_rotation_never_lengthens_the_old_key() -> None:
    expires_at = soon()
    old = create_game_key(game_id=a_game().id, scopes=ALL, expires_at=expires_at)
    rotate_game_key(key_id=old.key_id, overlap=timedelta(days=30))
    assert GameKey.objects.get(id=old.key_id).expires_at == expires_at


def test_rotation_of_one_of_two_keys_needs_it_to_end_at_once() -> None:
    game = a_game()
    old = create_game_key(game_id=game.id, scopes=ALL)
    create_game_key(game_id=game.id, scopes=ALL)
    with pytest.raises(TooManyKeys):
        rotate_game_key(key_id=old.key_id)
    assert GameKey.objects.get(id=old.key_id).expires_at is None  # a refusal changes nothing
    rotate_game_key(key_id=old.key_id, overlap=timedelta(0))
    assert live_keys(game) == 2
    with pytest.raises(KeyExpired):
        verify_game_key(old.plaintext)


def test_a_dead_or_unknown_key_cannot_be_rotated_and_an_unknown_one_not_revoked() -> None:
    dead = create_game_key(game_id=a_game().id, scopes=ALL)
    revoke_game_key(key_id=dead.key_id)
    for key_id in (dead.key_id, "0" * 16):
        with pytest.raises(KeyNotFound):
            rotate_game_key(key_id=key_id)
    with pytest.raises(KeyNotFound):
        revoke_game_key(key_id="0" * 16)


@pytest.mark.parametrize("scopes", [[], ["wins:delete"], ["wins:write", "*"], [""]])
def test_a_key_has_scopes_and_only_known_ones(scopes: list[str]) -> None:
    game = a_game()
    with pytest.raises(InvalidScopes):
        create_game_key(game_id=game.id, scopes=scopes)
    assert not GameKey.objects.exists()


def test_the_database_refuses_an_unknown_scope_by_itself() -> None:
    assert refusal(INSERT_KEY, ["0" * 16, a_game().id, "{everything}", None]) == "game_key_scopes_known"


INSERT_KEY = """
INSERT INTO rewards_gamekey (id, game_id, secret_sha256, scopes, expires_at) VALUES (%s, %s, 'x', %s, %s)
"""


@pytest.mark.parametrize("who", [OWNER, APP])
def test_no_sql_makes_a_third_live_key(who: str) -> None:
    """By a new row, by a longer life, and by taking a revocation back: each is another way to the same third key."""
    game = a_game()
    expired = create_game_key(game_id=game.id, scopes=ALL, expires_at=datetime(2020, 1, 1, tzinfo=UTC))
    revoked = create_game_key(game_id=game.id, scopes=ALL)
    revoke_game_key(key_id=revoked.key_id)
    for _ in range(2):
        create_game_key(game_id=game.id, scopes=ALL)
    attacks = [
        (INSERT_KEY, ["0" * 16, game.id, "{wins:write}", None]),
        (INSERT_KEY, ["0" * 16, game.id, "{wins:write}", soon()]),
        ("UPDATE rewards_gamekey SET expires_at = NULL WHERE id = %s", [expired.key_id]),
        ("UPDATE rewards_gamekey SET expires_at = %s WHERE id = %s", [soon(), expired.key_id]),
        ("UPDATE rewards_gamekey SET revoked_at = NULL WHERE id = %s", [revoked.key_id]),
    ]
    for statement, parameters in attacks:
        assert refusal(statement, parameters, who=who) == "game_key_two_live"
    assert live_keys(game) == 2


@pytest.mark.parametrize(
    ("change", "guard"),
    [
        ("secret_sha256 = '\\x00'", "game_key_is_fixed"),
        ("scopes = '{wins:write}'", "game_key_is_fixed"),
        ("game_id = uuidv7()", "game_key_is_fixed"),
        ("id = repeat('1', 16)", "game_key_is_fixed"),
        ("revoked_at = NULL", "game_key_revoked_once"),
        ("revoked_at = now()", "game_key_revoked_once"),
    ],
)
def test_no_sql_makes_another_key_out_of_one_or_brings_a_revoked_one_back(change: str, guard: str) -> None:
    issued = create_game_key(game_id=a_game().id, scopes=[Scope.WINS_READ])
    revoke_game_key(key_id=issued.key_id)
    assert refusal(f"UPDATE rewards_gamekey SET {change}") == guard
    assert refusal("DELETE FROM rewards_gamekey") == "game_key_is_fixed"
    if guard == "game_key_is_fixed":
        assert refusal(f"UPDATE rewards_gamekey SET {change}", who=APP) == "privilege"


def last_used_at() -> datetime | None:
    return GameKey.objects.get().last_used_at


def test_the_last_use_of_a_key_is_known_to_the_minute(time_machine: Any) -> None:
    first = datetime(2031, 1, 1, 12, 0, tzinfo=UTC)
    key = create_game_key(game_id=a_game().id, scopes=ALL).plaintext
    assert last_used_at() is None
    for passed, known in [(0, 0), (30, 0), (59, 0), (60, 60), (100, 60), (3_600, 3_600)]:
        time_machine.move_to(first + timedelta(seconds=passed), tick=False)
        verify_game_key(key)
        assert last_used_at() == first + timedelta(seconds=known)


def test_a_wrong_secret_and_a_dead_key_are_no_use_of_it() -> None:
    issued = create_game_key(game_id=a_game().id, scopes=ALL)
    with pytest.raises(InvalidKey):
        verify_game_key(f"dl_test_{issued.key_id}_{'0' * 64}")
    revoke_game_key(key_id=issued.key_id)
    with pytest.raises(KeyExpired):
        verify_game_key(issued.plaintext)
    assert last_used_at() is None


def test_noting_the_use_of_a_key_waits_for_nobody_who_holds_its_row() -> None:
    issued = create_game_key(game_id=a_game().id, scopes=ALL)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                run("SELECT FROM rewards_gamekey FOR UPDATE")
                held.set()
                done.wait(10)
        finally:
            connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert held.wait(10)
        started = time.monotonic()
        assert verify_game_key(issued.plaintext)
        assert time.monotonic() - started < 1
        assert last_used_at() is None
    finally:
        done.set()
        holder.join()


def test_where_the_use_of_a_key_cannot_be_written_down_it_opens_all_the_same() -> None:
    """As on a standby that only reads."""
    issued = create_game_key(game_id=a_game().id, scopes=ALL)
    run("SET default_transaction_read_only = on")
    try:
        assert verify_game_key(issued.plaintext)
    finally:
        run("SET default_transaction_read_only = off")
    assert last_used_at() is None


def run_command(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def command(*arguments: str) -> str:
    return run_command("create_game_key", *arguments)


def test_the_command_makes_the_game_and_prints_a_key_that_opens() -> None:
    facts = json.loads(command("chess", "--name", "Chess Royale", "--scope", "wins:write", "--json"))
    game = Game.objects.get()
    assert (game.slug, game.name, str(game.id)) == ("chess", "Chess Royale", facts["game_id"])
    credential = verify_game_key(facts["key"])
    assert (credential.game_id, credential.key_id) == (game.id, facts["key_id"])
    assert credential.scopes == {"wins:write"} == set(facts["scopes"])


def test_the_command_takes_a_known_game_as_it_is_and_gives_all_scopes() -> None:
    a_game("chess")
    text = command("chess", "--name", "Another Name")
    assert Game.objects.get().name == "Chess"
    key = next(line.split()[1] for line in text.splitlines() if line.startswith("Key"))
    assert verify_game_key(key).scopes == set(ALL)


def test_the_command_refuses_what_the_service_refuses() -> None:
    command("chess")
    command("chess")
    with pytest.raises(CommandError, match="2 live keys"):
        command("chess")
    with pytest.raises(CommandError, match="slug"):
        command("no slug!")
    with pytest.raises(CommandError):
        command("go", "--scope", "everything")
    assert [game.slug for game in Game.objects.all()] == ["chess"]


@pytest.mark.parametrize(("given", "hours"), [("90d", 2_160), ("12h", 12), ("2031-01-01T13:00:00+01:00", 24)])
def test_the_command_gives_a_key_an_end(given: str, hours: int, time_machine: Any) -> None:
    now = datetime(2030, 12, 31, 12, tzinfo=UTC)
    time_machine.move_to(now, tick=False)
    facts = json.loads(command("chess", "--expires", given, "--json"))
    assert GameKey.objects.get().expires_at == now + timedelta(hours=hours)
    assert datetime.fromisoformat(facts["expires_at"]) == now + timedelta(hours=hours)


@pytest.mark.parametrize(
    "given", ["2020-01-01T00:00:00Z", "2031-01-01", "2031-01-01T00:00:00", "90", "0d", "-1d", "soon"]
)
def test_an_end_that_is_over_or_unclear_is_refused(given: str) -> None:
    with pytest.raises(CommandError):
        command("chess", f"--expires={given}")
    assert not GameKey.objects.exists()


def test_the_commands_list_rotate_and_revoke() -> None:
    old = json.loads(command("chess", "--scope", "wins:write", "--json"))
    verify_game_key(old["key"])
    new = json.loads(run_command("rotate_game_key", old["key_id"], "--overlap", "1h", "--expires", "90d", "--json"))
    assert verify_game_key(new["key"]).scopes == {"wins:write"}
    run_command("revoke_game_key", old["key_id"])
    with pytest.raises(KeyExpired):
        verify_game_key(old["key"])
    command("go")
    listed = json.loads(run_command("list_game_keys", "chess", "--json"))["keys"]
    assert [(key["key_id"], key["game"], key["state"]) for key in listed] == [
        (new["key_id"], "chess", "live"),
        (old["key_id"], "chess", "revoked"),
    ]
    assert all(key["last_used_at"] for key in listed)
    text = run_command("list_game_keys")
    assert "go" in text
    for key in (old["key"], new["key"]):
        assert key.split("_")[3] not in text + json.dumps(listed)


def test_the_commands_refuse_an_unknown_key() -> None:
    for name in ("rotate_game_key", "revoke_game_key"):
        with pytest.raises(CommandError, match="no key"):
            run_command(name, "0" * 16)
