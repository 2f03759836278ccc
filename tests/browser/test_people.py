"""What the host and an invited person do on the site, on a phone, in a real browser."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, expect

from simulator import Simulator
from tests.browser.conftest import Visit, violations_in_both_themes
from tests.conftest import Server
from tracks.models import Listener

PHONE: Any = {"viewport": {"width": 360, "height": 740}}


@pytest.fixture
def site(transactional_db: None, simulator: Simulator, tmp_path: Any) -> Iterator[Server]:
    """The site to which the host may invite others; Spotify asks for consent."""
    simulator.auto_approve = False
    server = Server(tmp_path, LISTENERS="invited")
    server.wait_until_up()
    yield server
    server.process.kill()
    server.process.wait()


def agree(page: Page, account: str, simulator: Simulator) -> None:
    """From the button through Spotify's consent as this account."""
    simulator.current = account
    page.get_by_role("button", name="Continue with Spotify").click()
    page.get_by_role("button", name="Agree").click()


def look(visit: Visit, address: str = "") -> None:
    """The page fits the screen, and axe finds nothing on it, in both themes."""
    if address:
        visit.page.goto(address)
    assert visit.width_beyond_screen() <= 0, visit.page.url
    assert violations_in_both_themes(visit.page) == "", visit.page.url


@pytest.mark.parametrize("scripts", [True, False], ids=["script", "no script"])
def test_the_whole_visit_of_an_invited_person(
    chromium: Chromium, site: Server, simulator: Simulator, scripts: bool
) -> None:
    options = PHONE | {"java_script_enabled": scripts}
    host, guest, anyone = (Visit(chromium, site.site, **options) for _ in range(3))
    # axe is a script itself.
    check = look if scripts else lambda visit, address="": visit.page.goto(address) if address else None

    # The host invites.
    page = host.page
    page.goto("/login")
    agree(page, "host", simulator)
    page.wait_for_url(f"{site.site}/")
    page.get_by_role("link", name="You", exact=True).click()
    expect(page.get_by_text("4 places left of 5")).to_be_visible()
    expect(page.locator(".steps li")).to_have_count(3)
    check(host)
    page.get_by_label("Name", exact=True).fill("Hanne")
    page.get_by_label("Handle").fill("Hanne")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Hanne")
    page.get_by_role("button", name="Invite").click()
    link = page.locator("#new-invitation").input_value()
    assert link.startswith(f"{site.site}/invite/")
    expect(page.get_by_role("button", name="Copy")).to_be_visible(visible=scripts)
    if scripts:
        host.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.get_by_role("button", name="Copy").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == link
    check(host)

    # The guest reads, signs in, and says who they are.
    page = guest.page
    page.goto(link)
    expect(page.get_by_text("Hanne invites you")).to_be_visible()
    expect(page.get_by_text("Your page starts private")).to_be_visible()
    check(guest)
    agree(page, "stranger", simulator)
    page.wait_for_url(f"{site.site}/me/")
    expect(page.get_by_role("status")).to_contain_text("Refreshed: three lists of 20 songs.")
    expect(page.locator(".top-three li")).to_have_count(3)
    expect(page.get_by_label("Private", exact=True)).to_be_checked()
    check(guest)
    page.get_by_label("Name", exact=True).fill("Ana")
    page.get_by_label("Handle").fill("admin")
    page.get_by_label("Public", exact=True).check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("This word is kept for the site itself")).to_be_visible()
    expect(page.get_by_label("Public", exact=True)).to_be_checked()
    check(guest)
    page.get_by_label("Handle").fill("ana")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("The address of your chart")).to_have_value(f"{site.site}/@ana/")

    # Visitors find them, and what both have.
    page = anyone.page
    page.goto("/")
    page.get_by_role("link", name="Listeners", exact=True).click()
    expect(page.locator(".people h2")).to_have_text(["Hanne", "Ana"])
    check(anyone)
    page.get_by_role("link", name="In common with Hanne").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Hanne and Ana")
    assert page.locator("table.meeting").first.locator("tbody tr").count() > 3
    check(anyone)
    page.get_by_role("link", name="Ana", exact=True).first.click()
    expect(page.locator("table.chart tbody tr")).to_have_count(20)
    for address in ("/@ana/", "/@ana/history/", "/@ana/artists/", "/privacy", "/login", "/invite/wrong/"):
        check(anyone, address)

    # Private again, then removed by the host.
    guest.page.get_by_label("Private", exact=True).check()
    guest.page.get_by_role("button", name="Save").click()
    expect(guest.page.get_by_text("Private: only you see this")).to_be_visible()
    page.wait_for_timeout(2000)
    page.goto("/@ana/")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no such page")
    check(guest, "/@ana/")
    check(guest, "/disconnect")
    host.page.goto("/me/")
    host.page.get_by_role("link", name="Remove @ana").click()
    check(host)
    host.page.get_by_role("button", name="Remove").click()
    expect(host.page.get_by_role("status")).to_contain_text("Removed")
    assert Listener.objects.get().is_host
    guest.page.goto("/me/")
    expect(guest.page).to_have_url(f"{site.site}/login")

    for visit in (host, guest, anyone):
        visit.context.close()
        assert visit.errors == []
