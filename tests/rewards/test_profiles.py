"""Profiles: sealed, replaced as a whole, read back by the player alone."""

import unicodedata
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.exceptions import ValidationError

from dreamland.lib.vault.providers import Unreadable
from rewards import profiles, services
from rewards.errors import InvalidProfile
from rewards.models import Player, PlayerKey, Profile
from rewards.profile_values import ProfileFacts, country_codes, profile_of
from rewards.profiles import find_players, read_profile
from rewards.services import register_player
from rewards.tokens import create_player_token
from tests.factories import NOON, a_game, a_player
from tests.http import a_client, problem_of, with_bearer
from tests.sql import APP, OWNER, in_parallel, refusal, run

pytestmark = pytest.mark.django_db

ADA = {"name": "Ada Lovelace", "email": "Ada@Example.ORG", "country": "GB"}
KEPT = {"name": "Ada Lovelace", "email": "Ada@example.org", "country": "GB"}


@pytest.fixture(autouse=True)
def noon(time_machine: Any, settings: Any) -> None:
    time_machine.move_to(NOON)
    settings.PLAYER_TOKEN_KEYS = {"test": {"algorithm": "HS256", "key": "s" * 32}}


def with_profile(profile: Any = ADA, player: UUID | None = None) -> UUID:
    return register_player(player_id=player or uuid4(), timezone="UTC", profile=profile).player.id


def put(client: Any, player: UUID, **body: Any) -> Any:
    return client.put(f"/v1/players/{player}", {"timezone": "UTC", **body}, format="json")


def himself(player: UUID) -> Any:
    return with_bearer(create_player_token(player_id=player, now=NOON))


def rows(player: UUID) -> list[Any]:
    """What stands in the tables, with the transaction that wrote it."""
    return [
        run(f"SELECT xmin, ctid, t::text FROM {table} t WHERE {key} = %s", [player])
        for table, key in [
            ("rewards_player", "id"),
            ("rewards_playerkey", "player_id"),
            ("rewards_profile", "player_id"),
        ]
    ]


# --- Over HTTP ---------------------------------------------------------------------------------------------------


def test_a_game_writes_a_profile_and_the_player_alone_reads_it() -> None:
    client, player = a_client(a_game()), uuid4()
    written = put(client, player, profile=ADA)
    assert written.status_code == 201
    assert written.json().keys() == {"id", "timezone", "status", "created_at"}
    assert "profile" not in client.get(f"/v1/players/{player}").json()

    read = himself(player).get(f"/v1/players/{player}")
    assert (read.status_code, read.json()["profile"]) == (200, KEPT)
    assert read["Cache-Control"] == "private, no-cache"


def test_a_profile_is_replaced_as_a_whole_left_alone_or_removed() -> None:
    client, player = a_client(a_game()), with_profile()
    assert put(client, player).status_code == 200
    assert himself(player).get(f"/v1/players/{player}").json()["profile"] == KEPT

    assert put(client, player, profile={"country": "CH"}).status_code == 200
    nothing_else = {"name": None, "email": None, "country": "CH"}
    assert himself(player).get(f"/v1/players/{player}").json()["profile"] == nothing_else
    assert find_players(email="ada@example.org") == ()

    assert put(client, player, profile=None).status_code == 200
    assert himself(player).get(f"/v1/players/{player}").json()["profile"] is None
    assert (Profile.objects.count(), PlayerKey.objects.count()) == (0, 0)
    assert put(client, player, profile=None).status_code == 200


def test_the_same_again_writes_nothing_whatever_its_spelling() -> None:
    client, player = a_client(a_game()), uuid4()
    composed = {"name": unicodedata.normalize("NFC", "Zoë"), "email": "z@example.org"}
    put(client, player, profile=composed)
    before = rows(player)
    for same in (composed, {"email": "z@EXAMPLE.org", "name": unicodedata.normalize("NFD", "Zoë")}):
        assert put(client, player, profile=same).status_code == 200
        assert rows(player) == before
    assert put(client, player).status_code == 200
    assert rows(player) == before
    assert put(client, player, profile={**composed, "name": "Zoe"}).status_code == 200
    assert rows(player) != before


def test_the_etag_changes_with_the_profile_and_only_for_who_sees_it() -> None:
    client, player = a_client(a_game()), with_profile()
    own, game = (caller.get(f"/v1/players/{player}")["ETag"] for caller in (himself(player), client))
    assert himself(player).get(f"/v1/players/{player}", headers={"If-None-Match": own}).status_code == 304
    put(client, player, profile={"name": "Countess"})
    assert himself(player).get(f"/v1/players/{player}", headers={"If-None-Match": own}).status_code == 200
    assert client.get(f"/v1/players/{player}", headers={"If-None-Match": game}).status_code == 304


@pytest.mark.parametrize(
    ("profile", "pointers"),
    [
        ({}, ["/profile"]),
        ([], ["/profile"]),
        ("Ada", ["/profile"]),
        ({"name": None}, ["/profile/name"]),
        ({"name": ""}, ["/profile/name"]),
        ({"name": " Ada"}, ["/profile/name"]),
        ({"name": "   "}, ["/profile/name"]),
        ({"name": "A\x00da"}, ["/profile/name"]),
        ({"name": "Ada\nLovelace"}, ["/profile/name"]),
        ({"name": "Ada\u2028Lovelace"}, ["/profile/name"]),
        ({"name": "Ada\u202egnp.exe"}, ["/profile/name"]),
        ({"name": "A" * 201}, ["/profile/name"]),
        ({"name": 7}, ["/profile/name"]),
        ({"email": "ada"}, ["/profile/email"]),
        ({"email": "ada@example"}, ["/profile/email"]),
        ({"email": "ada@example.org "}, ["/profile/email"]),
        ({"email": "äda@example.org"}, ["/profile/email"]),
        ({"email": '"ada lovelace"@example.org'}, ["/profile/email"]),
        ({"email": "ada@[127.0.0.1]"}, ["/profile/email"]),
        ({"email": "a" * 65 + "@example.org"}, ["/profile/email"]),
        ({"email": "a@" + "b." * 130 + "org"}, ["/profile/email"]),
        ({"country": "UK"}, ["/profile/country"]),
        ({"country": "gb"}, ["/profile/country"]),
        ({"country": "GBR"}, ["/profile/country"]),
        ({"name": "Ada", "phone": "+44"}, ["/profile/phone"]),
        ({"name": " ", "email": "x", "country": "XX"}, ["/profile/name", "/profile/email", "/profile/country"]),
    ],
)
def test_what_is_not_exactly_right_is_refused_by_name_and_nobody_is_registered(
    profile: Any, pointers: list[str]
) -> None:
    problem = problem_of(put(a_client(a_game()), uuid4(), profile=profile), 422, "invalid")
    assert sorted({error["pointer"] for error in problem["errors"]}) == sorted(pointers)
    for value in profile.values() if isinstance(profile, dict) else []:
        assert not isinstance(value, str) or len(value) < 3 or value not in str(problem)
    assert not Player.objects.exists()


def test_a_key_named_twice_in_a_profile_is_refused() -> None:
    body = '{"timezone": "UTC", "profile": {"name": "Ada", "name": "Eve"}}'
    response = a_client(a_game()).put(f"/v1/players/{uuid4()}", body, content_type="application/json")
    problem_of(response, 400, "duplicate-key")


def test_a_name_of_200_characters_of_any_script_fits_and_joiners_stay() -> None:
    client, player = a_client(a_game()), uuid4()
    for name in ("𝒜" * 200, "می\u200cخواهم", "O'Brien-Łukasz"):
        assert put(client, player, profile={"name": name}).status_code in {200, 201}
        assert himself(player).get(f"/v1/players/{player}").json()["profile"]["name"] == name


def test_a_closed_player_keeps_his_profile_as_it_is() -> None:
    client, player = a_client(a_game()), with_profile()
    Player.objects.update(status=Player.Status.CLOSED)
    for profile in ({"name": "Eve"}, None):
        problem_of(put(client, player, profile=profile), 409, "player-closed")
    assert himself(player).get(f"/v1/players/{player}").json()["profile"] == KEPT


def test_while_the_keys_cannot_be_asked_a_profile_is_a_503_and_everything_else_goes_on(settings: Any) -> None:
    client, player = a_client(a_game()), with_profile()
    settings.VAULT_KEY_DIR = ""
    problem_of(put(client, player, profile={"name": "Eve"}), 503, "unavailable")
    problem_of(put(client, uuid4(), profile=ADA), 503, "unavailable")
    problem_of(himself(player).get(f"/v1/players/{player}"), 503, "unavailable")
    assert put(client, player).status_code == 200
    assert client.get(f"/v1/players/{player}").status_code == 200
    assert himself(player).get(f"/v1/players/{player}/stats").status_code == 200


# --- At rest -----------------------------------------------------------------------------------------------------


def test_nothing_of_a_profile_is_readable_in_any_table() -> None:
    player = with_profile({"name": "Marked Name", "email": "marked@example.org", "country": "GB"})
    tables = [name for (name,) in run("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]

    def holding(text: str) -> list[str]:
        spellings = [text, text.encode().hex()]
        return [
            table
            for table in tables
            for spelling in spellings
            if run(f'SELECT 1 FROM "{table}" t WHERE strpos(t::text, %s) > 0 LIMIT 1', [spelling])
        ]

    assert holding("Marked Name") == holding("marked@") == []
    assert "rewards_profile" in holding(str(player))  # control: the search finds what is there


def test_a_profile_in_another_players_row_is_unreadable() -> None:
    ada, eve = with_profile(), with_profile({"name": "Eve"})
    run(
        "UPDATE rewards_profile SET sealed = (SELECT sealed FROM rewards_profile WHERE player_id = %s) WHERE player_id = %s",
        [ada, eve],
    )
    with pytest.raises(Unreadable):
        read_profile(eve)
    run(
        "UPDATE rewards_playerkey SET wrapped = (SELECT wrapped FROM rewards_playerkey WHERE player_id = %s) WHERE player_id = %s",
        [ada, eve],
    )
    with pytest.raises(Unreadable):
        read_profile(eve)
    assert read_profile(ada) == ProfileFacts(**KEPT)


def test_a_sealed_profile_is_bound_to_how_it_is_read() -> None:
    player = with_profile()
    run("UPDATE rewards_profile SET format = 2")
    with pytest.raises(Unreadable):
        read_profile(player)


@pytest.mark.parametrize("who", [OWNER, APP])
@pytest.mark.parametrize(
    ("statement", "guard"),
    [
        ("UPDATE rewards_profile SET sealed = 'Ada Lovelace'", "profile_sealed_is_sealed"),
        ("UPDATE rewards_profile SET email_index = 'ada@example.org'", "profile_email_index_length"),
        ("UPDATE rewards_playerkey SET wrapped = 'key'", "player_key_wrapped_is_sealed"),
        ("UPDATE rewards_playerkey SET epoch_id = 'none'", "player_key_epoch_exists"),
        ("INSERT INTO rewards_playerkey SELECT gen_random_uuid(), wrapped, epoch_id FROM rewards_playerkey", "player_key_player_exists"),
        ("INSERT INTO rewards_keyepoch (name) VALUES ('')", "key_epoch_name_length"),
        ("DELETE FROM rewards_playerkey", "profile_has_a_key"),
        ("INSERT INTO rewards_profile (player_id, format, sealed) SELECT gen_random_uuid(), 1, sealed FROM rewards_profile", "profile_has_a_key"),
        ("UPDATE rewards_playerkey SET player_id = %(other)s", "player_key_stays_its_players"),
        ("UPDATE rewards_profile SET player_id = %(other)s", "profile_stays_its_players"),
        ("DELETE FROM rewards_keyepoch", "key_epoch_is_remembered"),
        ("TRUNCATE rewards_keyepoch CASCADE", "key_epoch_is_remembered"),
        ("UPDATE rewards_keyepoch SET destroyed_at = now()", "key_epoch_wraps_nothing"),
        ("UPDATE rewards_keyepoch SET name = 'other'", "key_epoch_ends_once"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_its_named_guard(statement: str, guard: str, who: str) -> None:
    with_profile()
    found = refusal(statement, {"other": a_player()}, who=who)
    assert found in ({guard} if who == OWNER else {guard, "privilege"})


# --- The service -------------------------------------------------------------------------------------------------


def test_players_are_found_by_their_mail_however_it_is_written_and_several_may_share_one() -> None:
    ada, twin, _ = (
        with_profile(),
        with_profile({"email": "ADA@example.org"}),
        with_profile({"email": "eve@example.org"}),
    )
    assert set(find_players(email="ada@EXAMPLE.org")) == {ada, twin}
    assert find_players(email="nobody@example.org") == ()
    with pytest.raises(ValidationError):
        find_players(email="no address")


def test_the_service_refuses_what_the_form_refuses() -> None:
    for bad in ({}, {"name": " "}, {"phone": "1"}, {"email": "x"}, {"country": "ZZ"}):
        with pytest.raises(InvalidProfile):
            register_player(player_id=uuid4(), timezone="UTC", profile=bad)
    assert not Player.objects.exists()


def test_the_countries_are_those_of_the_standard() -> None:
    assert {"CH", "GB", "NP"} < country_codes()
    assert not {"UK", "XX", "EU"} & country_codes()
    assert 240 < len(country_codes()) < 260


def test_a_profile_never_shows_itself() -> None:
    assert repr(profile_of(ADA)) == "ProfileFacts()"


# --- Races -------------------------------------------------------------------------------------------------------


def test_twenty_profiles_at_once_leave_one_of_them_whole() -> None:
    player = a_player()
    given = [{"name": f"Ada {number}", "email": f"ada{number}@example.org"} for number in range(20)]
    results = in_parallel([lambda one=one: with_profile(one, player) for one in given])  # type: ignore[misc]
    # Each attempt begins again where another made the first key; who loses too often is told to come again.
    assert player in results
    left = read_profile(player)
    assert left is not None
    assert left.said in given
    assert find_players(email=str(left.email)) == (player,)


def race_for_the_first_key(player: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two first profiles, each sealed before the other is written."""
    sealed_draft = profiles.sealed_draft
    held: list[profiles.Draft] = []

    def slow(player_id: UUID, profile: ProfileFacts, stored: profiles.Stored) -> profiles.Draft:
        draft = sealed_draft(player_id, profile, stored)
        if not held:
            held.append(draft)
            with_profile({"name": "Faster"}, player)
        return draft

    monkeypatch.setattr(services, "sealed_draft", slow)
    with_profile({"name": "Slower"}, player)


def test_who_sealed_before_another_wrote_seals_again(monkeypatch: pytest.MonkeyPatch) -> None:
    player = with_profile()
    key = PlayerKey.objects.get().wrapped
    race_for_the_first_key(player, monkeypatch)
    assert read_profile(player) == ProfileFacts(name="Slower")
    other = a_player()
    monkeypatch.undo()
    race_for_the_first_key(other, monkeypatch)
    assert read_profile(other) == ProfileFacts(name="Slower")
    assert bytes(PlayerKey.objects.get(player_id=player).wrapped) == bytes(key)


def test_control_without_the_comparison_a_profile_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two write under two keys, where the first writer's draft relies on the key that the second replaced."""
    player = with_profile()
    stored = profiles.stored_of(player)
    draft = profiles.sealed_draft(player, ProfileFacts(name="Slower"), stored)
    with_profile(None, player)
    with_profile({"name": "Faster"}, player)  # under a new key
    monkeypatch.setattr(profiles, "lock_unchanged", lambda *_: None)
    profiles.write_profile(player, draft)
    with pytest.raises(Unreadable):
        read_profile(player)
