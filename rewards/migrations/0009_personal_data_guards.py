from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    """What PostgreSQL itself refuses about profiles, their keys, and who wraps those."""

    dependencies = [("rewards", "0008_personal_data"), ("ledger", "0002_guards")]
    operations = [
        migrations.RunSQL((SQL / f"{name}.sql").read_text(), (SQL / f"{name}.reverse.sql").read_text())
        for name in ["profile"]
    ]
