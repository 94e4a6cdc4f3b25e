"""Figures for alarms: whether players hold exactly the USD that the facts gave them, and how the providers do."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from prometheus_client.core import Metric

from conversion import chunks
from conversion.metrics import USD_IMBALANCE, readings
from conversion.models import ConversionRun
from conversion.services import convert_due_hours
from conversion.voiding import Author, void_win
from ledger import book
from tests.approvals import undo
from tests.conversion.helpers import HOUR, OVER, RateApi, account, win
from tests.factories import a_player, an_entry, players, post
from tests.sql import run, without_triggers

pytestmark = pytest.mark.django_db


def imbalance() -> Any:
    """The figure before it becomes a float, to be compared with plain numbers."""
    return run(USD_IMBALANCE)[0][0]


def figures() -> dict[tuple[str, tuple[str, ...]], Any]:
    found: list[Metric] = list(readings())
    return {(each.name, tuple(each.labels.values())): each.value for family in found for each in family.samples}


def by_a_person(holder: UUID, *moves: tuple[str, str, str]) -> book.Receipt:
    """What finance posts by hand."""
    person, _ = User.objects.get_or_create(username="ada")
    entry = an_entry(holder, *moves, kind="correction")
    [receipt] = post(book.Entry(holder, entry.kind, entry.postings, posted_by=person.pk))
    return receipt


def test_players_hold_the_usd_of_the_facts_whatever_happened(
    settings: Any, monkeypatch: pytest.MonkeyPatch, rate_api: RateApi
) -> None:
    """Each step moves the wallets another way; none may raise the alarm, to the last digit."""
    for hour in range(4):
        rate_api.says(HOUR + timedelta(hours=hour), "0.123456785")
    assert imbalance() == 0
    spender, other = players(2)
    won = win(spender, "0.33333333")
    win(other, "2")
    convert_due_hours(now=OVER)
    assert (account("player:usd") > 0, imbalance()) == (True, 0)

    by_a_person(spender, ("player:usd", "usd:cash", "0.04"))
    assert imbalance() == 0
    void_win(win_id=won, reason="cheating", author=Author())
    assert (account("player:usd-owed") > 0, imbalance()) == (True, 0)

    win(spender, "1", at=OVER)
    convert_due_hours(now=OVER + timedelta(hours=1))  # pays what is owed
    assert account("player:usd-owed") == imbalance() == 0

    given = by_a_person(other, ("usd:adjustments", "player:usd", "5"))
    owing = by_a_person(other, ("player:usd-owed", "usd:adjustments", "3"))
    paid = by_a_person(other, ("player:usd", "player:usd-owed", "1"))
    assert imbalance() == 0
    for receipt in (paid, given):
        undo(receipt.entry_id)
        assert imbalance() == 0, receipt
    assert owing.entry_id

    settings.CONVERSION_PLAYERS_PER_CHUNK = 1
    for player in players(2):
        win(player, "1", at=OVER + timedelta(hours=1))
    convert, crossed = chunks.convert_chunk, []

    def crash_at_the_second(*args: Any) -> None:
        crossed.append(args)
        if len(crossed) == 2:
            raise RuntimeError("pulled the plug")
        convert(*args)

    with monkeypatch.context() as patch:
        patch.setattr(chunks, "convert_chunk", crash_at_the_second)
        with pytest.raises(RuntimeError):
            convert_due_hours(now=OVER + timedelta(hours=2))
    assert ConversionRun.objects.get(hour=OVER + timedelta(hours=1)).state == "running"
    assert imbalance() == 0
    convert_due_hours(now=OVER + timedelta(hours=2))
    assert imbalance() == 0
    assert figures()["dreamland_usd_imbalance", ()] == 0


@pytest.mark.breaks_books
def test_a_conversion_that_was_reversed_by_hand_is_accounted_for() -> None:
    win(a_player())
    convert_due_hours(now=OVER)
    [(entry,)] = run("SELECT entry_id FROM conversion_conversion")
    undo(entry)
    assert account("player:usd") == imbalance() == 0


@pytest.mark.breaks_books
@pytest.mark.parametrize(
    ("table", "falsification", "by"),
    [
        ("ledger_balance", "UPDATE ledger_balance SET amount = amount + 1e-8 WHERE account_id = 'player:usd'", "1e-8"),
        ("ledger_balance", "DELETE FROM ledger_balance WHERE account_id = 'player:usd'", "-0.3"),
        (
            "ledger_balance",
            "UPDATE ledger_balance SET amount = amount + 0.1 WHERE account_id = 'player:usd'",
            "0.1",
        ),
        ("conversion_conversionrun", "UPDATE conversion_conversionrun SET usd = usd - 0.01", "0.01"),
        ("conversion_voidedconversion", "DELETE FROM conversion_voidedconversion", "-0.15"),
    ],
)
def test_whatever_is_falsified_on_either_side_is_the_imbalance(table: str, falsification: str, by: str) -> None:
    player = a_player()
    won, _ = win(player, "1"), win(player, "2")
    convert_due_hours(now=OVER)
    void_win(win_id=won, reason="cheating", author=Author())
    assert imbalance() == 0
    with without_triggers(table):
        run(falsification)
    assert imbalance() == Decimal(by)
    assert float(figures()["dreamland_usd_imbalance", ()]) == float(by)


@pytest.mark.breaks_books
def test_usd_that_neither_a_conversion_nor_a_person_gave_are_an_imbalance() -> None:
    post(an_entry(a_player(), ("usd:adjustments", "player:usd", "7"), kind="gift"))
    assert imbalance() == 7


def test_a_provider_that_fails_and_one_that_answers_stand_in_the_figures(rate_api: RateApi) -> None:
    assert not any(name.startswith("dreamland_rate_provider") for name, _ in figures())
    win(a_player())
    convert_due_hours(now=OVER)  # it knows no such hour: 404
    found = figures()
    assert found["dreamland_rate_provider_failures", ("http",)] >= 1
    assert found["dreamland_rate_provider_last_success_seconds", ("http",)] == -1
    assert 0 <= found["dreamland_rate_provider_last_failure_seconds", ("http", "http-status")] < 60
    rate_api.says(HOUR, "0.15")
    convert_due_hours(now=OVER)
    found = figures()
    assert found["dreamland_rate_provider_failures", ("http",)] == 0
    assert 0 <= found["dreamland_rate_provider_last_success_seconds", ("http",)] < 60
    assert 0 <= found["dreamland_rate_provider_latency_seconds", ("http",)] < 60
