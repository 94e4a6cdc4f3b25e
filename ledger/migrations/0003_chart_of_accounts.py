from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    """The accounts themselves."""

    dependencies = [("ledger", "0002_guards")]
    operations = [
        migrations.RunSQL(
            (SQL / "chart_of_accounts.sql").read_text(), (SQL / "chart_of_accounts.reverse.sql").read_text()
        )
    ]
