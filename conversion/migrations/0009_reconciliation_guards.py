from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    """What PostgreSQL itself says about statements of the provider, and how they differ from ours."""

    dependencies = [("conversion", "0008_reconciliation")]
    operations = [
        migrations.RunSQL((SQL / "reconciliation.sql").read_text(), (SQL / "reconciliation.reverse.sql").read_text())
    ]
