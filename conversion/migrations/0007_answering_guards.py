from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    """What PostgreSQL itself refuses about runs that move, decisions about rates, dates of fee rules, settlements."""

    dependencies = [("conversion", "0006_answering_for_conversions")]
    operations = [
        migrations.RunSQL((SQL / f"{name}.sql").read_text(), (SQL / f"{name}.reverse.sql").read_text())
        for name in ["run_transition", "rate_decision", "fee_dates", "fee_settlement"]
    ]
