"""Erasing a player: what goes, what stays, what is in the way, and what a restore brings back."""

import json
from collections.abc import Callable
from datetime import date
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from conversion.services import convert_due_hours
from conversion.voiding import Author, void_win
from dreamland.lib.data_map import DataClass, classed
from dreamland.lib.portability import kept, tables_of_players
from dreamland.lib.races import Unavailable
from dreamland.lib.vault.providers import KeysUnavailable
from ledger import book
from rewards import erasing
from rewards.erasing import Erased, MoneyOpen, RequestsWait, erase_again, erase_player, find_erasure, forget_retained
from rewards.errors import PlayerClosed, PlayerElsewhere, PlayerMoving, PlayerNotFound
from rewards.models import Erasure, Player
from rewards.profile_values import ProfileFacts
from rewards.profiles import find_players, read_profile
from rewards.services import Recorded, Refused, record_wins, register_player
from rewards.tasks import forget_retained_task
from rewards.tokens import create_player_token
from rewards.vault_keys import begin_epoch, destroy_epoch, rewrap
from tests.approvals import approved, asked, somebody
from tests.factories import NOON, a_claim, a_game, an_entry, hours, post
from tests.http import a_client, problem_of, with_bearer
from tests.people import a_person
from tests.sql import APP, OWNER, acting_as, in_parallel, refusal, run, without_triggers

pytestmark = pytest.mark.django_db

ADA = {"name": "Ada Lovelace", "email": "ada@example.org", "country": "GB"}


@pytest.fixture(autouse=True)
def noon(time_machine: Any, settings: Any) -> None:
    time_machine.move_to(NOON)
    settings.PLAYER_TOKEN_KEYS = {"test": {"algorithm": "HS256", "key": "s" * 32}}


@pytest.fixture(autouse=True)
def listed(tmp_path: Path, settings: Any) -> Path:
    """The list of erasures of this test."""
    path = tmp_path / "erasures.jsonl"
    settings.ERASURE_LIST = str(path)
    return path


def ada(timezone: str = "Europe/London") -> UUID:
    return register_player(player_id=uuid4(), timezone=timezone, profile=ADA).player.id


def win(player: UUID, amount: str = "1.5") -> UUID:
    [outcome] = record_wins(game_id=a_game().id, claims=[a_claim(player, amount)], now=NOON)
    assert isinstance(outcome, Recorded), outcome
    return outcome.win.id


def paid(player: UUID) -> UUID:
    """The player, who holds dollars."""
    win(player)
    convert_due_hours(now=NOON + hours(2))
    return player


def erase(player: UUID, *, leave_open: bool = False) -> Erased:
    return erase_player(player_id=player, now=NOON, leave_open=leave_open)


def books(player: UUID) -> list[Any]:
    """Every row of the books about the player, byte by byte, with the transaction that wrote it."""
    return [
        run(f"SELECT xmin, t::text FROM {table} t WHERE {key} = %s ORDER BY 2", [player])
        for table, key in [
            ("ledger_journalentry", "holder"),
            ("ledger_posting", "holder"),
            ("ledger_balance", "holder"),
            ("rewards_win", "player_id"),
            ("rewards_allowance", "player_id"),
            ("conversion_conversion", "player_id"),
        ]
    ]


# --- What goes and what stays ------------------------------------------------------------------------------------


def test_profile_key_and_time_zone_are_gone_and_the_id_stays_taken() -> None:
    player = ada()
    erased = erase(player)
    assert (erased.basis, erased.retain_until, erased.replayed) == ("", None, False)
    assert run("SELECT status, timezone, region FROM rewards_player WHERE id = %s", [player]) == [("erased", "UTC", "")]
    assert run("SELECT 1 FROM rewards_profile") == run("SELECT 1 FROM rewards_playerkey") == []
    assert find_players(email="ada@example.org") == ()
    with pytest.raises(PlayerClosed):
        register_player(player_id=player, timezone="UTC", profile=ADA)


def test_the_books_are_the_same_to_the_byte() -> None:
    player = paid(ada())
    before = books(player)
    erase(player, leave_open=True)
    assert books(player) == before
    assert before[0]


def test_who_erases_again_finds_it_done() -> None:
    player, person = ada(), a_person("officer")
    first = erase_player(player_id=player, now=NOON, user_id=person.pk)
    again = erase(player)
    assert (again.erased_at, again.replayed) == (first.erased_at, True)
    assert run("SELECT erased_by_id FROM rewards_erasure") == [(person.pk,)]


def test_nobody_wins_or_registers_any_more_and_the_state_is_in_the_api() -> None:
    player, game = ada(), a_game()
    erase(player)
    client = a_client(game)
    assert client.get(f"/v1/players/{player}").json()["status"] == "erased"
    won = client.post(
        "/v1/wins",
        {"player_id": str(player), "reference": "r", "amount": "1", "won_at": NOON.isoformat()},
        format="json",
    )
    problem_of(won, 409, "player-closed")
    put = client.put(f"/v1/players/{player}", {"timezone": "UTC", "profile": ADA}, format="json")
    problem_of(put, 409, "player-closed")
    himself = with_bearer(create_player_token(player_id=player, now=NOON)).get(f"/v1/players/{player}")
    assert (himself.json()["status"], himself.json()["profile"]) == ("erased", None)


def test_a_win_that_was_recorded_before_is_replayed_to_the_game_that_asks_again() -> None:
    player = ada()
    claim, game = a_claim(player), a_game()
    [recorded] = record_wins(game_id=game.id, claims=[claim], now=NOON)
    erase(player, leave_open=True)
    [again] = record_wins(game_id=game.id, claims=[claim], now=NOON)
    assert isinstance(recorded, Recorded)
    assert isinstance(again, Recorded)
    assert (again.win.id, again.replayed) == (recorded.win.id, True)


def test_nothing_about_the_person_is_left_in_any_row_but_what_is_kept_for_a_reason() -> None:
    """By the data map: every column that is classed as personal is empty, or named in KEPT."""
    player = paid(ada())
    erase(player, leave_open=True)
    personal = [one.column for one in classed() if one.data_class is DataClass.PERSON]
    about = {column.path for column in personal if column.table in tables_of_players()}
    assert about >= {"rewards_profile.sealed", "rewards_player.timezone", "rewards_win.reference"}
    left = {
        path
        for path in about
        for table, name in [path.split(".")]
        if run(
            f"SELECT 1 FROM {table} WHERE ({tables_of_players()[table]}) AND {name} IS NOT NULL AND {name}::text <> ''",
            {"player": player},
        )
    }
    assert left <= kept().keys()
    assert "rewards_win.reference" in left


# --- What the law asks to be kept --------------------------------------------------------------------------------


def test_of_who_was_paid_the_minimum_is_kept_under_another_key_with_basis_and_date(settings: Any) -> None:
    player = paid(ada())
    [(old_key,)] = run("SELECT wrapped FROM rewards_playerkey")
    erased = erase(player, leave_open=True)
    assert erased.retain_until == date(NOON.year + settings.RETENTION_YEARS, 12, 31)
    assert erased.basis == settings.RETENTION_BASIS
    assert read_profile(player) == ProfileFacts(name="Ada Lovelace", country="GB")
    assert run("SELECT wrapped FROM rewards_playerkey") != [(old_key,)]
    assert find_players(email="ada@example.org") == ()
    himself = with_bearer(create_player_token(player_id=player, now=NOON))
    assert himself.get(f"/v1/players/{player}").json()["profile"] is None


@pytest.mark.parametrize(
    ("setting", "value"), [("RETENTION_YEARS", 0), ("RETENTION_FIELDS", []), ("RETENTION_FIELDS", ["birthday"])]
)
def test_where_the_law_asks_for_nothing_nothing_is_kept(setting: str, value: Any, settings: Any) -> None:
    setattr(settings, setting, value)
    player = paid(ada())
    assert erase(player, leave_open=True).retain_until is None
    assert read_profile(player) is None


def test_what_is_kept_follows_new_epochs_and_goes_on_the_day_after_its_date(time_machine: Any, settings: Any) -> None:
    settings.VAULT_KEY_DIR = str(Path(settings.ERASURE_LIST).parent)
    begin_epoch()
    player = paid(ada())
    erased = erase(player, leave_open=True)
    begin_epoch()
    assert rewrap() == 1
    destroy_epoch(name="000001")
    assert read_profile(player) == ProfileFacts(name="Ada Lovelace", country="GB")

    assert erased.retain_until is not None
    last = NOON.replace(year=erased.retain_until.year, month=12, day=31)
    assert forget_retained(now=last) == 0
    # PostgreSQL goes by its own clock, and refuses what is asked for too early whatever is said.
    assert refusal("DELETE FROM rewards_profile") == "retained_until_its_date"
    with without_triggers("rewards_erasure"):
        run("UPDATE rewards_erasure SET retain_until = '2026-01-01'")
    assert forget_retained(now=NOON) == 1
    assert read_profile(player) is None
    assert run("SELECT 1 FROM rewards_playerkey") == []
    assert forget_retained(now=NOON) == 0
    forget_retained_task()  # what beat rings for


# --- What is in the way ------------------------------------------------------------------------------------------


def test_with_money_open_it_is_refused_until_the_person_gives_it_up() -> None:
    player = paid(ada())
    with pytest.raises(MoneyOpen) as refused:
        erase(player)
    assert {account: str(amount) for account, amount in refused.value.extra["open"].items()} == {
        "player:usd": "0.22500000"
    }
    assert find_erasure(player) is None
    assert read_profile(player) is not None
    erase(player, leave_open=True)


def test_wins_that_are_pending_are_converted_after_the_erasure_and_the_books_are_right() -> None:
    player = ada()
    win(player)
    with pytest.raises(MoneyOpen, match="player:dream"):
        erase(player)
    erased = erase(player, leave_open=True)
    assert erased.retain_until is not None  # it will be paid to somebody, after all
    convert_due_hours(now=NOON + hours(2))
    shares = book.balances([player])[player]
    assert shares["player:dream"] == 0
    assert str(shares["player:usd"]) == "0.22500000"


def gift(player: UUID) -> dict[str, Any]:
    posting = {"debit": "usd:rewards-expense", "credit": "player:usd", "amount": "2.5"}
    return {"player": str(player), "postings": [posting]}


def test_while_a_request_about_the_player_waits_it_is_refused_and_afterwards_not() -> None:
    player, other = ada(), ada()
    request = asked("adjustment", gift(player), reason_code="goodwill")
    with pytest.raises(RequestsWait, match=str(request.id)):
        erase(player)
    erase(other)  # it waits about nobody else
    book.refuse(request_id=request.id, decided_by=somebody("bob"), word="not this one")
    erase(player)


def test_a_request_that_expired_is_in_nobodys_way() -> None:
    player = ada()
    request = asked("adjustment", gift(player), reason_code="goodwill")
    with without_triggers("ledger_approvalrequest"):
        run("UPDATE ledger_approvalrequest SET asked_at = asked_at - interval '99 days',"
            " expires_at = clock_timestamp() - interval '1 second' WHERE id = %s", [request.id])  # fmt: skip
    erase(player)


def test_after_a_restore_a_request_that_waits_again_is_in_nobodys_way() -> None:
    player = ada()
    asked("adjustment", gift(player), reason_code="goodwill")
    assert erase_again(player_id=player, now=NOON).replayed is False


def test_what_an_erased_player_owes_can_be_written_off() -> None:
    player = ada()
    post(an_entry(player, ("player:usd-owed", "usd:adjustments", "2")))
    erase(player, leave_open=True)
    posting = {"debit": "usd:adjustments", "credit": "player:usd-owed", "amount": "2"}
    approved("adjustment", {"player": str(player), "postings": [posting]}, reason_code="write-off")
    assert book.balances([player])[player]["player:usd-owed"] == 0


def test_a_win_of_an_erased_player_can_still_be_taken_back() -> None:
    player = ada()
    taken = win(player)
    erase(player, leave_open=True)
    void_win(win_id=taken, reason="a bug of the game", author=Author())
    assert book.balances([player])[player]["player:dream"] == 0


def test_a_player_who_moves_or_has_moved_is_erased_where_he_lives() -> None:
    moving, moved = ada(), ada()
    run("UPDATE rewards_player SET status = 'moving', region = 'us' WHERE id = %s", [moving])
    run("UPDATE rewards_player SET status = 'moved', region = 'us' WHERE id = %s", [moved])
    with pytest.raises(PlayerMoving):
        erase(moving)
    with pytest.raises(PlayerElsewhere):
        erase(moved)
    with pytest.raises(PlayerNotFound):
        erase(uuid4())
    for player in (moving, moved):
        assert (
            refusal("INSERT INTO rewards_erasure (player_id) VALUES (%s)", [player]) == "erasure_where_the_player_lives"
        )


def test_a_suspended_and_a_closed_player_are_erased_like_anybody() -> None:
    for status in ("suspended", "closed"):
        player = ada()
        Player.objects.filter(pk=player).update(status=status)
        erase(player)
        assert Player.objects.get(pk=player).status == "erased"


def test_while_the_keys_or_the_list_cannot_be_reached_nothing_is_erased(settings: Any, tmp_path: Path) -> None:
    player, keys = ada(), settings.VAULT_KEY_DIR
    settings.VAULT_KEY_DIR = str(tmp_path / "not mounted")
    with pytest.raises(KeysUnavailable):
        erase(player)
    settings.VAULT_KEY_DIR = keys
    settings.ERASURE_LIST = str(tmp_path / "nowhere" / "erasures.jsonl")
    with pytest.raises(Unavailable, match="list of erasures"):
        erase(player)
    assert read_profile(player) is not None
    assert find_erasure(player) is None


def test_a_profile_that_somebody_tampered_with_does_not_save_itself() -> None:
    player = ada()
    run("UPDATE rewards_profile SET sealed = sealed || '\\x00'::bytea")
    erase(player)
    assert run("SELECT 1 FROM rewards_profile") == []


# --- Guards ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", [OWNER, APP])
@pytest.mark.parametrize(
    ("statement", "guard"),
    [
        ("UPDATE rewards_player SET status = 'active' WHERE id = %(erased)s", "player_stays_erased"),
        ("UPDATE rewards_player SET timezone = 'Europe/London' WHERE id = %(erased)s", "player_stays_erased"),
        ("UPDATE rewards_player SET status = 'erased', timezone = 'UTC' WHERE id = %(other)s", "player_erased_by_an_erasure"),
        ("INSERT INTO rewards_player (id, timezone, status) VALUES (gen_random_uuid(), 'UTC', 'erased')", "player_erased_by_an_erasure"),
        ("INSERT INTO rewards_playerkey (player_id, epoch_id, wrapped) SELECT %(erased)s, epoch_id, wrapped FROM rewards_playerkey WHERE player_id = %(other)s", "erased_keeps_the_minimum"),
        ("INSERT INTO rewards_profile (player_id, format, sealed) SELECT %(erased)s, 1, sealed FROM rewards_profile WHERE player_id = %(other)s", "erased_keeps_the_minimum"),
        ("UPDATE rewards_profile SET email_index = (SELECT email_index FROM rewards_profile WHERE player_id = %(other)s) WHERE player_id = %(kept)s", "erased_keeps_the_minimum"),
        ("UPDATE rewards_profile SET sealed = sealed || sealed WHERE player_id = %(kept)s", "retained_until_its_date"),
        ("DELETE FROM rewards_profile WHERE player_id = %(kept)s", "retained_until_its_date"),
        ("UPDATE rewards_erasure SET retain_until = NULL, basis = ''", "erasure_is_final"),
        ("DELETE FROM rewards_erasure", "erasure_is_final"),
        ("TRUNCATE rewards_erasure", "erasure_is_final"),
        ("INSERT INTO rewards_erasure (player_id) VALUES (gen_random_uuid())", "erasure_player_exists"),
        ("INSERT INTO rewards_erasure (player_id, basis) VALUES (%(other)s, 'a law')", "erasure_keeps_on_a_basis"),
        ("INSERT INTO rewards_erasure (player_id, retain_until) VALUES (%(other)s, '2030-12-31')", "erasure_keeps_on_a_basis"),
        ("INSERT INTO rewards_erasure (player_id, basis, retain_until) VALUES (%(other)s, repeat('a', 201), '2030-12-31')", "erasure_basis_length"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_its_named_guard(statement: str, guard: str, who: str) -> None:
    erased, kept_, other = ada(), paid(ada()), ada()
    erase(erased)
    erase(kept_, leave_open=True)
    found = refusal(statement, {"erased": erased, "kept": kept_, "other": other}, who=who)
    assert found in ({guard} if who == OWNER else {guard, "privilege"})


def test_an_erased_player_says_nothing_even_where_no_trigger_looks() -> None:
    player = ada()
    erase(player)
    with without_triggers("rewards_player"):
        statement = "UPDATE rewards_player SET timezone = 'Europe/London' WHERE id = %s"
        assert refusal(statement, [player]) == "player_erased_lives_nowhere"


@pytest.mark.parametrize("who", [OWNER, APP])
def test_the_row_alone_erases_whoever_writes_it(who: str) -> None:
    """By raw SQL too: nobody can claim an erasure that did not happen."""
    player = ada()
    with acting_as(who):
        run("INSERT INTO rewards_erasure (player_id) VALUES (%s)", [player])
    assert read_profile(player) is None
    assert Player.objects.get(pk=player).status == "erased"


def test_a_win_is_refused_by_the_database_too() -> None:
    player, game = ada(), a_game()
    win(player)
    erase(player, leave_open=True)
    copied = (
        "INSERT INTO rewards_win (entry_id, player_id, game_id, reference, amount, won_at, recorded_at, allowance_id)"
        " SELECT %s, player_id, %s, 'another', amount, won_at, recorded_at, allowance_id FROM rewards_win"
    )
    with without_triggers("rewards_allowance"), transaction.atomic():
        [receipt] = book.post([an_entry(player, ("dream:issued", "player:dream", "1.5"), kind="win")])
        assert refusal(copied, [receipt.entry_id, game.id]) == "win_player_is_not_erased"
        transaction.set_rollback(True)


# --- Races -------------------------------------------------------------------------------------------------------


def test_wins_and_profiles_racing_an_erasure_come_before_it_or_are_refused() -> None:
    player, game = ada(), a_game()
    claims = [a_claim(player, "0.01") for _ in range(8)]

    def record(claim: Any) -> Any:
        [outcome] = record_wins(game_id=game.id, claims=[claim], now=NOON)
        return outcome

    def write(number: int) -> Any:
        return register_player(player_id=player, timezone="UTC", profile=ADA | {"name": f"Ada {number}"})

    work: list[Callable[[], Any]] = [partial(record, claim) for claim in claims]
    work.insert(4, partial(erase_player, player_id=player, now=NOON, leave_open=True))
    work += [partial(write, number) for number in range(4)]
    outcomes = in_parallel(work)
    assert isinstance(outcomes[4], Erased), outcomes[4]
    for outcome in outcomes:
        if isinstance(outcome, Refused):
            assert isinstance(outcome.error, PlayerClosed), outcome.error
        elif isinstance(outcome, Exception):
            assert isinstance(outcome, PlayerClosed | Unavailable), outcome
    assert find_players(email="ada@example.org") == ()
    assert Player.objects.get(pk=player).status == "erased"
    known = read_profile(player)
    assert known is None or (known.email is None and find_erasure(player).retain_until)  # type: ignore[union-attr]


def test_a_profile_that_is_written_between_reading_and_locking_is_erased_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    player = paid(ada())
    original = erasing._locked
    once: list[bool] = []

    def late(player_id: UUID) -> Any:
        if not once:
            once.append(True)
            with monkeypatch.context() as inside:
                inside.setattr(erasing, "_locked", original)
                in_parallel([lambda: register_player(player_id=player, timezone="UTC", profile={"name": "Eve"})])
        return original(player_id)

    monkeypatch.setattr(erasing, "_locked", late)
    erase(player, leave_open=True)
    assert read_profile(player) == ProfileFacts(name="Eve")  # what has to be kept is what was known last


def test_twenty_erasures_at_once_are_one(listed: Path) -> None:
    player = ada()
    outcomes = in_parallel([lambda: erase(player)] * 20)
    assert all(isinstance(outcome, Erased) for outcome in outcomes), outcomes
    assert sorted(outcome.replayed for outcome in outcomes if isinstance(outcome, Erased)) == [False] + [True] * 19
    assert listed.read_text().count(str(player)) == 1


NAME_AT_THE_CENTRE = "INSERT INTO world_playerreference (player_id, reference) VALUES (%s, gen_random_uuid())"


@pytest.mark.parametrize("who", [OWNER, APP])
def test_the_name_at_the_centre_is_given_up_and_no_other_is_given(who: str) -> None:
    player = ada()
    run(NAME_AT_THE_CENTRE, [player])
    with acting_as(who):
        run("INSERT INTO rewards_erasure (player_id) VALUES (%s)", [player])
    assert run("SELECT 1 FROM world_playerreference") == []
    run(NAME_AT_THE_CENTRE, [player])
    assert run("SELECT 1 FROM world_playerreference") == []


def test_an_hour_that_is_being_closed_leaves_no_name_behind() -> None:
    """Whoever gives the name holds the player's row by its foreign key: the erasure waits, and then removes it."""
    player = ada()

    def close_slowly() -> None:
        with transaction.atomic():
            run(NAME_AT_THE_CENTRE, [player])
            run("SELECT pg_sleep(0.5)")

    def erase_meanwhile() -> Erased:
        run("SELECT pg_sleep(0.2)")
        return erase(player)

    closed, erased = in_parallel([close_slowly, erase_meanwhile])
    assert closed is None
    assert isinstance(erased, Erased), erased
    assert run("SELECT 1 FROM world_playerreference") == []


# --- After a restore ---------------------------------------------------------------------------------------------


def erasures(*arguments: str) -> str:
    out = StringIO()
    call_command("player_erasures", *arguments, stdout=out)
    return out.getvalue()


def restored(player: UUID) -> None:
    """The database as it was before the erasure: a dump of then, put in place."""
    with without_triggers("rewards_erasure", "rewards_player"):
        run("DELETE FROM rewards_erasure WHERE player_id = %s", [player])
        run("UPDATE rewards_player SET status = 'active', timezone = 'Europe/London' WHERE id = %s", [player])
    register_player(player_id=player, timezone="Europe/London", profile=ADA)


def test_after_a_restore_the_list_erases_everybody_again(listed: Path, tmp_path: Path) -> None:
    back, stays, rich = ada(), ada(), paid(ada())
    erase(back)
    erase(stays)
    erase(rich, leave_open=True)
    restored(back)
    with without_triggers("rewards_profile"):
        run("DELETE FROM rewards_profile WHERE player_id = %s", [rich])
        run("DELETE FROM rewards_playerkey WHERE player_id = %s", [rich])
    restored(rich)
    assert read_profile(back) is not None
    copy = tmp_path / "copy.jsonl"
    copy.write_text(listed.read_text() + json.dumps({"player": str(uuid4())}) + "\n")
    told = listed.read_text()
    assert "2 erased again, 1 were erased, 1 are not here" in erasures("--replay", str(copy))
    assert read_profile(back) is None
    assert read_profile(rich) == ProfileFacts(name="Ada Lovelace", country="GB")
    assert "0 erased again, 3 were erased" in erasures("--replay", str(copy))
    assert listed.read_text() == told


def test_a_line_that_was_cut_off_spoils_no_other(listed: Path) -> None:
    first, second = ada(), ada()
    erase(first)
    with listed.open("a") as file:
        file.write('{"player": "0192')
    erase(second)
    for player in (first, second):
        restored(player)
    with pytest.raises(CommandError, match="line 3 cannot be read"):
        erasures("--replay", str(listed))
    assert read_profile(first) is read_profile(second) is None


def test_the_list_is_for_its_owner_alone_and_names_nobody(listed: Path) -> None:
    erase(ada())
    assert listed.stat().st_mode & 0o077 == 0
    assert "ada" not in listed.read_text().lower()


def test_an_erasure_that_is_refused_is_not_on_the_list(listed: Path) -> None:
    with pytest.raises(MoneyOpen):
        erase(paid(ada()))
    assert not listed.exists()


def test_a_list_that_cannot_be_read_is_told_from_one_that_is_garbage(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(CommandError) as refused:
            erasures("--replay", str(path))
        assert refused.value.returncode == 2
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b'\xff\xfe\n{"player": 7}\n[]\n')
    with pytest.raises(CommandError, match="line 1 cannot be read\nline 2 cannot be read\nline 3"):
        erasures("--replay", str(garbage))


# --- The commands ------------------------------------------------------------------------------------------------


def test_the_command_erases_refuses_and_lists() -> None:
    a_person("officer")
    player, rich = ada(), paid(ada())
    out = StringIO()
    call_command("player_erase", str(player), by="officer", stdout=out)
    assert "nothing is kept" in out.getvalue()
    with pytest.raises(CommandError, match="player:usd"):
        call_command("player_erase", str(rich), by="officer")
    out = StringIO()
    call_command("player_erase", str(rich), by="officer", leave_open=True, as_json=True, stdout=out)
    assert json.loads(out.getvalue())["retain_until"].endswith("-12-31")
    out = StringIO()
    call_command("player_erase", str(rich), by="officer", stdout=out)
    assert "was erased at" in out.getvalue()
    listed = json.loads(erasures("--json"))["erasures"]
    assert {each["player_id"] for each in listed} == {str(player), str(rich)}
    assert str(player) in erasures()
    with pytest.raises(CommandError, match="--as"):
        call_command("player_erase", str(rich), by="nobody")
    assert Erasure.objects.count() == 2
