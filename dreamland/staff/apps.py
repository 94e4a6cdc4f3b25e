from typing import Any

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.db.models.signals import post_migrate


class BackOfficeConfig(AdminConfig):
    """Django's admin, with our site: who is in it has shown a second factor."""

    default_site = "dreamland.staff.site.BackOffice"


class StaffConfig(AppConfig):
    name = "dreamland.staff"
    label = "staff"
    verbose_name = "People"
    default_auto_field = "django.db.models.BigAutoField"

    # What the app's database role may do here (`manage.py app_role`). What happened stays, but for what is past its
    # time, which a trigger tells (sql/records.sql).
    privileges = {
        "staff_signin": ["SELECT", "INSERT (user_id, username, outcome, address, request_id)", "DELETE"],
        "staff_signinattempts": ["SELECT", "INSERT", "UPDATE", "DELETE"],
        "staff_factorreset": ["SELECT", "INSERT (user_id, by_id, reason)"],
    }

    def ready(self) -> None:
        from dreamland.staff import checks  # noqa: F401  (registers the system checks)

        post_migrate.connect(_grant, sender=self, dispatch_uid="dreamland.staff.roles")


def _grant(*, apps: Any, using: str, **_: Any) -> None:
    from dreamland.staff.granting import grant_roles

    grant_roles(apps, using=using)
