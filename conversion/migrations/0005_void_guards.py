from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    """What PostgreSQL itself refuses about the voids of converted wins."""

    dependencies = [("conversion", "0004_voided_conversions"), ("rewards", "0005_void_guards")]
    operations = [
        migrations.RunSQL(
            (SQL / "voided_conversion.sql").read_text(), (SQL / "voided_conversion.reverse.sql").read_text()
        )
    ]
