"""The first step: a password, tried so often and no oftener, with an answer that tells nobody who works here."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from dreamland.staff.errors import TooManyAttempts
from dreamland.staff.models import SignIn, SignInAttempts
from dreamland.staff.records import forget_sign_ins
from dreamland.staff.tasks import forget
from dreamland.staff.throttle import count_attempt, forget_windows, give_back, network_of
from tests.factories import NOON, hours
from tests.people import PASSWORD, a_person, place
from tests.sql import APP, OWNER, acting_as, in_parallel, refusal, run, without_triggers


class CountingHasher(MD5PasswordHasher):
    """Counts how often a password was hashed: what takes the time."""

    algorithm = "counting"
    hashed = 0

    def encode(self, password: str, salt: str) -> str:
        CountingHasher.hashed += 1
        return super().encode(password, salt)


pytestmark = pytest.mark.django_db
LIMITS = [("address", 30, 900), ("account-and-address", 5, 900), ("account", 50, 3_600)]


def sign_in(client: Client, username: str, password: str = PASSWORD, **extra: Any) -> Any:
    return client.post(reverse("admin:login"), {"username": username, "password": password}, **extra)


def message_of(response: Any) -> list[str]:
    return [str(error) for error in response.context_data["form"].non_field_errors()]


def test_a_right_password_opens_the_second_factor_and_nothing_else() -> None:
    a_person("ada", "Finance viewer")
    client = Client()
    answer = sign_in(client, "ada")
    assert (answer.status_code, place(answer)) == (302, reverse("admin:index"))
    inside = client.get(place(answer))
    assert (inside.status_code, place(inside)) == (302, f"{reverse('admin:second_factor')}?next=%2Fadmin%2F")


def test_the_session_has_another_key_after_the_password_was_right() -> None:
    a_person("ada")
    client = Client()
    client.get(reverse("admin:login"))
    session = client.session
    session["left"] = "by somebody"
    session.save()
    before = str(session.session_key)
    client.cookies["dreamland_session"] = before
    sign_in(client, "ada")
    assert client.session.session_key != before
    assert not client.session.exists(before)


def test_nobody_learns_which_accounts_there_are() -> None:
    a_person("ada")
    a_person("gone", is_active=False)
    User.objects.create_user("player", password=PASSWORD)
    cases = [("ada", "wrong"), ("nobody", "wrong"), ("gone", PASSWORD), ("player", PASSWORD), ("gone", "wrong")]
    answers = [sign_in(Client(), *case, REMOTE_ADDR=f"10.0.0.{number}") for number, case in enumerate(cases)]
    assert {(answer.status_code, *message_of(answer)) for answer in answers} == {(200, *message_of(answers[0]))}


def test_a_throttled_account_that_does_not_exist_looks_like_one_that_does() -> None:
    a_person("ada")
    for name in ("ada", "nobody"):
        answers = [sign_in(Client(), name, "wrong") for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429]
        assert message_of(answers[-1])[0].startswith("Too many attempts.")
        assert 0 < int(answers[-1]["Retry-After"]) <= 900


def test_an_unknown_account_costs_the_same_statements_and_the_same_hash() -> None:
    a_person("ada")
    counts = []
    for name in ("ada", "nobody"):
        with CaptureQueriesContext(connection) as queries:
            sign_in(Client(), name, "wrong")
        counts.append([query["sql"].split()[0] for query in queries])
    assert counts[0] == counts[1]
    with override_settings(PASSWORD_HASHERS=["tests.staff.test_sign_in.CountingHasher"]):
        User.objects.filter(username="ada").update(password=CountingHasher().encode(PASSWORD, "salt"))
        CountingHasher.hashed = 0
        for number, name in enumerate(("ada", "nobody")):
            sign_in(Client(), name, "wrong", REMOTE_ADDR="10.9.9.9")
            assert CountingHasher.hashed == number + 1


def test_the_sixth_try_is_refused_even_with_the_right_password() -> None:
    a_person("ada")
    for _ in range(5):
        assert sign_in(Client(), "ada", "wrong").status_code == 200
    assert sign_in(Client(), "ada").status_code == 429


def test_a_name_in_other_letters_is_the_same_account() -> None:
    a_person("ada")
    for name in ("ada", "ADA", " ada", "Ada ", "\uff41\uff44\uff41"):
        sign_in(Client(), name, "wrong")
    assert sign_in(Client(), "ada").status_code == 429


def test_whoever_tries_from_elsewhere_does_not_shut_the_owner_out() -> None:
    a_person("ada")
    for _ in range(6):
        sign_in(Client(), "ada", "wrong", REMOTE_ADDR="10.6.6.6")
    assert sign_in(Client(), "ada", REMOTE_ADDR="10.1.1.1").status_code == 302


def test_one_address_tries_no_more_than_its_limit_over_all_accounts() -> None:
    for number in range(30):
        count_attempt(username=f"name-{number}", address="10.0.0.1", now=NOON)
    with pytest.raises(TooManyAttempts) as refused:
        count_attempt(username="another", address="10.0.0.1", now=NOON)
    assert refused.value.extra["kind"] == "address"
    count_attempt(username="another", address="10.0.0.2", now=NOON)


def test_what_an_address_is_refused_for_leaves_no_row_for_the_account() -> None:
    for number in range(30):
        count_attempt(username=f"name-{number}", address="10.0.0.1", now=NOON)
    before = SignInAttempts.objects.count()
    for number in range(20):
        with pytest.raises(TooManyAttempts):
            count_attempt(username=f"more-{number}", address="10.0.0.1", now=NOON)
    assert SignInAttempts.objects.count() == before


def test_an_account_is_tried_fifty_times_an_hour_from_however_many_addresses() -> None:
    for number in range(50):
        count_attempt(username="ada", address=f"10.0.{number}.1", now=NOON)
    with pytest.raises(TooManyAttempts) as refused:
        count_attempt(username="ada", address="10.1.0.1", now=NOON)
    assert (refused.value.extra["kind"], refused.value.extra["retry_after_seconds"]) == ("account", 3_600)


def test_the_addresses_of_one_ipv6_network_count_together() -> None:
    assert network_of("2001:db8:1:2:3:4:5:6") == network_of("2001:db8:1:2:ffff::1") == "2001:db8:1:2::/64"
    assert network_of("2001:db8:1:3::1") != network_of("2001:db8:1:2::1")
    assert network_of("::ffff:10.0.0.1") == "10.0.0.1" == network_of("10.0.0.1")
    assert network_of("fe80::1%eth0") == "fe80::/64"
    assert network_of("unknown") == "unknown"


def test_a_window_that_is_over_is_forgiven() -> None:
    for _ in range(5):
        count_attempt(username="ada", address="10.0.0.1", now=NOON)
    with pytest.raises(TooManyAttempts):
        count_attempt(username="ada", address="10.0.0.1", now=NOON + timedelta(seconds=899))
    count_attempt(username="ada", address="10.0.0.1", now=NOON + timedelta(seconds=900))
    assert forget_windows(before=NOON + hours(1)) == SignInAttempts.objects.count() + 5


def test_who_signs_in_often_is_not_shut_out() -> None:
    a_person("ada")
    for _ in range(8):
        assert sign_in(Client(), "ada").status_code == 302


def test_a_success_forgives_no_failure() -> None:
    """Else somebody with an account of his own could guess for ever."""
    for _ in range(4):
        count_attempt(username="ada", address="10.0.0.1", now=NOON)
    give_back(count_attempt(username="ada", address="10.0.0.1", now=NOON))
    count_attempt(username="ada", address="10.0.0.1", now=NOON)
    with pytest.raises(TooManyAttempts):
        count_attempt(username="ada", address="10.0.0.1", now=NOON)


def test_twenty_at_once_get_five_tries() -> None:
    def attempt() -> object:
        return count_attempt(username="ada", address="10.0.0.1", now=NOON)

    outcomes = in_parallel([attempt] * 20)
    assert sum(isinstance(outcome, TooManyAttempts) for outcome in outcomes) == 15
    assert sum(isinstance(outcome, Exception) for outcome in outcomes) == 15


def test_control_counting_first_and_writing_later_lets_more_through() -> None:
    """How it would come out if a try were looked up, and counted only after it failed."""
    import threading

    met = threading.Barrier(20)

    def attempt() -> bool:
        (tries,) = run("SELECT coalesce(sum(attempts), 0) FROM staff_signinattempts")[0]
        met.wait(20)
        if tries >= 5:
            return False
        count_attempt(username="ada", address="10.0.0.1", now=NOON)
        return True

    with override_settings(STAFF_SIGN_IN_LIMITS=[("account", 1_000, 900)]):
        assert sum(outcome is True for outcome in in_parallel([attempt] * 20)) == 20


def test_neither_names_nor_addresses_can_be_read_from_the_counts() -> None:
    count_attempt(username="ada", address="10.0.0.1", now=NOON)
    assert all(len(key) == 64 for key in SignInAttempts.objects.values_list("key", flat=True))


def test_the_record_of_a_refusal_does_not_keep_what_was_typed_for_a_name() -> None:
    a_person("ada")
    sign_in(Client(), "hunter2-my-password", "ada", headers={"X-Request-ID": "r-9"})
    sign_in(Client(), "ada", "wrong", REMOTE_ADDR="2001:db8::7")
    sign_in(Client(), "ada")
    rows = [(row.username, str(row.outcome), row.address) for row in SignIn.objects.order_by("id")]
    assert rows == [
        ("", "password-refused", "127.0.0.1"),
        ("ada", "password-refused", "2001:db8::7"),
        ("ada", "password-accepted", "127.0.0.1"),
    ]
    assert SignIn.objects.order_by("id")[0].request_id == "r-9"


def test_garbage_is_refused_like_any_wrong_password() -> None:
    for name, password in (("x" * 5_000, "y"), ("\ud7ff", "é" * 3_000), ("' OR 1=1 --", "x"), ("a\x00b", "x")):
        assert sign_in(Client(), name, password, REMOTE_ADDR="10.5.5.5").status_code == 200
    assert (
        Client().post(reverse("admin:login"), b"\xff\xfe", content_type="application/x-www-form-urlencoded").status_code
        == 200
    )
    assert not SignIn.objects.filter(outcome="password-accepted").exists()


def test_an_address_that_is_none_still_counts() -> None:
    assert sign_in(Client(), "ada", "wrong", REMOTE_ADDR="").status_code == 200
    assert SignIn.objects.get().address is None


@pytest.mark.parametrize("who", [OWNER, APP])
def test_a_record_is_kept_for_a_year_and_then_goes(who: str) -> None:
    a_person("ada")
    sign_in(Client(), "ada")
    assert refusal("DELETE FROM staff_signin", who=who) == "sign_in_is_kept_a_year"
    with without_triggers("staff_signin"):
        run("UPDATE staff_signin SET at = at - interval '366 days'")
    with acting_as(who):
        assert forget_sign_ins(before=timezone.now()) == 1


def test_the_sweep_is_harmless_to_repeat() -> None:
    count_attempt(username="ada", address="10.0.0.1", now=NOON - hours(48))
    Client().get(reverse("admin:login"))
    for _ in range(2):
        forget()
    assert not SignInAttempts.objects.filter(window_starts_at__lt=timezone.now() - timedelta(days=1)).exists()


@pytest.mark.parametrize("password", ["short", "12345678901234", "password1234", "ada-the-first1"])
def test_a_weak_password_is_refused(password: str) -> None:
    from django.contrib.auth.password_validation import validate_password
    from django.core.exceptions import ValidationError

    with pytest.raises(ValidationError):
        validate_password(password, user=User(username="ada-the-first"))


def test_the_limits_are_what_the_documentation_says() -> None:
    from django.conf import settings

    assert LIMITS == settings.STAFF_SIGN_IN_LIMITS
