from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    """The fee rule to begin with: one percent and a tenth of a cent."""

    dependencies = [("conversion", "0002_guards")]
    operations = [
        migrations.RunSQL((SQL / "first_fee_rule.sql").read_text(), (SQL / "first_fee_rule.reverse.sql").read_text())
    ]
