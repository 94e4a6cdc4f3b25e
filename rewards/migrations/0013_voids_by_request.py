from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    """What one of the staff takes back another one approves."""

    dependencies = [("rewards", "0012_win_keys"), ("ledger", "0013_approval_guards")]
    operations = [
        migrations.RunSQL((SQL / "void_request.sql").read_text(), (SQL / "void_request.reverse.sql").read_text())
    ]
