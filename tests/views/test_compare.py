"""Two days' charts side by side."""

import random
import re
from datetime import date
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from simulator import Simulator
from tests.conftest import Browser
from tests.people import made, who
from tests.views.past import DAY, a_year, at, live, on, today
from tracks import history as reads
from tracks.models import Listener, Snapshot, TimeRange
from tracks.views import history

pytestmark = pytest.mark.django_db

Row = tuple[str, int | None, int | None, str]


def rows(page: Any) -> list[Row]:
    """Title, both places and the word of each row, as they are read."""
    assert page.status_code == 200
    found: list[Row] = []
    for row in page.content.decode().partition("<tbody>")[2].partition("</tbody>")[0].split("</tr>")[:-1]:
        title = re.search(r'class="title"[^>]*>([^<]*)<', row)
        before, after = (" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in re.findall(CELL, row, re.DOTALL))
        place, word = after.split()
        assert title
        found.append((title[1], number(before), number(place), word))
    return found


CELL = r'<td class="position">(.*?)</td>'


def number(text: str) -> int | None:
    return None if text == "–" else int(text)


def expected(before: list[str], after: list[str]) -> list[Row]:
    """By the plainest reading of the two charts."""
    found: list[Row] = []
    for place, title in enumerate(after, 1):
        if title and title in before:
            was = before.index(title) + 1
            found.append((title, was, place, "up" if place < was else "down" if place > was else "same"))
        elif title:
            found.append((title, None, place, "in"))
    for place, title in enumerate(before, 1):
        if title and title not in after:
            found.append((title, place, None, "out"))
    return found


def compare(browser: Browser, first: object, second: object, **query: str) -> Any:
    return browser.get("/history/compare", {"from": str(first), "to": str(second), **query})


def fields(page: Any) -> dict[str, dict[str, str]]:
    """The attributes of each date field."""
    tags = re.findall(r'<input type="date"[^>]*>', page.content.decode())
    attributes = [dict(re.findall(r'(\w+)="([^"]*)"', tag)) for tag in tags]
    return {field["name"]: field for field in attributes}


def test_a_year_of_comparisons_says_what_a_plain_computation_says(listener: Listener, visitor: Browser) -> None:
    charts = a_year()
    live(listener, charts)
    chance = random.Random(3)
    words = set()
    for _ in range(40):
        first, second = sorted(today() - chance.randrange(365) * DAY for _ in range(2))
        shown = rows(compare(visitor, first, second))
        assert shown == expected(on(charts, first), on(charts, second)), (first, second)
        words |= {word for *_, word in shown}
    assert words == {"up", "down", "same", "in", "out"}


def test_a_day_ends_at_midnight_utc(listener: Listener, visitor: Browser, settings: Any) -> None:
    settings.TIME_ZONE = "Pacific/Auckland"  # no zone but UTC matters
    day = today() - 5 * DAY
    live(listener, {
        at(day - 3 * DAY): ["First"], at(day, "23:59:59.999999"): ["Late"], at(day + DAY, "00:00:00"): ["Early"],
    })  # fmt: skip
    assert rows(compare(visitor, day - DAY, day)) == expected(["First"], ["Late"])
    assert rows(compare(visitor, day, day + DAY)) == expected(["Late"], ["Early"])
    assert rows(compare(visitor, day - DAY, day + 2 * DAY)) == expected(["First"], ["Early"])


def test_days_in_the_wrong_order_are_swapped(listener: Listener, visitor: Browser) -> None:
    live(listener, {at(today() - 9 * DAY): ["A", "B"], at(today() - 2 * DAY): ["B", "C"]})
    page = compare(visitor, today() - DAY, today() - 9 * DAY)
    assert rows(page) == expected(["A", "B"], ["B", "C"])
    assert {name: field["value"] for name, field in fields(page).items()} == {
        "from": str(today() - 9 * DAY), "to": str(today() - DAY),
    }  # fmt: skip


def test_before_the_history_there_is_nothing(listener: Listener, visitor: Browser) -> None:
    first = today() - 9 * DAY
    live(listener, {at(first): ["A"]})
    assert compare(visitor, first, today()).status_code == 200
    for day in (first - DAY, "0001-01-01"):
        assert compare(visitor, day, today()).status_code == 404
        assert compare(visitor, today(), day).status_code == 404
    Snapshot.objects.all().delete()
    assert compare(visitor, first, today()).status_code == 404
    assert b"There is no chart yet" in visitor.get("/history/compare").content


NO_DAYS = (
    ["", "x", "2026-02-30", "2026-13-01", "0000-01-01", "20260101", "2026-W01-1", "2026-1-1", "26-01-01",
     "2026-01-01T00:00", " 2026-01-01", "2026-01-01\n", "٢٠٢٦-٠١-٠١", "-2026-01-01", "2026-01-01\0"]
)  # fmt: skip


def test_what_is_no_day_is_refused(listener: Listener, visitor: Browser, subtests: pytest.Subtests) -> None:
    for day in NO_DAYS:
        for query in ({"from": day, "to": str(today())}, {"from": str(today()), "to": day}, {"from": day, "to": day}):
            with subtests.test(str(query)):
                response = visitor.get("/history/compare", query)
                assert response.status_code == 400
                assert b"Go back and try again" in response.content


def test_one_day_alone_is_refused_and_an_unknown_range_is_not_found(listener: Listener, visitor: Browser) -> None:
    for name in ("from", "to"):
        assert visitor.get("/history/compare", {name: str(today())}).status_code == 400
    assert compare(visitor, today(), today(), time_range="none").status_code == 404


def test_a_day_to_come_has_the_newest_chart_and_the_page_says_so(listener: Listener, visitor: Browser) -> None:
    live(listener, {at(today() - 9 * DAY): ["A", "B"], at(today() - 2 * DAY): ["B", "C"]})
    for day in (today() + DAY, "9999-12-31"):
        page = compare(visitor, today() - 9 * DAY, day)
        assert rows(page) == expected(["A", "B"], ["B", "C"])
        assert b"stands until the next one is seen" in page.content
        assert fields(page)["to"]["value"] == str(today())
    assert b"stands until" not in compare(visitor, today() - 9 * DAY, today()).content
    assert b"It was the same chart on both days." in compare(visitor, today(), "9999-12-31").content


def test_without_days_it_is_a_week_ago_and_today(listener: Listener, visitor: Browser) -> None:
    live(listener, {at(today() - 30 * DAY): ["A", "B"], at(today() - 7 * DAY): ["B"], at(today() - 6 * DAY): ["C"]})
    page = visitor.get("/history/compare")
    assert rows(page) == expected(["B"], ["C"])
    for name, value in (("from", today() - 7 * DAY), ("to", today())):
        field = fields(page)[name]
        assert field["value"] == str(value)
        assert (field["min"], field["max"]) == (str(today() - 30 * DAY), str(today()))
        assert f'<label for="{field["id"]}">' in page.content.decode()
    assert b"UTC" in page.content
    live(listener, {at(today() - 3 * DAY): ["A"], at(today() - DAY): ["B"]})
    assert rows(visitor.get("/history/compare")) == expected(["A"], ["B"])


def ways(page: Any) -> dict[str, str]:
    """What the links back in time say, and from which day they compare."""
    links = re.findall(r'href="/history/compare\?([^"]*)"[^>]*>([^<]*)</a>', page.content.decode())
    found = {}
    for query, words in links:
        from_day = re.search(r"from=([0-9-]+)", query)
        if from_day and f"to={today()}" in query and "ago" in words + "ago" * (words == "yesterday"):
            found[words] = from_day[1]
    return found


def test_links_lead_back_as_far_as_the_history_does(listener: Listener, visitor: Browser) -> None:
    live(listener, {at(today() - 400 * DAY): ["A"], at(today() - 2 * DAY): ["B"]})
    found = ways(visitor.get("/history/compare"))
    assert list(found) == ["yesterday", "a week ago", "a month ago", "a year ago"]
    assert (found["yesterday"], found["a week ago"]) == (str(today() - DAY), str(today() - 7 * DAY))
    for words, days in (("a month ago", range(28, 32)), ("a year ago", range(365, 367))):
        assert (today() - date.fromisoformat(found[words])).days in days
        assert compare(visitor, found[words], today()).status_code == 200
    live(listener, {at(today() - 7 * DAY): ["A"], at(today() - 2 * DAY): ["B"]})
    assert list(ways(visitor.get("/history/compare"))) == ["yesterday", "a week ago"]


@pytest.mark.parametrize(
    ("now", "month", "year"),
    [("2026-11-26", "2026-10-26", "2025-11-26"), ("2026-03-31", "2026-02-28", "2025-03-31"),
     ("2024-02-29", "2024-01-29", "2023-02-28"), ("2026-01-01", "2025-12-01", "2025-01-01")],
)  # fmt: skip
def test_a_month_or_a_year_ago_is_always_a_day(now: str, month: str, year: str) -> None:
    found = [str(day) for day, _ in history._ways_back(date.fromisoformat(now))]
    assert found[2:] == [month, year]


def test_the_time_range_is_kept(listener: Listener, visitor: Browser) -> None:
    live(listener, {at(today() - 8 * DAY): ["A"]}, time_range="short_term")
    live(listener, {at(today() - 8 * DAY): ["L"], at(today() - 2 * DAY): ["M"]}, time_range="long_term")
    page = compare(visitor, today() - 8 * DAY, today(), time_range="long_term")
    assert rows(page) == expected(["L"], ["M"])
    text = page.content.decode()
    assert '<input type="hidden" name="time_range" value="long_term">' in text
    links = re.findall(r'href="/history/compare\?([^"]*)"', text)
    assert sum("long_term" in link for link in links) >= 3
    # Another range of the same days.
    assert f"?time_range=medium_term&amp;from={today() - 8 * DAY}&amp;to={today()}" in text


def test_without_history_there_is_no_comparison(host: Browser, visitor: Browser, settings: Any) -> None:
    settings.HISTORY_DAYS = 0
    assert visitor.get("/history/compare").status_code == 404
    assert compare(visitor, today(), today()).status_code == 404


def test_pages_of_the_history_lead_to_it(listener: Listener, visitor: Browser) -> None:
    day = today() - 5 * DAY
    live(listener, {at(day, "08:00:00"): ["A"], at(day, "09:00:00"): ["B"], at(day + DAY): ["C"]})
    assert 'href="/history/compare"' in visitor.get("/history/").content.decode()
    overtaken, of_the_day, newest = Snapshot.objects.filter(time_range="short_term").order_by("first_seen_at")
    link = f'href="/history/compare?from={day}&amp;to={today()}"'
    assert link in visitor.get(f"/history/{of_the_day.pk}/").content.decode()
    # Another chart is that day's; and the newest would be compared with itself.
    for snapshot in (overtaken, newest):
        assert "/history/compare" not in visitor.get(f"/history/{snapshot.pk}/").content.decode()


def test_each_listeners_days_are_their_own(
    host: Browser, visitor: Browser, simulator: Simulator, settings: Any
) -> None:
    settings.LISTENERS = "invited"
    ana = made(simulator, "stranger", name="Ana", handle="ana")
    other = made(simulator, "new", name="Nell", handle="nell", visibility="public")
    live(Listener.objects.get(is_host=True), {at(today() - 8 * DAY): ["H"], at(today() - DAY): ["I"]})
    live(who(ana), {at(today() - 8 * DAY): ["A", "B"], at(today() - DAY): ["B"]})
    path = f"/@ana/history/compare?from={today() - 8 * DAY}&to={today()}"
    assert rows(ana.get(path)) == expected(["A", "B"], ["B"])
    assert 'href="/@ana/history/compare?from=' in ana.get(path).content.decode()
    for browser in (host, other, visitor):
        for address in (path, "/@ana/history/compare", "/@ana/history/compare?from=x"):
            assert browser.get(address).status_code == 404
        assert rows(compare(browser, today() - 8 * DAY, today())) == expected(["H"], ["I"])
    Listener.objects.filter(handle="ana").update(visibility="unlisted")
    for browser in (host, other, visitor):
        assert rows(browser.get(path)) == expected(["A", "B"], ["B"])


def test_it_takes_four_queries_however_long_the_history_is(listener: Listener) -> None:
    counts = []
    for charts in ({at(today() - 3 * DAY): ["A"], at(today()) - DAY: ["B"]}, a_year()):
        live(listener, charts)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert reads.compare(listener, TimeRange.SHORT_TERM, today() - 3 * DAY, today())
        counts.append(len(queries))
    assert counts == [4, 4]


def test_only_get_and_head_are_answered(listener: Listener, visitor: Browser) -> None:
    assert visitor.head("/history/compare").status_code == 200
    assert Browser().press("/history/compare").status_code == 405
