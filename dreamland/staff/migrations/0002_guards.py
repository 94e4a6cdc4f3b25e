from pathlib import Path

from django.conf import settings
from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    """What PostgreSQL refuses about the records, and the triggers that record changes of configuration and rights."""

    dependencies = [
        ("staff", "0001_sign_ins"),
        ("trail", "0002_guards"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("conversion", "0007_answering_guards"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
        ("ledger", "0005_closed_day_and_seal_functions"),
        ("otp_static", "0003_add_timestamps"),
        ("otp_totp", "0003_add_timestamps"),
        ("rewards", "0005_void_guards"),
    ]
    operations = [
        migrations.RunSQL((SQL / f"{name}.sql").read_text(), (SQL / f"{name}.reverse.sql").read_text())
        for name in ["records", "recorded_tables"]
    ]
