"""The second step: a device, codes for the day it is lost, and another person for the day both are."""

import re
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client, override_settings
from django.urls import get_resolver, reverse
from django.utils import timezone
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from dreamland.lib.trail.errors import ReasonMissing
from dreamland.lib.trail.models import Change
from dreamland.staff import factors
from dreamland.staff.errors import AlreadyEnrolled, CodeRefused, NotPermitted, ResetByOneself
from dreamland.staff.models import FactorReset, SignIn
from tests.factories import a_player
from tests.http import Api, problem_of
from tests.people import PASSWORD, a_person, change_session, code_of, place
from tests.sql import in_parallel, refusal

pytestmark = pytest.mark.django_db
VERIFY, ENROL = "admin:second_factor", "admin:second_factor_enrol"


def with_password(person: User, **extra: Any) -> Client:
    """A session that has given its password and nothing else."""
    client = Client(**extra)
    answer = client.post(reverse("admin:login"), {"username": person.username, "password": PASSWORD})
    assert answer.status_code == 302
    return client


def enrolled(person: User) -> tuple[str, tuple[str, ...]]:
    """A device for the person: its seed, and the recovery codes. Its first code was used a while ago."""
    seed = factors.new_seed()
    done = factors.enrol(user=person, seed=seed, code=code_of(seed))
    TOTPDevice.objects.update(last_t=-1)
    return seed, done.recovery_codes


def show(client: Client, code: str, **given: str) -> Any:
    return client.post(reverse(VERIFY), {"code": code, **given})


def test_without_a_device_everything_leads_to_the_set_up() -> None:
    client = with_password(a_person("ada", is_superuser=True))
    answer = client.get(reverse("admin:ledger_account_changelist"), follow=True)
    assert answer.redirect_chain[-1][0].startswith(reverse(ENROL))
    page = answer.content.decode()
    assert "<svg" in page
    assert "http://" not in re.sub(r'xmlns="http://www.w3.org/2000/svg"', "", page)
    assert answer["Cache-Control"].startswith("max-age=0, no-cache, no-store")
    assert answer["Referrer-Policy"] == "same-origin"  # with less browsers send no Origin, and the POST is refused


def test_the_set_up_shows_a_code_that_works_and_ten_recovery_codes_once() -> None:
    person = a_person("ada", is_superuser=True)
    client = with_password(person)
    page = client.get(reverse(ENROL)).content.decode()
    (secret,) = re.findall(r"select-all\"[^>]*>([A-Z2-7 ]+)<", page)
    seed = client.session["pending_seed"]
    assert factors.readable_seed(seed) == secret
    before = client.session.session_key
    answer = client.post(reverse(ENROL), {"code": code_of(seed), "next": reverse("admin:auth_user_changelist")})
    codes = re.findall(r"<li[^>]*>([a-z2-7]{4}(?:-[a-z2-7]{4}){3})</li>", answer.content.decode())
    assert len(set(codes)) == 10
    assert "pending_seed" not in client.session
    recorded = Change.objects.filter(table__startswith="otp_")
    assert set(recorded.values_list("table", "username")) == {
        ("otp_totp_totpdevice", "ada"),
        ("otp_static_staticdevice", "ada"),
        ("otp_static_statictoken", "ada"),
    }
    assert client.session.session_key != before
    assert client.get(reverse("admin:auth_user_changelist")).status_code == 200
    again = client.get(reverse(ENROL), follow=True).content.decode()
    assert not any(code in again for code in codes)
    assert last_outcomes(person)[0] == "enrolled"


def last_outcomes(person: User) -> list[str]:
    return list(SignIn.objects.filter(user=person).order_by("-id").values_list("outcome", flat=True))


@pytest.mark.parametrize(
    "code", ["", "000000", "12345", "abcdef", "1234567", "\u0661\u0662\u0663\u0664\u0665\u0666", "-12345", "1e5"]
)
def test_the_set_up_takes_no_wrong_code(code: str) -> None:
    client = with_password(a_person("ada"))
    client.get(reverse(ENROL))
    answer = client.post(reverse(ENROL), {"code": code})
    assert answer.status_code == 200
    assert not TOTPDevice.objects.exists()


def test_a_session_with_a_password_alone_reaches_no_page_of_the_back_office() -> None:
    """Every address below /admin/, of a superuser: nothing but the sign-in's own pages answers."""
    person = a_person("ada", is_superuser=True)
    enrolled(person)
    client = with_password(person)
    reached: set[str] = set()
    for address in addresses():
        for method in ("get", "post"):
            answer = getattr(client, method)(address)
            to_the_factor = answer.status_code == 302 and place(answer).startswith(reverse(VERIFY))
            to_the_login = answer.status_code == 302 and place(answer).startswith(reverse("admin:login"))
            if not to_the_factor and not to_the_login and answer.status_code not in (404, 405):
                reached.add(address)
            if "logout" in address:
                client = with_password(person)
    assert reached == {reverse("admin:login"), reverse(VERIFY)}


def addresses() -> list[str]:
    """One address for each pattern of the back-office."""
    found = []

    def walk(patterns: Any, before: str) -> None:
        for pattern in patterns:
            route = before + str(pattern.pattern)
            if hasattr(pattern, "url_patterns"):
                walk(pattern.url_patterns, route)
            else:
                found.append("/" + re.sub(r"<[^>]+>", "1", route))

    (admin_site,) = [found for found in get_resolver().url_patterns if getattr(found, "app_name", "") == "admin"]
    walk(admin_site.url_patterns, str(admin_site.pattern))  # type: ignore[union-attr]
    return [re.sub(r"\(\?P.*|\$$|\^", "", address) for address in found]


def test_the_code_of_the_device_opens_what_was_asked_for() -> None:
    person = a_person("ada", is_superuser=True)
    seed, _ = enrolled(person)
    client = with_password(person)
    before = client.session.session_key
    answer = show(client, code_of(seed), next="/admin/ledger/account/?q=x")
    assert (answer.status_code, place(answer)) == (302, "/admin/ledger/account/?q=x")
    assert client.get(place(answer)).status_code == 200
    assert client.session.session_key != before


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "\\\\evil", ""])
def test_nobody_is_sent_to_another_host(wanted: str) -> None:
    person = a_person("ada")
    seed, _ = enrolled(person)
    assert place(show(with_password(person), code_of(seed), next=wanted)) == reverse("admin:index")


def test_a_code_opens_once() -> None:
    person = a_person("ada")
    seed, _ = enrolled(person)
    code = code_of(seed)
    assert show(with_password(person), code).status_code == 302
    assert show(with_password(person), code).status_code == 200


def test_a_code_used_by_two_at_once_opens_for_one() -> None:
    person = a_person("ada")
    seed, (recovery, *_) = enrolled(person)
    for code in (code_of(seed), recovery):
        outcomes = in_parallel([lambda code=code: factors.show_factor(user=person, code=code)] * 6)  # type: ignore[misc]
        assert sum(isinstance(outcome, factors.Shown) for outcome in outcomes) == 1
        assert sum(isinstance(outcome, CodeRefused) for outcome in outcomes) == 5
        TOTPDevice.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)


def test_somebody_elses_code_opens_nothing() -> None:
    ada, bob = a_person("ada"), a_person("bob")
    enrolled(ada)
    seed, (recovery, *_) = enrolled(bob)
    for code in (code_of(seed), recovery):
        assert show(with_password(ada), code).status_code == 200
    assert StaticToken.objects.filter(device__user=bob).count() == 10


def test_somebody_elses_device_in_the_session_opens_nothing() -> None:
    ada, bob = a_person("ada"), a_person("bob")
    enrolled(ada)
    enrolled(bob)
    client = with_password(ada)
    change_session(client, otp_device_id=TOTPDevice.objects.get(user=bob).persistent_id)
    assert place(client.get(reverse("admin:index"))).startswith(reverse(VERIFY))


def test_after_a_wrong_code_even_the_right_one_waits() -> None:
    person = a_person("ada")
    seed, _ = enrolled(person)
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(4):
            assert show(with_password(person), "000000").status_code == 200
            clock.shift(0.1)
        refused = show(with_password(person), code_of(seed))
        assert "Too many wrong codes" in refused.content.decode()
        clock.shift(60)
        assert show(with_password(person), code_of(seed)).status_code == 302


def test_a_recovery_code_opens_once_in_any_spelling() -> None:
    person = a_person("ada")
    _, (first, second, *_) = enrolled(person)
    assert show(with_password(person), first.upper().replace("-", " ")).status_code == 302
    assert show(with_password(person), first).status_code == 200
    StaticToken.objects.first()
    StaticDevice.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)
    client = with_password(person)
    assert show(client, second).status_code == 302
    assert "8 are left" in client.get(reverse("admin:my_sign_in")).content.decode()
    assert last_outcomes(person)[0] == "recovery-code-used"


def test_no_recovery_code_stands_in_the_database() -> None:
    _, codes = enrolled(a_person("ada"))
    kept = set(StaticToken.objects.values_list("token", flat=True))
    assert len(kept) == 10
    assert not kept & {code.replace("-", "") for code in codes}


def test_what_stands_in_the_database_is_no_recovery_code() -> None:
    person = a_person("ada")
    enrolled(person)
    kept = StaticToken.objects.values_list("token", flat=True)[0]
    with pytest.raises(CodeRefused):
        factors.show_factor(user=person, code=kept)


def test_new_recovery_codes_make_the_old_ones_void() -> None:
    person = a_person("ada")
    _, (old, *_) = enrolled(person)
    client = Client()
    client.force_login(person)
    page = client.post(reverse("admin:second_factor_codes")).content.decode()
    (new, *_) = re.findall(r"<li[^>]*>([a-z2-7-]{19})</li>", page)
    with pytest.raises(CodeRefused):
        factors.show_factor(user=person, code=old)
    StaticDevice.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)
    assert factors.show_factor(user=person, code=new).codes_left == 9


def test_whoever_knows_the_password_alone_cannot_set_up_another_device() -> None:
    person = a_person("ada")
    enrolled(person)
    client = with_password(person)
    assert place(client.get(reverse(ENROL))).startswith(reverse(VERIFY))
    assert place(client.get(reverse("admin:second_factor_replace"))).startswith(reverse(VERIFY))
    seed = factors.new_seed()
    with pytest.raises(AlreadyEnrolled):
        factors.enrol(user=person, seed=seed, code=code_of(seed))


def test_two_who_set_up_at_once_make_one_device() -> None:
    person = a_person("ada")

    def attempt() -> object:
        seed = factors.new_seed()
        return factors.enrol(user=person, seed=seed, code=code_of(seed))

    outcomes = in_parallel([attempt] * 4)
    assert sum(isinstance(outcome, factors.Enrolled) for outcome in outcomes) == 1
    assert TOTPDevice.objects.filter(user=person).count() == 1


def test_another_device_takes_the_place_of_the_old_one_and_shuts_its_sessions() -> None:
    person = a_person("ada")
    old_seed, _ = enrolled(person)
    elsewhere, client = Client(), Client()
    elsewhere.force_login(person)
    client.force_login(person)
    page = reverse("admin:second_factor_replace")
    client.get(page)
    assert client.post(page, {"code": code_of(client.session["pending_seed"])}).status_code == 200
    assert client.get(reverse("admin:my_sign_in")).status_code == 200
    assert place(elsewhere.get(reverse("admin:my_sign_in"))).startswith(reverse(VERIFY))
    with pytest.raises(CodeRefused):
        factors.show_factor(user=person, code=code_of(old_seed))


def test_a_lost_device_is_reset_by_somebody_else_with_a_reason_and_for_ever_recorded() -> None:
    boss, person = a_person("boss", is_superuser=True), a_person("ada")
    enrolled(person)
    hers, client = Client(), Client()
    hers.force_login(person)
    client.force_login(boss)
    page = reverse("admin:auth_user_reset_second_factor", args=[person.pk])
    assert client.get(page).status_code == 200
    assert client.post(page, {"reason": ""}).status_code == 200
    assert TOTPDevice.objects.filter(user=person).exists()
    answer = client.post(page, {"reason": "lost it in a taxi, we spoke"}, headers={"X-Request-ID": "r-5"})
    assert answer.status_code == 302
    reset = FactorReset.objects.get()
    assert (reset.user, reset.by, reset.reason) == (person, boss, "lost it in a taxi, we spoke")
    change = Change.objects.get(table="otp_totp_totpdevice", operation="delete")
    assert (change.username, change.request_id) == ("boss", "r-5")
    assert place(hers.get(reverse("admin:my_sign_in"))).startswith(reverse(VERIFY))
    assert place(with_password(person).get(reverse(VERIFY))).startswith(reverse(ENROL))
    assert "no second factor" in client.post(page, {"reason": "again"}).content.decode()


def test_nobody_resets_the_own_factor_and_nobody_without_the_permission() -> None:
    boss, person = a_person("boss", is_superuser=True), a_person("ada", "Finance approver", "Engineer")
    enrolled(boss)
    enrolled(person)
    for by, user, error in ((boss, boss, ResetByOneself), (person, boss, NotPermitted)):
        with pytest.raises(error):
            factors.reset_factor(user=user, by=by, reason="because")
    with pytest.raises(ReasonMissing):
        factors.reset_factor(user=person, by=boss, reason=" ")
    for somebody, user in ((boss, boss), (person, boss)):
        client = Client()
        client.force_login(somebody)
        answer = client.post(reverse("admin:auth_user_reset_second_factor", args=[user.pk]), {"reason": "because"})
        assert answer.status_code == 403
    assert TOTPDevice.objects.count() == 2
    own = "INSERT INTO staff_factorreset (user_id, by_id, reason) VALUES (%s, %s, 'because')"
    assert refusal(own, [boss.pk, boss.pk]) == "factor_reset_by_another"


def test_the_command_resets_for_somebody_else_alone() -> None:
    boss, person = a_person("boss", is_superuser=True), a_person("ada")
    enrolled(person)
    for by in ("ada", "nobody"):
        with pytest.raises(CommandError):
            call_command("reset_second_factor", "ada", by=by, reason="lost")
    call_command("reset_second_factor", "ada", by="boss", reason="lost")
    assert FactorReset.objects.get().by == boss
    assert Change.objects.get(table="otp_totp_totpdevice", operation="delete").username == "boss"


def test_the_api_opens_to_a_session_that_has_shown_its_factor_and_to_no_other() -> None:
    person, player = a_person("ada", "Finance viewer"), a_player()
    address = f"/v1/players/{player}"
    seed, _ = enrolled(person)
    client = with_password(person)
    api = Api()
    api.cookies = client.cookies
    problem_of(api.get(address), 401, "not-authenticated")
    show(client, code_of(seed))
    api.cookies = client.cookies
    assert api.get(address).status_code == 200


def test_an_unsafe_setting_goes_without_and_says_so() -> None:
    person = a_person("ada", is_superuser=True)
    with override_settings(STAFF_SECOND_FACTOR=False):
        client = with_password(person)
        assert client.get(reverse("admin:index")).status_code == 200
        assert client.get(reverse("admin:auth_user_add")).status_code == 200
        assert "told to go without" in client.get(reverse("admin:my_sign_in")).content.decode()
    assert place(client.get(reverse("admin:index"))).startswith(reverse(VERIFY))


def test_devices_and_codes_have_no_page_of_their_own() -> None:
    client = Client()
    client.force_login(a_person("boss", is_superuser=True))
    device = TOTPDevice.objects.get()
    for address in ("otp_totp/totpdevice/", f"otp_totp/totpdevice/{device.pk}/change/", "otp_static/staticdevice/"):
        assert client.get(f"/admin/{address}").status_code == 404
    assert device.key not in client.get(reverse("admin:auth_user_change", args=[device.user_id])).content.decode()


def test_a_person_of_whom_nobody_knows_is_not_found() -> None:
    client = Client()
    client.force_login(a_person("boss", is_superuser=True))
    for identifier in (999_999, uuid4(), "x"):
        assert client.get(f"/admin/auth/user/{identifier}/reset-second-factor/").status_code == 404
