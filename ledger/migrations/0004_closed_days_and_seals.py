import django.contrib.postgres.indexes
import django.db.models.deletion
from django.db import migrations, models

import dreamland.lib.fields


class Migration(migrations.Migration):
    dependencies = [("ledger", "0003_chart_of_accounts")]

    operations = [
        migrations.CreateModel(
            name="ClosedDay",
            fields=[
                ("day", models.DateField(primary_key=True, serialize=False)),
                ("fence", dreamland.lib.fields.Xid8Field()),
                ("closed_at", models.DateTimeField(null=True)),
                ("entries", models.BigIntegerField(null=True)),
            ],
            options={
                "ordering": ["-day"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("closed_at__isnull", True), ("entries__isnull", True)),
                            models.Q(("closed_at__isnull", False), ("entries__gte", 0)),
                            _connector="OR",
                        ),
                        name="closed_day_is_counted",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="DayTotal",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "day_id", "account_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "day",
                    models.ForeignKey(
                        db_column="day",
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="totals",
                        to="ledger.closedday",
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="ledger.account",
                    ),
                ),
                ("debits", dreamland.lib.fields.AmountField()),
                ("credits", dreamland.lib.fields.AmountField()),
            ],
        ),
        migrations.CreateModel(
            name="Seal",
            fields=[
                ("number", models.BigIntegerField(primary_key=True, serialize=False)),
                ("hash_version", models.SmallIntegerField()),
                ("starts", dreamland.lib.fields.Xid8Field()),
                ("ends", dreamland.lib.fields.Xid8Field()),
                ("entries", models.BigIntegerField()),
                ("digest", models.BinaryField(max_length=32)),
                (
                    "sealed_at",
                    models.DateTimeField(db_default=dreamland.lib.fields.ClockTimestamp(), editable=False),
                ),
            ],
            options={
                "ordering": ["-number"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("entries__gte", 1), ("number__gte", 1)), name="seal_holds_entries"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="VerificationRun",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=dreamland.lib.fields.Uuid7(), editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("mode", models.TextField(choices=[("full", "Full"), ("incremental", "Incremental")])),
                ("as_of", models.DateTimeField()),
                ("seconds", models.DecimalField(decimal_places=3, max_digits=12)),
                ("horizon", dreamland.lib.fields.Xid8Field()),
                ("is_clean", models.BooleanField()),
                ("findings", models.JSONField()),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("mode__in", ["full", "incremental"])), name="verification_mode_known"
                    )
                ],
            },
        ),
        migrations.AddIndex(
            model_name="journalentry",
            index=models.Index(fields=["transaction"], name="journal_entry_by_transaction"),
        ),
        migrations.AddIndex(
            model_name="journalentry",
            index=django.contrib.postgres.indexes.BrinIndex(
                autosummarize=True, fields=["posted_at"], name="journal_entry_by_time", pages_per_range=32
            ),
        ),
    ]
