from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    """Counting days and sealing the journal: by the database itself, and final."""

    dependencies = [("ledger", "0004_closed_days_and_seals")]
    operations = [
        migrations.RunSQL((SQL / f"{name}.sql").read_text(), (SQL / f"{name}.reverse.sql").read_text())
        for name in ["closed_day", "seal"]
    ]
