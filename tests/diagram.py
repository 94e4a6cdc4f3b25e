"""`python -m tests.diagram`: writes docs/tables.md from the models. tests/house/test_diagram.py fails where it is old."""

import sys
from collections.abc import Iterator
from pathlib import Path

PATH = Path(__file__).parent.parent / "docs" / "tables.md"
APPS = ("ledger", "rewards", "conversion", "world")
HEAD = """# Tables, as the models have them

Written by `python -m tests.diagram`; a test fails where it is not what the models say. What the tables are for, and what
PostgreSQL refuses to keep in them: [the data model](data-model.md). Why the columns have these types:
[data types](data-types.md).

A line between two tables is a foreign key: `||` exactly one, `o|` one or none, `o{` any number. Keys marked `PK, FK` are
facts about a journal entry: the entry's id is their own.
"""
# What PostgreSQL calls a type at length, and everybody else does not.
SHORT = {"timestamp with time zone": "timestamptz", "double precision": "double"}


def document() -> str:
    """The whole document: how the tables hang together, then one diagram of columns for each app."""
    from django.apps import apps

    models = {app: sorted(apps.get_app_config(app).get_models(), key=lambda model: model.__name__) for app in APPS}
    parts = [
        HEAD,
        "## How they hang together\n",
        diagram(list(relations([each for app in APPS for each in models[app]]))),
    ]
    for app in APPS:
        parts += [f"## {app.title()}\n", diagram([line for model in models[app] for line in columns(model)])]
    return "\n".join(parts)


def diagram(lines: list[str]) -> str:
    return "\n".join(["```mermaid", "erDiagram", *(f"    {line}" for line in lines), "```", ""])


def relations(models: list[type]) -> Iterator[str]:
    """A line for each foreign key, from the table that is referred to."""
    for model in models:
        for field in model._meta.concrete_fields:  # type: ignore[attr-defined]
            if field.remote_field is None:
                continue
            one = "|o" if field.null else "||"
            many = "o|" if field.one_to_one else "o{"
            target = field.remote_field.model.__name__
            yield f'{target} {one}--{many} {model.__name__} : "{field.name}"'


def columns(model: type) -> Iterator[str]:
    """The columns of one table, with their types and keys."""
    from django.db import connection

    meta = model._meta  # type: ignore[attr-defined]
    key = {field.name for field in meta.pk_fields}
    yield f"{model.__name__} {{"
    for field in meta.concrete_fields:
        column_type = field.db_type(connection)
        if column_type is None:  # a composite key has columns of its own
            continue
        marks = [
            mark
            for mark, holds in (
                ("PK", field.name in key),
                ("FK", field.remote_field is not None),
                ("UK", field.unique and field.name not in key),
            )
            if holds
        ]
        nullable = ' "or null"' if field.null else ""
        yield f"    {SHORT.get(column_type, column_type)} {field.column} {', '.join(marks)}{nullable}".rstrip()
    yield "}"


def main() -> int:
    """Writes the document."""
    import os

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    PATH.write_text(document())
    return 0


if __name__ == "__main__":
    sys.exit(main())
