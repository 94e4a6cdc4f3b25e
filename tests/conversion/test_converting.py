"""The hourly conversion: every win once, at the rate of its own hour, however late, however often."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from conversion import chunks
from conversion.errors import HourNotOver, NotAnHour, PostConditionFailed
from conversion.services import convert_due_hours, convert_hour
from conversion.tasks import convert_due_hours_task
from ledger import book
from rewards.services import record_wins, register_player
from tests.approvals import rule_added, undo
from tests.conversion.helpers import HOUR, OVER, account, hours_from, lines, wallet, win
from tests.factories import a_claim, a_game, a_player, players
from tests.sql import APP, acting_as, run

pytestmark = pytest.mark.django_db


def test_the_wins_of_an_hour_become_dollars_and_the_fee_is_ours() -> None:
    """Catches a fee that is taken from the player, in either direction."""
    ada, bob = players(2)
    win(ada, "2"), win(ada, "3", at=HOUR + timedelta(minutes=59)), win(bob, "0.5")
    run = convert_hour(hour=HOUR, now=OVER)
    assert (run.state, run.conversions, run.tokens, run.usd) == ("done", 2, Decimal("5.5"), Decimal("0.825"))
    assert wallet(ada) == (Decimal(0), Decimal("0.75"))
    assert wallet(bob) == (Decimal(0), Decimal("0.075"))
    fees = Decimal("0.0085") + Decimal("0.00175")  # 1 % and a tenth of a cent, for each line
    assert run.fees == account("usd:conversion-fees") == account("usd:fees-payable") == fees
    assert account("usd:rewards-expense") == Decimal("0.825")


def test_a_second_time_changes_nothing() -> None:
    win(a_player())
    first = convert_hour(hour=HOUR, now=OVER)
    assert convert_hour(hour=HOUR, now=OVER) == first
    assert convert_due_hours(now=OVER).runs == ()
    assert len(lines()) == 1


def test_a_win_at_the_end_of_the_hour_belongs_to_the_next_one() -> None:
    ada = a_player()
    win(ada, "1", at=OVER)
    assert convert_hour(hour=HOUR, now=OVER).conversions == 0
    assert convert_hour(hour=OVER, now=OVER + timedelta(hours=1)).conversions == 1


def test_only_a_whole_hour_that_is_over_is_converted() -> None:
    with pytest.raises(HourNotOver):
        convert_hour(hour=HOUR, now=OVER - timedelta(microseconds=1))
    with pytest.raises(NotAnHour):
        convert_hour(hour=HOUR + timedelta(minutes=30), now=OVER + timedelta(hours=1))
    assert run("SELECT id FROM conversion_conversionrun") == []


def test_an_hour_may_be_named_in_any_offset() -> None:
    win(a_player())
    assert convert_hour(hour=datetime.fromisoformat("2026-11-10T15:00:00+05:00"), now=OVER).hour == HOUR


def test_a_gap_is_filled_oldest_first_and_empty_hours_are_closed() -> None:
    """Catches a tick that only knows the last hour: a worker that was away would leave wins behind."""
    ada = a_player()
    win(ada, at=HOUR), win(ada, at=HOUR + timedelta(hours=3))
    reports = convert_due_hours(now=HOUR + timedelta(hours=5, minutes=7))
    assert [(run.hour, run.conversions) for run in reports.runs] == list(
        zip(hours_from(HOUR, 5), [1, 0, 0, 1, 0], strict=True)
    )
    assert run("SELECT hour FROM conversion_rate ORDER BY hour") == [(HOUR,), (HOUR + timedelta(hours=3),)]


def test_a_tick_takes_a_limited_number_of_hours_and_the_next_one_goes_on(settings: Settings) -> None:
    settings.CONVERSION_HOURS_PER_TICK = 2
    win(a_player())
    now = HOUR + timedelta(hours=3)
    assert [[run.hour for run in convert_due_hours(now=now).runs] for _ in range(3)] == [
        [HOUR, OVER],
        [HOUR + timedelta(hours=2)],
        [],
    ]


def test_an_hour_is_left_to_settle(settings: Settings) -> None:
    settings.CONVERSION_SETTLE_DELAY = timedelta(minutes=2)
    win(a_player())
    assert convert_due_hours(now=OVER + timedelta(seconds=119)).runs == ()
    assert len(convert_due_hours(now=OVER + timedelta(seconds=120)).runs) == 1


def test_a_late_win_has_the_rate_of_its_own_hour(settings: Settings) -> None:
    """Catches a conversion at the rate of the run: games could hold wins back for a better one."""
    ada, bob = players(2)
    win(bob)
    convert_hour(hour=HOUR, now=OVER)
    settings.RATE_FIXED_PRICE = "0.20"
    win(ada, at=HOUR, late=timedelta(hours=1, minutes=10)), win(bob, at=OVER)
    run = convert_hour(hour=OVER, now=OVER + timedelta(hours=1))
    assert run.conversions == 2
    assert wallet(ada)[1] == Decimal("0.15")
    assert wallet(bob)[1] == Decimal("0.15") + Decimal("0.20")


def test_a_late_win_of_an_hour_that_never_had_a_rate_makes_it_be_asked_for() -> None:
    ada, bob = players(2)
    win(bob, at=OVER)
    convert_hour(hour=HOUR, now=OVER)  # empty: closed without a rate
    assert run("SELECT id FROM conversion_rate") == []
    win(ada, at=HOUR, late=timedelta(hours=1))
    convert_hour(hour=OVER, now=OVER + timedelta(hours=1))
    assert [(player, hour) for player, hour, *_ in lines()] == sorted([(ada, HOUR), (bob, OVER)])


def test_a_win_from_before_the_first_run_opens_the_hours_before_it() -> None:
    ada = a_player()
    win(ada, at=OVER)
    convert_due_hours(now=OVER + timedelta(hours=1))
    earlier = HOUR - timedelta(hours=2)
    win(ada, at=earlier, late=timedelta(hours=5))
    reports = convert_due_hours(now=OVER + timedelta(hours=1))
    assert [(run.hour, run.conversions) for run in reports.runs] == [
        (earlier, 1),
        (HOUR - timedelta(hours=1), 0),
        (HOUR, 0),
    ]


def test_a_midnight_inside_an_hour_splits_the_line_by_day() -> None:
    """Catches an hour that gives yesterday's dollars to today: in Nepal midnight is at 18:15 UTC."""
    ada = a_player("Asia/Kathmandu")
    hour = datetime(2026, 11, 10, 18, tzinfo=UTC)
    win(ada, "2", at=hour + timedelta(minutes=14)), win(ada, "3", at=hour + timedelta(minutes=15))
    convert_hour(hour=hour, now=hour + timedelta(hours=1))
    assert [line[1:5] for line in lines()] == [
        (hour, date(2026, 11, 10), Decimal(2), Decimal("0.3")),
        (hour, date(2026, 11, 11), Decimal(3), Decimal("0.45")),
    ]


def test_dust_stays_in_the_wallet_until_it_is_worth_something() -> None:
    """Catches tokens that are taken for nothing."""
    ada = a_player()
    win(ada, "0.00000003")  # 0.45 of a step
    assert convert_hour(hour=HOUR, now=OVER).state == "done"
    assert wallet(ada) == (Decimal("0.00000003"), Decimal(0))
    win(ada, "0.00000001", late=timedelta(hours=1))  # together 0.6
    convert_hour(hour=OVER, now=OVER + timedelta(hours=1))
    assert wallet(ada) == (Decimal(0), Decimal("0.00000001"))


def test_a_fee_that_rounds_to_nothing_has_no_posting() -> None:
    """Catches a posting of 0, which the books refuse: the whole chunk would be stuck."""
    rule_added(HOUR, percentage="0.01")
    win(a_player(), "0.0000001")
    converted = convert_hour(hour=HOUR, now=OVER)
    assert (converted.state, converted.conversions, converted.fees) == ("done", 1, Decimal(0))
    assert run("SELECT count(*) FROM ledger_posting WHERE debit_id = 'usd:conversion-fees'") == [(0,)]


def test_the_fee_rule_is_the_one_in_force_at_the_hour_of_the_win() -> None:
    ada, bob = players(2)
    convert_hour(hour=HOUR, now=OVER)
    rule_added(OVER, percentage="0", fixed="0.5")
    win(ada, at=HOUR, late=timedelta(hours=1)), win(bob, at=OVER)
    convert_hour(hour=OVER, now=OVER + timedelta(hours=1))
    assert {line[0]: line[5] for line in lines()} == {ada: Decimal("0.0025"), bob: Decimal("0.5")}


def test_chunks_meet_without_a_gap_and_without_an_overlap(settings: Settings) -> None:
    """Catches a player between two chunks who is never converted."""
    settings.CONVERSION_PLAYERS_PER_CHUNK = 2
    first = uuid4().int & ~7  # so that the next seven are neighbours
    for n in range(5):
        win(register_player(player_id=UUID(int=first + n), timezone="UTC").player.id)
    assert convert_hour(hour=HOUR, now=OVER).conversions == 5


class Crash(Exception):
    pass


def crash_after_chunks(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    convert_chunk = chunks.convert_chunk
    made: list[object] = []

    def crash(*args: object) -> None:
        if len(made) == count:
            raise Crash
        made.append(args)
        convert_chunk(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(chunks, "convert_chunk", crash)


def test_a_run_that_was_killed_between_chunks_is_completed_by_the_next(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CONVERSION_PLAYERS_PER_CHUNK = 2
    everybody = players(5)
    for player in everybody:
        win(player)
    with monkeypatch.context() as patch:
        crash_after_chunks(patch, 1)
        with pytest.raises(Crash):
            convert_due_hours(now=OVER)
    assert [wallet(player)[1] > 0 for player in everybody] == [True, True, False, False, False]
    assert run("SELECT state FROM conversion_conversionrun") == [("running",)]
    [completed] = convert_due_hours(now=OVER).runs
    assert (completed.state, completed.conversions, completed.tokens) == ("done", 5, Decimal(5))
    assert all(wallet(player) == (Decimal(0), Decimal("0.15")) for player in everybody)


def test_a_second_lot_of_an_hour_in_one_unfinished_run_waits_for_the_next_run(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches UNIQUE(run, player, hour, day) as an error that no retry ever gets over."""
    settings.CONVERSION_PLAYERS_PER_CHUNK = 1
    ada, bob = players(2)
    win(ada), win(bob)
    with monkeypatch.context() as patch:
        crash_after_chunks(patch, 1)
        with pytest.raises(Crash):
            convert_hour(hour=HOUR, now=OVER)
    win(ada, "2", at=HOUR + timedelta(minutes=30), late=timedelta(minutes=45))
    first = convert_hour(hour=HOUR, now=OVER)
    assert (first.state, first.tokens) == ("done", Decimal(2))
    assert wallet(ada) == (Decimal(2), Decimal("0.15"))
    second = convert_hour(hour=OVER, now=OVER + timedelta(hours=1))
    assert second.tokens == Decimal(2)
    assert wallet(ada) == (Decimal(0), Decimal("0.45"))
    assert [line[1] for line in lines()] == [HOUR] * 3


def test_a_player_whose_books_are_wrong_holds_up_nobody_else(settings: Settings) -> None:
    """Catches one drifted wallet that stops a thousand conversions, hour after hour."""
    everybody = players(7)
    for player in everybody:
        win(player)
    broken = everybody[3]
    mend = book.Entry(broken, "test", (book.Posting("player:dream", "dream:issued", Decimal("0.25")),))
    with transaction.atomic(durable=True):
        book.post([mend])
    run = convert_hour(hour=HOUR, now=OVER)
    assert (run.state, run.reason, run.conversions) == ("running", "books-refuse", 6)
    win(everybody[0], at=OVER)
    assert convert_hour(hour=OVER, now=OVER + timedelta(hours=1)).state == "done"
    undo(mend.id)
    assert convert_hour(hour=HOUR, now=OVER).state == "done"
    assert wallet(broken) == (Decimal(0), Decimal("0.15"))


def test_a_run_gives_up_when_the_books_refuse_everybody(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.CONVERSION_BROKEN_PLAYERS_PER_RUN = 3
    for player in players(8):
        win(player)
    monkeypatch.setattr(chunks, "OUTCOME", chunks.OUTCOME.replace("'player:usd'", "'usd:cash'"))
    with pytest.raises(PostConditionFailed):
        convert_hour(hour=HOUR, now=OVER)
    assert lines() == []


@pytest.mark.parametrize(
    ("statement", "old", "new", "said"),
    [
        ("MARK_WINS", "RETURNING", "AND win.amount > 1 RETURNING", "1 wins were marked of 2 that were claimed"),
        ("CLAIM", "sum(amount)", "sum(amount) / 2", "the marked wins hold 3"),
        # What is read back is falsified: each is really asked.
        ("OUTCOME", "credit_id = 'dream:redeemed'", "credit_id = 'dream:issued'", "posted [None, "),
        ("OUTCOME", "sum(fee) AS fee", "sum(fee) + 1 AS fee", "the lines hold "),
        ("OUTCOME", "<> pending.amount", "= pending.amount", "wallet 0, pending 0"),
    ],
)
def test_a_chunk_that_does_not_add_up_is_loud_and_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, statement: str, old: str, new: str, said: str
) -> None:
    ada = a_player()
    win(ada, "1"), win(ada, "2")
    changed = getattr(chunks, statement).replace(old, new, 1)
    assert changed != getattr(chunks, statement)
    with monkeypatch.context() as patch:
        patch.setattr(chunks, statement, changed)
        assert convert_hour(hour=HOUR, now=OVER).reason == "books-refuse"
    assert said in caplog.text
    assert wallet(ada) == (Decimal(3), Decimal(0))
    assert convert_hour(hour=HOUR, now=OVER).state == "done"


def statements_for(wins: dict[UUID, int], hour: datetime) -> int:
    game = a_game()
    for player, count in wins.items():
        claims = [a_claim(player, "0.001", won_at=hour) for _ in range(count)]
        record_wins(game_id=game.id, claims=claims, now=hour)
    with CaptureQueriesContext(connection) as queries:
        assert convert_hour(hour=hour, now=hour + timedelta(hours=1)).state == "done"
    return len(queries)


def test_a_chunk_takes_the_same_number_of_statements_for_one_win_and_for_five_hundred() -> None:
    """Catches a query for each win, each line or each player."""
    everybody = players(25)
    one = statements_for({everybody[0]: 1}, HOUR)
    many = statements_for(dict.fromkeys(everybody, 20), OVER)
    assert one == many
    assert one < 35


def test_the_beat_rings_for_a_task_that_exists(settings: Settings) -> None:
    """Catches a renamed task: the beat would ring for nobody, and no hour would ever be converted."""
    rung = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert convert_due_hours_task.name in rung


def test_the_tick_asks_the_clock_of_the_database() -> None:
    ada = a_player()
    [(now,)] = run("SELECT date_trunc('hour', clock_timestamp(), 'UTC')")
    assert isinstance(now, datetime)
    win(ada, at=now - timedelta(hours=1), late=timedelta(minutes=30))
    win(ada, at=now, late=timedelta(0))
    convert_due_hours_task()
    convert_due_hours_task()
    assert [line[1] for line in lines()] == [now - timedelta(hours=1)]


def test_the_app_role_is_enough_to_convert() -> None:
    """Catches a grant that is missing: the owner of the tables, who runs the other tests, may do anything."""
    ada = a_player()
    win(ada)
    with acting_as(APP):
        [(role,)] = run("SELECT current_user")
    run(f"SET ROLE {role}")
    try:
        assert convert_due_hours(now=OVER).runs[0].state == "done"
    finally:
        run("RESET ROLE")
    assert wallet(ada)[1] == Decimal("0.15")


def test_the_lines_of_a_run_are_looked_up_once_and_not_for_every_win() -> None:
    """Catches NOT EXISTS, which was planned as a loop over the whole run for each win: 7 s a chunk instead of 12 ms."""
    ada = a_player()
    wanted = {"run": ada, "hours": [HOUR], "players": [ada]}
    plan = "\n".join(line for (line,) in run(f"EXPLAIN {chunks.CLAIM}", wanted))
    assert "hashed SubPlan" in plan
