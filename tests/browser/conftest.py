"""A Chromium of this machine and the back-office on a socket. Where there is no Chromium the tests skip, and say so."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PICTURES = Path(__file__).parent.parent.parent / "docs" / "pictures"
DESKTOP, PHONE, PICTURE = (1280, 900), (390, 844), (1280, 700)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The system's Chromium; nothing is downloaded."""
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("no Chromium on this machine: `apt-get install chromium` brings one")
    # Playwright keeps an event loop in this thread, so that Django takes every query for one of a coroutine.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


class Desk:
    """One person at a browser. Complains about errors in the console, and about requests that leave this machine."""

    def __init__(self, browser: Browser, address: str) -> None:
        self.address, self.complaints = address, list[str]()
        self.context = browser.new_context(viewport={"width": DESKTOP[0], "height": DESKTOP[1]}, locale="en-GB")
        self.page: Page = self.context.new_page()
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        self.page.on("request", self._sent)
        self.page.on("response", self._came)
        self.page.set_default_timeout(10_000)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"console: {message.text}")

    def _came(self, response: Response) -> None:
        if response.status >= 400:
            self.complaints.append(f"{response.status}: {response.url}")

    def _sent(self, request: Request) -> None:
        if urlsplit(request.url).hostname not in {"127.0.0.1", "localhost", None}:
            self.complaints.append(f"left the machine: {request.url}")

    def sit_down(self, user: User) -> None:
        """That person is signed in, with no page of a sign-in."""
        client = Client()
        client.force_login(user)
        self.context.clear_cookies()
        cookie = client.cookies[settings.SESSION_COOKIE_NAME]
        self.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": self.address}])

    def open(self, path: str, size: tuple[int, int] = DESKTOP) -> Page:
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        self.page.goto(self.address + path)
        self.page.wait_for_load_state("networkidle")
        return self.page

    def press(self, text: str) -> None:
        """A button or a door by its words."""
        self.page.locator(f"a.bo-button:has-text('{text}'), button:has-text('{text}')").first.click()
        self.page.wait_for_load_state("networkidle")

    def picture(self, name: str, size: tuple[int, int] = PICTURE) -> None:
        """Writes a picture for docs/, where somebody asks for them (`DOCS_PICTURES=1`)."""
        if os.environ.get("DOCS_PICTURES"):
            PICTURES.mkdir(exist_ok=True)
            self.page.set_viewport_size({"width": size[0], "height": size[1]})
            self.page.screenshot(path=PICTURES / f"{name}.png")

    def barriers(self) -> list[str]:
        """What axe-core calls serious or critical on the page: what shuts people out."""
        found = Axe().run(self.page).response["violations"]
        return [
            f"{each['impact']} {each['id']}: {each['nodes'][0]['target']} ({len(each['nodes'])})"
            for each in found
            if each["impact"] in {"serious", "critical"}
        ]

    def fits(self) -> bool:
        """Whether nothing sticks out to the right of the window."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


@pytest.fixture
def desk(chromium: Browser, live_server: object) -> Iterator[Desk]:
    """A person's browser in front of the back-office."""
    sat = Desk(chromium, str(getattr(live_server, "url", "")))
    yield sat
    sat.context.close()
    assert sat.complaints == []
