from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    """What PostgreSQL itself refuses about days and wins, beyond what a CHECK can say."""

    dependencies = [("rewards", "0001_wins"), ("ledger", "0002_guards")]
    operations = [
        migrations.RunSQL((SQL / f"{name}.sql").read_text(), (SQL / f"{name}.reverse.sql").read_text())
        for name in ["allowance", "win"]
    ]
