"""What is wrong at the centre is seen, and made right again while the other regions go on."""

import shutil
import subprocess
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from dreamland.local import files
from dreamland.world.clusters import CENTRE, World
from dreamland.world.contract import FACTS, Publication
from dreamland.world.subscriptions import NotReadyError
from rewards.models import Game
from tests.factories import a_player
from tests.world.helpers import acting_in, figures, rows, tell, win

pytestmark = pytest.mark.usefixtures("proven")
Analytics = psycopg.Connection[Any]
SOME_HOUR = (
    "(SELECT max(number) FROM world_hourclose WHERE region = 'eu' AND (totals->'rewards_win'->>'rows')::int > 0)"
)


def some_wins(world: World, game: Game, *regions: str, count: int = 4) -> None:
    for region in regions or world.regions:
        with acting_in(world, region):
            for _ in range(count):
                win(a_player(), game)


@pytest.mark.parametrize(
    ("falsify", "kinds"),
    [
        (
            "DELETE FROM ledger_posting_eu WHERE id = (SELECT max(id::text)::uuid FROM ledger_posting_eu)",
            {"hour-differs"},
        ),
        (
            "DELETE FROM ledger_journalentry_eu WHERE id = (SELECT max(id::text)::uuid FROM ledger_journalentry_eu)",
            {"hour-differs", "entry-missing"},
        ),
        # In balance all the same: both sides of it grow.
        (
            "UPDATE ledger_posting_eu SET amount = amount + 1 WHERE id = (SELECT max(id::text)::uuid FROM ledger_posting_eu)",
            {"hour-differs"},
        ),
        ("UPDATE rewards_win_eu SET won_at = won_at + interval '1 microsecond'", {"hour-differs"}),
        (
            "INSERT INTO rewards_win (region, entry_id, game_id, amount, forfeited, won_at, recorded_at)"
            " SELECT 'eu', gen_random_uuid(), game_id, amount, forfeited, won_at, recorded_at FROM rewards_win_eu LIMIT 1",
            {"entry-missing"},
        ),
        (f"DELETE FROM world_hourclose_eu WHERE number = {SOME_HOUR}", {"hour-missing"}),
        (
            "UPDATE world_hourclose_eu SET totals = jsonb_set(totals, '{rewards_win,rows}', '0')"
            f" WHERE number = {SOME_HOUR}",
            {"chain-broken", "hour-differs"},
        ),
        ("DELETE FROM world_beat_eu WHERE number = (SELECT max(number) - 1 FROM world_beat_eu)", {"beat-missing"}),
    ],
    ids=[
        *("a posting is gone", "an entry is gone", "an amount is changed", "a microsecond is changed"),
        *("a row is added", "an hour is gone", "a total is changed", "a beat is gone"),
    ],
)
def test_what_is_falsified_at_the_centre_is_seen_and_repaired_from_the_region(
    world: World, game: Game, analytics: Analytics, falsify: str, kinds: set[str]
) -> None:
    some_wins(world, game, count=1)
    tell(world)
    tell(world)
    analytics.execute(falsify.encode())
    found = world.verify()
    assert kinds <= {finding.kind for finding in found}
    assert {finding.region for finding in found} == {"eu"}
    tell(world)  # so that what is falsified lies in closed hours by now, a beat too
    mended = world.repair("eu")
    if (
        "entry-missing" in kinds and "hour-differs" not in kinds
    ):  # a row of no entry lies in no hour: the whole is taken anew
        world.reseed("eu")
    else:
        assert mended
    assert world.verify() == ()
    told, there = figures(world, "eu")
    assert there == told


def test_one_region_is_taken_anew_while_the_other_one_streams(world: World, game: Game, analytics: Analytics) -> None:
    some_wins(world, game)
    tell(world)
    before = rows(analytics, "SELECT count(*) FROM rewards_win WHERE region = 'us'")[0][0]
    slot = "SELECT confirmed_flush_lsn, active_pid FROM pg_replication_slots WHERE slot_name = 'facts_us'"
    with world.cells["us"].connect() as us:
        pid = rows(us, slot)[0][1]
        world.reseed("eu")
        some_wins(world, game, "us", "eu")
        assert files.wait_until(
            lambda: rows(analytics, "SELECT count(*) FROM rewards_win WHERE region = 'us'")[0][0] == before + 4, 10
        )
        assert rows(us, slot)[0][1] == pid  # the other one's stream was never broken off
    tell(world)
    for region in world.regions:
        told, found = figures(world, region)
        assert found == told


def test_a_centre_restored_from_an_old_backup_is_noticed_and_repaired(world: World, game: Game) -> None:
    """PostgreSQL itself says nothing: the stream goes on behind what was confirmed, and all looks well."""
    centre = world.cells[CENTRE]
    some_wins(world, game)
    tell(world)
    centre.postgres.stop()
    backup = centre.postgres.home / "backup"
    shutil.rmtree(backup, ignore_errors=True)
    subprocess.run(["cp", "-a", str(centre.postgres.data), str(backup)], check=True)
    centre.start()
    some_wins(world, game)
    tell(world)
    centre.postgres.stop()
    shutil.rmtree(centre.postgres.data)
    backup.rename(centre.postgres.data)
    centre.start()
    some_wins(world, game)
    tell(world)
    found = world.verify()
    assert {(finding.region, finding.kind) for finding in found} >= {
        *(("eu", "hour-missing"), ("us", "hour-missing"), ("eu", "beat-missing"), ("us", "beat-missing"))
    }
    for region in world.regions:
        assert world.repair(region)
    assert world.verify() == ()
    for region in world.regions:
        told, there = figures(world, region)
        assert there == told


def with_channel() -> Publication:
    """The contract with one more column: where an entry came from."""
    journal = FACTS.table("ledger_journalentry")
    wider = replace(
        journal,
        columns={**journal.columns, "channel": "text"},
        undigested=frozenset({"channel"}),
        nullable=journal.nullable | {"channel"},
    )
    return replace(FACTS, tables=tuple(wider if table is journal else table for table in FACTS.tables))


def without_channel(world: World, region: str) -> None:
    """As it was before."""
    world.publish_facts(region)
    with world.cells[region].connect() as cell:
        cell.execute("ALTER TABLE ledger_journalentry DROP COLUMN IF EXISTS channel")


def test_a_new_column_goes_to_the_centre_first_and_loses_nothing(
    world: World, game: Game, analytics: Analytics
) -> None:
    wider = with_channel()
    assert any("the centre has no such column" in line for line in world.preflight("eu", wider))
    with pytest.raises(NotReadyError, match="channel"):
        world.release(["eu"], wider)  # refused before anything is changed
    try:
        world.make_analytics(wider)
        some_wins(world, game)
        with world.cells["eu"].connect() as cell:
            cell.execute("ALTER TABLE ledger_journalentry ADD COLUMN channel text DEFAULT 'web'")
        some_wins(world, game)  # the region has the column, and does not publish it yet
        assert world.preflight("eu", wider) == ()
        world.release(["eu"], wider)
        some_wins(world, game)
        tell(world)
        channels = "SELECT count(*) FROM ledger_journalentry WHERE region = %s AND channel = 'web'"
        assert rows(analytics, channels, "eu")[0][0] == 4
        assert rows(analytics, channels, "us")[0][0] == 0
        assert world.verify() == ()
    finally:
        without_channel(world, "eu")
        analytics.execute("ALTER TABLE ledger_journalentry DROP COLUMN IF EXISTS channel")


def test_control_in_the_wrong_order_only_that_region_stops_and_goes_on_by_itself(
    world: World, game: Game, analytics: Analytics
) -> None:
    wider = with_channel()
    try:
        with world.cells["eu"].connect() as cell:
            cell.execute("ALTER TABLE ledger_journalentry ADD COLUMN channel text DEFAULT 'web'")
        world.publish_facts("eu", wider)
        some_wins(world, game)
        assert files.wait_until(lambda: {f.region for f in world.verify() if f.kind == "stream-stopped"} == {"eu"}, 10)
        world.make_analytics(wider)
        tell(world)
        assert world.verify() == ()
        assert rows(analytics, "SELECT count(*) FROM ledger_journalentry WHERE channel = 'web'")[0][0] == 4
    finally:
        without_channel(world, "eu")
        analytics.execute("ALTER TABLE ledger_journalentry DROP COLUMN IF EXISTS channel")


def test_the_preflight_sees_a_column_that_would_round(world: World) -> None:
    narrow = replace(FACTS.table("conversion_conversion"), columns={"usd": "numeric(20,2)"})
    [line] = [
        line
        for line in world.preflight("eu", replace(FACTS, tables=(narrow,)))
        if "usd" in line and "the centre" in line and "contract says" in line
    ]
    assert "numeric" in line
