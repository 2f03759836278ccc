"""Charts that are made for what is looked at, in a real browser before a server in this process."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models import F
from playwright.sync_api import expect
from pytest_django.live_server_helper import LiveServer

from simulator import Fault, Simulator
from tests.browser.conftest import Visit, Visitor, two_weeks_pass
from tests.factories import an_hour_passes, host, item
from tracks.etl.service import refresh
from tracks.models import Snapshot

TOP = "/v1/me/top/tracks"


@pytest.fixture
def address(live_server: LiveServer, simulator: Simulator, settings: Any) -> str:
    # As the settings are when the API's address is on this machine from the start.
    policy = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"] | {"img-src": ["'self'", simulator.url]}
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": policy}
    # Who signs in is sent away from `localhost`, which Spotify does not accept.
    return str(live_server.url).replace("localhost", "127.0.0.1")


@pytest.fixture
def weeks(visit: Visitor, simulator: Simulator) -> Visit:
    """The host's window, signed in, after two weeks of listening."""
    window = visit()
    window.enter(two_weeks_pass(simulator))
    return window


Hear = Callable[..., None]


@pytest.fixture
def host_hears(address: str, simulator: Simulator) -> Hear:
    """Lets the host hear these songs of the last 4 weeks, a day after those before."""
    listener = host(simulator)
    Snapshot.objects.all().delete()

    def hear(*items: dict[str, Any]) -> None:
        day = timedelta(days=1)
        Snapshot.objects.update(first_seen_at=F("first_seen_at") - day, confirmed_at=F("confirmed_at") - day)
        simulator.set_top("host", "short_term", list(items))
        refresh(listener=listener, trigger="cron", time_ranges=["short_term"], force=True)

    return hear


def test_a_refresh_shows_that_it_works_and_cannot_be_pressed_twice(weeks: Visit, simulator: Simulator) -> None:
    an_hour_passes()
    simulator.calls.clear()
    simulator.fault(TOP, Fault(delay=1.5), times=1)
    page = weeks.page
    page.goto("/")
    # Playwright's own click, and its look at the page, would wait for the answer.
    button = "document.querySelector('form[data-once] button')"
    state = page.evaluate(f"{button}.click(); [{button}.disabled, {button}.textContent]")
    assert state == [True, "Refreshing…"]
    expect(page.get_by_role("status")).to_contain_text("nothing changed")
    assert len(simulator.calls) == 3


def test_names_from_right_to_left_begin_where_their_neighbours_do(host_hears: Hear, visit: Visitor) -> None:
    host_hears(item(1), item(2, name="قمر على السطح", artists=[{"id": "1B", "name": "ليان الكرمي"}]),
               item(3, name="רכבת אחרונה צפונה (מאוד)", album={"name": "שבע"}))  # fmt: skip
    for width in (360, 1280):
        page = visit(viewport={"width": width, "height": 740}).page
        for address, selector in (("/", "th > bdi"), ("/", "th > .artists"), ("/artists/", "li li > bdi")):
            page.goto(address)
            lefts = page.locator(f"main {selector}").evaluate_all(
                "elements => elements.map(e => Math.round(e.getBoundingClientRect().left))"
            )
            assert len(lefts) >= 3 and len(set(lefts)) == 1, (address, selector, lefts)


def test_a_title_with_a_comma_is_one_song_among_others(host_hears: Hear, visit: Visitor) -> None:
    host_hears(item(1), item(2, name="Low Tide, High Hopes"), item(3, name="Sjávarfall"))
    host_hears(item(1))
    page = visit(locale="es").page
    page.goto("/")
    quotes = "element => getComputedStyle(element, '::before').content"
    left = page.locator(".summary li", has_text="Salen:")
    assert [link.inner_text() for link in left.locator("q a").all()] == ["Low Tide, High Hopes", "Sjávarfall"]
    assert left.locator("q").first.evaluate(quotes) in ("open-quote", '"«"')


def test_no_word_of_a_position_breaks_on_a_phone(host_hears: Hear, visit: Visitor) -> None:
    for numbers in ((1, 2, 3), (2, 3), (1, 2, 3, 4)):
        host_hears(*(item(number) for number in numbers))
    for locale, words in (("en", {"back", "new"}), ("es", {"vuelve", "nueva"})):
        page = visit(viewport={"width": 360, "height": 740}, locale=locale).page
        page.goto("/")
        moves = page.locator(".move")
        assert words <= {text.strip() for text in moves.all_inner_texts()}
        for move in moves.all():
            box, cell = move.bounding_box(), move.locator("..").bounding_box()
            assert box and cell and box["height"] < 20
            assert box["x"] >= cell["x"] and box["x"] + box["width"] <= cell["x"] + cell["width"]


def test_the_title_of_a_snapshot_names_the_day_of_its_heading(weeks: Visit, visit: Visitor) -> None:
    snapshot = Snapshot.objects.earliest("first_seen_at")
    evening = datetime(2026, 11, 25, 20, 30, tzinfo=UTC)
    Snapshot.objects.filter(pk=snapshot.pk).update(first_seen_at=evening, confirmed_at=evening)
    for zone, locale, day in (
        ("Asia/Tokyo", "en-GB", "26 November 2026"),
        ("America/Lima", "en-US", "November 25, 2026"),
        ("Asia/Tokyo", "es", "26 de noviembre de 2026"),
    ):
        page = visit(timezone_id=zone, locale=locale).page
        page.goto(f"/history/{snapshot.pk}/")
        expect(page.locator(".fresh time").first).to_contain_text(day)
        assert day in page.title()
    plain = visit(timezone_id="Asia/Tokyo", locale="en-GB", java_script_enabled=False).page
    plain.goto(f"/history/{snapshot.pk}/")
    expect(plain.locator(".fresh time").first).to_contain_text("Nov. 25, 2026")
    assert "Nov. 25, 2026" in plain.title()
