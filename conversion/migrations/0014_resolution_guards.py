from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    """What PostgreSQL itself refuses about resolved differences, and what is owed for fees with them."""

    dependencies = [("conversion", "0013_resolutions")]
    operations = [
        migrations.RunSQL(
            (SQL / "difference_resolution.sql").read_text(), (SQL / "difference_resolution.reverse.sql").read_text()
        )
    ]
