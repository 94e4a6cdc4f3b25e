from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """A holder's entries by time: a statement reads those since its beginning, and not all that were ever written."""

    atomic = False  # writers go on meanwhile
    dependencies = [("ledger", "0007_seal_digest")]
    operations = [
        AddIndexConcurrently(
            model_name="journalentry",
            index=models.Index(fields=["holder", "posted_at"], name="journal_entry_of_holder"),
        ),
        RemoveIndexConcurrently(model_name="journalentry", name="journal_entry_by_holder"),
    ]
