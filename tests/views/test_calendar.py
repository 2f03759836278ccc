"""The history as a calendar: the number one of each day."""

import re
from datetime import date
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from simulator import Simulator
from tests.conftest import Browser
from tests.people import made, who
from tests.views.past import DAY, Charts, a_year, at, days, live, on, today
from tracks import calendar
from tracks.history import kept
from tracks.models import Listener, Snapshot, TimeRange

pytestmark = pytest.mark.django_db


def cells(page: Any) -> dict[str, str]:
    """The title in each day's cell, "" for an empty one."""
    assert page.status_code == 200
    found = {}
    for cell in re.findall(r"<td[^>]*>(.*?)</td>", calendar_of(page), re.DOTALL):
        day = re.search(r'<time datetime="([0-9-]+)">(\d+)', cell)
        title = re.search(r'<bdi><a href="/(?:@\w+/)?tracks/[\w-]+/">([^<]*)</a></bdi>', cell)
        if day:
            assert int(day[1][-2:]) == int(day[2])
            found[day[1]] = unescape(title[1]) if title else ""
        else:
            assert not cell.strip()
    return found


def calendar_of(page: Any) -> str:
    return str(page.content.decode()).partition('<section class="calendar"')[2].partition("</section>")[0]


def captions(page: Any) -> list[str]:
    return re.findall(r"<caption>([^<]*)</caption>", calendar_of(page))


def older(page: Any) -> str | None:
    found = re.search(r'<a rel="next" href="([^"]*month=[^"]*)"', calendar_of(page))
    return unescape(found[1]).partition("#")[0] if found else None


def number_one(charts: Charts, day: date) -> str:
    return on(charts, day)[0] if min(charts).date() <= day <= today() else ""


def test_a_year_of_days_says_what_a_plain_computation_says(listener: Listener, visitor: Browser) -> None:
    charts = a_year()
    live(listener, charts)
    path: str | None = "/history/"
    shown: dict[str, str] = {}
    pages = 0
    while path:
        page = visitor.get(path)
        assert len(captions(page)) <= 3
        assert not shown.keys() & cells(page).keys()
        shown |= cells(page)
        path = older(page)
        pages += 1
    assert pages in (4, 5)
    assert shown == {day: number_one(charts, date.fromisoformat(day)) for day in shown}
    assert {str(day) for day in days(min(charts).date(), today())} <= shown.keys()
    assert "" in shown.values()
    # Each month is whole, and they follow each other without a gap.
    assert [date.fromisoformat(day) for day in sorted(shown)] == list(
        days(date.fromisoformat(min(shown)), date.fromisoformat(max(shown)))
    )


def test_a_day_ends_at_midnight_utc(listener: Listener, visitor: Browser) -> None:
    day = today() - 5 * DAY
    live(listener, {
        at(day - DAY): ["First"], at(day, "23:59:59.999999"): ["Late"], at(day + DAY, "00:00:00"): ["Early"],
    })  # fmt: skip
    shown = cells(visitor.get("/history/"))
    assert [shown[str(day + number * DAY)] for number in (-1, 0, 1, 2)] == ["First", "Late", "Early", "Early"]
    assert b"UTC" in visitor.get("/history/").content


def test_a_chart_from_before_the_month_stands_in_it(listener: Listener, visitor: Browser) -> None:
    charts = {at(date(2025, 3, 10)): ["Old"], at(date(2025, 7, 20)): ["Next"]}
    live(listener, charts)
    page = visitor.get("/history/?month=2025-07")
    assert captions(page) == ["July 2025", "June 2025", "May 2025"]
    shown = cells(page)
    assert (shown["2025-05-01"], shown["2025-07-19"], shown["2025-07-20"]) == ("Old", "Old", "Next")
    assert "month=2025-10" in calendar_of(page)  # newer
    assert older(page) == "/history/?month=2025-04"
    assert captions(visitor.get("/history/?month=2025-04")) == ["April 2025", "March 2025"]


def test_months_are_found_within_the_history_alone(listener: Listener, visitor: Browser) -> None:
    live(listener, {at(date(2026, 1, 31), "23:59:59"): ["A"]})
    assert visitor.get("/history/?month=2026-01").status_code == 200
    later = f"{today().year + 1}-01"
    for month in ("2025-12", later, "0001-01", "9999-12", "", "x", "2026-13", "2026-1", "2026-01-01", "202601",
                  "2026-00"):  # fmt: skip
        assert visitor.get("/history/", {"month": month}).status_code == 404, month


def test_each_run_of_days_says_how_long_it_is(listener: Listener, visitor: Browser) -> None:
    """On a phone a run is one line."""
    live(listener, {at(date(2026, 3, 28)): ["A"], at(date(2026, 4, 3)): ["B"], at(date(2026, 4, 4)): ["A"]})
    calendar = calendar_of(visitor.get("/history/?month=2026-04"))
    assert re.findall(r'"(2026-0[34]-\d\d)">\d+<span class="until">–(\d+)<', calendar) == [
        ("2026-04-01", "2"), ("2026-04-04", "30"), ("2026-03-28", "31"),
    ]  # fmt: skip
    assert calendar.count('class="still"') == 1 + 26 + 3


@pytest.mark.parametrize(
    ("language", "names", "caption", "blank"),
    [("en", ["Sunday", "Saturday"], "April 2026", 3), ("es", ["lunes", "domingo"], "abril de 2026", 2)],
)
def test_weeks_begin_where_the_language_begins_them(
    listener: Listener, visitor: Browser, language: str, names: list[str], caption: str, blank: int
) -> None:
    live(listener, {at(date(2026, 4, 1)): ["A"]})  # a Wednesday
    page = visitor.get("/history/?month=2026-04", HTTP_ACCEPT_LANGUAGE=language)
    assert captions(page) == [caption]
    head, _, body = calendar_of(page).partition("</thead>")
    found = [name.lower() for name in re.findall(r'<abbr title="([^"]*)">', head)]
    assert len(found) == 7 and [found[0], found[-1]] == [name.lower() for name in names]
    assert head.count('<th scope="col">') == 7
    week = body.partition("</tr>")[0]
    assert week.partition("<time")[0].count("<td") - 1 == blank


def test_titles_are_shown_as_they_are(listener: Listener, visitor: Browser) -> None:
    live(listener, {at(today()): ["<b>Loud</b> & clear"]})
    assert cells(visitor.get("/history/"))[str(today())] == "<b>Loud</b> & clear"


def test_the_calendar_stands_beside_the_first_page_of_the_list(
    listener: Listener, visitor: Browser, settings: Any
) -> None:
    live(listener, a_year())
    assert len(re.findall(r'href="/history/\d+/"', visitor.get("/history/").content.decode())) == 20
    assert not calendar_of(visitor.get("/history/?page=2"))
    live(listener, {at(today()): ["L"]}, time_range="long_term")
    assert set(cells(visitor.get("/history/?time_range=long_term")).values()) == {"", "L"}
    Snapshot.objects.all().delete()
    assert not calendar_of(visitor.get("/history/"))
    settings.HISTORY_DAYS = 0
    assert visitor.get("/history/?month=2026-04").status_code == 404


def test_each_listeners_calendar_is_their_own(
    host: Browser, visitor: Browser, simulator: Simulator, settings: Any
) -> None:
    settings.LISTENERS = "invited"
    ana = made(simulator, "stranger", name="Ana", handle="ana")
    other = made(simulator, "new", name="Nell", handle="nell", visibility="public")
    live(Listener.objects.get(is_host=True), {at(today()): ["Host song"]})
    live(who(ana), {at(date(2026, 1, 5)): ["Ana song"]})
    path = "/@ana/history/?month=2026-01"
    assert cells(ana.get(path))["2026-01-05"] == "Ana song"
    assert "/@ana/history/?month=" in calendar_of(ana.get(path))
    for browser in (host, other, visitor):
        assert browser.get(path).status_code == 404
        assert cells(browser.get("/history/"))[str(today())] == "Host song"
    Listener.objects.filter(handle="ana").update(visibility="public")
    for browser in (host, other, visitor):
        assert cells(browser.get(path))["2026-01-05"] == "Ana song"


def test_it_takes_three_queries_however_long_the_history_is(listener: Listener) -> None:
    counts = []
    for charts in ({at(today() - 3 * DAY): ["A"], at(today()): ["B"]}, a_year()):
        live(listener, charts)
        with CaptureQueriesContext(connection) as queries:
            reach = kept(listener, TimeRange.SHORT_TERM)
            assert reach and calendar.read(listener, TimeRange.SHORT_TERM, reach)
        counts.append(len(queries))
    assert counts == [3, 3]
