from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    """What an erasure does, and what PostgreSQL itself refuses about who is erased."""

    dependencies = [("rewards", "0010_erasure"), ("ledger", "0002_guards")]
    operations = [
        migrations.RunSQL((SQL / f"{name}.sql").read_text(), (SQL / f"{name}.reverse.sql").read_text())
        for name in ["erasure"]
    ]
