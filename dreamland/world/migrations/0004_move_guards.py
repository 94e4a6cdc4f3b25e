from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    """What PostgreSQL itself refuses about moves."""

    dependencies = [("world", "0003_moves")]
    operations = [
        migrations.RunSQL((SQL / f"{name}.sql").read_text(), (SQL / f"{name}.reverse.sql").read_text())
        for name in ["moves"]
    ]
