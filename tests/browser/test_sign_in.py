"""Signing in with a real browser: it sends what Django's test client leaves out, above all where a form comes from."""

from base64 import b32decode

import pytest
from django.urls import reverse
from django_otp.plugins.otp_totp.models import TOTPDevice
from playwright.sync_api import Request

from tests.browser.conftest import DESKTOP, PHONE, Desk
from tests.people import PASSWORD, a_person, code_of

pytestmark = pytest.mark.django_db


def give_password(desk: Desk, name: str, size: tuple[int, int] = DESKTOP) -> None:
    """The first step, on the way to a page of the books."""
    page = desk.open(reverse("admin:ledger_account_changelist"), size)
    assert desk.barriers() == []
    page.locator("input[name=username]").fill(name)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("button[type=submit], input[type=submit]").first.click()
    page.wait_for_load_state("networkidle")


def give_code(desk: Desk, code: str) -> None:
    page = desk.page
    page.locator("input[name=code]").fill(code)
    page.locator("form:has(input[name=code]) button[type=submit]").click()
    page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desk", "phone"])
def test_the_first_sign_in_sets_up_a_second_factor_and_the_next_one_asks_for_it(
    desk: Desk, size: tuple[int, int]
) -> None:
    """Catches forms that browsers cannot send: with `Referrer-Policy: no-referrer` Chromium says `Origin: null`, which
    Django refuses, and every test with its own client stayed green."""
    person = a_person("olga", "Finance operator")
    origins: list[str | None] = []

    def heard(request: Request) -> None:
        if request.method == "POST":
            origins.append(request.header_value("origin"))

    desk.page.on("request", heard)
    give_password(desk, "olga", size)
    page = desk.page
    assert page.get_by_role("img", name="QR code").is_visible()
    assert (desk.fits(), desk.barriers()) == (True, [])
    page.locator("summary").click()
    seed = b32decode(page.locator("code").first.inner_text().replace(" ", "")).hex()
    give_code(desk, "000000")
    assert not TOTPDevice.objects.filter(user=person).exists()
    give_code(desk, code_of(seed))
    assert TOTPDevice.objects.filter(user=person, confirmed=True).count() == 1
    codes = page.locator("li").filter(has_text="-").all_inner_texts()
    assert len({code.strip() for code in codes if code.count("-") == 3}) == 10
    assert (desk.fits(), desk.barriers()) == (True, [])
    desk.open(reverse("admin:ledger_account_changelist"), size)
    assert page.locator("#result_list").is_visible()
    desk.context.clear_cookies()
    give_password(desk, "olga", size)
    assert page.get_by_role("img", name="QR code").count() == 0
    give_code(desk, code_of(seed, steps=1))
    assert page.url.endswith(reverse("admin:ledger_account_changelist"))
    assert origins
    assert set(origins) == {desk.address}
