"""A real browser (the system's Chromium) before a real server (gunicorn, the tests' database, the simulator)."""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.db import connections
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import ConsoleMessage, Frame, Page, sync_playwright

from simulator import Simulator
from tests import factories
from tests.conftest import Browser, Server
from tracks.management.past import live_through
from tracks.models import Listener


@pytest.fixture(scope="package")
def chromium() -> Iterator[Chromium]:
    # The one without windows takes a third less of the processor.
    names = [os.environ.get("CHROMIUM", ""), "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"]
    path = next(filter(None, map(shutil.which, filter(None, names))), None)
    if path is None:
        missing = "No Chromium found: install Debian's chromium, or name one in CHROMIUM."
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as playwright, pytest.MonkeyPatch.context() as patch:
        # Playwright keeps an event loop in this thread, in which Django would refuse to touch the database.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        # The connection of this event loop: without the loop, nobody could close it any more.
        connections.close_all()
        browser.close()


class Visit:
    """One visitor's browser window at the site; what goes wrong in it is kept in `errors`."""

    def __init__(self, chromium: Chromium, site: str, **options: Any) -> None:
        self.site = site
        self.context = chromium.new_context(base_url=site, **options)
        self.context.set_default_timeout(10_000)
        self.page: Page = self.context.new_page()
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", self._keep)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def _keep(self, message: ConsoleMessage) -> None:
        # Chromium reports a refused Content-Security-Policy as an error too. A page's own 403 or 404 is no fault.
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            self.errors.append(message.text)

    def enter(self, listener: Listener) -> None:
        """Is signed in as this listener, without the visit to Spotify."""
        browser = Browser()
        browser.enter(listener)
        session = browser.cookies[settings.SESSION_COOKIE_NAME].value
        self.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": self.site}])

    def sign_in(self) -> None:
        """From the page to the button, Spotify's consent, and back."""
        self.page.goto("/")
        self.page.get_by_role("link", name="Host sign-in").click()
        self.page.get_by_role("button", name="Continue with Spotify").click()
        self.page.get_by_role("button", name="Agree").click()
        self.page.wait_for_url(f"{self.site}/")

    def width_beyond_screen(self) -> int:
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


Visitor = Callable[..., Visit]

# The rules of axe that look at colours.
COLOURS = ["color-contrast", "link-in-text-block"]


def violations(page: Page | Frame, *rules: str) -> str:
    """What axe finds wrong with the page by these rules, or by all; empty if nothing."""
    # To describe all that it finds right costs it a sixth of its time.
    options = {"resultTypes": ["violations"]} | ({"runOnly": [*rules]} if rules else {})
    # In the second theme it stands in the page already.
    axe = Axe("" if page.evaluate("'axe' in window") else AXE_SCRIPT)
    found = axe.run(page, options=options)
    return found.generate_report() if found.violations_count else ""


def violations_in_both_themes(page: Page) -> str:
    """The same in light, and what dark changes of it."""
    page.emulate_media(color_scheme="light")
    light = violations(page)
    page.emulate_media(color_scheme="dark")
    dark = violations(page, *COLOURS)
    return light or (dark and f"In dark: {dark}")


def two_weeks_pass(simulator: Simulator) -> Listener:
    """The host's, with a chart that changes on most days."""
    listener = factories.host(simulator)
    live_through(days=14, shuffle=lambda time_range: simulator.shuffle("host", time_range))
    return listener


@pytest.fixture
def site(transactional_db: None, simulator: Simulator, tmp_path: Any) -> Iterator[Server]:
    """The site before anybody has signed in; Spotify asks for consent."""
    simulator.auto_approve = False
    server = Server(tmp_path)
    server.wait_until_up()
    yield server
    server.process.kill()
    server.process.wait()


@pytest.fixture
def address(site: Server) -> str:
    """Where the site is."""
    return site.site


@pytest.fixture
def visit(chromium: Chromium, address: str) -> Iterator[Visitor]:
    """Opens a browser window; when the test ends, no window may have reported an error."""
    visits: list[Visit] = []

    def open_window(**options: Any) -> Visit:
        visits.append(Visit(chromium, address, **options))
        return visits[-1]

    yield open_window
    for window in visits:
        window.context.close()
    assert [error for window in visits for error in window.errors] == []
