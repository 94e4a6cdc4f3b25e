from django.apps import AppConfig


class BackofficeConfig(AppConfig):
    name = "dreamland.backoffice"
    label = "backoffice"
    verbose_name = "Operations"

    # What the app's database role may do here (`manage.py app_role`).
    privileges = {
        "backoffice_export": ["SELECT", "INSERT", "UPDATE", "DELETE"],
        "backoffice_exportpart": ["SELECT", "INSERT", "DELETE"],
        "backoffice_taskfailure": ["SELECT", "INSERT", "DELETE"],
    }

    def ready(self) -> None:
        from dreamland.backoffice import failures  # noqa: F401  (hears of tasks that fail)
