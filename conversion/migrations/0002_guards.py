from pathlib import Path

from django.conf import settings
from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    """What PostgreSQL itself refuses about rates, fees, runs and conversions, beyond what a CHECK can say."""

    dependencies = [
        ("conversion", "0001_conversion"),
        ("ledger", "0003_chart_of_accounts"),
        ("rewards", "0002_guards"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.RunSQL((SQL / f"{name}.sql").read_text(), (SQL / f"{name}.reverse.sql").read_text())
        for name in ["round_half_even", "rate", "fee_rule", "conversion_run", "conversion"]
    ]
