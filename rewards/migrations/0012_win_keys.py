from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    """Entry, day and game of wins are looked up once for all rows of a statement."""

    dependencies = [("rewards", "0011_erasure_guards")]
    operations = [migrations.RunSQL((SQL / "win_keys.sql").read_text(), (SQL / "win_keys.reverse.sql").read_text())]
