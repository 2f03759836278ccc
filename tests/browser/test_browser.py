"""What a person does on the site, in a real browser."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.db.models import F, Q
from playwright.sync_api import expect

from simulator import Fault, Simulator
from tests import factories
from tests.browser.conftest import Visit, Visitor
from tests.factories import an_hour_passes, item
from tracks.etl.service import refresh
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


Hear = Callable[..., None]


@pytest.fixture
def host_hears(visit: Visitor, simulator: Simulator) -> Hear:
    """Signs the host in; then lets the host hear these songs of the last 4 weeks, a day after those before."""
    visit().sign_in()
    Snapshot.objects.all().delete()
    listener = Listener.objects.get()

    def hear(*items: dict[str, Any]) -> None:
        day = timedelta(days=1)
        Snapshot.objects.update(first_seen_at=F("first_seen_at") - day, confirmed_at=F("confirmed_at") - day)
        simulator.set_top("host", "short_term", list(items))
        refresh(listener=listener, trigger="cron", time_ranges=["short_term"], force=True)

    return hear


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
    for address in ("/", "/history/", "/disconnect"):
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
    for address in ("/", "/history/", "/disconnect"):
        weeks.page.goto(address)
        assert weeks.width_beyond_screen() <= 0, f"{address} as host"


def test_times_are_in_the_visitors_own_zone_and_in_utc_without_script(weeks: Visit, visit: Visitor) -> None:
    plain = visit(java_script_enabled=False).page
    plain.goto("/")
    moment = plain.locator(".exact time")
    expect(moment).to_contain_text("UTC")
    expect(plain.locator(".fresh")).to_contain_text(re.compile(r"Updated\s+[A-Z]\w+\.? \d"))
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


def test_the_drawing_says_what_the_table_says(weeks: Visit, visit: Visitor) -> None:
    """Without script: a stroke for each stay in the chart, as long as it lasted, in its place."""
    page = visit(java_script_enabled=False).page
    page.goto(pages()[5])
    expect(page.locator("table.points").first.locator("thead")).to_contain_text("Since")
    shown = [
        (
            *(moment.get_attribute("datetime") or "" for moment in row.locator("time").all()),
            position.get_attribute("value") or "",
        )
        for row in page.locator("section.song-history").first.locator("tbody tr").all()
        for position in row.locator("data").all()
    ]
    path = page.locator("path.held").first.get_attribute("d") or ""
    drawn = re.findall(r"M([\d.]+) (\d+)H([\d.]+)", path)
    assert [place for _, place, _ in drawn] == [place for _, _, place in shown] and len(shown) > 1
    lasted = [datetime.fromisoformat(until) - datetime.fromisoformat(since) for since, until, _ in shown]
    lengths = [float(end) - float(start) for start, _, end in drawn]
    for time, length in zip(lasted, lengths, strict=True):
        assert length / sum(lengths) == pytest.approx(time / sum(lasted, timedelta()), abs=0.01)


BOXES = "elements => elements.map(e => e.getBoundingClientRect()).filter(b => b.width).map(b => [b.left, b.right])"


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("locale", ["en", "es"])
def test_the_days_of_a_drawing_can_be_read(weeks: Visit, visit: Visitor, locale: str, script: bool) -> None:
    page = visit(locale=locale, java_script_enabled=script).page
    page.goto(pages()[5])
    for width in (360, 700, 1280):
        page.set_viewport_size({"width": width, "height": 740})
        expect(page.locator("svg.drawing").first).to_be_visible()
        for drawing in page.locator("svg.drawing").all():
            boxes = drawing.locator("text.day").evaluate_all(BOXES)
            assert 2 <= len(boxes) <= 7
            assert all(left >= 0 and right <= width for left, right in boxes)
            assert all(other[0] - one[1] > 4 for one, other in pairwise(boxes))


def test_a_drawing_is_ink_on_paper_when_it_is_printed_from_the_dark(weeks: Visit, visit: Visitor) -> None:
    page = visit(color_scheme="dark").page
    page.goto(pages()[5])

    def brightness(selector: str, of: str) -> int:
        colour = page.locator(selector).first.evaluate(f"element => getComputedStyle(element).{of}")
        return sum(int(part) for part in re.findall(r"\d+", colour)[:3])

    assert brightness("body", "color") > 600 and brightness("body", "backgroundColor") < 100
    page.emulate_media(media="print")
    assert brightness("body", "backgroundColor") == 3 * 255
    for selector, of in (("body", "color"), (".fresh, .by", "color"), ("path.held", "stroke"), ("text.day", "fill")):
        assert brightness(selector, of) < 300, selector
    expect(page.locator(".attribution .on-light")).to_be_visible()
    expect(page.locator(".attribution .on-dark")).to_be_hidden()


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


@pytest.mark.parametrize("locale", ["en", "es"])
def test_no_word_of_a_position_breaks_on_a_phone(host_hears: Hear, visit: Visitor, locale: str) -> None:
    for numbers in ((1, 2, 3), (2, 3), (1, 2, 3, 4)):
        host_hears(*(item(number) for number in numbers))
    page = visit(viewport={"width": 360, "height": 740}, locale=locale).page
    page.goto("/")
    moves = page.locator(".move")
    words = {"en": {"back", "new"}, "es": {"vuelve", "nueva"}}[locale]
    assert words <= {text.strip() for text in moves.all_inner_texts()}
    for move in moves.all():
        box, cell = move.bounding_box(), move.locator("..").bounding_box()
        assert box and cell and box["height"] < 20
        assert box["x"] >= cell["x"] and box["x"] + box["width"] <= cell["x"] + cell["width"]


def test_a_phone_shows_the_first_song_at_once_and_in_the_largest_type(weeks: Visit, visit: Visitor) -> None:
    page = visit(viewport={"width": 360, "height": 740}).page
    page.goto("/")
    title = page.locator("table.chart a.title").first
    box = title.bounding_box()
    assert box and box["y"] + box["height"] < 740
    size = "element => parseFloat(getComputedStyle(element).fontSize)"
    largest = max(page.locator("main *").all(), key=lambda element: element.evaluate(size))
    assert largest.inner_text().strip().endswith(title.inner_text())


@pytest.mark.parametrize(("scale", "row", "large"), [(1, 64, 300), (2, 300, 640), (3, 300, 640)])
def test_covers_are_as_sharp_as_the_screen(weeks: Visit, visit: Visitor, scale: int, row: int, large: int) -> None:
    page = visit(viewport={"width": 1280, "height": 900}, device_scale_factor=scale).page
    page.goto("/")
    page.wait_for_load_state("networkidle")
    width = "element => parseInt(element.currentSrc.split('/').pop())"
    assert page.locator(".lead .cover img").evaluate(width) == large
    # The first row's cover stands in the lead too: a browser may take the larger one that it has.
    assert page.locator("table.chart .art img").nth(3).evaluate(width) == row


def test_updated_ago_moves_in_an_open_page(weeks: Visit, visit: Visitor) -> None:
    page = visit(locale="en-GB").page
    moment = Listener.objects.get().refreshed_at
    assert moment is not None
    page.clock.install(time=moment + timedelta(seconds=20))
    page.goto("/")
    ago = page.locator("[data-ago]")
    expect(ago).to_have_text("Updated now")
    for seconds, words in (
        (60, "1 minute ago"),
        (240, "5 minutes ago"),
        (3 * 3600, "3 hours ago"),
        (86_400, "1 day ago"),
    ):
        page.clock.run_for(seconds * 1000)
        expect(ago).to_have_text(f"Updated {words}")
    spanish = visit(locale="es").page
    spanish.clock.install(time=moment + timedelta(minutes=5, seconds=1))
    spanish.goto("/")
    expect(spanish.locator("[data-ago]")).to_have_text("Actualizada hace 5 minutos")


@pytest.mark.parametrize(
    ("zone", "locale", "day"),
    [("Asia/Tokyo", "en-GB", "26 November 2026"), ("America/Lima", "en-US", "November 25, 2026"),
     ("Asia/Tokyo", "es", "26 de noviembre de 2026")],
)  # fmt: skip
def test_the_title_of_a_snapshot_names_the_day_of_its_heading(
    weeks: Visit, visit: Visitor, zone: str, locale: str, day: str
) -> None:
    snapshot = Snapshot.objects.earliest("first_seen_at")
    evening = datetime(2026, 11, 25, 20, 30, tzinfo=UTC)
    Snapshot.objects.filter(pk=snapshot.pk).update(first_seen_at=evening, confirmed_at=evening)
    page = visit(timezone_id=zone, locale=locale).page
    page.goto(snapshot.get_absolute_url())
    expect(page.locator(".fresh time").first).to_contain_text(day)
    assert day in page.title()
    plain = visit(timezone_id=zone, locale="en-GB", java_script_enabled=False).page
    plain.goto(snapshot.get_absolute_url())
    expect(plain.locator(".fresh time").first).to_contain_text("Nov. 25, 2026")
    assert "Nov. 25, 2026" in plain.title()


def test_the_footers_rule_is_as_long_as_the_content(weeks: Visit, visit: Visitor) -> None:
    for width in (360, 1280):
        page = visit(viewport={"width": width, "height": 740}).page
        page.goto("/")
        footer, table = page.locator("footer.site").bounding_box(), page.locator("table.chart").bounding_box()
        assert footer and table
        assert (footer["x"], footer["width"]) == (table["x"], table["width"])


def test_the_host_can_sign_out_on_every_page(weeks: Visit) -> None:
    for address in pages():
        weeks.page.goto(address)
        expect(weeks.page.get_by_role("button", name="Sign out")).to_be_visible()
    weeks.page.goto("/history/")
    weeks.page.get_by_role("link", name="Refresh and connection").click()
    expect(weeks.page.get_by_role("button", name="Refresh")).to_be_visible()
    weeks.page.goto("/history/")
    weeks.page.get_by_role("button", name="Sign out").click()
    expect(weeks.page.get_by_role("link", name="Host sign-in")).to_be_visible()
