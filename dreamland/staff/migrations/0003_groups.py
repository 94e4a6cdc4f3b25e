from django.db import migrations

NAMES = ["Finance viewer", "Finance operator", "Finance approver", "Support", "Engineer"]


def make(apps, schema_editor):
    groups = apps.get_model("auth", "Group").objects.using(schema_editor.connection.alias)
    for name in NAMES:
        groups.get_or_create(name=name)


class Migration(migrations.Migration):
    """The five groups. What they may do is settled after every `migrate` (dreamland.staff.granting)."""

    dependencies = [("staff", "0002_guards")]
    operations = [migrations.RunPython(make, migrations.RunPython.noop)]
