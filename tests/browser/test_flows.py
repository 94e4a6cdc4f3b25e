"""What finance does in a day, in a real browser: the month is closed, a rate is held back, a game looks suspicious.

The pictures of docs/back-office.md are made here: `DOCS_PICTURES=1 pytest tests/browser/test_flows.py`.
"""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission, User
from django.test import override_settings
from django.urls import reverse
from django.utils import timezone

from conversion.models import ConversionRun, Rate
from conversion.services import convert_due_hours, convert_hour
from ledger.models import PeriodClose
from ledger.verification_records import Mode, verify_and_record
from rewards.keys import create_game_key
from rewards.models import GameKey, Win
from rewards.services import Claim, record_wins
from tests.browser.conftest import PHONE, Desk
from tests.browser.world import days_of_play, this_hour
from tests.factories import a_game, players
from tests.people import a_person

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
VIEWS = ("ledger", "rewards", "conversion")


def staff(name: str, *more: str) -> User:
    """Somebody of finance, who sees everything of money and may do what is said."""
    user = User.objects.create_user(name, password="x", is_staff=True)
    for permission in Permission.objects.filter(content_type__app_label__in=VIEWS, codename__startswith="view_"):
        user.user_permissions.add(permission)
    for label in more:
        app, _, codename = label.partition(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return user


def test_the_month_is_closed_by_who_may_and_shown_to_who_may_look(desk: Desk) -> None:
    days_of_play()
    verify_and_record(Mode.FULL)
    month = this_hour().replace(day=1, hour=0)
    desk.sit_down(staff("viola"))
    page = desk.open(reverse("admin:index"))
    assert page.get_by_text("Do the books balance?").is_visible()
    desk.picture("overview")
    desk.open(reverse("admin:index"), PHONE)
    desk.picture("overview-phone", PHONE)
    desk.open(reverse("admin:ledger_account_trialbalance"))
    assert page.get_by_text("Debits equal credits.").is_visible()
    desk.picture("trial-balance")
    page.get_by_role("link", name="player:usd", exact=True).click()
    page.wait_for_load_state("networkidle")
    assert page.get_by_text("Closing balance").first.is_visible()
    desk.picture("statement")
    page.locator("table.bo-table a.bo-link").first.click()
    page.wait_for_load_state("networkidle")
    assert page.get_by_text("Behind this entry").is_visible()
    desk.picture("entry")
    closing = reverse("admin:ledger_periodclose_changelist")
    desk.open(closing)
    assert page.get_by_text("Close a period").count() == 0
    desk.sit_down(staff("anna", "ledger.add_periodclose"))
    desk.open(closing)
    desk.press("Close a period")
    page.locator("input[name=ends_at]").fill(f"{month:%Y-%m-%dT%H:%M}")
    desk.picture("close-period")
    desk.press("Close it")
    assert page.get_by_text("are final.").is_visible()
    assert PeriodClose.objects.get().ends_at == month


def test_a_rate_that_jumps_is_let_pass_by_two_people(desk: Desk) -> None:
    hour = this_hour() - 2 * HOUR
    game, [one, two] = a_game("chess-duel"), players(2)
    for player, at in ((one, hour), (two, hour + HOUR)):
        record_wins(game_id=game.id, claims=[Claim(player, f"m-{at:%H}", Decimal(1), at)], now=at + HOUR)
    convert_hour(hour=hour, now=hour + HOUR)
    with override_settings(RATE_FIXED_PRICE="0.60"):
        convert_due_hours(now=hour + 2 * HOUR)
    assert Rate.objects.filter(state="quarantined").exists()
    desk.sit_down(a_person("olga", "Finance operator"))
    page = desk.open(reverse("admin:index"))
    page.get_by_text("Rates held back").click()
    page.locator("#result_list th a, #result_list td a").first.click()
    page.wait_for_load_state("networkidle")
    desk.picture("rate-held-back")
    desk.press("Ask for a rate that was held back")
    page.locator("select[name=reason_code]").select_option("confirmed")
    page.locator("input[name=reference]").fill("The exchange, ticket 4711")
    desk.press("Show what it would do")
    assert page.get_by_text("What would change").is_visible()
    desk.press("Ask for it")
    assert page.get_by_text("Asked. Somebody else decides.").is_visible()
    assert page.locator("a.bo-button:has-text('Approve')").count() == 0
    anna = a_person("anna", "Finance approver")
    anna.user_permissions.add(Permission.objects.get(codename="change_conversionrun"))
    desk.sit_down(anna)
    desk.open(reverse("admin:index"))
    page.get_by_text("Requests to decide").click()
    page.locator("table.bo-table a.bo-link").first.click()
    page.wait_for_load_state("networkidle")
    desk.press("Approve")
    desk.picture("rate-decision")
    desk.press("Approve")
    assert page.get_by_text("A rate that was held back: approved.").is_visible()
    run = ConversionRun.objects.get(hour=hour + HOUR)
    desk.open(reverse("admin:conversion_conversionrun_change", args=[run.pk]))
    desk.press("Try again")
    desk.press("Try it now")
    assert page.get_by_text("Converted: 1 conversions.").is_visible()
    desk.picture("run")


def test_a_suspicious_game_is_seen_and_its_key_revoked(desk: Desk) -> None:
    now = timezone.now()
    chess, lucky = a_game("chess-duel"), a_game("lucky-wheel")
    keys = {game.slug: create_game_key(game_id=game.id, scopes=["wins:write"]).key_id for game in (chess, lucky)}
    for number, player in enumerate(players(12)):
        game, amount = (lucky, Decimal(5)) if number % 3 else (chess, Decimal("0.8"))
        claim = Claim(player, f"spin-{number}", amount, now)
        record_wins(game_id=game.id, claims=[claim], now=now, key_id=keys[game.slug])
    desk.sit_down(staff("eve", "rewards.change_gamekey"))
    page = desk.open(reverse("admin:index"))
    assert page.get_by_text("Cap hits by game").is_visible()
    page.get_by_text("Cap hits by game").scroll_into_view_if_needed()
    desk.open(reverse("admin:rewards_game_change", args=[lucky.pk]))
    page.get_by_role("link", name="Show", exact=True).click()
    page.wait_for_load_state("networkidle")
    assert page.locator("#result_list tbody tr.data-row").count() == 8
    desk.picture("game-wins")
    desk.open(reverse("admin:rewards_gamekey_change", args=[keys["lucky-wheel"]]))
    desk.press("Revoke")
    desk.picture("game-revoke")
    desk.press("Revoke it for good")
    assert page.get_by_text("opens nothing any more").is_visible()
    assert GameKey.objects.get(pk=keys["lucky-wheel"]).revoked_at is not None
    desk.sit_down(staff("viola"))
    desk.open(reverse("admin:rewards_gamekey_change", args=[keys["chess-duel"]]))
    assert page.get_by_text("Revoke", exact=True).count() == 0
    desk.sit_down(a_person("olga", "Finance operator"))
    desk.open(reverse("admin:rewards_game_change", args=[lucky.pk]))
    desk.press("Ask for a void of wins of")
    page.locator("select[name=reason_code]").select_option("cheating")
    page.locator("input[name=reference]").fill("ticket 4712")
    desk.press("Show what it would do")
    desk.picture("void-preview")
    desk.press("Ask for it")
    desk.sit_down(a_person("anna", "Finance approver"))
    desk.open(reverse("admin:ledger_approvalrequest_waiting"))
    page.locator("table.bo-table a.bo-link").first.click()
    page.wait_for_load_state("networkidle")
    desk.press("Approve")
    desk.press("Approve")
    assert page.get_by_text("A void of wins: approved.").is_visible()
    assert Win.objects.filter(key=keys["lucky-wheel"], voided_by=None).count() == 0
    assert Win.objects.filter(key=keys["chess-duel"], voided_by=None).count() == 4
