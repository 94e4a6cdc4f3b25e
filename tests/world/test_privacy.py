"""Nothing that tells who a player is reaches the centre: not in a table, an index, the log of changes, or a text log."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from conversion.services import fetch_rate
from conversion.voiding import Author, void_win
from dreamland.world.clusters import CENTRE, World
from rewards.erasing import erase_player
from rewards.models import Game
from rewards.services import record_wins, register_player
from tests.factories import NOON, a_claim, a_player, an_entry, hours, post
from tests.world.helpers import acting_in, figures, finish_hours, rows, tell, win

pytestmark = pytest.mark.usefixtures("proven")


def occurrences(place: Path, needles: Mapping[str, bytes]) -> dict[str, list[str]]:
    """Which of the needles lie in files below `place`, and in which. Every file is read once."""
    found: dict[str, list[str]] = {}
    for path in place.rglob("*"):
        with suppress(FileNotFoundError):  # the servers remove files as they work
            content = path.read_bytes() if path.is_file() else b""
            for name, needle in needles.items():
                if needle in content:
                    found.setdefault(name, []).append(str(path.relative_to(place)))
    return found


def checkpoint(world: World) -> None:
    for cell in world.cells.values():
        with cell.connect() as connected:
            connected.execute("CHECKPOINT")


def test_no_byte_of_a_player_is_in_the_centres_files_and_all_are_in_the_regions(world: World, game: Game) -> None:
    memo, reason, reference = f"for Ada {uuid4()}", f"Ada wrote {uuid4()}", f"ada@example.org/{uuid4()}"
    name, mail = f"Ada {uuid4()}", f"ada-{uuid4()}@example.org"
    with acting_in(world, "eu"):
        player = a_player()
        register_player(player_id=player, timezone="UTC", profile={"name": name, "email": mail})
        record_wins(game_id=game.id, claims=[a_claim(player, reference=reference)], now=NOON)
        taken = win(player, game)
        void_win(win_id=taken, reason=reason, author=Author())
        entry = an_entry(player, ("usd:adjustments", "player:usd", "3"))
        post(replace(entry, memo=memo))
    tell(world)
    checkpoint(world)
    with world.cells["eu"].connect() as cell:
        [(sealed, index)] = rows(cell, "SELECT sealed, email_index FROM rewards_profile WHERE player_id = %s", player)
    secrets = {
        "name": name.encode(),
        "mail": mail.encode(),
        "the sealed profile": bytes(sealed),
        "the mail's digest": bytes(index),
        "id as bytes": player.bytes,
        "id as text": str(player).encode(),
        "memo": memo.encode(),
        "reason": reason.encode(),
        "reference": reference.encode(),
    }
    region, centre = world.cells["eu"].postgres.data, world.cells["centre"].postgres.data
    assert occurrences(centre, secrets) == {}
    for what, secret in secrets.items():
        assert secret not in world.centre.postgres.log.read_bytes(), what
    # The control: the same search finds at home what is there. Name and mail are in clear in no file of any cluster.
    assert occurrences(region, secrets).keys() >= secrets.keys() - {"name", "mail", "id as text"}
    assert occurrences(world.root, {what: secrets[what] for what in ("name", "mail")}) == {}
    assert occurrences(centre, {"name": named(world, player).bytes})  # and the random name is there


def named(world: World, player: UUID) -> UUID:
    with world.cells["eu"].connect() as cell:
        [(reference,)] = rows(cell, "SELECT reference FROM world_playerreference WHERE player_id = %s", player)
    return UUID(str(reference))


def test_what_a_player_did_is_told_under_a_name_that_only_the_region_can_resolve(world: World, game: Game) -> None:
    with acting_in(world, "eu"):
        player = a_player()
        for _ in range(3):
            win(player, game, "0.5")
    tell(world)
    reference = named(world, player)
    with world.centre.connect("analytics") as here:
        told = rows(
            here, "SELECT region, sum(wins), sum(tokens) FROM world_activity WHERE reference = %s GROUP BY 1", reference
        )
    assert [(region, int(wins), str(tokens)) for region, wins, tokens in told] == [("eu", 3, "1.5")]


def test_an_erased_player_is_nobody_at_the_centre_and_the_books_of_both_are_the_same(world: World, game: Game) -> None:
    with acting_in(world, CENTRE):
        fetch_rate(hour=NOON, now=NOON + hours(2))
    world.catch_up()
    with acting_in(world, "eu"):
        player = register_player(player_id=uuid4(), timezone="UTC", profile={"name": "Ada"}).player.id
        win(player, game, "0.37")
    tell(world)
    reference = named(world, player)
    told = "SELECT hour, wins, tokens, usd FROM world_activity WHERE reference = %s"
    with world.centre.connect("analytics") as here:
        before = rows(here, told, reference)
    with acting_in(world, "eu"):
        erase_player(player_id=player, now=NOON, leave_open=True)
        finish_hours()  # what was pending is converted, under no name
    tell(world)
    with world.cells["eu"].connect() as cell:
        assert (
            rows(cell, "SELECT 1 FROM world_playerreference WHERE reference = %s OR player_id = %s", reference, player)
            == []
        )
        assert (
            rows(cell, "SELECT 1 FROM rewards_profile WHERE player_id = %s AND email_index IS NOT NULL", player) == []
        )
        [(converted,)] = rows(cell, "SELECT usd FROM conversion_conversion WHERE player_id = %s", player)
    with world.centre.connect("analytics") as here:
        assert rows(here, told, reference) == before  # nobody's by now
        known = "SELECT count(*) FROM world_activity WHERE region = 'eu' AND usd = %s"
        assert rows(here, known, converted) == [(0,)]
    told_, there = figures(world, "eu")
    assert there == told_


def test_a_name_that_was_given_up_leads_nowhere_and_the_next_one_is_another(world: World, game: Game) -> None:
    with acting_in(world, "eu"):
        player = a_player()
        win(player, game)
    tell(world)
    before = named(world, player)
    with world.cells["eu"].connect() as cell:
        cell.execute("DELETE FROM world_playerreference WHERE player_id = %s", [player])
    with acting_in(world, "eu"):
        win(player, game)
    tell(world)
    assert named(world, player) != before
