"""Migrations: complete, named, reversible, and free of code that will change under them."""

import ast
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection

from tests.sql import run

ROOT = Path(__file__).parent.parent.parent
APPS = ("ledger", "rewards", "conversion", "dreamland/world", "dreamland/staff", "dreamland/lib/trail")
MIGRATIONS = sorted(path for app in APPS for path in (ROOT / app / "migrations").glob("0*.py"))


@pytest.mark.django_db
def test_the_models_have_no_change_without_a_migration() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def objects() -> list[tuple[object, ...]]:
    """Everything of ours that the database knows: tables, functions, triggers, constraints."""
    return run(
        """
        SELECT 'table', relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
        UNION ALL SELECT 'function', proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT 'trigger', tgname::text FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT 'constraint', conname::text FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        ORDER BY 1, 2
        """
    )


@pytest.mark.django_db
@pytest.mark.breaks_books
def test_every_migration_goes_back_and_forth_without_a_trace() -> None:
    before = objects()
    call_command("migrate", "ledger", "zero", verbosity=0)
    ours = [
        name for kind, name in objects() if str(name).startswith(("ledger", "rewards", "conversion", "world", "refuse"))
    ]
    assert ours == []
    call_command("migrate", verbosity=0)
    assert objects() == before
    connection.close()


# Drop what no released version knows, so that none can still read it.
NEVER_RELEASED = ["0012_rates_are_requests"]


@pytest.mark.django_db
def test_no_migration_locks_out_or_breaks_what_still_runs() -> None:
    """Dropped columns, new columns that old code cannot fill, indexes that block writers: while both versions run."""
    call_command(
        "lintmigrations",
        include_apps=[Path(app).name for app in APPS],
        ignore_name=NEVER_RELEASED,
        project_root_path=str(ROOT),
        quiet=["ok"],
    )


@pytest.mark.parametrize("path", MIGRATIONS, ids=lambda path: f"{path.parent.parent.name}-{path.stem}")
def test_a_migration_has_a_name_and_imports_nothing_of_ours_but_column_types(path: Path) -> None:
    assert not path.stem.split("_", 1)[1].startswith("auto")
    imported = {
        name.name if isinstance(node, ast.Import) else f"{node.module}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }
    ours = {name for name in imported if name.split(".")[0] in {"dreamland", "ledger", "rewards", "conversion"}}
    assert ours <= {"dreamland.lib.fields"}


def test_every_sql_file_has_its_reverse_and_stands_in_a_migration() -> None:
    for folder in (ROOT / app / "sql" for app in APPS):
        migrations = "".join(path.read_text() for path in (folder.parent / "migrations").glob("0*.py"))
        for path in folder.glob("*.sql"):
            name = path.name.removesuffix(".reverse.sql").removesuffix(".sql")
            assert (folder / f"{name}.sql").exists()
            assert (folder / f"{name}.reverse.sql").exists()
            assert name in migrations
