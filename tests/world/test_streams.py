"""What the regions write is at the centre, all of it and as it is, whoever crashes."""

from decimal import Decimal
from typing import Any

import psycopg
import pytest

from conversion.services import fetch_rate
from conversion.voiding import Author, void_win
from dreamland.local import files
from dreamland.world import subscriptions
from dreamland.world.checking import trial_balance
from dreamland.world.clusters import CENTRE, World
from ledger import book
from rewards.models import Game
from tests.factories import NOON, a_player, hours
from tests.world.helpers import acting_in, figures, finish_hours, rows, tell, win

pytestmark = pytest.mark.usefixtures("proven")


def test_what_regions_commit_is_at_the_centre_by_count_sum_and_digest(
    world: World, game: Game, analytics: psycopg.Connection[Any]
) -> None:
    with acting_in(world, CENTRE):
        fetch_rate(hour=NOON, now=NOON + hours(2))
    world.catch_up()
    for region, amount in (("eu", "1.5"), ("us", "2.25")):
        with acting_in(world, region):
            player = a_player()
            taken, _ = win(player, game, amount), win(player, game, amount)
            void_win(win_id=taken, reason="a mistake", author=Author())
            finish_hours()
    tell(world)
    for region in world.regions:
        told, found = figures(world, region)
        assert found == told
        assert told["rewards_win"]["rows"] >= 2
        assert told["conversion_conversion"]["rows"] >= 1
        assert told["rewards_void"]["rows"] >= 1
    lines = {(line.region, line.account): line for line in trial_balance(analytics)}
    for region in world.regions:
        with acting_in(world, region):
            for line in book.trial_balance().lines:
                here = lines.get((region, line.account))
                debits, credits = (here.debits, here.credits) if here else (Decimal(0), Decimal(0))
                assert (debits, credits) == (line.debits, line.credits), line.account


@pytest.mark.parametrize("crashed", [("eu",), ("centre",), ("eu", "us", "centre")], ids="+".join)
def test_a_crash_of_either_side_loses_and_doubles_nothing(world: World, game: Game, crashed: tuple[str, ...]) -> None:
    acknowledged: dict[str, list[Any]] = {region: [] for region in world.regions}
    for number in range(3):
        for region in world.regions:
            with acting_in(world, region):
                player = a_player()
                acknowledged[region] += [win(player, game) for _ in range(5)]
        if number == 1:
            for name in crashed:
                world.cells[name].crash()
            for name in crashed:
                world.cells[name].start()
    tell(world)
    for region in world.regions:
        told, found = figures(world, region)
        assert found == told
        with world.centre.connect("analytics") as here:
            there = {row[0] for row in rows(here, "SELECT entry_id FROM rewards_win WHERE region = %s", region)}
        assert set(acknowledged[region]) <= there


def test_an_hour_waits_for_who_is_still_at_it_and_then_counts_him(world: World, game: Game) -> None:
    with acting_in(world, "eu"):
        early, late = a_player(), a_player()
        win(early, game)
        with world.cells["eu"].connect() as slow:
            slow.execute("BEGIN")
            [(entry, posted_at)] = rows(
                slow,
                "INSERT INTO ledger_journalentry (holder, kind, memo, metadata) VALUES (%s, 'test', '', '{}')"
                " RETURNING id, posted_at",
                late,
            )
            tell(world)  # everybody else's is told; this hour is not closed
            with world.cells["eu"].connect() as other:
                [(closed,)] = rows(
                    other, "SELECT coalesce(max(ends_at), '-infinity') <= %s FROM world_hourclose", posted_at
                )
                assert closed
                [(told_until, naive)] = rows(
                    other,
                    "SELECT until::text, (SELECT count(*) FROM ledger_journalentry WHERE posted_at >= until)"
                    " FROM (SELECT coalesce(max(ends_at), '-infinity') FROM world_hourclose) AS told (until)",
                )
            slow.execute(
                "INSERT INTO ledger_posting (entry_id, holder, debit_id, credit_id, asset, amount)"
                " VALUES (%s, %s, 'usd:adjustments', 'player:usd', 'USD', 1)",
                [entry, late],
            )
            slow.execute("COMMIT")
        tell(world)
    with world.centre.connect("analytics") as here:
        [(told,)] = rows(
            here,
            "SELECT sum((totals->'ledger_journalentry'->>'rows')::int) FROM world_hourclose"
            " WHERE region = 'eu' AND ends_at > %s::timestamptz",
            told_until,
        )
    assert told == naive + 1  # who had counted at the end of the hour would have told one too few


def test_a_receiver_that_claims_another_region_or_none_can_write_nothing(world: World, game: Game) -> None:
    """The centre says whose rows they are; a wrong setting stops that region alone, and loses nothing."""
    with world.centre.connect("analytics") as here:
        before = rows(here, "SELECT count(*) FROM rewards_win WHERE region = 'us'")
        for wrong in ("SET dreamland.region = 'us'", "RESET dreamland.region"):
            rows_before = rows(here, "SELECT count(*) FROM rewards_win WHERE region = 'eu'")
            here.execute(f"ALTER ROLE receiver_eu IN DATABASE analytics {wrong}".encode())
            subscriptions.restart(here, "facts_eu")
            with acting_in(world, "eu"):
                win(a_player(), game)
            assert files.wait_until(lambda: any(f.kind == "stream-stopped" for f in world.verify()), 10)
            assert rows(here, "SELECT count(*) FROM rewards_win WHERE region = 'eu'") == rows_before
            assert rows(here, "SELECT count(*) FROM rewards_win WHERE region = 'us'") == before
            here.execute("ALTER ROLE receiver_eu IN DATABASE analytics SET dreamland.region = 'eu'")
            subscriptions.restart(here, "facts_eu")
            world.catch_up()
    told, found = figures(world, "eu")
    assert found == told
