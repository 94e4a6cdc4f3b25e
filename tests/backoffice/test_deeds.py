"""What people do by hand in the back-office: each deed is a service, asks for its right, and is harmless twice."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client, override_settings
from django.urls import reverse
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from conversion.models import ConversionRun
from conversion.services import convert_due_hours
from rewards.keys import create_game_key, verify_game_key
from rewards.models import Game, GameKey
from rewards.services import record_wins
from tests.factories import NOON, a_claim, a_game, a_player, hours

pytestmark = pytest.mark.django_db


def person(name: str, *permissions: str) -> Client:
    """Somebody of the staff with these rights and no others."""
    user = User.objects.create_user(name, password="x", is_staff=True)
    for permission in permissions:
        app, _, codename = permission.partition(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    client = Client()
    client.force_login(user)
    return client


def test_a_game_and_a_key_are_made_and_the_secret_is_shown_once() -> None:
    client = person("eve", "rewards.add_game", "rewards.add_gamekey", "rewards.view_game", "rewards.view_gamekey")
    made = client.post(reverse("admin:rewards_game_new"), {"slug": "go-duel", "name": "Go Duel", "over_cap": "reject"})
    assert made.status_code == 302
    game = Game.objects.get(slug="go-duel")
    page = reverse("admin:rewards_game_newkey", args=[game.pk])
    shown = client.post(page, {"scopes": ["wins:write"], "days": "30"})
    key = GameKey.objects.get()
    secret = next(word for word in shown.content.decode().split() if f"dl_test_{key.pk}_" in word)
    plaintext = secret[secret.index("dl_test_") :].split("<")[0]
    assert verify_game_key(plaintext).game_id == game.pk
    assert "no-store" in shown["Cache-Control"]
    assert plaintext not in client.get(reverse("admin:rewards_gamekey_change", args=[key.pk])).content.decode()


def test_a_third_live_key_is_refused_in_words() -> None:
    client, game = person("eve", "rewards.add_gamekey"), a_game()
    for _ in range(2):
        create_game_key(game_id=game.pk, scopes=["wins:write"])
    page = reverse("admin:rewards_game_newkey", args=[game.pk])
    assert "revoke one first" in client.post(page, {"scopes": ["wins:write"]}).content.decode()
    assert GameKey.objects.count() == 2


def test_a_key_is_rotated_and_revoked_and_twice_is_harmless() -> None:
    client = person("eve", "rewards.add_gamekey", "rewards.change_gamekey", "rewards.view_game")
    old = create_game_key(game_id=a_game().pk, scopes=["wins:write"])
    assert client.post(reverse("admin:rewards_gamekey_rotate", args=[old.key_id]), {"hours": "1"}).status_code == 200
    assert GameKey.objects.count() == 2
    again = client.post(reverse("admin:rewards_gamekey_rotate", args=[old.key_id]), {"hours": "1"})
    assert "two live keys" in again.content.decode() or "2 live keys" in again.content.decode()
    for _ in range(2):
        assert client.post(reverse("admin:rewards_gamekey_revoke", args=[old.key_id])).status_code == 302
    assert GameKey.objects.get(pk=old.key_id).revoked_at is not None


def test_an_hour_is_tried_again_by_the_service_and_done_once() -> None:
    record_wins(game_id=a_game().id, claims=[a_claim(a_player(), "1")], now=NOON)
    with override_settings(RATE_PROVIDERS=["http"], RATE_HTTP_URL="http://127.0.0.1:1/", RATE_HTTP_ATTEMPTS=1):
        convert_due_hours(now=NOON + hours(2))
    run = ConversionRun.objects.get(hour=NOON)
    assert run.state == "awaiting_rate"
    client = person("olga", "conversion.change_conversionrun", "conversion.view_conversionrun")
    page = reverse("admin:conversion_conversionrun_retry", args=[run.pk])
    assert b"Try it now" in client.get(page).content
    for _ in range(2):
        assert client.post(page).status_code == 302
    run.refresh_from_db()
    assert (run.state, run.conversions) == ("done", 1)


def test_a_task_of_the_schedule_is_switched_off_and_on() -> None:
    when = CrontabSchedule.objects.create(minute="0")
    task = PeriodicTask.objects.create(name="convert", task="conversion.convert_due_hours", crontab=when)
    client = person("eve", "django_celery_beat.change_periodictask", "django_celery_beat.view_periodictask")
    page = reverse("admin:django_celery_beat_periodictask_switch", args=[task.pk])
    for enabled in (False, True):
        assert client.post(page).status_code == 302
        task.refresh_from_db()
        assert task.enabled is enabled


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("rewards_game_new", ""),
        ("rewards_game_policy", "game"),
        ("rewards_game_newkey", "game"),
        ("rewards_gamekey_rotate", "key"),
        ("rewards_gamekey_revoke", "key"),
    ],
)
def test_who_may_only_look_does_nothing(name: str, of: str) -> None:
    game = a_game()
    key = create_game_key(game_id=game.pk, scopes=["wins:write"])
    keys: dict[str, list[Any]] = {"": [], "game": [game.pk], "key": [key.key_id]}
    arguments = keys[of]
    client = person("viola", "rewards.view_game", "rewards.view_gamekey")
    for method in ("get", "post"):
        assert getattr(client, method)(reverse(f"admin:{name}", args=arguments)).status_code == 403
    assert GameKey.objects.filter(revoked_at=None).count() == 1
