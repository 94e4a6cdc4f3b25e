from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    """Closing hours: by the database itself, in order, without a gap, and final."""

    dependencies = [
        ("world", "0001_world"),
        ("ledger", "0005_closed_day_and_seal_functions"),
        ("rewards", "0005_void_guards"),
        ("conversion", "0007_answering_guards"),
    ]
    operations = [
        migrations.RunSQL((SQL / f"{name}.sql").read_text(), (SQL / f"{name}.reverse.sql").read_text())
        for name in ["hours"]
    ]
