from django.db import migrations


class Migration(migrations.Migration):
    """What people ask and decide about rates stands with all other requests."""

    dependencies = [("conversion", "0011_request_guards")]
    operations = [
        migrations.DeleteModel(name="RateDecision"),
        migrations.DeleteModel(name="RateProposal"),
    ]
