from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    """Four eyes: kept by the database itself, for whatever people post by hand and for periods that open again."""

    dependencies = [("ledger", "0012_approvals")]
    operations = [
        migrations.RunSQL((SQL / f"{name}.sql").read_text(), (SQL / f"{name}.reverse.sql").read_text())
        for name in ["approval", "reopening"]
    ]
