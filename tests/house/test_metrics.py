"""/metrics: what is counted, what is read from the books, for whom, and that it answers whatever is away."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.core.signals import request_finished
from django.db import connection
from django.test.utils import CaptureQueriesContext
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

import conversion.metrics
import ledger.metrics
import ledger.verification_records
import rewards.metrics
from conversion.services import convert_due_hours
from dreamland.lib import metrics
from ledger import book
from ledger.verification_records import Mode, verify_and_record
from rewards.keys import create_game_key
from rewards.models import Game, Scope
from rewards.services import record_wins
from tests.factories import NOON, a_claim, a_game, a_player, an_entry, hours, players, post
from tests.house.test_logs import a_body
from tests.house.test_logs import post as send
from tests.http import Api
from tests.sql import run, without_triggers

Samples = dict[tuple[str, tuple[str, ...]], object]


@pytest.fixture(autouse=True)
def read_anew() -> None:
    metrics.FIGURES.forget()


@pytest.fixture
def game() -> Game:
    return a_game()


@pytest.fixture
def key(game: Game) -> str:
    return create_game_key(game_id=game.id, scopes=Scope.values).plaintext


def scrape(**how: Any) -> Samples:
    answer = Api(**how).get("/metrics")
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"].startswith("text/plain")
    families = text_string_to_metric_families(answer.content.decode())
    return {
        (sample.name, tuple(sample.labels.values())): sample.value for family in families for sample in family.samples
    }


def risen(before: Samples, after: Samples, name: str, *labels: str) -> object:
    return float(str(after.get((name, labels), 0))) - float(str(before.get((name, labels), 0)))


@pytest.mark.django_db
def test_calls_are_counted_by_method_route_and_status_with_their_time(key: str) -> None:
    before = scrape()
    player = a_player()
    for _ in range(3):
        Api().get(f"/v1/players/{player}/stats", headers={"Authorization": f"Bearer {key}"})
    Api().get(f"/v1/players/{player}/stats")
    Api().get("/v1/secret-address")
    after = scrape()
    route = "v1/players/<uuid:player_id>/stats"
    assert risen(before, after, "dreamland_requests_total", "GET", route, "200") == 3
    assert risen(before, after, "dreamland_requests_total", "GET", route, "401") == 1
    assert risen(before, after, "dreamland_requests_total", "GET", "unmatched", "404") == 1
    assert risen(before, after, "dreamland_request_seconds_count", "GET", route) == 4
    assert "secret-address" not in str(after)
    assert str(player) not in str(after)


@pytest.mark.django_db
def test_wins_are_counted_by_what_became_of_them_and_cap_hits_by_game(game: Game, key: str) -> None:
    before = scrape()
    body, over = a_body(a_player()), a_body(a_player(), "5.1", "over")
    for wins in (body, body, over, {**body, "amount": "2"}):
        send("/v1/wins", wins, key)
    send("/v1/wins/batch", {"wins": [a_body(a_player(), reference="b"), body, over, {}]}, key)
    send("/v1/wins", body, "not a key")
    metrics.FIGURES.forget()
    after = scrape()
    counted = {
        labels: risen(before, after, "dreamland_wins_total", *labels)
        for name, labels in after
        if name == "dreamland_wins_total"
    }
    assert {labels: count for labels, count in counted.items() if count} == {
        ("", "recorded"): 2,
        ("", "replayed"): 2,
        ("daily-cap-exceeded", "refused"): 2,
        ("reference-reused", "refused"): 1,
        ("invalid", "refused"): 1,
    }
    assert risen(before, after, "dreamland_cap_hits_total", str(game.id)) == 2
    assert after["dreamland_game_info", ("chess", str(game.id))] == 1


def test_a_clipped_win_is_a_cap_hit_too() -> None:
    assert rewards.metrics._outcome(201, {"win": {"forfeited": "0.5"}}) == ("recorded", "", True)
    assert rewards.metrics._outcome(201, {"win": {"forfeited": "0"}}) == ("recorded", "", False)
    assert rewards.metrics._outcome(200, {"win": {"forfeited": "0.5"}}) == ("replayed", "", False)


def wins_of(player_ids: Iterable[UUID], game: Game, *, at: Any) -> None:
    record_wins(game_id=game.id, claims=[a_claim(player, "2", won_at=at) for player in player_ids], now=at)


@pytest.mark.django_db
def test_what_waits_and_what_was_converted_stands_in_the_figures(game: Game) -> None:
    now = run("SELECT clock_timestamp()")[0][0]
    wins_of(players(2), game, at=now - hours(5))
    figures = scrape()
    assert figures["dreamland_database_up", ()] == 1
    assert figures["dreamland_pending_wins", ()] == 2
    assert (
        figures["dreamland_unconverted_tokens", ()] == figures["dreamland_held_by_players", ("player:dream", "DREAM")]
    )
    assert figures["dreamland_unconverted_tokens", ()] == 4
    assert 5 * 3600 <= float(str(figures["dreamland_oldest_pending_win_seconds", ()])) < 5 * 3600 + 60
    assert figures["dreamland_conversion_hours_waiting", ()] in {5, 6}
    assert figures["dreamland_conversion_last_finished_seconds", ()] == -1

    convert_due_hours(now=now)
    metrics.FIGURES.forget()
    figures = scrape()
    assert figures["dreamland_pending_wins", ()] == 0
    assert figures["dreamland_oldest_pending_win_seconds", ()] == 0
    assert figures["dreamland_conversion_hours_waiting", ()] == 0
    assert figures["dreamland_conversion_runs", ("done",)] in {5, 6}
    assert 0 <= float(str(figures["dreamland_conversion_last_finished_seconds", ()])) < 60
    balance = book.trial_balance()
    assert figures["dreamland_held_by_players", ("player:usd", "USD")] == float(balance.balance("player:usd"))
    assert figures["dreamland_converted_usd", ()] == float(balance.balance("player:usd")) > 0
    assert figures["dreamland_fees_payable_usd", ()] == float(balance.balance("usd:fees-payable")) > 0


@pytest.mark.django_db
@pytest.mark.breaks_books  # the payment is posted by hand, past the service that settles fees
def test_what_we_paid_the_provider_is_no_longer_payable(game: Game) -> None:
    now = run("SELECT clock_timestamp()")[0][0]
    wins_of(players(2), game, at=now - hours(3))
    convert_due_hours(now=now)
    fees = book.trial_balance().balance("usd:fees-payable")
    post(an_entry(book.HOUSE, ("usd:fees-payable", "usd:cash", str(fees)), kind="payment"))
    figures = scrape()
    assert figures["dreamland_fees_payable_usd", ()] == 0 == book.trial_balance().balance("usd:fees-payable")
    assert figures["dreamland_conversion_fees_usd", ()] == float(fees)


@pytest.mark.django_db
@pytest.mark.breaks_books
def test_the_last_verification_of_each_kind_is_a_figure(game: Game) -> None:
    assert not any(name == "dreamland_verification_clean" for name, _ in scrape())
    wins_of(players(1), game, at=NOON)
    verify_and_record(Mode.FULL)
    with without_triggers("ledger_balance"):
        run("UPDATE ledger_balance SET amount = amount + 1")
    verify_and_record(Mode.FULL)
    metrics.FIGURES.forget()
    figures = scrape()
    assert figures["dreamland_verification_clean", ("full",)] == 0
    assert 0 <= float(str(figures["dreamland_verification_last_seconds", ("full",)])) < 60


@pytest.mark.django_db
def test_sound_books_have_no_imbalance(game: Game) -> None:
    wins_of(players(3), game, at=NOON)
    figures = scrape()
    assert figures["dreamland_wallets_imbalance", ()] == 0
    assert figures["dreamland_recent_postings_imbalance", ("DREAM",)] == 0
    assert figures["dreamland_recent_postings_imbalance", ("USD",)] == 0


@pytest.mark.django_db
@pytest.mark.breaks_books
@pytest.mark.parametrize(
    ("table", "falsification", "figure", "by"),
    [
        ("ledger_balance", "UPDATE ledger_balance SET amount = amount + 0.5", ("dreamland_wallets_imbalance", ()), 0.5),
        ("rewards_win", "UPDATE rewards_win SET amount = amount + 0.5", ("dreamland_wallets_imbalance", ()), -0.5),
        (
            "ledger_posting",
            "UPDATE ledger_posting SET debit_id = 'usd:cash'",
            ("dreamland_recent_postings_imbalance", ("USD",)),
            2,
        ),
    ],
)
def test_a_falsified_row_is_an_imbalance(
    game: Game, table: str, falsification: str, figure: tuple[str, tuple[str, ...]], by: object
) -> None:
    wins_of(players(1), game, at=NOON)
    with without_triggers(table):
        run(falsification)
    assert scrape()[figure] == by


@pytest.mark.django_db
def test_the_figures_cost_the_same_statements_however_much_there_is_and_are_read_once(game: Game) -> None:
    def counted() -> int:
        metrics.FIGURES.forget()
        with CaptureQueriesContext(connection) as queries:
            list(metrics.FIGURES.collect())
        with CaptureQueriesContext(connection) as again:
            list(metrics.FIGURES.collect())
        assert len(again) == 0
        return len(queries)

    little = counted()
    wins_of(players(40), game, at=NOON)
    assert counted() == little < 30


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        ledger.metrics.SHARES,
        ledger.metrics.RECENT_IMBALANCE,
        rewards.metrics.PENDING,
        ledger.metrics.BEHIND,
        ledger.verification_records.LATEST,
        conversion.metrics.RUNS,
        conversion.metrics.USD_IMBALANCE,
        conversion.metrics.PAID.replace("%s", f"'{book.HOUSE}'"),
    ],
)
def test_no_figure_needs_a_scan_of_what_grows_with_history(statement: str) -> None:
    """With scans forbidden the planner still takes one where no index serves, and so it shows."""
    run("SET enable_seqscan = off")
    plan = "\n".join(row[0] for row in run(f"EXPLAIN {statement}"))
    for table in ("ledger_posting", "ledger_journalentry", "rewards_win", "conversion_conversion "):
        assert f"Seq Scan on {table}" not in plan, plan


@pytest.mark.django_db
def test_a_database_that_is_away_leaves_the_figures_of_the_process() -> None:
    port = connection.settings_dict["PORT"]
    connection.close()
    connection.settings_dict["PORT"] = 1
    try:
        figures = scrape()
    finally:
        connection.close()
        connection.settings_dict["PORT"] = port
    assert figures["dreamland_database_up", ()] == 0
    assert ("process_cpu_seconds_total", ()) in figures
    assert any(name == "dreamland_requests_total" for name, _ in figures)
    assert not any(name == "dreamland_pending_wins" for name, _ in figures)


def a_slow_reading() -> Iterator[Metric]:
    run("SELECT pg_sleep(20)")
    yield metrics.gauge("never", "There is not time enough.", [((), 1)])


def a_writing_reading() -> Iterator[Metric]:
    run("INSERT INTO rewards_game (slug, name) VALUES ('x', 'x')")
    yield metrics.gauge("never", "A reading does not write.", [((), 1)])


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["a_slow_reading", "a_writing_reading"])
def test_a_reading_that_takes_too_long_or_writes_is_named_and_the_others_are_there(settings: Any, name: str) -> None:
    bad = f"{__name__}.{name}"
    settings.METRICS_STATEMENT_TIMEOUT_MS = 50
    settings.METRICS_READINGS = [bad, *settings.METRICS_READINGS]
    figures = scrape()
    assert figures["dreamland_database_up", ()] == 1
    assert figures["dreamland_reading_failed", (bad,)] == 1
    assert figures["dreamland_reading_failed", ("rewards.metrics.readings",)] == 0
    assert figures["dreamland_pending_wins", ()] == 0
    assert ("dreamland_never", ()) not in figures


@pytest.mark.django_db
def test_the_limit_of_a_figure_does_not_stay_with_the_connection(settings: Any) -> None:
    settings.METRICS_STATEMENT_TIMEOUT_MS = 77
    before = run("SHOW statement_timeout")
    scrape()
    assert run("SHOW statement_timeout") == before != [("77ms",)]


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1"])
def test_without_a_token_this_machine_may_read(address: str) -> None:
    assert Api(REMOTE_ADDR=address).get("/metrics").status_code == 200


@pytest.mark.parametrize(
    "how",
    [
        {"REMOTE_ADDR": "203.0.113.7"},
        {"REMOTE_ADDR": "10.0.0.1"},
        {"REMOTE_ADDR": ""},
        {"REMOTE_ADDR": "localhost"},
        {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"HTTP_FORWARDED": "for=127.0.0.1"},
        {"HTTP_X_REAL_IP": "127.0.0.1"},
        {"HTTP_VIA": "1.1 proxy"},
        {"REMOTE_ADDR": "203.0.113.7", "HTTP_AUTHORIZATION": "Bearer "},
    ],
)
def test_without_a_token_nobody_else_may_also_not_through_a_proxy_on_this_machine(how: dict[str, str]) -> None:
    answer = Api(**how).get("/metrics")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.django_db
def test_with_a_token_who_brings_it_may_read_from_anywhere(settings: Any) -> None:
    settings.METRICS_TOKEN = "tökén"
    answer = Api(REMOTE_ADDR="203.0.113.7").get("/metrics", headers={"Authorization": "bearer tökén"})
    assert answer.status_code == 200


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer ", "Bearer wrong", "Basic token", "token", "Bearer token "])
def test_with_a_token_nobody_may_without_it_also_not_this_machine(given: str, settings: Any) -> None:
    settings.METRICS_TOKEN = "token"
    answer = Api(REMOTE_ADDR="127.0.0.1").get("/metrics", headers={"Authorization": given})
    assert (answer.status_code, answer.json()["code"]) == (401, "not-authenticated")
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_metrics_are_read_and_nothing_else() -> None:
    assert Api().post("/metrics").status_code == 405


@pytest.mark.django_db
def test_calls_that_passed_uncounted_by_the_rate_limits_are_a_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    from dreamland.lib.api import limits

    before = scrape()
    limits.unavailable.note()
    after = scrape()
    assert risen(before, after, "dreamland_rate_limit_store_unavailable_total") == 1


@pytest.mark.django_db
def test_the_connection_of_a_scrape_goes_back_like_any_other(game: Game) -> None:
    wins_of(players(1), game, at=NOON - timedelta(minutes=5))
    scrape()
    request_finished.send(sender=None)
    assert not connection.in_atomic_block
