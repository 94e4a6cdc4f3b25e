"""No request gets into the books: every address of the back-office about them is tried with every writing method."""

import re
from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, reverse

from conversion.services import convert_due_hours
from ledger.days import close_days
from ledger.models import Account, JournalEntry, Posting
from ledger.seals import seal_journal
from ledger.verification_records import Mode, verify_and_record
from rewards.services import record_wins
from tests.factories import NOON, a_claim, a_game, a_player, hours
from tests.sql import run

pytestmark = pytest.mark.django_db
WRITING = ("post", "put", "patch", "delete")
# Of other apps what may never be written by a page: facts beside the money. (Games, keys and decisions have services.)
FACTS = {"rewards_win", "rewards_void", "rewards_allowance", "conversion_conversion", "conversion_voidedconversion"}
FACTS |= {"conversion_rate", "conversion_feerule", "conversion_runtransition", "conversion_conversionrun"}
# Deeds that are services of their own, refused without what they ask for: ask for something and decide about it, close
# a period; and try an hour again, which is done once.
DEEDS = ("/ask/", "/retry/", "/close/", "/approve/", "/refuse/", "/withdraw/")
BODY = {
    "_save": "Save",
    "post": "yes",
    "action": "delete_selected",
    "_selected_action": "1",
    "amount": "1",
    "debit": "dream:issued",
    "credit": "player:dream",
    "holder": "00000000-0000-7000-8000-000000000000",
    "kind": "win",
    "memo": "by hand",
    "_method": "DELETE",
    "until": "2026-11-10T00:00",
}


def books() -> dict[str, str]:
    """Every row of every table of the books and of the facts beside them, as one digest for each table."""
    tables = run("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    wanted = [name for (name,) in tables if name.startswith("ledger_") or name in FACTS]
    return {
        name: run(f"SELECT coalesce(md5(string_agg(row::text, '|' ORDER BY row::text)), '') FROM {name} row")[0][0]
        for name in wanted
    }


def addresses() -> Iterator[str]:
    """Every address of the lists about books and facts, with the key of a row that exists and of one that does not."""
    for model, page in admin.site._registry.items():
        if model._meta.app_label != "ledger" and model._meta.db_table not in FACTS:
            continue
        row = model._default_manager.first()
        for pattern in page.get_urls():
            assert isinstance(pattern, URLPattern)
            if not pattern.name:  # the redirect of old bookmarks
                continue
            names = re.findall(r"<(?:\w+:)?(\w+)>", str(pattern.pattern))
            for key in filter(None, (row and row.pk, "0198c000-0000-7000-8000-000000000000")):
                try:
                    yield reverse(f"admin:{pattern.name}", args=[key] * len(names))
                except NoReverseMatch:
                    continue


def test_no_writing_request_to_any_address_of_the_books_changes_a_row_of_them() -> None:
    player = a_player()
    record_wins(game_id=a_game().id, claims=[a_claim(player, "1.5")], now=NOON)
    convert_due_hours(now=NOON + hours(2))
    close_days()
    seal_journal()
    verify_and_record(Mode.FULL)
    client = Client()
    client.force_login(User.objects.create_superuser("boss", password="x"))
    before, tried, let_in = books(), 0, []
    for address in sorted(set(addresses())):
        for method in WRITING:
            answer = getattr(client, method)(address, BODY if method == "post" else None)
            tried += 1
            if answer.status_code < 400 and not address.endswith(DEEDS):
                let_in.append(f"{method} {address}: {answer.status_code}")
            assert answer.status_code < 500, address
    assert books() == before
    assert let_in == []
    assert tried > 200
    assert len(before) > 10


def test_control_a_row_that_is_added_is_seen() -> None:
    before = books()
    record_wins(game_id=a_game().id, claims=[a_claim(a_player(), "1")], now=NOON)
    after = books()
    assert {name for name in before if before[name] != after[name]} >= {
        JournalEntry._meta.db_table,
        Posting._meta.db_table,
        "ledger_balance",
        "rewards_win",
    }
    assert before[Account._meta.db_table] == after[Account._meta.db_table]
