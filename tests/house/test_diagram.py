"""The diagram of the tables is what the models say."""

from django.db import models

from tests import diagram


def test_the_diagram_of_the_tables_is_up_to_date() -> None:
    assert diagram.PATH.read_text() == diagram.document(), "run `python -m tests.diagram`"


def test_every_foreign_key_is_a_line_and_every_column_is_told() -> None:
    document = diagram.document()
    assert 'JournalEntry ||--o{ Posting : "entry"' in document
    assert 'JournalEntry ||--o| Win : "entry"' in document
    assert 'JournalEntry |o--o{ Win : "converted_by"' in document
    assert "    numeric amount\n" in document
    assert "    date day PK, FK\n" in document, "a composite key is told by its columns"


def test_control_a_model_that_changed_changes_the_diagram() -> None:
    from ledger.models import Posting

    before = diagram.document()
    field: models.TextField[str, str] = models.TextField(name="colour")
    field.set_attributes_from_name("colour")
    Posting._meta.local_fields.append(field)
    try:
        Posting._meta._expire_cache()  # type: ignore[attr-defined]
        assert diagram.document() != before
    finally:
        Posting._meta.local_fields.remove(field)
        Posting._meta._expire_cache()  # type: ignore[attr-defined]
    assert diagram.document() == before
