"""Staff for tests: signed in as the form and the second factor would sign them in."""

import time
from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import Group, User
from django.test import Client
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice

from dreamland.staff.sessions import SEEN_AT, SHOWN_AT, SIGNED_IN_AT

PASSWORD = "correct-horse-battery-staple"


def force_login_with_factor(original: Callable[..., None]) -> Callable[..., None]:
    """Django's `Client.force_login`, as after both steps of the sign-in: the session is young and has shown a device."""

    def force_login(client: Client, user: Any, backend: str | None = None) -> None:
        original(client, user, backend)
        device, _ = TOTPDevice.objects.get_or_create(user=user, defaults={"name": "tests"})
        now = int(time.time())
        change_session(
            client,
            **{DEVICE_ID_SESSION_KEY: device.persistent_id, SIGNED_IN_AT: now, SEEN_AT: now, SHOWN_AT: now},
        )

    return force_login


def signed_in(user: Any) -> Client:
    """A session of this person that has shown a second factor, also outside pytest."""
    client = Client()
    force_login_with_factor(Client.force_login)(client, user)
    return client


def change_session(client: Client, **values: object) -> None:
    """Writes into the client's session; None removes."""
    session = client.session
    for name, value in values.items():
        session.pop(name, None) if value is None else session.__setitem__(name, value)
    session.save()


def a_person(name: str, *groups: str, **fields: Any) -> User:
    """A member of staff in these groups."""
    person = User.objects.create_user(name, password=PASSWORD, is_staff=True, **fields)
    person.groups.set(Group.objects.filter(name__in=groups))
    assert person.groups.count() == len(groups)
    return person


def code_of(seed: str, *, steps: int = 0) -> str:
    """What the device of this seed shows now, or some steps later."""
    totp = TOTP(bytes.fromhex(seed))
    totp.time = time.time() + 30 * steps
    return f"{totp.token():06d}"


def place(answer: Any) -> str:
    """Where an answer leads to."""
    assert answer.status_code == 302, answer.content
    return str(answer["Location"])
