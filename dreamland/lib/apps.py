from django.apps import AppConfig


class LibConfig(AppConfig):
    """The bottom layer: what every app may use and what knows none of them."""

    name = "dreamland.lib"
    label = "lib"
    verbose_name = "Dreamland library"

    def ready(self) -> None:
        from stamina.instrumentation import set_on_retry_hooks

        from dreamland.lib import checks  # noqa: F401  (registers the system checks)
        from dreamland.lib.arithmetic import keep_every_digit
        from dreamland.lib.races import tell_of_another_attempt
        from dreamland.lib.vault import checks as vault_checks  # noqa: F401

        keep_every_digit()
        set_on_retry_hooks([tell_of_another_attempt])
