"""Without a rate an hour waits, says why, and holds up nobody; what the provider said is kept for finance."""

import time
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings
from werkzeug import Response

from conversion.errors import RateAlreadyAccepted, RateNotFound
from conversion.models import RAW_MAX_LENGTH
from conversion.rates import ensure_terms
from conversion.services import convert_due_hours, convert_hour
from tests.approvals import asked
from tests.conversion.helpers import HOUR, OVER, RateApi, quoted, wallet, win
from tests.factories import a_player, players
from tests.sql import run

pytestmark = pytest.mark.django_db
LATER = OVER + timedelta(hours=1)


def facts() -> list[tuple[object, ...]]:
    return run("SELECT hour, state, reason, price FROM conversion_rate ORDER BY hour, fetched_at")


def slow(_: str) -> Response:
    time.sleep(0.6)
    return Response()


BAD_DAYS: list[tuple[str, Callable[[str], Response], bool]] = [
    ("timeout", slow, False),
    ("http-status", lambda _: Response(status=500), False),
    ("http-status", lambda _: Response(status=302, headers={"Location": "/elsewhere"}), False),
    ("too-large", lambda at: Response(quoted("0.15", at) + " " * 70_000), False),
    ("garbage", lambda _: Response("<html>\x00"), True),
    ("zero", lambda at: Response(quoted("0", at)), True),
    ("negative", lambda at: Response(quoted("-0.15", at)), True),
    ("not-a-number", lambda at: Response(quoted("NaN", at)), True),
    ("out-of-bounds", lambda at: Response(quoted("1e30", at)), True),
    ("too-many-decimals", lambda at: Response(quoted("0.1500000000000000001", at)), True),
    ("wrong-pair", lambda at: Response(quoted("6.67", at, base="USD", quote="DREAM")), True),
    ("stale", lambda _: Response(quoted("0.15", "2026-11-10T07:00:00Z")), True),
    ("future", lambda _: Response(quoted("0.15", "2026-11-10T23:00:00Z")), True),
]


@pytest.mark.parametrize(("code", "bad", "kept"), BAD_DAYS, ids=[f"{day[0]}-{n}" for n, day in enumerate(BAD_DAYS)])
def test_an_hour_without_a_rate_waits_while_others_go_on_and_is_converted_later_at_its_own(
    rate_api: RateApi, code: str, bad: Callable[[str], Response], kept: bool
) -> None:
    """Catches a silent fall-back to the last rate, and an outage that stops every hour after it."""
    ada, bob = players(2)
    win(ada), win(bob, at=OVER)
    rate_api.says(HOUR, bad)
    rate_api.says(OVER, "0.16")
    waiting, done = convert_due_hours(now=LATER).runs
    assert (waiting.state, waiting.reason, waiting.waits_for) == ("awaiting_rate", code, HOUR)
    assert done.state == "done"
    assert (wallet(ada), wallet(bob)[1]) == ((Decimal(1), Decimal(0)), Decimal("0.16"))
    assert [fact[:3] for fact in facts()] == [(HOUR, "refused", code)] * kept + [(OVER, "accepted", "")]
    rate_api.says(HOUR, "0.14")
    [converted] = convert_due_hours(now=LATER).runs
    assert (converted.hour, converted.state, converted.reason, converted.waits_for) == (HOUR, "done", "", None)
    assert wallet(ada)[1] == Decimal("0.14")


def test_the_same_nonsense_at_every_tick_is_kept_once(rate_api: RateApi) -> None:
    """Catches a table that grows by an answer for each hour that waits, every ten minutes."""
    win(a_player())
    for price in ["0", "0", "0.00", "-1", "0", "2000", "2000", "3000"]:
        rate_api.says(HOUR, price)
        convert_due_hours(now=OVER)
    assert [fact[2:] for fact in facts()] == [
        ("zero", None),
        ("negative", None),
        ("out-of-bounds", Decimal(2000)),
        ("out-of-bounds", Decimal(3000)),
    ]


def test_a_long_answer_is_kept_up_to_a_length(rate_api: RateApi) -> None:
    win(a_player())
    rate_api.says(HOUR, lambda _: Response("x" * 20_000))
    convert_due_hours(now=OVER)
    assert run("SELECT length(raw) FROM conversion_rate") == [(RAW_MAX_LENGTH,)]


def test_a_quarantined_hour_goes_on_by_itself_when_the_provider_thinks_better_of_it(rate_api: RateApi) -> None:
    ada = a_player()
    win(ada), win(ada, at=OVER)
    rate_api.says(HOUR, "0.15")
    rate_api.says(OVER, "15")
    convert_due_hours(now=LATER)
    rate_api.says(OVER, "0.151")
    assert convert_due_hours(now=LATER).runs[0].state == "done"
    [(rate_id,)] = run("SELECT id FROM conversion_rate WHERE state = 'quarantined'")
    with pytest.raises(RateAlreadyAccepted):
        asked("quarantined-rate", {"rate": str(rate_id)})
    with pytest.raises(RateNotFound):
        asked("quarantined-rate", {"rate": str(uuid4())})


def test_a_late_win_whose_hour_has_no_rate_holds_up_one_run_and_not_every_later_one(rate_api: RateApi) -> None:
    ada, bob = players(2)
    win(bob, at=OVER)
    rate_api.says(OVER, "0.15")
    convert_hour(hour=HOUR, now=OVER)  # empty: done without a rate
    win(ada, at=HOUR, late=timedelta(hours=1))
    third = LATER
    win(bob, at=third)
    rate_api.says(third, "0.16")
    waiting, done = convert_due_hours(now=third + timedelta(hours=1)).runs
    assert (waiting.hour, waiting.state, waiting.waits_for) == (OVER, "awaiting_rate", HOUR)
    assert waiting.conversions == 1
    assert (done.hour, done.state) == (third, "done")
    rate_api.says(HOUR, "0.14")
    assert convert_due_hours(now=third + timedelta(hours=1)).runs[0].conversions == 2
    assert wallet(ada) == (Decimal(0), Decimal("0.14"))


def test_empty_hours_ask_for_no_rate(rate_api: RateApi) -> None:
    win(a_player())
    rate_api.says(HOUR, "0.15")
    assert len(convert_due_hours(now=HOUR + timedelta(hours=4)).done) == 4
    assert rate_api.asked == [HOUR]


def test_hours_that_wait_cannot_starve_the_hour_that_just_ended(settings: Settings, rate_api: RateApi) -> None:
    """Catches "oldest first, so many at a time" when all of the oldest wait for ever; and that each gets its turn."""
    settings.CONVERSION_HOURS_PER_TICK, settings.CONVERSION_RETRIES_PER_TICK = 3, 2
    ada = a_player()
    hours = [HOUR + timedelta(hours=n) for n in range(4)]
    for hour in hours:
        win(ada, "0.5", at=hour)
    rate_api.says(hours[3], "0.15")
    now = hours[3] + timedelta(hours=1)
    assert [run.hour for run in convert_due_hours(now=now).runs] == hours[:3]
    assert [run.hour for run in convert_due_hours(now=now).runs] == [hours[0], hours[1], hours[3]]
    assert [run.hour for run in convert_due_hours(now=now).runs] == [hours[0], hours[2]]


def test_a_run_asks_for_a_limited_number_of_rates_and_its_own_first(settings: Settings, rate_api: RateApi) -> None:
    settings.CONVERSION_FETCHES_PER_RUN = 2
    hours = [HOUR + timedelta(hours=n) for n in range(4)]
    convert_hour(hour=HOUR, now=OVER)
    convert_due_hours(now=hours[3])
    ada = a_player()
    for hour in hours:
        rate_api.says(hour, "0.15")
        win(ada, "0.5", at=hour, late=hours[3] - hour)
    run = convert_hour(hour=hours[3], now=hours[3] + timedelta(hours=1))
    assert (run.state, run.reason, run.conversions) == ("awaiting_rate", "fetch-limit", 2)
    assert rate_api.asked == [hours[3], hours[2]]
    assert convert_hour(hour=hours[3], now=hours[3] + timedelta(hours=1)).conversions == 4


def test_the_network_is_asked_while_no_transaction_is_open_and_nothing_is_locked(rate_api: RateApi) -> None:
    """Catches a slow provider that holds players' rows."""
    win(a_player())
    seen: list[tuple[object, ...]] = []

    def look(at: str) -> Response:
        seen.extend(
            run(
                "SELECT state, xact_start FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
        )
        connection.close()  # this thread's own
        return Response(quoted("0.15", at))

    rate_api.says(HOUR, look)
    assert convert_hour(hour=HOUR, now=OVER).state == "done"
    assert seen == [("idle", None)]


def test_a_rate_is_not_asked_for_inside_a_transaction() -> None:
    with transaction.atomic(), pytest.raises(AssertionError, match="transaction"):
        ensure_terms([HOUR], now=timezone.now())


def test_an_hour_before_the_first_fee_rule_waits() -> None:
    long_ago = HOUR.replace(year=2019)
    terms, [missing] = ensure_terms([long_ago], now=OVER)
    assert (terms, missing.code) == ([], "no-fee-rule")
