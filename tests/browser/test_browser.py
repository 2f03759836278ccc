"""What a person does on the site, in a real browser."""

import pytest
from playwright.sync_api import expect

from simulator import Simulator
from tests.browser.conftest import Visitor
from tests.factories import an_hour_passes
from tracks.models import Listener, Snapshot


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

    moved = page.locator("table.chart tr").filter(has=page.locator(".move.up, .move.down")).locator("a.title").first
    title = moved.inner_text()
    moved.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(title)
    expect(page.get_by_role("img", name="Position over time, last 4 weeks")).to_be_visible()
    page.get_by_text("Positions as a table").first.click()
    expect(page.locator("table.points").first.locator("tbody tr")).to_have_count(2)

    page.get_by_role("link", name="History").click()
    expect(page.locator(".timeline > li")).to_have_count(2)
    page.locator(".timeline h2 a").last.click()
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
