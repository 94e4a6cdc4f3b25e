from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    """Fee rules, payments of fees and quarantined rates are asked for by one person and approved by another."""

    dependencies = [("conversion", "0010_requests")]
    operations = [
        migrations.RunSQL((SQL / f"{name}.sql").read_text(), (SQL / f"{name}.reverse.sql").read_text())
        for name in ["requests", "rate_request"]
    ]
