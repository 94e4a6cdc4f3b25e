"""Every page of the back-office in a real browser, at a desk and on a phone."""

import os
from pathlib import Path

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.urls import reverse

from dreamland.lib.admin import ListPage, list_address
from ledger import book
from ledger.verification_records import Mode, verify_and_record
from rewards.keys import create_game_key
from tests.approvals import UNDOING, approved, asked
from tests.browser.conftest import DESKTOP, PHONE, Desk
from tests.browser.world import a_win_now, days_of_play
from tests.factories import a_game, players

pytestmark = pytest.mark.django_db
WHERE = os.environ.get("LOOK_AT_PAGES", "")  # a folder: every page is written there as a picture


WIDTHS = {"desk": DESKTOP, "phone": PHONE}
PERSONAL = ("person", "export", "erase")


def addresses() -> dict[str, str]:
    """Every list, the page of its first row, and the reports."""
    found = {"overview": reverse("admin:index")}
    for model, page in admin.site._registry.items():
        if not isinstance(page, ListPage):
            continue
        name = f"{model._meta.app_label}-{model._meta.model_name}"
        found[name] = reverse(list_address(model))
        row = model._default_manager.order_by(*page.keyset).first()
        if row is not None:
            address = list_address(model).replace("changelist", "change")
            found[f"{name}-page"] = reverse(address, args=[row.pk])
    player = players(1)[0] if not found.get("rewards-player-page") else found["rewards-player-page"].split("/")[-3]
    found |= {
        "requests-kinds": reverse("admin:ledger_approvalrequest_kinds"),
        "requests-waiting": reverse("admin:ledger_approvalrequest_waiting"),
        **{
            f"ask-{kind.code}": reverse("admin:ledger_approvalrequest_ask", args=[kind.code])
            for kind in book.registered_kinds()
            if kind is not UNDOING  # another test's
        },
        "trial-balance": reverse("admin:ledger_account_trialbalance"),
        "statement-account": reverse("admin:ledger_account_statement", args=["player:usd"]),
        "statement-player": reverse("admin:rewards_player_statement", args=[player]),
        "player-find": reverse("admin:rewards_player_find"),
        **{f"player-{what}": reverse(f"admin:rewards_player_{what}", args=[player]) for what in PERSONAL},
        "empty-search": f"{reverse('admin:rewards_win_changelist')}?q=nonsense",
    }
    return found


def look(desk: Desk, name: str, address: str, width: str) -> list[str]:
    """What is wrong with a page at a desk or on a phone."""
    desk.open(address, WIDTHS[width])
    wrong = [] if desk.fits() else [f"{name} is wider than a {width}"]
    wrong += [f"{name} at a {width}: {barrier}" for barrier in desk.barriers()]
    if WHERE:
        Path(WHERE).mkdir(exist_ok=True)
        desk.page.screenshot(path=Path(WHERE) / f"{name}-{width}.png", full_page=width == "phone")
    return wrong


@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_fits_a_desk_and_a_phone_without_a_complaint(desk: Desk, width: str) -> None:
    people = days_of_play()
    a_win_now(people[0], a_game("chess-duel"), "0.75")
    create_game_key(game_id=a_game("chess-duel").id, scopes=["wins:write"])
    approved("funding", {"amount": "100"}, reference="wire 7")
    asked("funding", {"amount": "1000.00000001"}, reference="wire 8, with a long word of where it can be found")
    verify_and_record(Mode.FULL)
    desk.sit_down(User.objects.create_superuser("boss", password="x"))
    assert [wrong for name, address in addresses().items() for wrong in look(desk, name, address, width)] == []


def test_every_page_of_an_empty_dreamland_says_why_it_is_empty(desk: Desk) -> None:
    desk.sit_down(User.objects.create_superuser("boss", password="x"))
    desk.open(reverse("admin:index"))
    if WHERE:
        Path(WHERE).mkdir(exist_ok=True)
        desk.page.screenshot(path=Path(WHERE) / "empty-overview.png")
    for model, page in admin.site._registry.items():
        if isinstance(page, ListPage) and not model._default_manager.exists():
            shown = desk.open(reverse(list_address(model)))
            assert "create a new item" not in shown.content().lower()
            assert page.empty_text, model
            assert shown.get_by_text(page.empty_text).is_visible()
