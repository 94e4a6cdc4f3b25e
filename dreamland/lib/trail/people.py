"""Who does something at the shell: a person, by name."""

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError


def active_person(name: str | None) -> int:
    """The id of the active user of that name. Raises CommandError, exit code 2, where there is none."""
    person = get_user_model().objects.filter(username=name or "", is_active=True).first()
    if person is None:
        raise CommandError("--as names the user who does it", returncode=2)
    return int(person.pk)
