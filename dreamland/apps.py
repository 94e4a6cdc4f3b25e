from django.apps import AppConfig


class DreamlandConfig(AppConfig):
    """The project itself: whatever uses Django has the Celery application too, by which tasks find their broker."""

    name = "dreamland"

    def ready(self) -> None:
        from dreamland import celery  # noqa: F401
