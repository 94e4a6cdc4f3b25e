"""A player goes to another region with all he has, once, and with one day's cap."""

import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import override_settings

import tests.http
from conversion.services import fetch_rate
from dreamland.world import moves
from dreamland.world.checking import Limits
from dreamland.world.clusters import CENTRE, World
from dreamland.world.errors import (
    AlreadyMoving,
    LuggageSealedOtherwise,
    MoveNotFound,
    PlayerLivesHere,
    WaitsForConversion,
)
from dreamland.world.moves import Luggage, packed, unpacked
from dreamland.world.travel import opened_profile
from ledger import book
from rewards.errors import DailyCapExceeded, PlayerElsewhere, PlayerMoving
from rewards.models import Game
from rewards.profile_values import ProfileFacts
from rewards.profiles import find_players, read_profile
from rewards.services import Recorded, Refused, record_wins, register_player
from tests.factories import NOON, a_claim, a_player, an_entry, hours, post
from tests.http import a_client, problem_of
from tests.sql import in_parallel, refusal, run, without_triggers
from tests.world.helpers import acting_in, finish_hours, rows, tell, win

pytestmark = pytest.mark.usefixtures("proven")
LATER = NOON + hours(2)


def somebody() -> int:
    """Whoever moves players here."""
    user, _ = get_user_model().objects.get_or_create(username="mover")
    return int(user.pk)


def usd(player: UUID) -> Decimal:
    return book.balances([player])[player]["player:usd"]


def books_are_right(world: World) -> None:
    for region in world.regions:
        with acting_in(world, region):
            wrong = [finding for finding in book.verify().findings if finding.wrong_rows]
            assert not wrong, f"{region}: {wrong[0].check.name}: {wrong[0].subject}: {wrong[0].problem}"


@pytest.fixture
def rich(world: World, game: Game) -> UUID:
    """A player of eu who won 4 DREAM today, which are 0.60 USD by now."""
    with acting_in(world, CENTRE):
        fetch_rate(hour=NOON, now=LATER)
    world.catch_up()
    with acting_in(world, "eu"):
        player = a_player("Europe/Paris")
        win(player, game, "4")
        finish_hours()
        assert usd(player) == Decimal("0.6")
    return player


def depart(world: World, player: UUID, region: str = "eu", to: str = "us") -> Luggage:
    with acting_in(world, region):
        transfer = moves.begin(player_id=player, to_region=to, own_region=region, user_id=somebody())
        return moves.depart(transfer_id=transfer, own_region=region, now=LATER)


def arrive(world: World, luggage: Luggage) -> bool:
    with acting_in(world, luggage.to_region):
        return moves.arrive(luggage=luggage, own_region=luggage.to_region, user_id=somebody())


def confirm(world: World, luggage: Luggage) -> None:
    with acting_in(world, luggage.from_region):
        moves.confirm(transfer_id=luggage.transfer)


def in_transit(analytics: psycopg.Connection[Any], luggage: Luggage) -> tuple[Any, ...]:
    return rows(analytics, "SELECT ends, in_transit, is_settled FROM settlement WHERE transfer = %s", luggage.transfer)[
        0
    ]


def test_a_move_takes_everything_along_and_the_books_are_right_at_every_step(
    world: World, rich: UUID, analytics: psycopg.Connection[Any]
) -> None:
    luggage = depart(world, rich)
    books_are_right(world)
    tell(world)
    assert in_transit(analytics, luggage) == (["eu out"], Decimal("0.6"), False)
    lost = [f.kind for f in world.verify(Limits(transit=timedelta(0)))]
    assert lost == ["in-transit"]  # seen at once, and an alarm after a quarter of an hour
    assert world.verify() == ()

    assert arrive(world, luggage)
    books_are_right(world)
    tell(world)
    assert in_transit(analytics, luggage) == (["eu out", "us in"], 0, True)
    confirm(world, luggage)
    for region, wanted in (("eu", 0), ("us", Decimal("0.6"))):
        with acting_in(world, region):
            assert usd(rich) == wanted
    with acting_in(world, "us"):
        [(zone, status)] = run("SELECT timezone, status FROM rewards_player WHERE id = %s", [rich])
    assert (zone, status) == ("Europe/Paris", "active")


def test_every_step_again_changes_nothing(world: World, rich: UUID) -> None:
    """Whoever was killed between two steps begins again at the first one."""
    first = depart(world, rich)
    assert depart(world, rich) == first
    assert arrive(world, first)
    assert not arrive(world, first)
    assert depart(world, rich) == first  # killed before it could confirm
    assert not arrive(world, first)
    confirm(world, first)
    confirm(world, first)
    with acting_in(world, "us"):
        assert usd(rich) == Decimal("0.6")
        assert run("SELECT count(*) FROM world_transfer WHERE transfer = %s", [first.transfer]) == [(1,)]
    with acting_in(world, "eu"):
        assert run("SELECT count(*) FROM world_transfer WHERE transfer = %s", [first.transfer]) == [(1,)]
        assert run("SELECT luggage FROM world_move WHERE id = %s", [first.transfer]) == [(None,)]


def test_two_arrivals_at_once_are_one(world: World, rich: UUID) -> None:
    luggage = depart(world, rich)
    with acting_in(world, "us"):
        user = somebody()
        outcomes = in_parallel([lambda: moves.arrive(luggage=luggage, own_region="us", user_id=user) for _ in range(4)])
        assert [outcome for outcome in outcomes if outcome is True] == [True]
        assert usd(rich) == Decimal("0.6")
    confirm(world, luggage)


@pytest.mark.parametrize("carried", [True, False], ids=["carried", "control: not carried"])
def test_one_cap_holds_for_a_day_in_two_regions(world: World, game: Game, rich: UUID, carried: bool) -> None:
    luggage = depart(world, rich)
    if not carried:
        luggage = replace(luggage, days=())
    arrive(world, luggage)
    confirm(world, luggage)
    with acting_in(world, "us"):
        win(rich, game, "1")  # 4 there and 1 here: exactly the cap
        [outcome] = record_wins(game_id=game.id, claims=[a_claim(rich, "0.01")], now=NOON)
    assert isinstance(outcome, Refused if carried else Recorded)
    if carried:
        assert isinstance(outcome, Refused)
        assert isinstance(outcome.error, DailyCapExceeded)


def test_who_comes_back_on_the_same_day_finds_the_day_as_it_went_on(world: World, game: Game, rich: UUID) -> None:
    there = depart(world, rich)
    arrive(world, there)
    confirm(world, there)
    with acting_in(world, "us"):
        win(rich, game, "0.5")
        finish_hours()
    back = depart(world, rich, "us", "eu")
    arrive(world, back)
    confirm(world, back)
    with acting_in(world, "eu"):
        [outcome] = record_wins(game_id=game.id, claims=[a_claim(rich, "0.6")], now=NOON)
        assert isinstance(outcome, Refused)
        win(rich, game, "0.5")
        assert usd(rich) == Decimal("0.675")


def test_wins_of_a_player_on_the_way_are_refused_kindly_and_those_of_others_are_not(
    world: World, game: Game, rich: UUID
) -> None:
    with acting_in(world, "eu"):
        transfer = moves.begin(player_id=rich, to_region="us", own_region="eu", user_id=somebody())
        moving, other = record_wins(
            game_id=game.id, claims=[a_claim(rich, "0.1"), a_claim(a_player(), "0.1")], now=NOON
        )
        assert isinstance(moving, Refused)
        assert isinstance(moving.error, PlayerMoving)
        assert isinstance(other, Recorded)
        luggage = moves.depart(transfer_id=transfer, own_region="eu", now=LATER)
        [moved] = record_wins(game_id=game.id, claims=[a_claim(rich, "0.1")], now=NOON)
        assert isinstance(moved, Refused)
        assert isinstance(moved.error, PlayerElsewhere)
    arrive(world, luggage)
    confirm(world, luggage)


LATE_WIN = (
    "INSERT INTO rewards_win (entry_id, player_id, game_id, reference, amount, won_at, recorded_at, allowance_id)"
    " SELECT %s, player_id, game_id, 'late', 0.1, won_at, recorded_at, allowance_id FROM rewards_win WHERE player_id = %s"
)


def test_the_database_itself_refuses_a_win_where_its_player_does_not_live(world: World, rich: UUID) -> None:
    luggage = depart(world, rich)
    with acting_in(world, "eu"):
        [(entry,)] = run("SELECT id FROM ledger_journalentry WHERE holder = %s AND kind = 'move-out'", [rich])
        assert refusal(LATE_WIN, [entry, rich]) == "win_player_lives_here"
        refused = "UPDATE rewards_player SET region = '' WHERE id = %s"
        assert refusal(refused, [rich]) == "player_region_where_moved"
        assert refusal("UPDATE world_move SET state = 'begun' WHERE id = %s", [luggage.transfer]) == "move_goes_forward"
        assert refusal("UPDATE world_transfer SET direction = 'in'") == "transfer_is_final"
        assert refusal("DELETE FROM world_move") == "move_stays"
    arrive(world, luggage)
    with acting_in(world, "us"):
        less = "UPDATE rewards_allowance SET carried = carried - 1 WHERE player_id = %s AND carried > 0"
        assert refusal(less, [rich]) == "allowance_carried_grows"
        more = "INSERT INTO rewards_allowance (player_id, day, starts_at, ends_at, cap, carried, won)"
        more += " VALUES (%s, '2026-12-01', '2026-12-01T00:00Z', '2026-12-02T00:00Z', 5, -1, -1)"
        assert refusal(more, [rich]) in {"allowance_carried_is_won", "allowance_cap"}
    confirm(world, luggage)


@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "control: without the guard"])
def test_a_recording_that_began_before_the_player_left_is_counted_or_refused(
    world: World, game: Game, rich: UUID, guarded: bool
) -> None:
    """It read that he lives here; then he leaves; then it writes."""
    with acting_in(world, "eu"), world.cells["eu"].connect() as late:
        late.execute("BEGIN")
        late.execute("SELECT status FROM rewards_player WHERE id = %s", [rich])
        luggage = depart(world, rich)
        [(entry,)] = run("SELECT id FROM ledger_journalentry WHERE holder = %s AND kind = 'move-out'", [rich])
        if guarded:
            with pytest.raises(psycopg.IntegrityError, match="lives in another region"):
                late.execute(LATE_WIN.encode(), [entry, rich])
        else:
            with without_triggers("rewards_win"):
                late.execute("ROLLBACK")
                late.execute("BEGIN")
                assert late.execute(LATE_WIN.encode(), [entry, rich]).rowcount == 1
                late.execute("ROLLBACK")
        late.execute("ROLLBACK")
    arrive(world, luggage)
    confirm(world, luggage)


def test_a_player_leaves_when_his_wins_are_converted_and_not_before(world: World, game: Game, rich: UUID) -> None:
    with acting_in(world, "eu"):
        win(rich, game, "0.5")
        transfer = moves.begin(player_id=rich, to_region="us", own_region="eu", user_id=somebody())
        with pytest.raises(WaitsForConversion):
            moves.depart(transfer_id=transfer, own_region="eu", now=LATER)
        finish_hours()
        luggage = moves.depart(transfer_id=transfer, own_region="eu", now=LATER)
    assert luggage.usd == Decimal("0.675")
    arrive(world, luggage)
    confirm(world, luggage)


@pytest.fixture
def move_key(settings: Any) -> None:
    settings.MOVE_KEY = b64encode(bytes(range(32))).decode()


ADA = {"name": "Ada Lovelace", "email": "ada@example.org", "country": "GB"}


def known(world: World, player: UUID) -> dict[str, ProfileFacts | None]:
    """What each region knows about the person."""
    found = {}
    for region in world.regions:
        with acting_in(world, region):
            found[region] = read_profile(player)
    return found


def person(world: World) -> UUID:
    with acting_in(world, "eu"):
        return register_player(player_id=uuid4(), timezone="Europe/Paris", profile=ADA).player.id


def test_a_profile_goes_along_sealed_and_stays_in_one_region_only(world: World, move_key: None) -> None:
    player, ada = person(world), ProfileFacts(**ADA)
    luggage = depart(world, player)
    assert "Ada" not in json.dumps(unpacked(luggage))
    assert packed(json.loads(json.dumps(unpacked(luggage)))) == luggage
    assert arrive(world, luggage)
    with acting_in(world, "us"):
        assert player in find_players(email="ADA@example.org")
        register_player(player_id=player, timezone="Europe/Paris", profile=ADA | {"name": "Ada King"})
    assert not arrive(world, luggage)  # again: what is known by now stays
    assert known(world, player) == {"eu": ada, "us": ProfileFacts(**(ADA | {"name": "Ada King"}))}
    confirm(world, luggage)
    assert known(world, player)["eu"] is None
    with acting_in(world, "eu"):
        assert run("SELECT 1 FROM rewards_playerkey WHERE player_id = %s", [player]) == []
        assert run("SELECT timezone, luggage FROM rewards_player JOIN world_move ON player_id = rewards_player.id"
                   " WHERE rewards_player.id = %s", [player]) == [("UTC", None)]  # fmt: skip


def test_who_is_back_before_the_first_move_is_confirmed_keeps_the_profile(world: World, move_key: None) -> None:
    player = person(world)
    out = depart(world, player)
    arrive(world, out)
    back = depart(world, player, region="us", to="eu")
    arrive(world, back)
    confirm(world, out)
    confirm(world, back)
    assert known(world, player) == {"eu": ProfileFacts(**ADA), "us": None}


def test_without_a_key_the_profile_stays_and_goes_when_the_move_is_confirmed(world: World) -> None:
    player = person(world)
    luggage = depart(world, player)
    assert luggage.profile is None
    arrive(world, luggage)
    confirm(world, luggage)
    assert known(world, player) == {"eu": None, "us": None}


@pytest.mark.parametrize("key", ["", b64encode(bytes(32)).decode()], ids=["none", "another"])
def test_a_profile_that_cannot_be_opened_there_lets_nobody_in_half(
    world: World, move_key: None, settings: Any, key: str
) -> None:
    player = person(world)
    luggage = depart(world, player)
    right, settings.MOVE_KEY = settings.MOVE_KEY, key
    with pytest.raises(LuggageSealedOtherwise):
        arrive(world, luggage)
    with acting_in(world, "us"):
        assert run("SELECT 1 FROM rewards_player WHERE id = %s", [player]) == []
    settings.MOVE_KEY = right
    with pytest.raises(LuggageSealedOtherwise):  # sealed for another journey
        opened_profile(luggage.profile, uuid4())
    arrive(world, luggage)
    confirm(world, luggage)
    assert known(world, player)["us"] == ProfileFacts(**ADA)


def test_what_a_player_owes_goes_along(world: World) -> None:
    with acting_in(world, "eu"):
        player = a_player()
        post(an_entry(player, ("player:usd-owed", "usd:adjustments", "2")))
    luggage = depart(world, player)
    assert (luggage.usd, luggage.usd_owed) == (Decimal(0), Decimal(2))
    arrive(world, luggage)
    confirm(world, luggage)
    with acting_in(world, "us"):
        assert book.balances([player])[player]["player:usd-owed"] == 2


def test_moves_that_cannot_be_are_refused_by_name(world: World, rich: UUID) -> None:
    with acting_in(world, "eu"):
        user = somebody()
        with pytest.raises(PlayerLivesHere):
            moves.begin(player_id=rich, to_region="eu", own_region="eu", user_id=user)
        with pytest.raises(MoveNotFound):
            moves.depart(transfer_id=uuid4(), own_region="eu", now=LATER)
        transfer = moves.begin(player_id=rich, to_region="us", own_region="eu", user_id=user)
        with pytest.raises(AlreadyMoving):
            moves.begin(player_id=rich, to_region="apac", own_region="eu", user_id=user)
        with pytest.raises(MoveNotFound):
            moves.confirm(transfer_id=transfer)
        luggage = moves.depart(transfer_id=transfer, own_region="eu", now=LATER)
        with pytest.raises(MoveNotFound):
            moves.arrive(luggage=luggage, own_region="eu", user_id=user)
    with acting_in(world, "us"):
        register_player(player_id=rich, timezone="UTC")
        with pytest.raises(PlayerLivesHere):
            moves.arrive(luggage=luggage, own_region="us", user_id=somebody())
        run("UPDATE rewards_player SET status = 'moved', region = 'eu' WHERE id = %s", [rich])  # as an engineer would
    arrive(world, luggage)
    confirm(world, luggage)


@pytest.fixture
def fresh_digests() -> Iterator[None]:
    """The client of the tests remembers which tables there are; a cell has more than other tests' databases."""
    tests.http._digests.cache_clear()
    yield
    tests.http._digests.cache_clear()


@pytest.mark.usefixtures("fresh_digests")
def test_over_http_a_call_is_sent_on_to_where_its_player_lives_and_no_further(
    world: World, game: Game, rich: UUID
) -> None:
    now = datetime.now(UTC).isoformat()
    body = {"reference": str(uuid4()), "player_id": str(rich), "amount": "0.1", "won_at": now}
    with acting_in(world, "eu"):
        eu = a_client(game)
        transfer = moves.begin(player_id=rich, to_region="us", own_region="eu", user_id=somebody())
        problem_of(eu.post("/v1/wins", body, format="json"), 409, "player-moving")
        assert eu.get(f"/v1/players/{rich}/stats").status_code == 200  # until he leaves, home answers
        luggage = moves.depart(transfer_id=transfer, own_region="eu", now=LATER)
        answer = eu.post("/v1/wins", body, format="json")
        assert problem_of(answer, 308, "player-elsewhere")["region"] == "us"
        assert answer["Location"] == "http://us.test/v1/wins?hops=1"
        for call in ("", "/stats", "/usd-history", "/wins?day=today"):
            read = eu.get(f"/v1/players/{rich}{call}")
            problem_of(read, 308, "player-elsewhere")
            assert read["Location"].startswith(f"http://us.test/v1/players/{rich}{call.split('?')[0]}?")
        registered = eu.put(f"/v1/players/{rich}", {"timezone": "UTC"}, format="json")
        problem_of(registered, 308, "player-elsewhere")
        [result] = eu.post("/v1/wins/batch", {"wins": [body]}, format="json").json()["results"]
        assert (result["status"], result["problem"]["code"]) == (308, "player-elsewhere")
        problem_of(eu.post("/v1/wins?hops=1", body, format="json"), 421, "misdirected")  # back again: no third time
        with override_settings(REGIONS={}):
            problem_of(eu.post("/v1/wins", body, format="json"), 421, "misdirected")
            problem_of(eu.post("/v1/wins?hops=1", body, format="json"), 400, "unknown-parameter")
    arrive(world, luggage)
    confirm(world, luggage)
    with acting_in(world, "us"):
        recorded = a_client(game).post("/v1/wins?hops=1", body, format="json")
        assert recorded.status_code == 201, recorded.content
        assert a_client(game).get(f"/v1/players/{rich}/stats?hops=1").json()["usd_balance"] == "0.6"


def test_an_engineer_moves_a_player_by_the_command(world: World, game: Game, rich: UUID, tmp_path: Path) -> None:
    luggage = tmp_path / "luggage.json"

    def command(*arguments: str) -> str:
        out = StringIO()
        call_command("move_player", *arguments, stdout=out)
        return out.getvalue()

    with acting_in(world, "eu"):
        somebody()
        win(rich, game, "0.1")
        with pytest.raises(CommandError, match="not converted yet") as waits:
            command(str(rich), "--to", "us", "--as", "mover")
        assert waits.value.returncode == 3
        finish_hours()
        with pytest.raises(CommandError, match="--as"):
            command(str(rich), "--to", "us", "--as", "nobody")
        luggage.write_text(command(str(rich), "--to", "us", "--as", "mover"))
        assert command(str(rich), "--to", "us", "--as", "mover") == luggage.read_text()
    with acting_in(world, "us"):
        somebody()
        assert "has arrived" in command("--arrive", str(luggage), "--as", "mover")
        arrived = command("--arrive", str(luggage), "--as", "mover")
        assert "was here already" in arrived
        assert usd(rich) == Decimal("0.615")
        (tmp_path / "torn.json").write_text(luggage.read_text()[:50])
        with pytest.raises(CommandError, match="no luggage"):
            command("--arrive", str(tmp_path / "torn.json"), "--as", "mover")
    with acting_in(world, "eu"):
        command("--confirm", arrived.split(": ")[1].strip())
        with pytest.raises(CommandError, match="no such move"):
            command("--confirm", str(uuid4()))
    with override_settings(REGION=""), pytest.raises(CommandError, match="no region"):
        command("--confirm", str(uuid4()))
