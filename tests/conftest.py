"""What every test gets: a database of its own with real commits, and books that are proved right afterwards."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, connections
from django.test import Client, TransactionTestCase

from dreamland.local import files
from dreamland.local.attachment import FAST_ROOT
from tests import databases

TURN_SECONDS = 600.0


def pytest_configure(config: pytest.Config) -> None:
    from tests.people import force_login_with_factor

    Client.force_login = force_login_with_factor(Client.force_login)  # type: ignore[method-assign]
    config.addinivalue_line("markers", "breaks_books: the test falsifies the books on purpose; they are not verified.")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test with a database commits for real: a use case is one transaction, and a test is not part of it."""
    for item in items:
        if item.get_closest_marker("django_db") or "db" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.django_db(transaction=True), append=False)


@pytest.fixture
def alone() -> Iterator[None]:
    """One test at a time of those that start a whole Dreamland: they share servers, and want the machine."""
    with files.closing_lock(FAST_ROOT / "alone.lock") as lock:
        assert lock.wait(TURN_SECONDS), "another test holds the machine for too long"
        yield


@pytest.fixture(scope="session")
def template_name(django_db_blocker: Any) -> str:
    with django_db_blocker.unblock():
        return databases.template()


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: Any, template_name: str, worker_id: str) -> Iterator[None]:
    """Replaces pytest-django's: the test database is a copy of the template, made anew after every test."""
    name = databases.name_for(worker_id)

    def make_anew(*_: object) -> None:
        connections.close_all()
        databases.copy(template_name, name)

    with django_db_blocker.unblock():
        original = connection.settings_dict["NAME"]
        databases.use(name)
        make_anew()
    TransactionTestCase._fixture_teardown = make_anew  # type: ignore[attr-defined]
    yield
    with django_db_blocker.unblock():
        databases.use(original)
        with databases.maintenance() as server:
            databases.drop(server, name)


@pytest.fixture(scope="session", autouse=True)
def refusals_are_proved_to_write_nothing() -> Iterator[None]:
    """Every test that calls the API does it through `tests.http.Api`, or fails."""
    from django.test import Client

    from tests.http import sends_only_what_is_proved

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Client, "request", sends_only_what_is_proved)
        yield


@pytest.fixture(autouse=True)
def books_are_right(request: pytest.FixtureRequest) -> Iterator[None]:
    """After every test that has a database: balances equal postings, days equal wins, conversions equal both."""
    if "db" not in request.fixturenames and not request.node.get_closest_marker("django_db"):
        yield
        return
    request.getfixturevalue("transactional_db")
    yield
    if request.node.get_closest_marker("breaks_books"):
        return
    from ledger import book

    wrong = [finding for finding in book.verify().findings if finding.wrong_rows]
    assert not wrong, f"{wrong[0].check.name}: {wrong[0].subject}: {wrong[0].problem}"
