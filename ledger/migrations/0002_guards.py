from pathlib import Path

from django.conf import settings
from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"
IN_ORDER = ["refuse", "account", "journal_entry", "posting", "balance", "period_close"]


class Migration(migrations.Migration):
    """What PostgreSQL itself refuses, beyond what a CHECK can say."""

    dependencies = [("ledger", "0001_books"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [
        migrations.RunSQL((SQL / f"{name}.sql").read_text(), (SQL / f"{name}.reverse.sql").read_text())
        for name in IN_ORDER
    ]
