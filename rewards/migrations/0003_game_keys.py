from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    """When a game key was last used; and what PostgreSQL itself refuses about game keys."""

    dependencies = [("rewards", "0002_guards")]
    operations = [
        migrations.AddField(
            model_name="gamekey",
            name="last_used_at",
            field=models.DateTimeField(blank=True, help_text="To the minute.", null=True),
        ),
        migrations.RunSQL((SQL / "game_key.sql").read_text(), (SQL / "game_key.reverse.sql").read_text()),
    ]
