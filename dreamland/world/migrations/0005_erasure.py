from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    """An erased player has no name at the centre."""

    dependencies = [("world", "0004_move_guards"), ("rewards", "0011_erasure_guards")]
    operations = [
        migrations.RunSQL((SQL / f"{name}.sql").read_text(), (SQL / f"{name}.reverse.sql").read_text())
        for name in ["erasure"]
    ]
