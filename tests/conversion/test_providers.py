"""Several providers in a declared order, what is known of their health, and a rate API that can be told to fail."""

import json
import socket
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings
from werkzeug import Response

from conversion.oversight import rates
from conversion.quotes import NoQuote, Quote
from conversion.rate_server import FAULTS, RateServer
from conversion.selectors import provider_health
from conversion.services import convert_due_hours, convert_hour
from tests.conversion.helpers import HOUR, OVER, RateApi, quoted, wallet, win
from tests.factories import a_player
from tests.sql import APP, refusal, run

pytestmark = pytest.mark.django_db


class OwnProvider:
    """An adapter as somebody else would write one."""

    name = "own-desk"

    def fetch(self, hour: datetime) -> Quote:
        return Quote(self.name, "DREAM", "USD", Decimal("0.17"), hour, raw="by telephone")


class SilentProvider:
    name = "silent"

    def fetch(self, hour: datetime) -> Quote:
        raise NoQuote("timeout", unreachable=True)


HERE = "tests.conversion.test_providers"


def test_a_provider_is_any_class_that_keeps_the_contract_and_its_name_stands_on_the_rate(settings: Settings) -> None:
    settings.RATE_PROVIDERS = [f"{HERE}.OwnProvider"]
    ada = a_player()
    win(ada)
    assert convert_hour(hour=HOUR, now=OVER).state == "done"
    assert wallet(ada)[1] == Decimal("0.17")
    [rate] = rates(limit=5)
    assert (rate.provider, rate.failed_before) == ("own-desk", "")


def test_a_second_provider_is_asked_where_the_first_cannot_be_reached_and_the_rate_says_so(
    rate_api: RateApi, settings: Settings
) -> None:
    """Catches a silent fall-back: nobody would know that the price of the hour is not the provider's."""
    settings.RATE_PROVIDERS = [f"{HERE}.SilentProvider", "http", "fixed"]
    rate_api.says(HOUR, lambda _: Response(status=503))
    win(a_player())
    assert convert_hour(hour=HOUR, now=OVER).state == "done"
    [rate] = rates(limit=5)
    assert (rate.provider, rate.price, rate.failed_before) == (
        "fixed",
        Decimal("0.15"),
        "silent timeout, http http-status",
    )


@pytest.mark.parametrize(
    "answer",
    [
        lambda at: Response(quoted("0", at)),
        lambda at: Response(quoted("0.14", at, base="BTC")),
        lambda _: Response("<html>"),
        lambda _: Response(status=404),
        lambda _: Response(status=302, headers={"Location": "/elsewhere"}),
        lambda at: Response(quoted("0.14", at) + " " * 70_000),
    ],
)
def test_a_provider_that_answers_and_is_refused_is_not_replaced_by_another_one(
    rate_api: RateApi, settings: Settings, answer: object
) -> None:
    """Catches a wrong price of the first provider that nobody ever hears of, because the second one has one too."""
    settings.RATE_PROVIDERS = ["http", "fixed"]
    rate_api.says(HOUR, answer)  # type: ignore[arg-type]
    win(a_player())
    assert convert_hour(hour=HOUR, now=OVER).state == "awaiting_rate"
    assert not [rate for rate in rates(limit=5) if rate.state == "accepted"]


def test_a_jump_is_not_replaced_either(rate_api: RateApi, settings: Settings) -> None:
    settings.RATE_PROVIDERS = ["http", "fixed"]
    ada = a_player()
    win(ada), win(ada, at=OVER)
    rate_api.says(HOUR, "0.15")
    rate_api.says(OVER, "9")
    assert [each.state for each in convert_due_hours(now=OVER + timedelta(hours=1)).runs] == [
        "done",
        "rate_quarantined",
    ]


def test_the_health_of_each_provider_is_counted_and_dated(rate_api: RateApi, settings: Settings) -> None:
    settings.RATE_PROVIDERS = ["http", "fixed"]
    win(a_player()), win(a_player(), at=OVER)
    settings.RATE_PROVIDERS = ["http"]
    rate_api.says(HOUR, lambda _: Response(status=500))
    for _ in range(2):
        convert_hour(hour=HOUR, now=OVER)
    [failing] = provider_health()
    assert (failing.provider, failing.consecutive_failures, failing.last_failure_code) == ("http", 2, "http-status")
    assert (failing.last_success_at, failing.latency_ms >= 0) == (None, True)
    rate_api.says(HOUR, "0.15")
    convert_hour(hour=HOUR, now=OVER)
    [healthy] = provider_health()
    assert (healthy.consecutive_failures, healthy.last_failure_code) == (0, "http-status")
    assert healthy.last_failure_at is not None
    assert healthy.last_success_at is not None
    assert healthy.last_success_at > healthy.last_failure_at


def test_a_refused_answer_is_a_failure_and_a_quarantined_one_is_not(rate_api: RateApi) -> None:
    win(a_player()), win(a_player(), at=OVER)
    rate_api.says(HOUR, "0")
    convert_hour(hour=HOUR, now=OVER)
    assert provider_health()[0].last_failure_code == "zero"
    rate_api.says(HOUR, "0.15")
    rate_api.says(OVER, "9")
    convert_due_hours(now=OVER + timedelta(hours=1))
    assert provider_health()[0].consecutive_failures == 0


def test_health_is_noted_by_the_app_role_and_cannot_be_nonsense() -> None:
    broken = "INSERT INTO conversion_providerhealth (provider, consecutive_failures, latency_ms) VALUES ('x', -1, 0)"
    assert refusal(broken, who=APP) == "provider_health_counts"
    forged = (
        "INSERT INTO conversion_rate (hour, price, provider, quoted_at, state, failed_before)"
        " VALUES (%s, 1, 't', now(), 'accepted', %s)"
    )
    for text in ("anything goes!", "x" * 100, "http", "http timeout;"):
        assert refusal(forged, [HOUR, text]) == "rate_failed_before_form"


@pytest.fixture
def server(settings: Settings) -> Iterator[RateServer]:
    """The rate server, healthy, with the http provider asking it, impatiently."""
    with RateServer(slow_seconds=1) as running:
        settings.RATE_PROVIDERS = ["http"]
        settings.RATE_HTTP_URL = running.url
        settings.RATE_HTTP_TOKEN = "a-token"
        settings.RATE_HTTP_WAIT_SECONDS = settings.RATE_HTTP_WAIT_MAX_SECONDS = 0.01
        settings.RATE_HTTP_READ_TIMEOUT_SECONDS, settings.RATE_HTTP_TOTAL_TIMEOUT_SECONDS = 0.2, 0.5
        yield running


CODES = {
    "slow": "timeout",
    "garbage": "garbage",
    "zero": "zero",
    "negative": "negative",
    "nan": "not-a-number",
    "inverted": "wrong-pair",
    "down": "unreachable",
    "500": "http-status",
    "huge": "too-large",
    "early-close": "unreachable",
    "redirect": "http-status",
    "stale": "stale",
    "future": "future",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_of_the_rate_server_has_its_code_and_the_hour_is_converted_when_it_is_over(
    server: RateServer, fault: str, settings: Settings
) -> None:
    if CODES[fault] != "timeout":  # only that one is about time: elsewhere a busy machine is no fault
        settings.RATE_HTTP_READ_TIMEOUT_SECONDS, settings.RATE_HTTP_TOTAL_TIMEOUT_SECONDS = 10, 20
    ada = a_player()
    win(ada)
    server.faults = [fault]
    waiting = convert_hour(hour=HOUR, now=OVER)
    assert (waiting.state, waiting.reason) == ("awaiting_rate", CODES[fault])
    server.faults = []
    assert convert_hour(hour=HOUR, now=OVER).state == "done"
    assert wallet(ada) == (Decimal(0), Decimal("0.15"))


def test_the_same_seed_makes_the_same_answers_faulty() -> None:
    def faults(seed: int) -> list[str]:
        server = RateServer(faults=["500", "zero"], share=Decimal("0.3"), seed=seed)
        server._server.server_close()
        return [server.fault() for _ in range(200)]

    assert faults(1) == faults(1) != faults(2)
    assert 30 < sum(bool(fault) for fault in faults(1)) < 90
    assert {"500", "zero", ""} == set(faults(1))


def test_the_rate_server_refuses_what_is_not_the_contract(server: RateServer, settings: Settings) -> None:
    settings.RATE_HTTP_URL = server.url.replace("/rate", "/other")
    win(a_player())
    assert convert_hour(hour=HOUR, now=OVER).reason == "http-status"
    assert server.asked == []


def test_the_command_says_where_it_answers_and_refuses_unknown_faults() -> None:
    with pytest.raises(CommandError, match="no such fault: gremlin"):
        call_command("rate_server", "--fault", "zero,gremlin", "--port", "0")
    with pytest.raises(CommandError, match="share"):
        call_command("rate_server", "--share", "1.5")
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(CommandError):
        call_command("rate_server", "--port", str(taken.getsockname()[1]))


def command(*arguments: str) -> tuple[int, str]:
    out, status = StringIO(), 0
    try:
        call_command("rates", *arguments, stdout=out, stderr=out)
    except SystemExit as stop:
        status = int(stop.code or 0)
    return status, out.getvalue()


def test_the_rates_command_fetches_an_hour_once_and_never_replaces_its_rate(rate_api: RateApi) -> None:
    rate_api.says(HOUR, lambda _: Response(status=404))
    status, out = command("--hour", HOUR.isoformat(), "--fetch")
    assert (status, "http-status" in out) == (1, True)
    rate_api.says(HOUR, "0.16")
    assert command("--hour", HOUR.isoformat(), "--fetch")[0] == 0
    rate_api.says(HOUR, "0.18")
    asked = len(rate_api.asked)
    assert command("--hour", HOUR.isoformat(), "--fetch")[0] == 0
    assert len(rate_api.asked) == asked
    document = json.loads(command("--hour", HOUR.isoformat(), "--json")[1])
    assert [(rate["price"], rate["state"]) for rate in document["rates"]] == [("0.16", "accepted")]
    assert document["providers"][0]["provider"] == "http"
    assert json.loads(command("--hour", OVER.isoformat(), "--json")[1])["rates"] == []


def test_the_rates_command_asks_for_no_hour_that_is_not_over() -> None:
    assert command("--hour", "2999-01-01T00:00:00Z", "--fetch")[0] == 2
    with pytest.raises(CommandError, match="needs --hour"):
        command("--fetch")
    assert run("SELECT id FROM conversion_rate") == []
