"""The bump chart: every song's line over time, and the same as a table."""

import random
import re
from datetime import date
from html import unescape
from typing import Any
from xml.etree import ElementTree

import pytest
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from simulator import Simulator
from tests.conftest import Browser
from tests.people import made, who
from tests.views.past import DAY, Charts, a_year, at, key, live, on, today
from tracks import bump
from tracks.history import kept
from tracks.lines import shorten
from tracks.models import Artist, Credit, Listener, Snapshot, TimeRange, Track
from tracks.ops.shared.middleware import page_key

pytestmark = pytest.mark.django_db

Places = dict[int, int]


def section(page: Any) -> str:
    assert page.status_code == 200
    return str(page.content.decode()).partition('<section class="bump"')[2].partition("</section>")[0]


def svg(page: Any) -> ElementTree.Element:
    """Parsed as XML: what is not escaped or not closed fails here."""
    text = re.search(r'<svg class="lines".*?</svg>(?=\s*</div>)', section(page), re.DOTALL)
    assert text
    return ElementTree.fromstring(text[0])


def drawn(page: Any) -> dict[str, Places]:
    """The place of each song (by its address) on each step where its line is level or turns."""
    root = svg(page)
    paths = {one.attrib["id"]: one[0].attrib["d"] for one in root.iter("svg") if "id" in one.attrib}
    found = {}
    for link in root.iter("a"):
        used = {use.attrib["href"].removeprefix("#") for use in link.iter("use")}
        assert len(used) == 1
        found[link.attrib["href"]] = places(paths.pop(used.pop()))
    assert not paths
    return found


def places(path: str) -> Places:
    """What the path says, step by step: two units across are a day or a week."""
    found: Places = {}
    x = y = 0
    for command, numbers in re.findall(r"([Mhc])([\d -]+)", path):
        values = [int(number) for number in re.findall(r"-?\d+", numbers)]
        if command == "M":
            x, y = values
            assert x // 2 not in found
        elif command == "h":
            for step in range(x, x + values[0], 2):
                found[step // 2] = y
            x += values[0]
        else:
            # Half the way level, half the way level again, at the other place.
            assert values[:3] == [1, 0, 1] and values[3] == values[5] and values[4] == 2
            x, y = x + 2, y + values[5]
        found[x // 2] = y
    return found


def expected(charts: Charts, days: list[date]) -> dict[str, Places]:
    found: dict[str, Places] = {}
    for step, day in enumerate(days):
        for place, title in enumerate(on(charts, day), 1):
            if title:
                found.setdefault(f"/tracks/{key(title)}/", {})[step] = place
    return found


def table(page: Any) -> dict[str, list[str]]:
    rows = section(page).partition("<tbody>")[2].split("</tr>")[:-1]
    return {unescape(re.findall(r'href="([^"]+)"', row)[0]): re.findall(r"<td>([^<]*)</td>", row) for row in rows}


def spans(page: Any) -> list[str]:
    return re.findall(r"[?;]span=(\d+)[^>]*>", section(page))


@pytest.mark.parametrize(("span", "back", "step"), [("1", 30, 1), ("3", 91, 1), ("12", 364, 7)])
def test_the_lines_say_what_a_plain_computation_says(
    listener: Listener, visitor: Browser, span: str, back: int, step: int
) -> None:
    charts = a_year()
    live(listener, charts)
    page = visitor.get("/history/", {"span": span})
    days = [today() - ago * DAY for ago in range(back, -1, -step)]
    assert drawn(page) == expected(charts, days)
    # First the newest chart in its order, then who left, the latest first.
    order = list(drawn(page))
    newest = [f"/tracks/{key(title)}/" for title in on(charts, today()) if title]
    assert order[: len(newest)] == newest
    left = [max(drawn(page)[link]) for link in order[len(newest) :]]
    assert left == sorted(left, reverse=True)


def test_the_table_says_the_same(listener: Listener, visitor: Browser) -> None:
    charts = a_year()
    live(listener, charts)
    page = visitor.get("/history/?span=12")
    lines, rows = drawn(page), table(page)
    assert list(rows) == list(lines)
    columns = [
        date.fromisoformat(day)
        for day in re.findall(r'<th scope="col"><time datetime="([\d-]+)T00:00:00', section(page))
    ]
    assert columns[-1] == today() and 3 <= len(columns) <= 7
    for link, (*shown, best) in rows.items():
        steps = [52 - (today() - day).days // 7 for day in columns]
        assert shown == [str(lines[link].get(step, "–")) for step in steps]
        assert best == str(min(lines[link].values()))


def test_ends_carry_titles_and_places(listener: Listener, visitor: Browser) -> None:
    live(listener, {at(today() - 4 * DAY): ["Gone", "Stays", "Up"], at(today() - 2 * DAY): ["Up", "Stays"]})
    ends = {}
    for link in svg(visitor.get("/history/")).iter("a"):
        end = next(one for one in link.iter("svg"))
        ends[link.attrib["href"]] = (end.attrib["x"], end.attrib["y"], [text.text for text in end.iter("text")])
    assert ends == {
        "/tracks/past-up/": ("100.0%", "0.0%", ["1", "Up"]),
        "/tracks/past-stays/": ("100.0%", "50.0%", ["2", "Stays"]),
        "/tracks/past-gone/": ("25.0%", "0.0%", ["Gone"]),
    }


def test_a_song_that_was_away_has_a_gap_and_a_single_day_is_a_dot(listener: Listener, visitor: Browser) -> None:
    live(listener, {
        at(today() - 3 * DAY): ["A", "B"], at(today() - 2 * DAY): ["A"], at(today() - DAY): ["B", "A"],
        at(today()): ["A"],
    })  # fmt: skip
    root = svg(visitor.get("/history/"))
    paths = {one.attrib["id"]: one[0].attrib["d"] for one in root.iter("svg") if "id" in one.attrib}
    assert paths == {"line-1": "M0 1h2c1 0 1 1 2 1c1 0 1 -1 2 -1", "line-2": "M0 2h0M4 1h0"}


def test_a_day_is_its_last_chart_in_utc(listener: Listener, visitor: Browser) -> None:
    day = today() - 5 * DAY
    live(listener, {
        at(day - DAY): ["A"], at(day, "23:59:59.999999"): ["B"], at(day + DAY, "00:00:00"): ["C"],
    })  # fmt: skip
    found = drawn(visitor.get("/history/"))
    assert {link: list(found[link]) for link in found} == {
        "/tracks/past-c/": [2, 3, 4, 5, 6], "/tracks/past-b/": [1], "/tracks/past-a/": [0],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("days", "offered"), [(1, []), (90, []), (91, ["1", "3"]), (363, ["1", "3"]), (364, ["1", "3", "12"])]
)
def test_spans_longer_than_the_history_are_not_offered(
    listener: Listener, visitor: Browser, days: int, offered: list[str]
) -> None:
    live(listener, {at(today() - days * DAY): ["A", "B"], at(today()): ["B"]})
    page = visitor.get("/history/")
    assert spans(page) == offered
    assert drawn(page)["/tracks/past-b/"][min(days, 30)] == 1
    # An address that was noted down shows what is kept.
    assert drawn(visitor.get("/history/?span=12"))["/tracks/past-b/"][days // min(7, days)] == 1


def test_another_span_is_not_found(listener: Listener, visitor: Browser) -> None:
    for value in ("", "0", "2", "01", "1.0", "-1", "x", "１", "13", " 1", "1\0"):
        for more in ({}, {"page": "1"}):
            assert visitor.get("/history/", {"span": value, **more}).status_code == 404, value


def test_the_other_parameters_go_with_it(listener: Listener, visitor: Browser) -> None:
    for time_range in ("short_term", "long_term"):
        live(listener, a_year(), time_range=time_range)
    month = f"{today() - 200 * DAY:%Y-%m}"
    page = visitor.get("/history/", {"span": "3", "month": month, "time_range": "long_term"})
    links = re.findall(r'href="([^"]*span=[^"]*)"', page.content.decode())
    assert len(links) == 5  # three spans, newer and older months
    assert all("time_range=long_term" in link for link in links)
    assert sum(f"month={month}" in link for link in links) == 3
    assert sum("span=3" in link for link in links) == 3
    for link in links:
        assert visitor.get(unescape(link).partition("#")[0]).status_code == 200
    # The pages after the first go on with the list alone.
    assert not section(visitor.get("/history/?page=2&span=3"))


def test_copies_of_spans_are_told_apart() -> None:
    keys = {page_key(RequestFactory().get("/history/", {"span": span})) for span in ("1", "3", "12")}
    assert len(keys) == 3


def test_one_day_is_no_line_and_no_history_is_nothing(listener: Listener, visitor: Browser, settings: Any) -> None:
    live(listener, {at(today(), "00:00:00"): ["A", "B"]})
    page = section(visitor.get("/history/"))
    assert "<svg" not in page and "From the second day on" in page
    live(listener, {at(today() - 3 * DAY): ["A", "B"]})
    assert drawn(visitor.get("/history/")) == {
        "/tracks/past-a/": dict.fromkeys(range(4), 1), "/tracks/past-b/": dict.fromkeys(range(4), 2)
    }  # fmt: skip
    live(listener, {at(today() - 3 * DAY): []})
    assert "<svg" not in section(visitor.get("/history/"))
    Snapshot.objects.all().delete()
    assert not section(visitor.get("/history/"))
    settings.HISTORY_DAYS = 0
    assert visitor.get("/history/").status_code == 404


HOSTILE = [
    "</text></svg><script>alert(1)</script>",
    '" onload="alert(1)',
    "קשה & יפה (live)!",
    "A" * 300,
    "<b>&amp;</b>",
]


def test_titles_stay_titles(listener: Listener, visitor: Browser) -> None:
    numbers = [f"Song {number}" for number in range(len(HOSTILE))]
    live(listener, {at(today() - DAY): numbers, at(today()): numbers[1:]})
    artist = Artist.objects.create(spotify_id="evil", name="<i>Evil</i>")
    for number, title in zip(numbers, HOSTILE, strict=True):
        Track.objects.filter(pk=key(number)).update(name=title)
        Credit.objects.create(track_id=key(number), artist=artist, position=1)
    page = visitor.get("/history/")
    links = list(svg(page).iter("a"))
    assert {link.attrib["aria-label"] for link in links} == {f"{title}, <i>Evil</i>" for title in HOSTILE}
    for link in links:
        # The whole title, in an element that isolates its direction.
        assert ", ".join(str(one.text) for one in link.iter("bdi")) == link.attrib["aria-label"]
    assert "<script>alert" not in page.content.decode()
    names = {name for one in svg(page).iter() for name in one.attrib}
    assert not {name for name in names if name == "style" or name.startswith("on")}


@pytest.mark.parametrize(
    ("title", "shown"),
    [("Short", "Short"), ("Quite a long title", "Quite a l…"), ("夜行バスの窓から", "夜行バス…"),
     ("कखगघङचछजझञटठ", "कखगघङचछजझ…"), ("a" * 8 + "e\u0301" * 4, "a" * 8 + "e\u0301" + "…"), ("👩‍👩‍👧" * 6, "👩‍👩‍👧…")],
)  # fmt: skip
def test_a_title_is_cut_between_what_a_reader_sees_as_letters(title: str, shown: str) -> None:
    assert shorten(title, 10) == shown


def test_each_listeners_lines_are_their_own(
    host: Browser, visitor: Browser, simulator: Simulator, settings: Any
) -> None:
    settings.LISTENERS = "invited"
    ana = made(simulator, "stranger", name="Ana", handle="ana")
    other = made(simulator, "new", name="Nell", handle="nell", visibility="public")
    live(Listener.objects.get(is_host=True), {at(today() - DAY): ["H"]})
    live(who(ana), {at(today() - 100 * DAY): ["Ana song"]})
    path = "/@ana/history/?span=3"
    assert list(drawn(ana.get(path))) == ["/@ana/tracks/past-ana-song/"]
    assert '"/@ana/history/?span=3#bump" aria-current="true"' in section(ana.get(path))
    for browser in (host, other, visitor):
        assert browser.get(path).status_code == 404
        assert list(drawn(browser.get("/history/"))) == ["/tracks/past-h/"]
    for visibility in ("unlisted", "public"):
        Listener.objects.filter(handle="ana").update(visibility=visibility)
        for browser in (host, other, visitor):
            assert list(drawn(browser.get(path))) == ["/@ana/tracks/past-ana-song/"]


def test_it_takes_three_queries_however_long_the_history_is(listener: Listener) -> None:
    counts = []
    for charts in ({at(today() - 3 * DAY): ["A"], at(today()): ["B"]}, a_year()):
        live(listener, charts)
        for months in bump.SPANS:
            reach = kept(listener, TimeRange.SHORT_TERM)
            assert reach
            with CaptureQueriesContext(connection) as queries:
                assert bump.read(listener, TimeRange.SHORT_TERM, reach, months).songs
            counts.append(len(queries))
    assert counts == [3] * 6


def test_a_year_of_much_change_is_a_page_of_reasonable_size(listener: Listener, visitor: Browser) -> None:
    """150 songs that come and go; compressed, as it is sent."""
    chance = random.Random(4)
    songs = [f"A song with a title of its own, number {number}" for number in range(150)]
    live(listener, {at(today() - ago * DAY): chance.sample(songs[ago // 4 : ago // 4 + 40], 20) for ago in range(365)})
    page = visitor.get("/history/?span=12", HTTP_ACCEPT_ENCODING="gzip")
    assert page["Content-Encoding"] == "gzip" and len(page.content) < 40_000
