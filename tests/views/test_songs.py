"""How songs fared: the record on the chart's rows, a song's runs, an artist's songs; beside a plain computation."""

import re
from datetime import date
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape

from simulator import Simulator
from tests.conftest import Browser
from tests.people import made, say, who
from tests.views.past import DAY, Charts, a_year, at, days, key, live, on, today
from tracks.derived import repeats
from tracks.models import Artist, Credit, Listener, Track
from tracks.templatetags.chart import in_weeks

pytestmark = pytest.mark.django_db

HOSTILE = """</title><script>alert("x")</script>'"&{{ 7*7 }}"""


@pytest.fixture
def listener(host: Browser) -> Listener:
    return Listener.objects.get()


@pytest.fixture
def year(listener: Listener) -> Charts:
    charts = a_year()
    live(listener, charts)
    return charts


def page(browser: Browser, path: str) -> str:
    response = browser.get(path)
    assert response.status_code == 200, path
    return response.content.decode()


def credit(titles: list[str], *, spotify_id: str = "abc", name: str = "Somebody", url: str = "") -> None:
    artist = Artist.objects.create(spotify_id=spotify_id, name=name, url=url)
    Credit.objects.bulk_create(Credit(track_id=key(title), artist=artist, position=1) for title in titles)


def rows(text: str) -> dict[str, str]:
    """Each song's row of the chart, or of an artist's page, by its title."""
    parts = re.split(r"</tr>|</li>", text)
    return {found[1]: part for part in parts if (found := re.search(r'class="title" [^>]*>([^<]*)</a>', part))}


def path_of(row: str) -> str:
    found = re.search(r'class="spark" aria-hidden="true">.*?<path d="([^"]*)"', row, re.DOTALL)
    assert found, row
    return found[1]


def drawn(path: str, first: date, last: date) -> dict[date, int]:
    """The places that a line tells of: between two points of a stroke it goes on in the same place."""
    places: dict[date, int] = {}
    for stroke in path.split("M")[1:]:
        before = None
        for x, place in re.findall(r"([\d.]+) (\d+)", stroke):
            day = first + round(float(x) / 1000 * (last - first).days) * DAY
            if before and before + DAY < day:
                assert places[before] == int(place)
                places |= dict.fromkeys(days(before, day), int(place))
            places[day] = int(place)
            before = day
    return places


def plainly(charts: Charts, title: str, first: date, last: date) -> dict[date, int]:
    """The song's place in the chart of each of these days on which it has one."""
    known = {day: on(charts, day) for day in days(max(first, min(charts).date()), last)}
    return {day: chart.index(title) + 1 for day, chart in known.items() if title in chart}


def best(charts: Charts, title: str, first: date = date.min, last: date = date.max) -> int:
    seen = [chart for moment, chart in charts.items() if first <= moment.date() <= last]
    return min(chart.index(title) + 1 for chart in seen if title in chart)


# The chart's rows


def test_a_row_tells_the_peak_the_charts_and_the_last_30_days(year: Charts, visitor: Browser) -> None:
    found = rows(page(visitor, "/"))
    first = today() - 29 * DAY
    assert list(found) == [title for title in on(year, today()) if title]
    for title, row in found.items():
        count = sum(title in chart for chart in year.values())
        charts = f"{count} chart{'s' if count > 1 else ''}"
        assert f"Peak {best(year, title)}, in {charts}<" in row
        assert drawn(path_of(row), first, today()) == plainly(year, title, first, today())
        assert row.count("<circle") == 1


def test_each_time_range_has_records_of_its_own(listener: Listener, visitor: Browser) -> None:
    live(listener, {at(today() - 9 * DAY): ["A", "B"], at(today() - 3 * DAY): ["B", "A"]})
    live(listener, {at(today() - 9 * DAY): ["C", "D", "A"], at(today() - 3 * DAY): ["D", "A"]}, "long_term")
    assert "Peak 1, in 2 charts" in rows(page(visitor, "/"))["A"]
    assert "Peak 2, in 2 charts" in rows(page(visitor, "/?time_range=long_term"))["A"]


def test_a_chart_that_stood_when_the_30_days_began_is_in_the_line(listener: Listener, visitor: Browser) -> None:
    charts = {at(today() - 40 * DAY): ["A", "B"], at(today() - 5 * DAY): ["B", "A"]}
    live(listener, charts)
    first = today() - 29 * DAY
    places = drawn(path_of(rows(page(visitor, "/"))["A"]), first, today())
    assert places == plainly(charts, "A", first, today()) and len(places) == 30


def test_others_charts_are_not_in_the_record(
    listener: Listener, visitor: Browser, simulator: Simulator, settings: Any
) -> None:
    settings.LISTENERS = "invited"
    ana = made(simulator, "stranger", name="Ana", handle="ana")
    live(listener, {at(today() - 9 * DAY): ["A", "B"], at(today() - 3 * DAY): ["B", "A"]})
    live(who(ana), {at(today() - 9 * DAY): ["C", "D", "E", "B"], at(today() - 3 * DAY): ["D", "E", "B"]})
    assert "Peak 3, in 2 charts" in rows(page(ana, "/@ana/"))["B"]
    assert "Peak 1, in 2 charts" in rows(page(visitor, "/"))["B"]


def test_the_first_chart_and_one_without_history_have_no_record(
    listener: Listener, visitor: Browser, settings: Any
) -> None:
    live(listener, {at(today() - 5 * DAY): ["A", "B"]})
    for days_kept in (365, 0):
        settings.HISTORY_DAYS = days_kept
        text = page(visitor, "/")
        assert "Peak" not in text and 'class="spark"' not in text and "last 30 days" not in text
        live(listener, {at(today() - 5 * DAY): ["A", "B"], at(today() - 2 * DAY): ["B", "A"]})


def test_a_day_of_several_charts_is_no_line(listener: Listener, visitor: Browser) -> None:
    """The last days' window is always 30 days: what is drawn in it is a dot."""
    live(listener, {at(today(), "00:00:01"): ["A", "B"], at(today(), "00:00:02"): ["B", "A"]})
    row = rows(page(visitor, "/"))["A"]
    assert "Peak 1, in 2 charts" in row and path_of(row) == "M1000 2h0"


def test_the_record_stands_in_place_of_an_album_that_repeats_the_title(listener: Listener, visitor: Browser) -> None:
    live(listener, {at(today() - 5 * DAY): ["One", "Two"], at(today() - 2 * DAY): ["Two", "One"]})
    Track.objects.filter(name="One").update(album="ONE - Single")
    Track.objects.filter(name="Two").update(album="Elsewhere")
    cells = {title: row.partition('<td class="album">')[2] for title, row in rows(page(visitor, "/")).items()}
    assert "Single" not in cells["One"] and "<bdi>Elsewhere</bdi>" in cells["Two"]
    snapshot = listener.snapshots.filter(time_range="short_term").latest("first_seen_at")
    cells = {name: row.partition('<td class="album">')[2] for name, row in
             rows(page(visitor, f"/history/{snapshot.pk}/")).items()}  # fmt: skip
    assert "ONE - Single" in cells["One"] and "Peak" not in cells["One"]


@pytest.mark.parametrize(
    ("album", "title", "same"),
    [
        ("Glass", "glass", True),
        ("Glass - Single", "Glass", True),
        ("Glass (feat. Somebody) - Single", "Glass (feat. Somebody)", True),
        ("Glass", "Glass [with Somebody]", True),
        ("Glass - EP", "Glass", False),
        ("Glass (Deluxe)", "Glass", False),
        ("Glassworks", "Glass", False),
        ("", "Glass", False),
        ("", "(feat. Somebody)", False),
    ],
)
def test_what_repeats_a_title(album: str, title: str, same: bool) -> None:
    assert repeats(album, title) is same


# A song's page


def test_a_songs_runs_are_those_of_a_plain_computation(year: Charts, visitor: Browser) -> None:
    first, last = min(year).date(), today()
    for title in ("Past 0", "Past 7", "Past 21"):
        text = page(visitor, f"/tracks/{key(title)}/")
        places = plainly(year, title, first, last)
        runs: list[list[date]] = []
        for day in places:
            if runs and runs[-1][-1] + DAY == day:
                runs[-1].append(day)
            else:
                runs.append([day])
        table = text.partition('class="in-the-chart"')[2].partition("</table>")[0]
        told = [re.findall(r'datetime="([^"]*)"|<td>(\d+)</td>|<td>(now)', row) for row in table.split("<tr>")[2:]]
        assert [["".join(cell) for cell in row] for row in told] == [
            [
                str(run[0]),
                "now" if run[-1] == last else str(run[-1]),
                str(len(run)),
                str(best(year, title, run[0], run[-1])),
            ]
            for run in reversed(runs)
        ]
        assert f"<caption>{len(places)} days in the chart, in {len(runs)} runs</caption>" in table
        ones = sum(place == 1 for place in places.values())
        assert (f"<dt>At number one</dt><dd>{in_weeks(ones)}</dd>" in text) is bool(ones)
        peak = best(year, title)
        since = min(moment for moment, chart in year.items() if title in chart and chart.index(title) + 1 == peak)
        assert f'<dt>Peak</dt><dd>{peak}, <time datetime="{since.date()}">' in text


def beside(browser: Browser, title: str) -> str:
    text = page(browser, f"/tracks/{key(title)}/").partition('<p class="beside">')[2].partition("</p>")[0]
    assert all(f"/tracks/{key(name)}/" in text for name in re.findall(r"<a [^>]*>([^<]*)</a>", text))
    return " ".join(re.sub(r"<[^>]+>", "", text).split())


def test_who_stands_beside_a_song_and_who_stood_when_it_left(listener: Listener, visitor: Browser) -> None:
    live(listener, {at(today() - 9 * DAY): ["A", "", "B", "C"], at(today() - 3 * DAY): ["C", "D", "A"]})
    assert beside(visitor, "D") == "Now at 2. C stands above it, A below."
    assert beside(visitor, "C") == "Now at 1. D stands below it."
    assert beside(visitor, "A") == "Now at 3. D stands above it."
    assert beside(visitor, "B") == "Not in the chart now; it was last at 3. A stood above it then, C below."
    live(listener, {at(today() - 9 * DAY): ["B", "C"], at(today() - 5 * DAY): ["C", "E"], at(today() - 3 * DAY): ["A"]})
    assert beside(visitor, "A") == "Now at 1."
    assert beside(visitor, "B") == "Not in the chart now; it was last at 1. C stood below it then."
    assert beside(visitor, "E") == "Not in the chart now; it was last at 2. C stood above it then."


@pytest.mark.parametrize(
    ("n", "words"),
    [(1, "1 day"), (6, "6 days"), (7, "1 week"), (8, "1 week and 1 day"), (23, "3 weeks and 2 days")],
)
def test_days_are_told_in_weeks(n: int, words: str) -> None:
    assert in_weeks(n) == words


def test_without_history_a_songs_page_has_no_runs(listener: Listener, visitor: Browser, settings: Any) -> None:
    live(listener, {at(today() - 9 * DAY): ["A", "B"]})
    assert "10 days in the chart" in page(visitor, f"/tracks/{key('A')}/")
    settings.HISTORY_DAYS = 0
    text = page(visitor, f"/tracks/{key('A')}/")
    assert "Now at 1." in text and "days in the chart" not in text and "<dt>Peak</dt>" not in text


# An artist's page


def test_an_artists_songs_are_told_as_on_paper(year: Charts, visitor: Browser) -> None:
    titles = [f"Past {number}" for number in range(10)]
    credit(titles, url="https://open.spotify.com/artist/abc")
    first, last = min(year).date(), today()
    text = page(visitor, "/artists/abc/")
    found, now = rows(text), on(year, last)
    gone = [title for title in titles if title not in now]
    gone.sort(key=lambda title: max(moment for moment in year if title in year[moment]), reverse=True)
    assert list(found) == [title for title in now if title in titles] + gone
    for title, row in found.items():
        places = plainly(year, title, first, last)
        assert f"Peak {best(year, title)}, {len(places)} days" in row
        assert drawn(path_of(row), first, last) == places
        assert ("<circle" in row) is (title in now) is ("first on" in row)
        assert ("<b>" in row) is (title in now)
    assert "<h1><bdi>Somebody</bdi></h1>" in text and 'href="https://open.spotify.com/artist/abc"' in text
    assert '<link rel="canonical" href="http://127.0.0.1:8000/artists/abc/">' in text
    assert '<meta property="og:title" content="Somebody">' in text


def test_the_artists_and_a_songs_page_lead_to_the_artist_and_to_spotify(host: Browser, visitor: Browser) -> None:
    song = visitor.get("/tracks.json?time_range=long_term").json()["tracks"][0]
    artist = Artist.objects.get(url=song["artists"][0]["url"])
    path = f"/artists/{artist.pk}/?time_range=long_term"
    for page_of_songs in ("/artists/?time_range=long_term", f"/tracks/{song['id']}/"):
        text = page(visitor, page_of_songs)
        assert f'href="/artists/{artist.pk}/' in text and f'href="{artist.url}"' in text
    assert f'<a href="{path}">{escape(artist.name)}</a>' in page(visitor, "/artists/?time_range=long_term")
    text = page(visitor, path)
    assert (
        f'href="/tracks/{song["id"]}/"' in text and f'href="{artist.url}"' in text and f'href="{song["url"]}"' in text
    )


def test_an_artist_of_many_songs_has_pages_of_20(listener: Listener, visitor: Browser) -> None:
    titles = [f"Many {number:02}" for number in range(45)]
    live(listener, {at(today() - n * DAY): titles[n * 15 : n * 15 + 15] for n in range(3)})
    credit(titles)
    shown = [list(rows(page(visitor, f"/artists/abc/?page={number}"))) for number in (1, 2, 3)]
    assert [title for one in shown for title in one] == titles and [len(one) for one in shown] == [20, 20, 5]
    assert "page=2" in page(visitor, "/artists/abc/") and "page=4" not in page(visitor, "/artists/abc/?page=3")
    for number in ("4", "0", "-1", "x", "", "99999999999", "١"):
        assert visitor.get("/artists/abc/", {"page": number}).status_code == 404, number


def test_a_time_range_in_which_the_artist_never_stood_says_so(listener: Listener, visitor: Browser) -> None:
    live(listener, {at(today() - 3 * DAY): ["A"]}, "long_term")
    credit(["A"])
    assert "stood in a chart of this time" in page(visitor, "/artists/abc/")
    assert list(rows(page(visitor, "/artists/abc/?time_range=long_term"))) == ["A"]
    assert visitor.get("/artists/abc/?time_range=week").status_code == 404


def test_a_song_that_was_there_for_less_than_a_day_says_so(listener: Listener, visitor: Browser) -> None:
    live(listener, {at(today() - 3 * DAY, "08:00:00"): ["A"], at(today() - 3 * DAY, "09:00:00"): ["B"]})
    credit(["A"])
    assert "Peak 1, less than a day" in page(visitor, "/artists/abc/")


def test_without_history_an_artist_has_the_songs_of_now(listener: Listener, visitor: Browser, settings: Any) -> None:
    live(listener, {at(today() - 9 * DAY): ["A", "B"], at(today() - 3 * DAY): ["B"]})
    credit(["A", "B"])
    settings.HISTORY_DAYS = 0
    text = page(visitor, "/artists/abc/")
    assert list(rows(text)) == ["B"] and "Peak" not in text and "spark" not in text and "former" not in text


def test_an_artist_without_a_page_at_spotify_has_no_button(listener: Listener, visitor: Browser) -> None:
    live(listener, {at(today() - 3 * DAY): ["A"]})
    credit(["A"], spotify_id="name:0123abc")
    assert "Open on Spotify" not in page(visitor, "/artists/name:0123abc/")
    assert 'href="/artists/name:0123abc/"' in page(visitor, f"/tracks/{key('A')}/")
    assert 'href="/artists/name:0123abc/"' in page(visitor, "/artists/")


def test_names_are_escaped(listener: Listener, visitor: Browser) -> None:
    live(listener, {at(today() - 3 * DAY): ["A", "B", "C"]})
    Track.objects.filter(pk__startswith="past-").update(name=HOSTILE)
    credit(["A", "B"], name=HOSTILE)
    for path in ("/artists/abc/", f"/tracks/{key('B')}/", "/artists/", "/"):
        text = page(visitor, path)
        assert "&lt;script&gt;alert" in text and "<script>alert" not in text and "{{ 7*7 }}" in text


@pytest.mark.parametrize("path", ["nobody", "a%00b", "a" * 2000, "name:", "name:x", "%3Cscript%3E"])
def test_an_artist_who_never_stood_in_the_chart_is_404(listener: Listener, visitor: Browser, path: str) -> None:
    Artist.objects.create(spotify_id="nobody", name="Nobody")
    assert visitor.get(f"/artists/{path}/").status_code == 404


def test_a_private_listeners_artists_are_theirs_alone(
    host: Browser, visitor: Browser, simulator: Simulator, settings: Any
) -> None:
    settings.LISTENERS = "invited"
    ana = made(simulator, "stranger", name="Ana", handle="ana")
    other = made(simulator, "new", name="Nell", handle="nell", visibility="public")
    live(who(ana), {at(today() - 3 * DAY): ["Ana song"]})
    credit(["Ana song"])
    assert f'href="/@ana/tracks/{key("Ana song")}/"' in page(ana, "/@ana/artists/abc/")
    for browser in (host, other, visitor):
        for path in ("/@ana/artists/abc/", "/artists/abc/", "/@nell/artists/abc/"):
            assert browser.get(path).status_code == 404, path
    say(ana, visibility="public")
    for browser in (host, other, visitor):
        assert "Ana song" in page(browser, "/@ana/artists/abc/")
        assert browser.get("/artists/abc/").status_code == 404


# Queries


def test_they_take_as_many_queries_for_a_week_as_for_a_year(
    listener: Listener, visitor: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracks.ops.shared.version.CHECK_SECONDS", 60)
    page(visitor, "/")
    counts = []
    for charts in ({at(today() - 5 * DAY): ["Past 0", "B"], at(today()): ["B", "Past 0"]}, a_year()):
        live(listener, charts)
        if not Artist.objects.filter(pk="abc").exists():
            credit(["Past 0"])
        for path in ("/", f"/tracks/{key('Past 0')}/", "/artists/abc/"):
            with CaptureQueriesContext(connection) as queries:
                page(visitor, path)
            counts.append(len(queries))
    assert counts == [6, 6, 7, 6, 6, 7]
