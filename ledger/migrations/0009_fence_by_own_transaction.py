from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    """A day waits also for a transaction that is newer than every one that has ended."""

    dependencies = [("ledger", "0008_entries_by_holder_and_time")]
    operations = [migrations.RunSQL((SQL / "fence_days.sql").read_text(), (SQL / "fence_days.reverse.sql").read_text())]
