from django.apps import AppConfig


class TrailConfig(AppConfig):
    name = "dreamland.lib.trail"
    label = "trail"
    verbose_name = "Audit trail"
    default_auto_field = "django.db.models.BigAutoField"

    # What the app's database role may do here (`manage.py app_role`). Changes are written by triggers with the owner's
    # rights; a look is written by whoever shows personal data, and its clock is the database's.
    privileges = {
        "trail_change": ["SELECT"],
        "trail_look": ["SELECT", "INSERT (user_id, username, subject, what, reason, place, request_id)"],
    }
