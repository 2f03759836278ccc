"""How the pages look and read. Nothing is changed here, so that one site and its two weeks of listening serve all."""

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db.models import F, Q
from playwright.sync_api import expect

from simulator import Simulator
from tests.browser.conftest import Visit, Visitor, violations, violations_in_both_themes
from tests.conftest import Server
from tracks.models import Listener, Placement

AS_HOST = ["/", "/history/", "/disconnect"]


@pytest.fixture
def weeks(visit: Visitor) -> Visit:
    """The host's window, signed in."""
    window = visit()
    window.enter(Listener.objects.get())
    return window


def pages() -> list[str]:
    """Every page a visitor can open, with a snapshot that is not the first and a song that moved."""
    placement = Placement.objects.exclude(Q(previous_position=None) & Q(entry="")).latest("snapshot__first_seen_at")
    addresses = ["/", "/?time_range=long_term", "/artists/", "/history/", f"/history/{placement.snapshot_id}/"]
    return [
        *addresses,
        f"/tracks/{placement.track_id}/",
        f"/artists/{placement.track.credited_artists[0].pk}/",
        "/history/compare",
        "/search",
        "/search?q=most+days+at+number+one+in+2026+xyzzy",
        "/search?q=lampp",
        f"/year/{datetime.now(UTC).year}/",
        "/privacy",
        "/login",
        "/nothing-here",
    ]


@pytest.mark.django_db
def test_the_two_weeks_have_every_kind_of_movement(site: Server) -> None:
    placements = Placement.objects.filter(snapshot__time_range="short_term")
    assert placements.filter(position__lt=F("previous_position")).exists()
    assert placements.filter(position__gt=F("previous_position")).exists()
    assert placements.filter(position=F("previous_position")).exists()
    assert {"", "new", "back"} <= set(placements.values_list("entry", flat=True))


def test_every_page_keeps_still_fits_every_screen_and_pleases_axe(
    weeks: Visit, visit: Visitor, simulated_spotify: Simulator
) -> None:
    """And fetches nothing but covers from elsewhere."""
    window = visit()
    for one in (window, weeks):
        one.page.add_init_script(
            "window.shift = 0;"
            "new PerformanceObserver(list => list.getEntries().forEach(entry => shift += entry.value))"
            ".observe({type: 'layout-shift', buffered: true})"
        )
    for one, address in [*((window, address) for address in pages()), *((weeks, path) for path in AS_HOST)]:
        where = f"{address} as {'host' if one is weeks else 'visitor'}"
        one.page.goto(address)
        one.page.wait_for_timeout(200)
        assert one.page.evaluate("shift") < 0.01, where
        for width in (320, 360, 768, 1600, 1280):
            one.page.set_viewport_size({"width": width, "height": 800})
            assert one.width_beyond_screen() <= 0, f"{where}, {width} px"
        for details in one.page.locator("details").all():
            details.evaluate("element => element.open = true")
        assert violations_in_both_themes(one.page) == "", where
    foreign = [url for one in (window, weeks) for url in one.requests if not url.startswith(window.site)]
    assert foreign and all(url.startswith(f"{simulated_spotify.url}/image/") for url in foreign)


def test_times_are_in_the_visitors_own_zone_and_in_utc_without_script(visit: Visitor) -> None:
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


def test_the_days_of_a_question_are_the_visitors(visit: Visitor) -> None:
    page = visit(timezone_id="Asia/Tokyo").page
    page.goto("/artists/")
    page.get_by_role("search").get_by_label("Ask for songs").fill("number one today")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?q=number+one+today&tz=Asia%2FTokyo")
    expect(page.locator(".chips a")).to_have_count(2)
    page.locator(".chips a").nth(1).click()
    page.wait_for_url("**/search?q=number+one&tz=Asia%2FTokyo")
    expect(page.locator("table.results a.title").first).to_be_visible()
    plain = visit(java_script_enabled=False).page
    plain.goto("/")
    plain.get_by_role("search").get_by_label("Ask for songs").fill("longest")
    plain.get_by_role("button", name="Search").click()
    plain.wait_for_url("**/search?q=longest")
    expect(plain.locator("table.results a.title").first).to_be_visible()


def test_the_keyboard_gets_to_the_content_first(visit: Visitor) -> None:
    page = visit().page
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.url.endswith("#content")


def test_the_drawing_says_what_the_table_says(visit: Visitor) -> None:
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
def test_the_days_of_a_drawing_can_be_read(visit: Visitor, locale: str, script: bool) -> None:
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


def test_a_drawing_is_ink_on_paper_when_it_is_printed_from_the_dark(visit: Visitor) -> None:
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


def test_a_phone_shows_the_first_song_at_once_and_in_the_largest_type(visit: Visitor) -> None:
    page = visit(viewport={"width": 360, "height": 740}).page
    page.goto("/")
    title = page.locator("table.chart a.title").first
    box = title.bounding_box()
    assert box and box["y"] + box["height"] < 740
    largest = page.locator("main *").evaluate_all(
        "elements => elements.map(e => [parseFloat(getComputedStyle(e).fontSize), e.innerText])"
        ".reduce((a, b) => b[0] > a[0] ? b : a)[1]"
    )
    assert largest.strip().endswith(title.inner_text())


@pytest.mark.parametrize(("scale", "row", "large"), [(1, 64, 300), (2, 300, 640), (3, 300, 640)])
def test_covers_are_as_sharp_as_the_screen(visit: Visitor, scale: int, row: int, large: int) -> None:
    page = visit(viewport={"width": 1280, "height": 900}, device_scale_factor=scale).page
    page.goto("/")
    page.wait_for_load_state("networkidle")
    width = "element => parseInt(element.currentSrc.split('/').pop())"
    assert page.locator(".lead .cover img").evaluate(width) == large
    # The first row's cover stands in the lead too: a browser may take the larger one that it has.
    assert page.locator("table.chart .art img").nth(3).evaluate(width) == row


def test_updated_ago_moves_in_an_open_page(visit: Visitor) -> None:
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


def test_the_footers_rule_is_as_long_as_the_content(visit: Visitor) -> None:
    for width in (360, 1280):
        page = visit(viewport={"width": width, "height": 740}).page
        page.goto("/")
        footer, table = page.locator("footer.site").bounding_box(), page.locator("table.chart").bounding_box()
        assert footer and table
        assert (footer["x"], footer["width"]) == (table["x"], table["width"])


def test_the_host_can_sign_out_on_every_page(weeks: Visit) -> None:
    for address in pages():
        assert "Sign out</button>" in weeks.context.request.get(address).text(), address
    weeks.page.goto("/history/")
    weeks.page.get_by_role("link", name="Refresh and connection").click()
    expect(weeks.page.get_by_role("button", name="Refresh")).to_be_visible()
    weeks.page.goto("/history/")
    weeks.page.get_by_role("button", name="Sign out").click()
    expect(weeks.page.get_by_role("link", name="Host sign-in")).to_be_visible()


def contrast(one: str, other: str) -> float:
    """By WCAG 2, of two computed colours."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def forward(page: Any) -> list[str]:
    """The names that the bump chart shows, each beside a line that is brought forward."""
    lines = page.locator(".bump .forward").evaluate_all(
        "uses => uses.filter(use => getComputedStyle(use).stroke !== 'none').length"
    )
    names = [name.inner_text() for name in page.locator(".bump .name").all() if name.is_visible()]
    assert lines == len(names)
    return names


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_line_of_the_bump_chart_comes_forward_and_says_its_name(visit: Visitor, scheme: Any) -> None:
    """Without script: under the pointer, anywhere on it, and with the keyboard."""
    page = visit(color_scheme=scheme, java_script_enabled=False).page
    page.goto("/history/")
    links = page.locator(".bump svg a")
    assert links.count() >= 20 and forward(page) == []
    page.get_by_role("link", name="Skip the lines").focus()
    page.keyboard.press("Tab")
    expect(links.nth(0)).to_be_focused()
    assert len(forward(page)) == 1
    page.keyboard.press("Tab")
    label = links.nth(1).get_attribute("aria-label") or ""
    (name,) = forward(page)
    assert all(part in name for part in label.split(", "))
    use = links.nth(1).locator(".forward")
    stroke, width = (use.evaluate(f"use => getComputedStyle(use).{name}") for name in ("stroke", "strokeWidth"))
    paper = page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
    assert contrast(stroke, paper) >= 3
    # Not by its colour alone.
    base = page.locator(".bump g.now").first.evaluate("line => getComputedStyle(line).strokeWidth")
    assert float(width[:-2]) > 2 * float(base[:-2])
    page.locator("#bump-title").click()
    assert forward(page) == []
    links.nth(6).locator("text.title").hover()
    assert len(forward(page)) == 1
    # Where the line of a song begins to be level at the right.
    box = links.nth(9).locator("circle").bounding_box()
    assert box
    page.mouse.move(box["x"] - 1, box["y"] + box["height"] / 2)
    expect(links.nth(9).locator(".name")).to_be_visible()
    page.mouse.click(box["x"] - 1, box["y"] + box["height"] / 2)
    page.wait_for_url("**/tracks/**")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_has_the_first_ten_and_a_tap_brings_one_forward(visit: Visitor, scheme: Any) -> None:
    window = visit(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True, color_scheme=scheme)
    page = window.page
    page.goto("/history/")
    plot = page.locator(".bump .plot").bounding_box()
    links = page.locator(".bump svg a.now")
    assert plot
    for index in range(links.count()):
        title = links.nth(index).locator("text.title").bounding_box()
        # A song that was never so high has no line there at all.
        shown = title is not None and title["y"] + title["height"] <= plot["y"] + plot["height"] + 1
        assert shown == (index < 10), index
        assert title is None or title["x"] + title["width"] <= 360
    assert all(not link.is_visible() for link in page.locator(".bump a.low").all())
    links.nth(2).locator("text.title").tap()
    assert len(forward(page)) == 1 and "/history/" in page.url
    links.nth(4).locator("text.title").tap()
    assert len(forward(page)) == 1 and "/history/" in page.url
    name = page.locator(".bump .name:visible").bounding_box()
    assert name and name["x"] >= 0 and name["x"] + name["width"] <= 360
    page.locator("#bump-table").evaluate("details => details.open = true")
    assert window.width_beyond_screen() <= 0
    assert violations(page) == ""
    links.nth(4).locator("text.title").tap()
    page.wait_for_url("**/tracks/**")


def test_the_bump_chart_is_black_on_white_when_it_is_printed(visit: Visitor) -> None:
    page = visit(color_scheme="dark", viewport={"width": 718, "height": 1000}).page
    page.goto("/history/")
    page.emulate_media(media="print", color_scheme="dark")
    line, paper = page.locator(".bump g.now:not(.first)").first, page.locator("body")
    stroke = line.evaluate("line => getComputedStyle(line).stroke")
    assert contrast(stroke, paper.evaluate("body => getComputedStyle(body).backgroundColor")) > 12
    titles = page.locator(".bump a.now text.title")
    assert titles.count() == 20
    for title in titles.all():
        box = title.bounding_box()
        assert box and box["width"] > 0 and box["x"] + box["width"] <= 718
    expect(page.locator(".bump .hint")).to_be_hidden()
