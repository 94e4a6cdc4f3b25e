"""Every list of the back-office costs the same however many rows there are: it counts nothing and skips nothing."""

import re
from typing import Any
from uuid import UUID

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from conversion.services import convert_due_hours
from dreamland.lib.admin import ListPage, list_address
from ledger.models import JournalEntry
from ledger.verification_records import Mode, verify_and_record
from rewards.keys import create_game_key
from rewards.models import Player, Win
from rewards.services import record_wins
from tests.factories import NOON, a_claim, a_game, a_player, hours, players

pytestmark = pytest.mark.django_db
OURS = {"ledger", "rewards", "conversion"}
LISTS = [model for model, page in admin.site._registry.items() if isinstance(page, ListPage)]
MOST_QUERIES = 9  # with the session, the person, and what completes the rows of a page


@pytest.fixture
def superuser() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("boss", password="x"))
    return client


def some_wins(count: int, *, at_hour: int = 0) -> list[UUID]:
    """Players who each won and were converted."""
    game = a_game()
    winners = players(count)
    when = NOON + hours(at_hour)
    record_wins(game_id=game.id, claims=[a_claim(player, "1.5", won_at=when) for player in winners], now=when)
    convert_due_hours(now=when + hours(2))
    return winners


def queries(client: Client, address: str) -> list[str]:
    """The statements of a page that opens."""
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(address).status_code == 200
    return [query["sql"] for query in captured.captured_queries]


def test_every_list_of_ours_is_read_by_its_key() -> None:
    shown = [model for model in admin.site._registry if model._meta.app_label in OURS]
    assert shown
    assert [model for model in shown if model not in LISTS] == []


@pytest.mark.parametrize("model", LISTS, ids=lambda model: model._meta.label)
def test_a_list_counts_nothing_and_skips_nothing(superuser: Client, model: type[models.Model]) -> None:
    some_wins(3)
    for statement in queries(superuser, reverse(list_address(model))):
        assert not re.search(r"\bCOUNT\s*\(|\bOFFSET\b", statement, re.IGNORECASE), statement


@pytest.mark.parametrize("model", LISTS, ids=lambda model: model._meta.label)
def test_a_list_takes_as_many_queries_for_a_full_page_as_for_a_row(
    superuser: Client, model: type[models.Model]
) -> None:
    some_wins(1)
    verify_and_record(Mode.FULL)
    address = reverse(list_address(model))
    few = queries(superuser, address)
    some_wins(55, at_hour=1)
    many = queries(superuser, address)
    assert len(many) == len(few)
    assert len(many) <= MOST_QUERIES, many


@pytest.mark.parametrize("model", LISTS, ids=lambda model: model._meta.label)
def test_the_order_of_a_list_is_one_of_unique_keys(model: type[models.Model]) -> None:
    """Or a page would repeat or lose a row."""
    page = admin.site._registry[model]
    assert isinstance(page, ListPage)
    keyset = [name.lstrip("-") for name in page.keyset]
    pk = model._meta.pk
    unique = {"pk", pk.name if pk else "", pk.attname if pk else ""}
    unique |= {field.name for field in model._meta.concrete_fields if field.unique}
    assert unique & set(keyset)


def walked(client: Client, address: str) -> list[Any]:
    """The keys of every row, page after page, and then back again."""
    forth: list[Any] = []
    back: list[Any] = []
    there = address
    while True:
        cl = client.get(there).context["cl"]
        forth.extend(row.pk for row in cl.result_list)
        if not cl.older:
            break
        there = address + cl.older
    while True:
        cl = client.get(there).context["cl"]
        back[:0] = [row.pk for row in cl.result_list]
        if not cl.newer:
            break
        there = address + cl.newer
    assert back == forth
    return forth


def test_pages_forth_and_back_show_every_row_once(superuser: Client) -> None:
    some_wins(120)
    found = walked(superuser, reverse("admin:rewards_win_changelist"))
    assert found == sorted(Win.objects.values_list("pk", flat=True), reverse=True)
    found = walked(superuser, reverse("admin:rewards_player_changelist"))
    assert len(found) == len(set(found)) == Player.objects.count()


def test_pages_of_a_time_show_every_entry_of_it_once(superuser: Client) -> None:
    some_wins(70)
    first = JournalEntry.objects.earliest("posted_at").posted_at
    address = reverse("admin:ledger_journalentry_changelist")
    within = {"posted_at_from_0": f"{first:%Y-%m-%d}", "posted_at_from_1": f"{first:%H:%M}"}
    seen: list[Any] = []
    there = address + "?" + "&".join(f"{name}={value}" for name, value in within.items())
    while there:
        cl = superuser.get(there).context["cl"]
        seen.extend(row.pk for row in cl.result_list)
        there = address + cl.older if cl.older else ""
    assert len(seen) == len(set(seen)) == JournalEntry.objects.count() == 140


def test_what_is_pending_is_listed_page_after_page(superuser: Client) -> None:
    game = a_game()
    record_wins(game_id=game.id, claims=[a_claim(player, "1") for player in players(60)], now=NOON)
    address = reverse("admin:rewards_win_changelist")
    cl = superuser.get(address, {"state": "pending"}).context["cl"]
    rest = superuser.get(address + cl.older).context["cl"]
    assert len(cl.result_list) + len(rest.result_list) == 60
    convert_due_hours(now=NOON + hours(2))
    assert not superuser.get(address, {"state": "pending"}).context["cl"].result_list


@pytest.mark.parametrize("cursor", ["nonsense", "[]", '["x"]', "[1, 2]", '{"a": 1}', "\x00", '[["x"]]', "null"])
def test_a_cursor_that_no_page_gave_out_leads_back_to_the_list(superuser: Client, cursor: str) -> None:
    a_player()
    answer = superuser.get(reverse("admin:rewards_player_changelist"), {"after": cursor})
    assert answer.status_code == 302


@pytest.mark.parametrize(("day", "time"), [("2026-99-01", "00:00"), ("x", ""), ("2026-01-01", "25:61")])
def test_a_time_that_is_none_leads_back_to_the_list(superuser: Client, day: str, time: str) -> None:
    asked = {"posted_at_from_0": day, "posted_at_from_1": time}
    assert superuser.get(reverse("admin:ledger_journalentry_changelist"), asked).status_code == 302


def test_a_whole_id_finds_its_rows_and_half_of_one_finds_none(superuser: Client) -> None:
    winner, *_ = some_wins(3)
    win = Win.objects.get(player=winner)
    listed = {
        "admin:rewards_win_changelist": [str(win.pk), str(winner), f"{winner} {win.reference}"],
        "admin:rewards_player_changelist": [str(winner), str(winner).upper()],
        "admin:ledger_journalentry_changelist": [str(win.pk)],
        "admin:ledger_posting_changelist": [str(win.pk)],
        "admin:conversion_conversion_changelist": [str(winner), str(win.converted_by_id)],
    }
    for name, searches in listed.items():
        for words in searches:
            assert len(superuser.get(reverse(name), {"q": words}).context["cl"].result_list) == 1, (name, words)
        assert not superuser.get(reverse(name), {"q": str(winner)[:8]}).context["cl"].result_list


def test_a_key_of_a_game_leads_to_the_wins_that_it_reported(superuser: Client) -> None:
    game, player = a_game(), a_player()
    issued = create_game_key(game_id=game.id, scopes=["wins:write"])
    record_wins(game_id=game.id, claims=[a_claim(player, "1")], now=NOON, key_id=issued.key_id)
    record_wins(game_id=game.id, claims=[a_claim(player, "1")], now=NOON)
    address = reverse("admin:rewards_win_changelist")
    assert len(superuser.get(address, {"key__id__exact": issued.key_id}).context["cl"].result_list) == 1


@pytest.mark.parametrize("page", ["", "change/", "history/", "delete/", "statement/"])
def test_a_key_that_no_database_can_hold_is_not_there(superuser: Client, page: str) -> None:
    for place in ("ledger/account", "conversion/providerhealth", "rewards/gamekey", "rewards/player"):
        answer = superuser.get(f"/admin/{place}/x%00y/{page}", follow=True)
        assert answer.status_code in {200, 403, 404}, place
