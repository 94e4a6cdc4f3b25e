"""Shares that voids take back of a conversion, by raw SQL: each rule of their guard is needed, its lock too."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction

from conversion.services import convert_hour
from tests.conversion.helpers import HOUR, OVER, win
from tests.factories import a_player, an_entry, post
from tests.sql import in_parallel, refusal, replaced, run

pytestmark = [pytest.mark.django_db, pytest.mark.breaks_books]

RAW_SHARE = """
INSERT INTO conversion_voidedconversion
    (entry_id, conversion_id, win_id, player_id, hour, day, tokens, usd, owed, voided_at)
SELECT entry.id, {line}, win.entry_id, win.player_id, line.hour, line.day, win.amount, {usd}, 0, entry.posted_at
FROM rewards_win win JOIN conversion_conversion line ON line.entry_id = win.converted_by_id, ledger_journalentry entry
WHERE win.entry_id = %s AND entry.id = %s
"""


def raw_void(player: UUID) -> UUID:
    """A committed entry that a share may name."""
    entry = an_entry(player, ("dream:redeemed", "player:dream", "0.00000001"), kind="conversion-void")
    post(entry)
    return entry.id


def test_a_share_of_another_line_of_the_same_hour_and_day_is_refused() -> None:
    """Catches a share that is right in all but one thing: its win became something else by another run."""
    player = a_player()
    first = win(player, "2")
    convert_hour(hour=HOUR, now=OVER)
    late = win(player, "2", late=timedelta(hours=1))
    convert_hour(hour=OVER, now=OVER + timedelta(hours=1))
    lines = run("SELECT converted_by_id FROM rewards_win WHERE entry_id IN (%s, %s)", [first, late])
    assert len({line for (line,) in lines}) == 2
    other = f"(SELECT converted_by_id FROM rewards_win WHERE entry_id = '{first}')"
    entry = raw_void(player)
    assert refusal(RAW_SHARE.format(line=other, usd="0.3"), [late, entry]) == "voided_conversion_is_its_wins"
    run(RAW_SHARE.format(line="line.entry_id", usd="0.3"), [late, entry])


def two_shares_by_raw_sql(settings: Any) -> list[Any]:
    """Two wins that are worth half of the last digit each, taken back at once, each as if it were the first."""
    settings.RATE_FIXED_PRICE = "0.5"
    player = a_player()
    wins = [win(player, "0.00000003") for _ in range(2)]
    convert_hour(hour=HOUR, now=OVER)
    entries = [raw_void(player) for _ in range(2)]
    share = RAW_SHARE.format(line="line.entry_id", usd="0.00000002")

    def first() -> None:
        with transaction.atomic():
            run(share, [wins[0], entries[0]])
            run("SELECT pg_sleep(1.5)")

    def second() -> None:
        run("SELECT pg_sleep(0.5)")
        run(share, [wins[1], entries[1]])

    return in_parallel([first, second])


def test_two_shares_of_one_line_by_raw_sql_wait_for_each_other(settings: Any) -> None:
    first, second = two_shares_by_raw_sql(settings)
    assert first is None
    assert "are not what their tokens are worth at its rate" in str(second)


def test_control_without_the_lock_on_the_line_two_shares_pass_that_are_too_much_together(settings: Any) -> None:
    with replaced("voided_conversion_guard", "FOR NO KEY UPDATE", ""):
        assert two_shares_by_raw_sql(settings) == [None, None]
