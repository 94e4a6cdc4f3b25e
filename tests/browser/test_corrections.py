"""A correction in a real browser: one asks and sees what it would do, another one looks at it again and says yes."""

from decimal import Decimal

import pytest
from django.urls import reverse

from ledger import book
from tests.browser.conftest import Desk
from tests.browser.world import days_of_play
from tests.people import a_person

pytestmark = pytest.mark.django_db


def test_a_correction_is_asked_for_and_approved_by_another(desk: Desk) -> None:
    player, *_ = days_of_play(2)
    before = book.balances([player])[player]["player:usd"]
    desk.sit_down(a_person("olga", "Finance operator"))
    page = desk.open(reverse("admin:rewards_player_change", args=[player]))
    desk.press("Ask for an adjustment")
    page.locator("select[name=debit_1]").select_option("usd:adjustments")
    page.locator("select[name=credit_1]").select_option("player:usd")
    page.locator("input[name=amount_1]").fill("2.50")
    page.locator("select[name=reason_code]").select_option("goodwill")
    page.locator("input[name=reference]").fill("ticket 4711")
    desk.press("Show what it would do")
    assert page.get_by_text("Balances before and after").is_visible()
    desk.picture("correction-preview")
    desk.press("Ask for it")
    assert page.get_by_text("Asked. Somebody else decides.").is_visible()
    assert page.locator("a.bo-button:has-text('Approve')").count() == 0
    desk.sit_down(a_person("anna", "Finance approver"))
    desk.open(reverse("admin:ledger_approvalrequest_waiting"))
    desk.picture("correction-waiting")
    page.locator("table.bo-table a.bo-link").first.click()
    page.wait_for_load_state("networkidle")
    desk.press("Approve")
    desk.picture("correction-approve")
    desk.press("Approve")
    assert page.get_by_text("An adjustment: approved.").is_visible()
    assert book.balances([player])[player]["player:usd"] - before == Decimal("2.5")
    assert desk.barriers() == []
