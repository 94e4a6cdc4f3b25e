"""The back-office opens, shows, and lets nobody change what services alone may write."""

from uuid import UUID

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import models
from django.test import Client
from django.urls import reverse

from conversion.services import convert_due_hours
from rewards.services import record_wins
from tests.factories import NOON, a_claim, a_game, a_player, hours

pytestmark = pytest.mark.django_db
OURS = [model for model in apps.get_models() if model._meta.app_label in {"ledger", "rewards", "conversion"}]
SHOWN = [model for model in OURS if admin.site.is_registered(model)]


@pytest.fixture
def superuser() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("boss", password="x"))
    return client


@pytest.fixture
def player() -> UUID:
    """A player with a converted win, so that every list has a row."""
    player = a_player()
    record_wins(game_id=a_game().id, claims=[a_claim(player, "1.5")], now=NOON)
    convert_due_hours(now=NOON + hours(2))
    return player


def address(model: type[models.Model], page: str, *arguments: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=arguments)


@pytest.mark.parametrize("model", SHOWN, ids=lambda model: model._meta.label)
def test_every_list_and_page_opens_and_no_form_is_in_it(
    superuser: Client, player: UUID, model: type[models.Model]
) -> None:
    assert superuser.get(address(model, "changelist")).status_code == 200
    row = model._default_manager.first()
    if row is not None:
        page = superuser.get(address(model, "change", row.pk))
        assert page.status_code == 200
        assert b'name="_save"' not in page.content


@pytest.mark.parametrize("model", SHOWN, ids=lambda model: model._meta.label)
def test_even_a_superuser_adds_changes_and_deletes_nothing_of_ours(
    superuser: Client, player: UUID, model: type[models.Model]
) -> None:
    assert superuser.post(address(model, "add"), {}).status_code == 403
    row = model._default_manager.first()
    if row is not None:
        assert superuser.post(address(model, "change", row.pk), {}).status_code == 403
        assert superuser.post(address(model, "delete", row.pk), {"post": "yes"}).status_code == 403
        chosen = {"action": "delete_selected", "_selected_action": [str(row.pk)], "post": "yes"}
        superuser.post(address(model, "changelist"), chosen)
        assert model._default_manager.filter(pk=row.pk).exists()


def test_a_search_that_is_no_id_finds_nothing_and_breaks_nothing(superuser: Client, player: UUID) -> None:
    for model in SHOWN:
        for words in ("nonsense", "'; DROP TABLE x; --", "\x00", str(player)):
            assert superuser.get(address(model, "changelist"), {"q": words}).status_code in {200, 302}


def test_an_amount_is_shown_exactly_and_without_a_row_of_zeros(superuser: Client, player: UUID) -> None:
    page = superuser.get(reverse("admin:rewards_win_changelist")).content.decode()
    assert "1.50" in page
    assert "1.500000" not in page


def test_a_stranger_is_sent_to_the_login() -> None:
    for model in SHOWN:
        assert Client().get(address(model, "changelist")).status_code == 302
