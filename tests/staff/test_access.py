"""Every address of the back-office, asked for by every kind of person, compared with one table (tests/staff/access.py)."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.db.models import UUIDField
from django.test import Client
from django.urls import NoReverseMatch, get_resolver, reverse
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from conversion.services import convert_due_hours
from dreamland.lib.trail.looks import Viewer, record_look
from dreamland.staff.granting import grant_roles
from dreamland.staff.models import SignIn
from dreamland.staff.records import record_sign_in
from dreamland.staff.roles import APPROVER, ASKS, DECIDES, ROLES, RUNS_IT
from rewards.keys import create_game_key
from rewards.models import Scope
from rewards.services import record_wins
from tests.approvals import asked
from tests.factories import NOON, a_claim, a_game, a_player, hours
from tests.people import a_person, place
from tests.staff.access import GROUPS, LEADS_ON, OPEN, PAGES, READ, WRITE, table

pytestmark = pytest.mark.django_db
PEOPLE = [*GROUPS, "G", "B"]


def names() -> Iterator[str]:
    """The names of all addresses of the back-office. Unnamed ones lead on to the page of the same row."""

    def walk(patterns: Any) -> Iterator[str]:
        for pattern in patterns:
            if hasattr(pattern, "url_patterns"):
                yield from walk(pattern.url_patterns)
            elif pattern.name is not None:
                yield pattern.name

    (site,) = [found for found in get_resolver().url_patterns if getattr(found, "app_name", "") == "admin"]
    yield from walk(site.url_patterns)  # type: ignore[union-attr]


def person_of(letter: str) -> User:
    if letter == "B":
        return a_person("boss", is_superuser=True)
    return a_person("somebody", *([GROUPS[letter]] if letter in GROUPS else []))


@pytest.fixture
def rows() -> None:
    """Something in most lists."""
    player, game = a_player(), a_game()
    create_game_key(game_id=game.id, scopes=Scope.values)
    record_wins(game_id=game.id, claims=[a_claim(player, "1.5")], now=NOON)
    convert_due_hours(now=NOON + hours(2))
    other = a_person("other")
    record_look(viewer=Viewer(other.pk, "page"), subject=player, what="profile", reason="ticket 12")
    record_sign_in(username="other", outcome=SignIn.Outcome.CODE_ACCEPTED, address="10.0.0.1", request_id="")
    every = IntervalSchedule.objects.create(every=5, period="minutes")
    asked("funding", {"amount": "1"})
    Group.objects.create(name="Our own")
    PeriodicTask.objects.create(name="something", task="conversion.convert_due_hours", interval=every)


ARGUMENTS = {"backoffice_export_new": ["ledger.account", "csv"], "ledger_approvalrequest_ask": ["adjustment"]}


def address_of(name: str) -> tuple[str, bool]:
    """An address of this name, and whether the row in it exists."""
    try:
        return reverse(f"admin:{name}", args=ARGUMENTS.get(name)), True
    except NoReverseMatch:
        model = max((model for model in {**READ, **WRITE} if name.startswith(f"{model}_")), key=len)
    rows = apps.get_model(*_label(model))._default_manager.order_by("-pk" if model == "auth_group" else "pk")
    row = rows.first()
    if row is None:
        is_uuid = isinstance(rows.model._meta.pk, UUIDField)
        return reverse(f"admin:{name}", args=[uuid4() if is_uuid else 999_999]), False
    return reverse(f"admin:{name}", args=[row.pk]), True


def _label(model: str) -> tuple[str, str]:
    label, _, name = model.rpartition("_")
    return label, name


def opened(answer: Any, exists: bool) -> bool:
    """Whether the page was shown, or something done: not refused, not sent to sign in. What does not exist is not
    found by those who may, and refused to the others.
    """
    if answer.status_code == 302:
        return not place(answer).startswith((reverse("admin:login"), reverse("admin:second_factor")))
    assert answer.status_code in {200, 403, 404}, answer.status_code
    return bool(answer.status_code == (200 if exists else 404))


def test_every_address_has_its_row_and_no_row_is_left_over() -> None:
    known = {name for _, name in table()} | OPEN | LEADS_ON
    assert set(names()) == known


@pytest.mark.parametrize("letter", PEOPLE)
def test_everybody_opens_what_the_table_says_and_nothing_else(rows: None, letter: str) -> None:
    client = Client()
    client.force_login(person_of(letter))
    wrong = []
    for (method, name), may in table().items():
        address, exists = address_of(name)
        if not exists and name.endswith("_history"):
            continue  # Django leads whoever asks back to the index
        answer = client.generic(method, address, content_type="application/x-www-form-urlencoded")
        if opened(answer, exists) != (letter in may):
            wrong.append(f"{method} {name}: {answer.status_code}, the table says {may or 'nobody'}")
    assert wrong == []


def test_strangers_get_the_sign_in_and_nothing_else(rows: None) -> None:
    for method, name in table():
        answer = Client().generic(method, address_of(name)[0], content_type="application/x-www-form-urlencoded")
        assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, reverse("admin:login")), name


def test_what_leads_on_shows_nothing_to_whoever_may_open_nothing(rows: None) -> None:
    client = Client()
    client.force_login(person_of("G"))
    for address in ("/admin/ledger/", "/admin/rewards/", "/admin/auth/", "/admin/nothing/"):
        assert client.get(address).status_code == 404
    sought = {"app_label": "rewards", "model_name": "win", "field_name": "game", "term": "c"}
    assert client.get(reverse("admin:autocomplete"), sought).status_code in {403, 404}
    found = client.get(reverse("admin:search"), {"s": "entr"}).content.decode()
    assert "journalentry" not in found


def test_the_index_links_to_nothing_that_is_refused(rows: None) -> None:
    import re

    for letter in ("G", "S", "E"):
        User.objects.filter(username="somebody").update(username=f"former-{uuid4()}")
        client = Client()
        client.force_login(person_of(letter))
        page = client.get(reverse("admin:index")).content.decode()
        for address in sorted(set(re.findall(r'href="(/admin/[^"#?]+)"', page))):
            assert client.get(address).status_code == 200, (letter, address)


def test_the_five_groups_have_exactly_what_the_code_declares() -> None:
    for name, permissions in ROLES.items():
        group = Group.objects.get(name=name)
        held = {f"{p.content_type.app_label}.{p.codename}" for p in group.permissions.select_related("content_type")}
        assert held == permissions


def test_migrate_again_mends_what_somebody_changed_in_a_group_and_leaves_other_groups_alone() -> None:
    viewer, own = Group.objects.get(name="Finance viewer"), Group.objects.create(name="Our own")
    extra = Permission.objects.get(codename="change_user")
    viewer.permissions.set([extra])
    own.permissions.set([extra])
    call_command("migrate", verbosity=0)
    assert extra not in viewer.permissions.all()
    assert viewer.permissions.count() == len(ROLES["Finance viewer"])
    assert list(own.permissions.all()) == [extra]
    assert grant_roles(apps) == {}


def test_granting_finds_permissions_that_django_has_not_made_yet() -> None:
    Permission.objects.all().delete()
    grant_roles(apps)
    test_the_five_groups_have_exactly_what_the_code_declares()


def test_a_permission_that_does_not_exist_fails_the_migration() -> None:
    with pytest.raises(AssertionError, match=r"ledger\.print_money"):
        grant_roles(apps, roles={"Finance viewer": frozenset({"ledger.print_money"})})


def test_no_group_may_change_people_rights_or_books() -> None:
    for name, permissions in ROLES.items():
        for permission in permissions:
            assert permission.split(".")[0] not in {"auth", "otp_totp", "otp_static", "admin", "sessions"}
            if not permission.split(".")[1].startswith("view_"):
                assert permission in ASKS | DECIDES | RUNS_IT, (name, permission)
            changes_books = permission.startswith("ledger.") and not permission.startswith("ledger.view_")
            assert not changes_books or name == APPROVER or permission.startswith("ledger.ask_"), (name, permission)


def test_who_asks_does_not_decide_and_engineers_and_support_do_neither() -> None:
    assert not ASKS & DECIDES
    may = {name: {"asks": bool(held & ASKS), "decides": bool(held & DECIDES)} for name, held in ROLES.items()}
    assert may == {
        "Finance viewer": {"asks": False, "decides": False},
        "Finance operator": {"asks": True, "decides": False},
        "Finance approver": {"asks": False, "decides": True},
        "Support": {"asks": False, "decides": False},
        "Engineer": {"asks": False, "decides": False},
    }


def test_engineers_see_no_money_and_support_sees_no_books() -> None:
    money = {f"ledger.view_{name}" for name in ("account", "journalentry", "posting", "closedday")}
    assert not {p for p in ROLES["Engineer"] if p in money or p.endswith(("_win", "_conversion", "_player"))}
    assert not {p for p in ROLES["Support"] if p.startswith("ledger.") or "rate" in p or "fee" in p}


def test_a_declared_group_is_not_edited_by_hand_and_another_one_is() -> None:
    client = Client()
    client.force_login(person_of("B"))
    own = Group.objects.create(name="Our own")
    for group, status in ((Group.objects.get(name="Support"), 403), (own, 302)):
        page = reverse("admin:auth_group_change", args=[group.pk])
        assert client.post(page, {"name": f"{group.name} more"}).status_code == status


def test_nobody_makes_himself_a_superuser() -> None:
    """Even who was given the permission to change people: rights are a superuser's to give."""
    person = a_person("ada")
    person.user_permissions.set(Permission.objects.filter(content_type__app_label="auth"))
    client = Client()
    client.force_login(person)
    page = reverse("admin:auth_user_change", args=[person.pk])
    assert client.get(page).status_code == 200
    assert client.post(page, {"username": "ada", "is_superuser": "on", "is_staff": "on"}).status_code == 403
    assert not User.objects.get(pk=person.pk).is_superuser
    password = reverse("admin:auth_user_password_change", args=[person_of("B").pk])
    given = {"password1": "a-long-new-password", "password2": "a-long-new-password", "usable_password": "true"}
    assert client.post(password, given).status_code == 403


def test_every_declared_page_is_in_the_table() -> None:
    assert set(PAGES) <= set(names())
