"""How long a session opens anything, and what is asked for again."""

import time
from collections.abc import Sequence
from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from dreamland.staff.sessions import NEEDS_FRESH_FACTOR, SEEN_AT, SHOWN_AT, SIGNED_IN_AT
from tests.factories import a_player
from tests.http import Api
from tests.people import a_person, change_session, place

pytestmark = pytest.mark.django_db
LOGIN, VERIFY = "admin:login", "admin:second_factor"


def inside(client: Client) -> bool:
    answer = client.get(reverse("admin:my_sign_in"))
    if answer.status_code == 302:
        assert place(answer).startswith(reverse(LOGIN)), place(answer)
    return bool(answer.status_code == 200)


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(a_person("ada", "Finance viewer", is_superuser=True))
    return client


def test_a_session_ends_half_an_hour_after_the_last_click(client: Client) -> None:
    assert timedelta(minutes=30) == settings.STAFF_SESSION_IDLE
    with time_machine.travel(time.time() + 29 * 60, tick=False):
        assert inside(client)
    with time_machine.travel(time.time() + 58 * 60, tick=False):
        assert inside(client)
    with time_machine.travel(time.time() + 89 * 60, tick=False):
        assert not inside(client)


def test_a_session_ends_ten_hours_after_the_sign_in_however_busy(client: Client) -> None:
    now = time.time()
    for minutes in range(20, 10 * 60, 20):
        with time_machine.travel(now + minutes * 60, tick=False):
            assert inside(client)
    with time_machine.travel(now + 10 * 3600 + 60, tick=False):
        assert not inside(client)


def test_a_session_that_is_over_opens_no_api_either(client: Client) -> None:
    api, player = Api(), a_player()
    api.cookies = client.cookies
    assert api.get(f"/v1/players/{player}").status_code == 200
    with time_machine.travel(time.time() + 31 * 60, tick=False):
        assert api.get(f"/v1/players/{player}").status_code == 401


@pytest.mark.parametrize("name", [SIGNED_IN_AT, SEEN_AT])
def test_a_session_that_does_not_say_its_age_is_over(client: Client, name: str) -> None:
    change_session(client, **{name: None})
    assert not inside(client)


def test_a_session_is_written_at_most_once_a_minute_for_being_used(client: Client) -> None:
    def written() -> str:
        return Session.objects.get(pk=client.session.session_key).session_data

    before = written()
    assert inside(client)
    assert written() == before
    with time_machine.travel(time.time() + 61, tick=False):
        assert inside(client)
    assert written() != before


def test_signing_out_ends_the_session_for_whoever_has_its_cookie(client: Client) -> None:
    copy = Client()
    copy.cookies["dreamland_session"] = client.cookies["dreamland_session"].value
    assert client.get(reverse("admin:logout")).status_code == 405
    assert place(client.post(reverse("admin:logout"))) == reverse(LOGIN)
    assert not inside(copy)


def test_a_new_password_shuts_the_other_sessions(client: Client) -> None:
    from django.contrib.auth.models import User

    person = User.objects.get(username="ada")
    person.set_password("another-long-password")
    person.save()
    assert not inside(client)


def test_somebody_made_inactive_is_out_at_the_next_click(client: Client) -> None:
    from django.contrib.auth.models import User

    User.objects.update(is_active=False)
    assert not inside(client)


def test_rights_and_money_ask_for_the_factor_again_after_a_quarter_of_an_hour(client: Client) -> None:
    page = reverse("admin:auth_user_add")
    assert client.get(page).status_code == 200
    change_session(client, **{SHOWN_AT: int(time.time()) - 16 * 60})
    answer = client.get(f"{page}?x=1")
    assert place(answer) == f"{reverse(VERIFY)}?next=%2Fadmin%2Fauth%2Fuser%2Fadd%2F%3Fx%3D1"
    assert client.get(place(answer)).status_code == 200
    assert place(client.post(page, {"username": "eve"})).startswith(reverse(VERIFY))
    assert inside(client)


def test_every_page_that_asks_again_exists() -> None:
    for name in NEEDS_FRESH_FACTOR:
        assert any(_reverses(name, arguments) for arguments in ([], [1], [uuid4()])), name


def _reverses(name: str, arguments: Sequence[object]) -> bool:
    from django.urls import NoReverseMatch

    try:
        return bool(reverse(name, args=arguments))
    except NoReverseMatch:
        return False


def test_the_cookie_is_for_the_server_alone() -> None:
    from tests.house.test_settings import PRODUCTION, check

    assert settings.SESSION_COOKIE_HTTPONLY
    assert settings.CSRF_COOKIE_HTTPONLY
    assert settings.SESSION_COOKIE_SAMESITE == "Lax"
    assert settings.SESSION_EXPIRE_AT_BROWSER_CLOSE
    assert check("--deploy", "--fail-level", "WARNING", **PRODUCTION).returncode == 0


def test_the_back_office_alone_may_evaluate_and_nothing_loads_from_elsewhere(client: Client) -> None:
    inside = client.get(reverse("admin:index"))["Content-Security-Policy"]
    outside = Api().get("/v1/docs")["Content-Security-Policy"]
    assert "'unsafe-eval'" in inside
    assert "'unsafe-eval'" not in outside
    for policy in (inside, outside, client.get("/admin/nothing/")["Content-Security-Policy"]):
        scripts = policy.partition("script-src ")[2].partition(";")[0]
        assert "'unsafe-inline'" not in scripts
        assert "http" not in policy
        assert "frame-ancestors 'none'" in policy
