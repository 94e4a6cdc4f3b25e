from django.apps import AppConfig


class WorldConfig(AppConfig):
    """Above every other app: it publishes what they wrote, and none of them knows it."""

    name = "dreamland.world"
    label = "world"
    verbose_name = "Regions"

    # What the app's database role may do here (`manage.py app_role`): hours are closed by functions with the owner's
    # rights.
    privileges = {
        "world_hourfence": ["SELECT"],
        "world_hourclose": ["SELECT"],
        "world_beat": ["SELECT"],
        "world_playerreference": ["SELECT", "DELETE"],
        "world_activity": ["SELECT"],
        # Players are moved by an engineer's command, as the owner.
        "world_move": ["SELECT"],
        "world_transfer": ["SELECT"],
    }

    def ready(self) -> None:
        from dreamland.world import checks  # noqa: F401  (registers the checks of the settings and of `verify_books`)
