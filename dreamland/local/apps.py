from django.apps import AppConfig


class LocalConfig(AppConfig):
    """The embedded stack. It has no models; it is an app for its `up` command."""

    name = "dreamland.local"
    label = "local"
