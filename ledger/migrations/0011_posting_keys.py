from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    """Keys of postings are looked up once for all rows of a statement."""

    dependencies = [("ledger", "0010_anchor_health")]
    operations = [
        migrations.RunSQL((SQL / "posting_keys.sql").read_text(), (SQL / "posting_keys.reverse.sql").read_text())
    ]
