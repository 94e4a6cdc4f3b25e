from collections.abc import Iterator

import pytest
from pytest_django import Settings
from pytest_httpserver import HTTPServer

from tests.conversion.helpers import RateApi


@pytest.fixture
def rate_api(settings: Settings) -> Iterator[RateApi]:
    """A real HTTP server as the rate API, and settings that make the http provider ask it, impatiently.

    A server of its own for each test: requests that a test gave up on must not reach the next one.
    """
    with HTTPServer(threaded=True) as server:
        settings.RATE_PROVIDERS = ["http"]
        settings.RATE_HTTP_URL = server.url_for("/rate")
        settings.RATE_HTTP_TOKEN = "a-token"
        settings.RATE_HTTP_WAIT_SECONDS = 0.01
        settings.RATE_HTTP_WAIT_MAX_SECONDS = 0.02
        settings.RATE_HTTP_READ_TIMEOUT_SECONDS = 0.3
        settings.RATE_HTTP_TOTAL_TIMEOUT_SECONDS = 1.0
        api = RateApi(server, answers={}, asked=[])
        server.expect_request("/rate", headers={"Authorization": "Bearer a-token"}).respond_with_handler(api.respond)
        yield api
