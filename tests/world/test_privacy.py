"""Nothing that tells who a player is reaches the centre: not in a table, an index, the log of changes, or a text log."""

from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from conversion.voiding import Author, void_win
from dreamland.world.clusters import World
from rewards.models import Game
from rewards.services import record_wins
from tests.factories import NOON, a_claim, a_player, an_entry, post
from tests.world.helpers import acting_in, rows, tell, win

pytestmark = pytest.mark.usefixtures("proven")


def occurrences(place: Path, needle: bytes) -> list[str]:
    """The files below `place` that hold these bytes."""
    return [str(path.relative_to(place)) for path in place.rglob("*") if path.is_file() and needle in path.read_bytes()]


def checkpoint(world: World) -> None:
    for cell in world.cells.values():
        with cell.connect() as connected:
            connected.execute("CHECKPOINT")


def test_no_byte_of_a_player_is_in_the_centres_files_and_all_are_in_the_regions(world: World, game: Game) -> None:
    memo, reason, reference = f"for Ada {uuid4()}", f"Ada wrote {uuid4()}", f"ada@example.org/{uuid4()}"
    with acting_in(world, "eu"):
        player = a_player()
        record_wins(game_id=game.id, claims=[a_claim(player, reference=reference)], now=NOON)
        taken = win(player, game)
        void_win(win_id=taken, reason=reason, author=Author())
        entry = an_entry(player, ("usd:adjustments", "player:usd", "3"))
        post(replace(entry, memo=memo))
    tell(world, everything=True)
    checkpoint(world)
    secrets = {
        "id as bytes": player.bytes,
        "id as text": str(player).encode(),
        "memo": memo.encode(),
        "reason": reason.encode(),
        "reference": reference.encode(),
    }
    region, centre = world.cells["eu"].postgres.data, world.cells["centre"].postgres.data
    for name, secret in secrets.items():
        assert occurrences(centre, secret) == [], name
        assert secret not in world.centre.postgres.log.read_bytes(), name
    for name in ("id as bytes", "memo", "reason", "reference"):  # the control: the same search finds them at home
        assert occurrences(region, secrets[name]), name
    assert occurrences(centre, named(world, player).bytes)  # and the random name is there


def named(world: World, player: UUID) -> UUID:
    with world.cells["eu"].connect() as cell:
        [(reference,)] = rows(cell, "SELECT reference FROM world_playerreference WHERE player_id = %s", player)
    return UUID(str(reference))


def test_what_a_player_did_is_told_under_a_name_that_only_the_region_can_resolve(world: World, game: Game) -> None:
    with acting_in(world, "eu"):
        player = a_player()
        for _ in range(3):
            win(player, game, "0.5")
    tell(world, everything=True)
    reference = named(world, player)
    with world.centre.connect("analytics") as here:
        told = rows(
            here, "SELECT region, sum(wins), sum(tokens) FROM world_activity WHERE reference = %s GROUP BY 1", reference
        )
    assert [(region, int(wins), str(tokens)) for region, wins, tokens in told] == [("eu", 3, "1.5")]


def test_a_name_that_was_given_up_leads_nowhere_and_the_next_one_is_another(world: World, game: Game) -> None:
    with acting_in(world, "eu"):
        player = a_player()
        win(player, game)
    tell(world, everything=True)
    before = named(world, player)
    with world.cells["eu"].connect() as cell:
        cell.execute("DELETE FROM world_playerreference WHERE player_id = %s", [player])
    with acting_in(world, "eu"):
        win(player, game)
    tell(world, everything=True)
    assert named(world, player) != before
