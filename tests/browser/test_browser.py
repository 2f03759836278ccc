"""What a person does on the site, in a real browser."""

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.db.models import Q
from playwright.sync_api import expect

from simulator import Fault, Simulator
from tests import factories
from tests.browser.conftest import Visit, Visitor
from tests.factories import an_hour_passes
from tracks.management.past import live_through
from tracks.models import Listener, Placement, Snapshot

TOP = "/v1/me/top/tracks"


@pytest.fixture
def weeks(visit: Visitor, simulator: Simulator) -> Visit:
    """The host's window, signed in, after two weeks of listening."""
    window = visit()
    window.enter(factories.host(simulator))
    live_through(days=14, shuffle=lambda time_range: simulator.shuffle("host", time_range))
    return window


def pages() -> list[str]:
    """Every page a visitor can open, with a snapshot that is not the first and a song that moved."""
    placement = Placement.objects.exclude(Q(previous_position=None) & Q(entry="")).latest("snapshot__first_seen_at")
    addresses = ["/", "/?time_range=long_term", "/artists/", "/history/", placement.snapshot.get_absolute_url()]
    return [*addresses, f"/tracks/{placement.track_id}/", "/privacy", "/login", "/nothing-here"]


@pytest.mark.parametrize("scripts", [True, False])
def test_the_whole_visit(visit: Visitor, simulator: Simulator, scripts: bool) -> None:
    window = visit(java_script_enabled=scripts)
    page = window.page
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Twenty songs will stand here")
    window.sign_in()
    expect(page.locator("table.chart tbody tr")).to_have_count(20)
    for name in ("Last 6 months", "Last year", "Last 4 weeks"):
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(f"Top 20 songs of the {name.lower()}")
        expect(page.get_by_role("link", name=name, exact=True)).to_have_attribute("aria-current", "page")

    an_hour_passes()
    simulator.shuffle("host", "short_term")
    expect(page.locator(".move")).to_have_count(0)
    page.get_by_role("button", name="Refresh").click()
    expect(page.get_by_role("status")).to_contain_text("2 new")
    expect(page.locator(".move")).to_have_count(20)
    expect(page.locator(".move.new")).to_have_count(2)
    expect(page.locator(".summary")).to_contain_text("2 new songs")

    title = page.locator("table.chart a.title").first.inner_text()
    page.locator("table.chart a.title").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(title)
    expect(page.locator("canvas").first).to_be_visible(visible=scripts)
    page.get_by_text("Positions as a table").first.click()
    expect(page.locator("table.points").first.locator("tbody tr")).to_have_count(2)

    page.get_by_role("link", name="History").click()
    expect(page.locator(".timeline > li")).to_have_count(2)
    page.locator(".timeline a").last.click()
    expect(page.locator("table.chart tbody tr")).to_have_count(20)
    page.get_by_role("link", name="The one after").click()
    expect(page.locator(".move.new")).to_have_count(2)

    page.get_by_role("link", name="Chart", exact=True).click()
    page.get_by_role("link", name="Disconnect").click()
    page.get_by_role("button", name="Delete everything").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Twenty songs will stand here")
    assert not Listener.objects.exists() and not Snapshot.objects.exists()


def test_cancelling_at_spotify_comes_back_with_a_message(visit: Visitor) -> None:
    page = visit().page
    page.goto("/login")
    page.get_by_role("button", name="Continue with Spotify").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("status")).to_contain_text("You cancelled")


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation_on_any_page(weeks: Visit, visit: Visitor, scheme: Any) -> None:
    window = visit(color_scheme=scheme)
    for address in pages():
        window.page.goto(address)
        for details in window.page.locator("details").all():
            details.evaluate("element => element.open = true")
        results = Axe().run(window.page)
        assert results.violations_count == 0, f"{address}\n{results.generate_report()}"
    weeks.page.emulate_media(color_scheme=scheme)
    for address in ("/", "/disconnect"):
        weeks.page.goto(address)
        results = Axe().run(weeks.page)
        assert results.violations_count == 0, f"{address} as host\n{results.generate_report()}"


@pytest.mark.parametrize("width", [320, 360, 768, 1280, 1600])
def test_no_page_scrolls_sideways(weeks: Visit, visit: Visitor, width: int) -> None:
    window = visit(viewport={"width": width, "height": 800})
    for address in pages():
        window.page.goto(address)
        assert window.width_beyond_screen() <= 0, address
    weeks.page.set_viewport_size({"width": width, "height": 800})
    for address in ("/", "/disconnect"):
        weeks.page.goto(address)
        assert weeks.width_beyond_screen() <= 0, f"{address} as host"


def test_times_are_in_the_visitors_own_zone_and_in_utc_without_script(weeks: Visit, visit: Visitor) -> None:
    plain = visit(java_script_enabled=False).page
    plain.goto("/")
    moment = plain.locator(".exact time")
    expect(moment).to_contain_text("UTC")
    tokyo = visit(timezone_id="Asia/Tokyo", locale="en-GB").page
    tokyo.goto("/")
    hour = int((moment.get_attribute("datetime") or "")[11:13])
    expect(tokyo.locator(".exact time")).to_have_text(re.compile(rf"\b{(hour + 9) % 24:02}:\d\d$"))
    assert "UTC" in (tokyo.locator(".exact time").get_attribute("title") or "")


def test_nothing_comes_from_elsewhere_but_covers(weeks: Visit, visit: Visitor, simulator: Simulator) -> None:
    window = visit()
    for address in pages():
        window.page.goto(address)
    foreign = [url for url in window.requests if not url.startswith(window.site)]
    assert foreign and all(url.startswith(f"{simulator.url}/image/") for url in foreign)


def test_the_layout_does_not_shift_while_it_loads(weeks: Visit, visit: Visitor) -> None:
    window = visit()
    window.page.add_init_script(
        "window.shift = 0; new PerformanceObserver(list => list.getEntries().forEach(entry => shift += entry.value))"
        ".observe({type: 'layout-shift', buffered: true})"
    )
    for address in pages():
        window.page.goto(address)
        window.page.wait_for_timeout(200)
        assert window.page.evaluate("shift") < 0.01, address


def test_the_keyboard_gets_to_the_content_first(weeks: Visit, visit: Visitor) -> None:
    page = visit().page
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.url.endswith("#content")


def test_the_chart_draws_what_the_table_says(weeks: Visit, visit: Visitor) -> None:
    page = visit().page
    page.goto(pages()[5])
    drawn = page.evaluate("Chart.getChart(document.querySelector('canvas')).data.datasets[0].data.map(p => p.y)")
    rows = page.locator(".course").first.locator("table.points tbody tr").all()
    shown = [row.locator("data").get_attribute("value") if row.locator("data").count() else None for row in rows]
    assert [None if y is None else str(y) for y in drawn] == shown and len(shown) > 1
