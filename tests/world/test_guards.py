"""Nothing leaves a cell but what the contract lists, whoever tries; and nothing comes in but from the centre."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from conversion.services import fetch_rate
from dreamland.world.clusters import World
from dreamland.world.contract import FACTS, REFERENCE
from dreamland.world.joining import ANALYTICS_READER, REFERENCE_READER
from tests.factories import NOON, a_game, hours
from tests.world.helpers import acting_in, rows

Connect = Callable[[str, str], psycopg.Connection[Any]]


def refused(connected: psycopg.Connection[Any], statement: str) -> str:
    """The name of the guard that refuses, or the SQLSTATE."""
    with pytest.raises(psycopg.Error) as error:
        connected.execute(statement.encode())
    return error.value.diag.constraint_name or str(error.value.sqlstate)


@pytest.mark.parametrize(
    ("statement", "guard"),
    [
        ("CREATE PUBLICATION leak FOR ALL TABLES", "publication_names_its_columns"),
        ("CREATE PUBLICATION leak FOR ALL TABLES WITH (publish = 'insert')", "publication_names_its_columns"),
        (
            "CREATE PUBLICATION leak FOR TABLES IN SCHEMA public WITH (publish = 'insert')",
            "publication_names_its_columns",
        ),
        ("CREATE PUBLICATION leak FOR TABLE rewards_player WITH (publish = 'insert')", "publication_follows_contract"),
        (
            "CREATE PUBLICATION leak FOR TABLE rewards_win (entry_id, player_id) WITH (publish = 'insert')",
            "publication_follows_contract",
        ),
        ("ALTER PUBLICATION facts ADD TABLE world_playerreference", "publication_follows_contract"),
        ("ALTER PUBLICATION facts SET TABLE ledger_journalentry", "publication_follows_contract"),
        ("ALTER PUBLICATION facts ADD TABLES IN SCHEMA public", "22023"),
        ("ALTER PUBLICATION facts SET (publish = 'insert, delete')", "publication_only_tells_what_arrives"),
        ("ALTER PUBLICATION facts SET (publish = 'insert, update')", "publication_only_tells_what_arrives"),
        ("CREATE PUBLICATION leak", "publication_only_tells_what_arrives"),
    ],
)
def test_the_database_refuses_a_publication_outside_the_contract_also_to_its_owner(
    world: World, statement: str, guard: str
) -> None:
    with world.cells["eu"].connect() as connected:
        assert refused(connected, statement) == guard


def test_control_without_the_guard_the_publication_is_made(world: World) -> None:
    with world.cells["eu"].connect() as connected:
        connected.execute("ALTER EVENT TRIGGER publication_guard DISABLE")
        connected.execute("CREATE PUBLICATION leak FOR ALL TABLES")
        connected.execute("DROP PUBLICATION leak")
        connected.execute("ALTER EVENT TRIGGER publication_guard ENABLE")


@pytest.fixture
def reader(world: World) -> psycopg.Connection[Any]:
    return psycopg.connect(world.conninfo("eu", ANALYTICS_READER), autocommit=True)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT memo FROM ledger_journalentry",
        "SELECT holder FROM ledger_posting",
        "SELECT * FROM rewards_win",
        "SELECT reference FROM rewards_win",
        "SELECT id FROM rewards_player",
        "SELECT player_id FROM world_playerreference",
        "SELECT FROM auth_user",
        "INSERT INTO world_beat (number) VALUES (1000000)",
        "CREATE TABLE mine (id int)",
        "CREATE PUBLICATION mine",
    ],
)
def test_the_centres_reader_may_read_the_published_columns_and_no_others(
    reader: psycopg.Connection[Any], statement: str
) -> None:
    with reader, pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute(statement.encode())


def test_control_the_reader_reads_what_is_published(reader: psycopg.Connection[Any]) -> None:
    with reader:
        for table in FACTS.tables:
            rows(reader, f"SELECT {', '.join(table.columns)} FROM {table.name}")


def test_no_reader_can_copy_a_whole_cluster_or_reach_another_database(world: World) -> None:
    for name, role in (("eu", ANALYTICS_READER), ("centre", REFERENCE_READER)):
        for changed in ({"replication": "true"}, {"dbname": "postgres"}, {"dbname": "analytics"}):
            with pytest.raises(psycopg.OperationalError, match=r"pg_hba|rejects"):
                psycopg.connect(psycopg.conninfo.make_conninfo(world.conninfo(name, role), **changed))


def test_the_contract_names_no_column_that_is_about_a_person() -> None:
    suspicious = re.compile(
        r"holder|player|^reference$|memo|note|reason|metadata|name|mail|phone|birth|address|_ip$|user|_by|key"
    )
    named = {
        f"{table.name}.{column}" for table in FACTS.tables for column in table.columns if suspicious.search(column)
    }
    # The random name of a player, which only the region can resolve, and only until the player is erased.
    assert named == {"world_activity.reference"}


def test_the_contract_is_what_the_migrated_database_has(world: World) -> None:
    with world.cells["eu"].connect() as connected:
        for publication in (FACTS, *REFERENCE):
            for table in publication.tables:
                found = dict(
                    rows(
                        connected,
                        "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute"
                        " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
                        table.name,
                    )
                )
                assert {name: found.get(name) for name in table.columns} == table.columns


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO rewards_game (slug, name) VALUES ('own', 'Own')",
        "UPDATE rewards_game SET name = 'Ours'",
        "INSERT INTO conversion_rate (hour, price, provider, quoted_at, state)"
        " VALUES ('2026-01-01T00:00Z', 9, 'us', now(), 'accepted')",
        "INSERT INTO conversion_feerule (effective_from, provider, percentage, fixed)"
        " VALUES ('2040-01-01T00:00Z', 'x', 0, 0)",
        "INSERT INTO ledger_account VALUES ('usd:mine', 'Mine', 'USD', 'asset', 'debit', false)",
        "UPDATE ledger_account SET name = 'x'",
        "TRUNCATE ledger_account CASCADE",
    ],
)
def test_a_region_cannot_write_reference_data_also_as_owner(world: World, statement: str) -> None:
    with acting_in(world, "centre"):
        a_game("untouched")
    world.catch_up()
    with world.cells["eu"].connect() as connected:
        # Of a fee rule the guard of four eyes speaks first: it is nobody's to write here either way.
        assert refused(connected, statement) in {"reference_is_the_centres", "fee_rule_is_approved"}


def test_reference_data_of_the_centre_is_the_same_in_every_region(world: World) -> None:
    with acting_in(world, "centre"):
        a_game(f"game-{uuid4().hex[:8]}")
        fetch_rate(hour=NOON - hours(5), now=NOON)
    world.catch_up()
    for publication in REFERENCE:
        for table in publication.tables:
            wanted = f"SELECT {', '.join(table.columns)} FROM {table.name}"
            wanted += f" WHERE {table.rows}" if table.rows else ""
            with world.centre.connect() as centre:
                expected = sorted(rows(centre, wanted), key=str)
            assert expected
            for region in world.regions:
                with world.cells[region].connect() as connected:
                    assert sorted(rows(connected, wanted), key=str) == expected


def test_a_row_that_a_migration_brings_after_the_centre_sent_it_passes(world: World) -> None:
    """Migrations add accounts with ON CONFLICT DO NOTHING, and the centre is migrated first."""
    with world.cells["eu"].connect() as connected:
        connected.execute(
            "INSERT INTO ledger_account SELECT * FROM ledger_account WHERE code = 'usd:cash' ON CONFLICT DO NOTHING"
        )


def test_the_chain_is_worked_out_by_the_same_text_in_regions_and_at_the_centre() -> None:
    package = Path(__file__).parent.parent.parent / "dreamland" / "world"
    found = [
        re.search(r"FUNCTION world_chain\(.*?\$\$;", (package / place).read_text(), re.DOTALL)
        for place in ("sql/hours.sql", "setup/centre_views.sql")
    ]
    assert found[0]
    assert found[1]
    assert found[0][0] == found[1][0]


@pytest.mark.parametrize(
    ("statement", "guard"),
    [
        ("UPDATE world_hourclose SET chain = ''", "hour_close_is_final"),
        ("DELETE FROM world_hourclose", "hour_close_is_final"),
        ("DELETE FROM world_hourfence", "hour_fence_is_final"),
        ("TRUNCATE world_activity", "activity_is_final"),
        (
            "INSERT INTO world_hourclose (number, starts_at, ends_at, totals, chain) VALUES (0, now(), now(), '{}', '')",
            "hour_close_number_from_one",
        ),
        ("INSERT INTO world_hourfence VALUES (now(), now(), '1')", "hour_fence_has_length"),
        (
            "INSERT INTO world_playerreference VALUES (gen_random_uuid(), gen_random_uuid())",
            "player_reference_player_exists",
        ),
        (
            "INSERT INTO world_transfer (transfer, direction, other_region) VALUES (gen_random_uuid(), 'up', 'us')",
            "transfer_direction_known",
        ),
        (
            "INSERT INTO world_transfer (transfer, direction, other_region, entry_id)"
            " VALUES (gen_random_uuid(), 'in', 'us', gen_random_uuid())",
            "transfer_entry_exists",
        ),
        (
            "INSERT INTO world_move (player_id, region, begun_by_id) VALUES (gen_random_uuid(), 'us', 1)",
            "move_player_exists",
        ),
        (
            "INSERT INTO world_move (player_id, region, begun_by_id, state) VALUES (gen_random_uuid(), 'us', 1, 'lost')",
            "move_luggage_while_departed",
        ),
        (
            "INSERT INTO world_move (player_id, region, begun_by_id, luggage) VALUES (gen_random_uuid(), 'us', 1, '{}')",
            "move_luggage_while_departed",
        ),
    ],
)
def test_what_is_told_to_the_centre_is_final_and_whole(world: World, statement: str, guard: str) -> None:
    with world.cells["eu"].connect() as connected:
        assert refused(connected, statement) == guard


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO world_beat (number) VALUES (1000000)",
        "INSERT INTO world_transfer (transfer, direction, other_region) VALUES (gen_random_uuid(), 'in', 'us')",
        "INSERT INTO rewards_allowance (player_id, day, starts_at, ends_at, cap, carried, won)"
        " VALUES (gen_random_uuid(), '2026-12-01', now(), now(), 5, 1, 1)",
        "UPDATE rewards_allowance SET carried = 0",
        "DELETE FROM publication_contract",
    ],
)
def test_the_apps_role_may_not_even_try(world: World, statement: str) -> None:
    with world.cells["eu"].connect() as connected:
        connected.execute("SET ROLE dreamland_app")
        assert refused(connected, statement) == "42501"
