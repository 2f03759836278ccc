"""A year in songs: its figures beside a plain computation, what is not covered, and who sees it."""

import random
import re
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from simulator import Simulator
from tests.conftest import Browser
from tests.factories import item
from tests.people import made, say
from tracks.etl.load import load
from tracks.etl.transform import transform
from tracks.models import Listener, Snapshot, TimeRange, Track
from tracks.year import Year, look_back

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
YEAR = 2025


def hear(listener: Listener, at: datetime, numbers: list[int], **changes: Any) -> None:
    items = [item(n, album=item(n)["album"] | {"release_date": f"{1950 + n}-01-01"}, **changes) for n in numbers]
    load(listener=listener, tables={"short_term": transform(items)}, now=at)


@pytest.fixture
def lived(host: Browser) -> dict[datetime, list[int]]:
    """Sixteen months of charts at odd hours, with gaps, days of two charts, and songs that come and go."""
    listener = Listener.objects.get()
    Snapshot.objects.all().delete()
    chance = random.Random(7)
    now, chart, heard = datetime(2024, 11, 3, 22, 30, tzinfo=UTC), list(range(1, 13)), {}
    while now < datetime(2026, 3, 1, tzinfo=UTC):
        for _ in range(chance.randrange(4)):
            i, j = chance.randrange(12), chance.randrange(12)
            chart[i], chart[j] = chart[j], chart[i]
        if chance.random() < 0.4:
            chart[chance.randrange(12)] = chance.choice([n for n in range(1, 46) if n not in chart])
        hear(listener, now, chart)
        heard[now] = list(chart)
        now += timedelta(hours=chance.choice([3, 11, 24, 24, 24, 24, 60]))
    return heard


@pytest.fixture
def told_quickly(host: Browser) -> None:
    """From November 2024 to March 2026, of which 2025 is covered whole, in six charts."""
    listener = Listener.objects.get()
    Snapshot.objects.all().delete()
    for month, chart in (("2024-11", [1, 2, 3]), ("2025-02", [2, 3, 4]), ("2025-04", [4, 3, 2]), ("2025-08", [1, 3, 2]),
                         ("2026-01", [3, 1, 2]), ("2026-03", [2, 3, 1])):  # fmt: skip
        hear(listener, datetime.fromisoformat(f"{month}-03T22:30+00:00"), chart)


def plainly(heard: dict[datetime, list[int]], year: int) -> dict[str, Any]:
    """The figures as one would count them on paper: a chart for each day, then day by day."""
    moments = sorted(heard)
    charts = {}
    day = moments[0].date()
    while day <= moments[-1].date():
        if day.year == year:
            charts[day] = heard[max(moment for moment in moments if moment.date() <= day)]
        day += DAY
    days: dict[int, int] = defaultdict(int)
    ones: dict[int, int] = defaultdict(int)
    backs: dict[int, int] = defaultdict(int)
    firsts: dict[int, int] = {}
    for chart in charts.values():
        ones[chart[0]] += 1
        for song in chart:
            days[song] += 1
    climbs, ever = [], set(heard[moments[0]])
    for before, now in pairwise(moments):
        for place, song in enumerate(heard[now], start=1):
            if now.year == year and song in heard[before]:
                climbs.append((heard[before].index(song) + 1 - place, song))
            if now.year == year and song not in heard[before]:
                if song in ever:
                    backs[song] += 1
                else:
                    firsts.setdefault(now.month, song)
        ever |= set(heard[now])
    return {
        "days": len(charts), "songs": set(days), "ones": ones, "in": days, "climb": max(climbs)[0], "climbers":
        {song for n, song in climbs if n == max(climbs)[0]}, "backs": backs, "firsts": firsts,
        "wonders": {song for song, n in days.items() if n == 1}, "oldest": min(days),
        "covers": (min(charts), max(charts)),
    }  # fmt: skip


def number(track: Track) -> int:
    return int(track.pk)


def told(year: int = YEAR) -> Year:
    found = look_back(Listener.objects.get(), TimeRange.SHORT_TERM, year)
    assert found
    return found


def test_the_figures_are_those_of_a_plain_computation(lived: dict[datetime, list[int]]) -> None:
    for year in (2024, 2025, 2026):
        assert_told_plainly(lived, year)


def assert_told_plainly(lived: dict[datetime, list[int]], year: int) -> None:
    plain, found = plainly(lived, year), told(year)
    assert (found.days, found.songs, found.artists) == (plain["days"], len(plain["songs"]), len(plain["songs"]))
    assert (found.first_day, found.last_day) == plain["covers"]
    for counted, plainly_counted in (
        (found.at_number_one, plain["ones"]),
        (found.in_the_chart, plain["in"]),
        (found.comebacks, plain["backs"]),
    ):
        assert counted and counted.n == max(plainly_counted.values()) == plainly_counted[number(counted.track)]
    assert found.climb and found.climb.n == plain["climb"] and number(found.climb.track) in plain["climbers"]
    assert found.oldest and number(found.oldest) == plain["oldest"]
    assert found.wonder_count == len(plain["wonders"])
    assert {number(track) for track in found.wonders} <= plain["wonders"]
    assert {first.month.month: number(first.track) for first in found.firsts} == plain["firsts"]


def test_a_year_that_is_covered_whole_says_so_by_saying_nothing(told_quickly: None, visitor: Browser) -> None:
    assert told().is_whole and not told(2024).is_whole
    assert "They cover" not in visitor.get("/year/2025/").content.decode()
    assert "They cover November 3 to December 31;" in visitor.get("/year/2024/").content.decode()


def test_each_line_is_a_sentence_with_its_song(told_quickly: None, visitor: Browser) -> None:
    page = visitor.get("/year/2025/").content.decode()
    found = told()
    assert found.at_number_one
    text = " ".join(re.sub(r"<[^>]+>", "", page).split())
    assert "<h1>The year 2025 in songs</h1>" in page
    assert f"{found.at_number_one.track.name} was at number one longest: {found.at_number_one.n} days." in text
    assert f"{found.songs} different songs stood in these charts, by {found.artists} different artists." in text
    assert "no statistics of Spotify’s" in text
    lines = re.findall(r"<li>.*?</li>", page.partition('<ul class="told">')[2].partition("</ul>")[0], re.DOTALL)
    assert len(lines) >= 6
    assert all("/tracks/" in line for line in lines if "different songs" not in line)
    assert page.count("<h3>") == len(found.firsts)
    assert '<a rel="prev" href="/year/2024/">2024</a>' in page and '<a rel="next" href="/year/2026/">2026</a>' in page


def test_songs_of_one_day_are_named_and_counted(host: Browser, visitor: Browser) -> None:
    listener = Listener.objects.get()
    Snapshot.objects.all().delete()
    for day in range(1, 13):
        hear(listener, datetime(2025, 5, day, tzinfo=UTC), [40, day])
    page = visitor.get("/year/2025/").content.decode()
    line = re.search(r"<li><b>12</b><p>12 songs stood there for one day only:.*?</li>", page, re.DOTALL)
    assert line and line[0].count("/tracks/") == 10 and "…" in line[0]


@pytest.mark.parametrize(
    "path", ["/year/2023/", "/year/2027/", "/year/0/", "/year/99999999999/", "/year/2025/?time_range=x"]
)
def test_a_year_without_charts_is_404(told_quickly: None, visitor: Browser, path: str) -> None:
    assert visitor.get(path).status_code == 404


def test_before_there_is_anybody_and_without_a_history_it_is_404(
    db: None, host: Browser, visitor: Browser, settings: Any
) -> None:
    year = datetime.now(UTC).year
    assert visitor.get(f"/year/{year}/").status_code == 200
    settings.HISTORY_DAYS = 0
    assert visitor.get(f"/year/{year}/").status_code == 404
    settings.HISTORY_DAYS = 370
    Listener.objects.all().delete()
    assert visitor.get(f"/year/{year}/").status_code == 404


def test_a_chart_that_is_replaced_on_its_day_counts_for_none(host: Browser) -> None:
    listener = Listener.objects.get()
    Snapshot.objects.all().delete()
    for hour, songs in ((1, [1, 2]), (9, [3, 2])):
        hear(listener, datetime(2025, 5, 1, hour, tzinfo=UTC), songs)
    hear(listener, datetime(2025, 5, 3, 9, tzinfo=UTC), [3, 2])
    found = told()
    assert (found.days, found.songs, found.first_day, found.last_day) == (3, 2, date(2025, 5, 1), date(2025, 5, 3))
    assert found.at_number_one and (number(found.at_number_one.track), found.at_number_one.n) == (3, 3)


def test_an_empty_chart_is_no_year(host: Browser, visitor: Browser) -> None:
    Snapshot.objects.all().delete()
    hear(Listener.objects.get(), datetime(2025, 5, 1, tzinfo=UTC), [])
    assert visitor.get("/year/2025/").status_code == 404


def test_it_takes_as_many_queries_for_a_day_as_for_a_year(told_quickly: None, visitor: Browser) -> None:
    counts = []
    for year in (2024, 2025):
        with CaptureQueriesContext(connection) as queries:
            assert visitor.get(f"/year/{year}/").status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 11


def test_a_private_listeners_year_is_theirs_alone(
    host: Browser, simulator: Simulator, visitor: Browser, settings: Any
) -> None:
    settings.LISTENERS = "invited"
    ana = made(simulator, "stranger", name="Ana", handle="ana")
    path = f"/@ana/year/{datetime.now(UTC).year}/"
    assert ana.get(path).status_code == 200
    assert [browser.get(path).status_code for browser in (host, visitor)] == [404, 404]
    say(ana, visibility="public")
    page = visitor.get(path).content.decode()
    assert 'href="/@ana/tracks/' in page and 'href="/tracks/' not in page
