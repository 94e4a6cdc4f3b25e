from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    """A closed day has a count. The CHECK was unknown where it had none, and so took it."""

    dependencies = [("ledger", "0005_closed_day_and_seal_functions")]
    operations = [
        migrations.RemoveConstraint(model_name="closedday", name="closed_day_is_counted"),
        migrations.AddConstraint(
            model_name="closedday",
            constraint=models.CheckConstraint(
                condition=Q(closed_at__isnull=True, entries__isnull=True)
                | Q(closed_at__isnull=False, entries__isnull=False, entries__gte=0),
                name="closed_day_is_counted",
            ),
        ),
    ]
