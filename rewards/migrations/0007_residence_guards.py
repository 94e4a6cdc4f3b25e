from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    """Wins are recorded where their player lives, and a day goes along with him."""

    dependencies = [("rewards", "0006_residence")]
    operations = [
        migrations.RunSQL((SQL / f"{name}.sql").read_text(), (SQL / f"{name}.reverse.sql").read_text())
        for name in ["residence"]
    ]
