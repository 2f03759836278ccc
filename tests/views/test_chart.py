"""What people come back for: movement, history, one song's history, the artists, the feed."""

import html
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone, translation

from simulator import Simulator
from tests.conftest import ROOT, Browser
from tests.factories import item
from tracks.etl.service import refresh
from tracks.management.past import live_through
from tracks.models import Artist, Listener, Placement, RefreshRun, Snapshot, TimeRange, Track
from tracks.templatetags.chart import release

pytestmark = pytest.mark.django_db

ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture
def hear(host: Browser, simulator: Simulator) -> Callable[..., None]:
    """Lets the host hear these songs, best first, a day after what was heard before."""
    listener = Listener.objects.get()
    Snapshot.objects.all().delete()

    def hear(*numbers: int, time_range: str = "short_term", days: int = 1) -> None:
        day = timedelta(days=days)
        Snapshot.objects.update(first_seen_at=F("first_seen_at") - day, confirmed_at=F("confirmed_at") - day)
        simulator.set_top("host", time_range, [item(number) for number in numbers])
        refresh(listener=listener, trigger="cron", time_ranges=[time_range], force=True)

    return hear


def key(number: int) -> str:
    return f"{number:022d}"


def rows(page: Any) -> dict[str, str]:
    """Title to the words and numbers in the position's cell."""
    found = {}
    for row in page.content.decode().partition("<tbody>")[2].split("</tr>")[:-1]:
        cell = re.search(r'<td class="position">(.*?)</td>', row, re.DOTALL)
        title = re.search(r'class="title"[^>]*>([^<]*)<', row)
        assert cell and title
        found[title[1]] = " ".join(re.sub(r"<[^>]+>", " ", cell[1]).split())
    return found


# Movement


def test_the_first_chart_has_nothing_to_compare_with(hear: Callable[..., None], visitor: Browser) -> None:
    hear(1, 2)
    page = visitor.get("/")
    assert rows(page) == {"Song 1": "1", "Song 2": "2"}
    assert b"Nothing new" not in page.content and b"7 min of music" in page.content


@pytest.mark.database
def test_movement_compares_with_the_chart_before(hear: Callable[..., None], visitor: Browser) -> None:
    hear(1, 2, 3, 4)
    hear(1, 2, 3, 5)
    hear(3, 2, 1, 6, 4)
    assert rows(visitor.get("/")) == {
        "Song 3": "1 up 2", "Song 2": "2 same", "Song 1": "3 down 2", "Song 6": "4 new", "Song 4": "5 back",
    }  # fmt: skip


@pytest.mark.database
def test_an_unchanged_ranking_keeps_the_movement(hear: Callable[..., None], visitor: Browser) -> None:
    hear(1, 2)
    hear(2, 1)
    before = rows(visitor.get("/"))
    hear(2, 1)
    assert rows(visitor.get("/")) == before == {"Song 2": "1 up 1", "Song 1": "2 down 1"}


@pytest.mark.database
def test_a_time_range_moves_by_itself(hear: Callable[..., None], visitor: Browser) -> None:
    hear(1, 2, time_range="long_term")
    hear(2, 1)
    hear(2, 1, 3)
    assert rows(visitor.get("/")) == {"Song 2": "1 same", "Song 1": "2 same", "Song 3": "3 new"}
    assert rows(visitor.get("/?time_range=long_term")) == {"Song 1": "1", "Song 2": "2"}


@pytest.mark.database
def test_the_summary_says_what_changed(hear: Callable[..., None], visitor: Browser) -> None:
    hear(1, 2, 3, 4, 5)
    hear(5, 1, 2, 6)
    page = re.sub(r"<[^>]+>", "", visitor.get("/").content.decode())
    summary = " ".join(page.split())
    assert "1 new song" in summary and "1 new songs" not in summary
    assert "Biggest climber: Song 5, up 4 places" in summary
    assert "Left: Song 3, Song 4" in summary
    assert "14 min of music" in summary
    hear(6, 7, 8, 5, 2, 1)
    summary = " ".join(re.sub(r"<[^>]+>", "", visitor.get("/").content.decode()).split())
    assert "2 new songs" in summary


def plain(page: Any) -> str:
    """The words of a page in one line."""
    return html.unescape(" ".join(re.sub(r"<[^>]+>", "", page.content.decode()).split()))


@pytest.mark.database
def test_movement_says_since_when_once(hear: Callable[..., None], visitor: Browser) -> None:
    hear(1, 2)
    hear(2, 1, 3, days=3)
    then = Snapshot.objects.earliest("first_seen_at").confirmed_at
    for language, since in (("en", f"since {then:%B} {then.day}"), ("es", rf"desde el {then.day} de \w+")):
        page = visitor.get("/", HTTP_ACCEPT_LANGUAGE=language)
        summary = page.content.decode().partition('<ul class="summary">')[2].partition("</ul>")[0]
        caption = page.content.decode().partition("<caption")[2].partition("</caption>")[0]
        for part in (summary, caption):
            assert re.search(since, re.sub(r"<[^>]+>", "", part)), part
        assert len(re.findall(since, plain(page))) == 2
    snapshot = visitor.get(f"/history/{Snapshot.objects.latest('first_seen_at').pk}/")
    assert f"movement since {then:%B} {then.day}" in plain(snapshot)


def test_the_headline_says_the_true_number_of_songs(hear: Callable[..., None], visitor: Browser) -> None:
    hear(1)
    for language, headline in (("en", "The top song of the last 4 weeks"),
                               ("es", "La canción más escuchada de las últimas 4 semanas")):  # fmt: skip
        assert f"<title>{headline} · " in visitor.get("/", HTTP_ACCEPT_LANGUAGE=language).content.decode()
    hear(*range(1, 8))
    for language, headline in (("en", "Top 7 songs of"), ("es", "Las 7 canciones de")):
        assert f"<title>{headline} " in visitor.get("/", HTTP_ACCEPT_LANGUAGE=language).content.decode()
    assert "Top 7 songs of the last 4 weeks" in plain(visitor.get(f"/history/{Snapshot.objects.latest('pk').pk}/"))


def test_nothing_new_is_said_too(hear: Callable[..., None], visitor: Browser) -> None:
    hear(1, 2)
    hear(2, 1)
    page = visitor.get("/").content.decode()
    assert "Nothing new" in page and "up 1 place<" in page and "Left:" not in page


# Names and dates


def test_each_song_that_is_named_leads_to_its_page_in_quotes_of_its_own(
    hear: Callable[..., None], visitor: Browser, simulator: Simulator
) -> None:
    hear(1, 2, 3)
    hear(4, 5, 1)
    hear(1, 4)
    for path, found in (("/", {1, 5}), ("/history/", {1, 4, 5})):
        page = visitor.get(path).content.decode()
        links = re.findall(r'<q><bdi><a href="/tracks/(\d+)/">Song (\d+)</a></bdi></q>', page)
        assert {int(number) for _, number in links} == found and all(int(pk) == int(number) for pk, number in links)
        assert all(f">Song {number}</a>" in page for number in found)
    for pk in (1, 2, 3, 4, 5):
        assert f'href="https://open.spotify.com/track/{key(pk)}"' in visitor.get(f"/tracks/{key(pk)}/").content.decode()
    feed = ElementTree.fromstring(visitor.get("/feed.atom").content)
    for entry in feed.findall(f"{ATOM}entry"):
        text = entry.findtext(f"{ATOM}summary") or ""
        linked = re.findall(r'<q><bdi><a href="https://open\.spotify\.com/track/\d+">(Song \d)</a></bdi></q>', text)
        assert linked and len(linked) == text.count("Song ")


@pytest.mark.parametrize(
    ("language", "day", "month", "year"),
    [("en", "March 14, 2019", "March 2019", "2019"), ("es", "14 de marzo de 2019", "marzo de 2019", "2019"),
     ("de", "14. März 2019", "März 2019", "2019"), ("ja", "2019年3月14日", "2019年3月", "2019")],
)  # fmt: skip
def test_a_release_date_has_the_form_of_any_language(language: str, day: str, month: str, year: str) -> None:
    with translation.override(language):
        for value, precision, shown in (
            ("2019-03-14", "day", day),
            ("2019-03", "month", month),
            ("2019", "year", year),
        ):
            assert release(Track(release_date=value, release_date_precision=precision)) == shown


def test_no_template_writes_a_date_in_one_languages_form() -> None:
    for path in (ROOT / "templates").rglob("*.*"):
        for form in re.findall(r"\|date:[\"']([^\"']*)[\"']", path.read_text()):
            assert form == "c" or form.endswith("_FORMAT"), path


def test_numbers_of_a_drawing_have_a_point_in_every_language(hear: Callable[..., None], visitor: Browser) -> None:
    hear(1, 2, 3)
    hear(3, 2, 1)
    hear(2, 3, days=1)
    page = visitor.get(f"/tracks/{key(2)}/", HTTP_ACCEPT_LANGUAGE="es").content.decode()
    drawing = page.partition("<svg class=")[2].partition("</section>")[0].partition("<details")[0]
    assert re.search(r' y="\d+\.\d+%"', drawing) and not re.search(r'="-?\d+,', drawing)
    assert re.search(r">\d+ \w+</text>", drawing)


# One song


@pytest.mark.database
def test_a_songs_page_shows_its_history_in_each_time_range(hear: Callable[..., None], visitor: Browser) -> None:
    hear(1, 2, 3)
    hear(3, 2)
    hear(3, 1)
    page = visitor.get(f"/tracks/{key(1)}/").content.decode()
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "Now at 2. Song 3 stands above it." in text
    assert "Times in the chart 2" in text
    stays = re.findall(r'<data value="(\d+)">|not in the chart', page.partition("<tbody>")[2])
    assert stays == ["1", "", "2"]
    assert re.findall(r"<h2>([^<]*)</h2>", page) == ["Last 4 weeks"]
    assert f'href="https://open.spotify.com/track/{key(1)}"' in page


@pytest.mark.database
def test_a_song_that_never_stood_in_the_hosts_chart_is_404(host: Browser, visitor: Browser) -> None:
    Track.objects.create(spotify_id="elsewhere", name="x", duration_ms=1, url="https://x.example")
    for path in ("/tracks/elsewhere/", "/tracks/nothing/", "/tracks/a%00b/", f"/tracks/{'a' * 2000}/"):
        assert visitor.get(path).status_code == 404


# History


@pytest.mark.database
def test_history_lists_the_charts_newest_first_and_shows_each_as_it_was(
    hear: Callable[..., None], visitor: Browser
) -> None:
    for songs in ((1, 2), (2, 1), (2, 1, 3)):
        hear(*songs)
    page = visitor.get("/history/").content.decode()
    newest, middle, oldest = re.findall(r'href="(/history/\d+/)"', page)
    assert list(rows(visitor.get(oldest))) == ["Song 1", "Song 2"]
    assert rows(visitor.get(middle)) == {"Song 2": "1 up 1", "Song 1": "2 down 1"}
    page = visitor.get(middle).content.decode()
    assert f'rel="prev" href="{oldest}"' in page and f'rel="next" href="{newest}"' in page
    assert "Today’s chart" in page
    assert 'rel="prev"' not in visitor.get(oldest).content.decode()
    assert 'rel="next"' not in visitor.get(newest).content.decode()


@pytest.mark.database
def test_history_has_pages(hear: Callable[..., None], visitor: Browser) -> None:
    for number in range(1, 24):
        hear(number)
    first, second = visitor.get("/history/"), visitor.get("/history/?page=2")
    assert first.content.count(b"/history/") > 20
    assert len(re.findall(rb'href="/history/\d+/"', first.content)) == 20
    assert len(re.findall(rb'href="/history/\d+/"', second.content)) == 3
    assert b"page=2" in first.content and b"page=1" in second.content and b"page=3" not in second.content
    for page in ("3", "0", "-1", "x", "99999999999999999999", "1.0", "١"):
        assert visitor.get("/history/", {"page": page}).status_code == 404


@pytest.mark.database
def test_history_of_others_is_not_shown(host: Browser, visitor: Browser) -> None:
    pk = Snapshot.objects.filter(time_range="short_term").get().pk
    assert visitor.get(f"/history/{pk}/").status_code == 200
    Listener.objects.update(is_host=False)
    assert visitor.get(f"/history/{pk}/").status_code == 404
    assert visitor.get("/history/").status_code == 200
    for pk in (0, 10**12, 10**30):
        assert visitor.get(f"/history/{pk}/").status_code == 404


@pytest.mark.database
def test_former_charts_go_after_history_days_and_the_current_stays(
    hear: Callable[..., None], visitor: Browser, settings: Any
) -> None:
    settings.HISTORY_DAYS = 10
    hear(1, 2)
    hear(3, 2, days=5)
    hear(4, 2, days=6)
    assert [s.placements.count() for s in Snapshot.objects.all()] == [2, 2]
    assert not Track.objects.filter(pk=key(1)).exists() and Track.objects.filter(pk=key(3)).exists()
    assert Artist.objects.filter(pk=f"{1:021d}A").count() == 0
    hear(4, 2, days=400)
    assert Snapshot.objects.count() == 1
    assert visitor.get(f"/tracks/{key(3)}/").status_code == 404


@pytest.mark.database
def test_without_history_there_is_the_current_chart_and_no_movement(
    hear: Callable[..., None], visitor: Browser, settings: Any
) -> None:
    hear(1, 2)
    settings.HISTORY_DAYS = 0
    hear(2, 3)
    assert Snapshot.objects.count() == 1
    page = visitor.get("/")
    assert rows(page) == {"Song 2": "1", "Song 3": "2"}
    for word in (b"/history/", b"new song", b"Left:", b"feed.atom"):
        assert word not in page.content
    pk = Snapshot.objects.get().pk
    for path in ("/history/", f"/history/{pk}/", "/feed.atom"):
        assert visitor.get(path).status_code == 404
    assert visitor.get(f"/tracks/{key(2)}/").status_code == 200


# Artists


@pytest.mark.database
def test_artists_stand_with_their_songs_those_with_most_first(host: Browser, visitor: Browser) -> None:
    tracks = visitor.get("/tracks.json").json()["tracks"]
    page = visitor.get("/artists/").content.decode()
    blocks = page.partition('<ul class="artist-list">')[2].split("<h2")[1:]
    counts = [block.count('class="place"') for block in blocks]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) == sum(len(track["artists"]) for track in tracks)
    assert visitor.get("/artists/?time_range=x").status_code == 404


# Feed


@pytest.mark.database
def test_the_feed_has_an_entry_for_each_chart(hear: Callable[..., None], visitor: Browser) -> None:
    hear(1, 2, 3)
    hear(4, 1, 2)
    response = visitor.get("/feed.atom")
    assert response["Content-Type"].startswith("application/atom+xml")
    feed = ElementTree.fromstring(response.content)
    newest, oldest = feed.findall(f"{ATOM}entry")
    pk = Snapshot.objects.latest("first_seen_at").pk
    assert newest.findtext(f"{ATOM}title") == "Last 4 weeks: 1 song entered"
    assert newest.findtext(f"{ATOM}id") == f"http://127.0.0.1:8000/history/{pk}/"
    summary = newest.findtext(f"{ATOM}summary") or ""
    assert "In:" in summary and "Song 4" in summary and "Left:" in summary and "Song 3" in summary
    assert oldest.findtext(f"{ATOM}title") == "Last 4 weeks: the first chart"
    assert 'type="application/atom+xml" href="/feed.atom"' in visitor.get("/").content.decode()


def test_the_feed_escapes_titles_once_for_xml_and_once_for_html(
    host: Browser, visitor: Browser, simulator: Simulator
) -> None:
    simulator.set_top("host", "short_term", [item(1, name="<script>alert(1)</script>")])
    refresh(listener=Listener.objects.get(), trigger="cron", force=True)
    feed = ElementTree.fromstring(visitor.get("/feed.atom").content)
    summary = feed.find(f"{ATOM}entry/{ATOM}summary")
    assert summary is not None and "&lt;script&gt;" in (summary.text or "") and "<script>" not in (summary.text or "")


# The host's side


@pytest.mark.database
def test_the_bar_shows_the_last_ten_runs_in_words(host: Browser, visitor: Browser, simulator: Simulator) -> None:
    listener = Listener.objects.get()
    now = timezone.now()
    for number in range(12):
        RefreshRun.objects.create(
            listener=listener, trigger="cron", outcome="refreshed", extracted=60, loaded=59, rejected=1,
            started_at=now + timedelta(seconds=number), finished_at=now + timedelta(seconds=number),
        )  # fmt: skip
    page = host.get("/").content.decode()
    runs = page.partition('<ul class="runs">')[2].partition("</ul>")[0]
    assert runs.count("<li>") == 10
    assert "59 songs, 1 left out" in " ".join(runs.split())
    assert 'class="runs"' not in visitor.get("/").content.decode()


@pytest.mark.parametrize(
    ("days_left", "words"), [(31, "Connected; sign in again by"), (29, "Sign in again before then")]
)
def test_the_bar_warns_30_days_before_the_sign_in_lapses(host: Browser, days_left: int, words: str) -> None:
    listener = Listener.objects.get()
    shift = timezone.now() + timedelta(days=days_left, hours=1) - listener.sign_in_again_by
    Listener.objects.update(authorized_at=listener.authorized_at + shift)
    days = (Listener.objects.get().sign_in_again_by - timezone.now()).days
    assert days_left - 3 <= days <= days_left + 3
    if days == days_left:
        assert words in host.get("/").content.decode()


def test_a_lapsed_sign_in_reads_so(host: Browser) -> None:
    Listener.objects.update(authorized_at=timezone.now() - timedelta(days=190))
    page = plain(host.get("/"))
    assert "the sign-in ended on" in page and "before then" not in page and "sign in again by" not in page


@pytest.mark.parametrize("path", ["/artists/", "/history/", "/privacy", "/login", "/nothing", "/disconnect"])
def test_the_host_finds_the_bar_and_signs_out_on_every_page(host: Browser, visitor: Browser, path: str) -> None:
    page = host.get(path).content.decode()
    assert 'action="/logout"' in page and '<a href="/">Refresh and connection</a>' in page
    other = visitor.get(path).content.decode()
    assert "/logout" not in other and "Refresh and connection" not in other
    assert host.press("/logout", on=path)["Location"] == "/"
    assert b"Sign out" not in host.get(path).content


def test_visitors_see_no_errors_of_the_hosts_connection(host: Browser, visitor: Browser) -> None:
    Listener.objects.update(state="needs_sign_in")
    assert b"Spotify no longer accepts" in host.get("/").content
    page = visitor.get("/").content
    assert b"accepts" not in page and b"Updated" in page


# Release years


def dated(number: int, day: str) -> dict[str, Any]:
    album = item(number)["album"] | {
        "release_date": day,
        "release_date_precision": ["year", "month", "day"][len(day) // 3 - 1],
    }
    return item(number, album=album if day else album | {"release_date": None})


def years_of(simulator: Simulator, visitor: Browser, *days: str) -> tuple[str, list[tuple[str, str]]]:
    """What the page says of these release dates, and the bars of its strip: how far across, how high."""
    simulator.set_top("host", "short_term", [dated(number, day) for number, day in enumerate(days, start=1)])
    refresh(listener=Listener.objects.get(), trigger="cron", force=True)
    part = visitor.get("/").content.decode().partition('class="years"')[2].partition("</div>")[0]
    bars = re.findall(r'<rect class="year" x="([0-9.]+)%"[^>]* height="([0-9.]+)"', part)
    return " ".join(re.sub(r"<svg.*?</svg>|</?[^>]+>", "", part.partition(">")[2], flags=re.DOTALL).split()), bars


@pytest.mark.database
def test_the_release_years_say_the_oldest_and_how_many_are_of_this_year(
    host: Browser, simulator: Simulator, visitor: Browser
) -> None:
    now = timezone.now().year
    said, bars = years_of(simulator, visitor, f"{now}-01-01", "1998-07", f"{now}", "", f"{(1998 + now) // 2}")
    assert said == f"Oldest: Song 2, 1998. 2 of 5 from {now}."
    assert (bars[0][0], bars[-1][0], len(bars)) == ("0", "100", 3)
    assert float(bars[-1][1]) > float(bars[0][1])
    song = f'<a href="/tracks/{key(2)}/">Song 2</a>'
    assert song in visitor.get("/").content.decode().partition('class="years"')[2]


@pytest.mark.database
def test_songs_of_one_year_need_no_strip_and_unknown_years_no_words(
    host: Browser, simulator: Simulator, visitor: Browser
) -> None:
    now = timezone.now().year
    said, bars = years_of(simulator, visitor, f"{now}-01-01", f"{now}")
    assert (said, bars) == (f"2 of 2 from {now}.", [])
    said, bars = years_of(simulator, visitor, "2019-01-01", "2019", "")
    assert (said, bars) == ("2 of 3 from 2019.", [])
    years_of(simulator, visitor, "", "")
    assert 'class="years"' not in visitor.get("/").content.decode()


# Around it


def test_head_has_what_sharing_and_search_need(host: Browser, visitor: Browser) -> None:
    page = visitor.get("/?time_range=long_term&utm_source=x").content.decode()
    address = "http://127.0.0.1:8000/?time_range=long_term"
    assert f'<link rel="canonical" href="{address}">' in page
    assert f'<meta property="og:url" content="{address}">' in page
    assert '<meta property="og:title" content="Top 20 songs of the last year">' in page
    assert '<link rel="canonical" href="http://127.0.0.1:8000/">' in visitor.get("/").content.decode()
    assert '<meta name="twitter:card" content="summary_large_image">' in page


def test_the_description_names_the_first_songs_each_in_quotes(
    host: Browser, simulator: Simulator, visitor: Browser
) -> None:
    simulator.set_top("host", "short_term", [item(1, name='Low "Tide", <b>High</b>'), item(2), item(3), item(4)])
    refresh(listener=Listener.objects.get(), trigger="cron", force=True)
    page = visitor.get("/").content.decode()
    said = "“Low &quot;Tide&quot;, &lt;b&gt;High&lt;/b&gt;” by Someone, “Song 2” by Someone, “Song 3” by Someone."
    assert f'<meta name="description" content="{said}">' in page
    assert f'<meta property="og:description" content="{said}">' in page
    Listener.objects.update(name="Hanne")
    assert f'content="What Hanne plays most: {said}"' in visitor.get("/").content.decode()


def test_robots_manifest_and_privacy(visitor: Browser, settings: Any) -> None:
    settings.SITE_NAME = "Ours"
    assert b"Disallow: /admin/" in visitor.get("/robots.txt").content
    manifest = visitor.get("/site.webmanifest")
    assert manifest["Content-Type"] == "application/manifest+json"
    assert manifest.json()["name"] == "Ours" and len(manifest.json()["icons"]) == 2
    page = visitor.get("/privacy").content.decode()
    assert "365 days" in page and "spotify.com/account/apps" in page
    settings.HISTORY_DAYS = 0
    assert "Only the current rankings are kept" in visitor.get("/privacy").content.decode()


# Queries


@pytest.fixture
def lived(host: Browser, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Browser:
    monkeypatch.setattr("tracks.ops.shared.version.CHECK_SECONDS", 60)
    live_through(days=12, shuffle=lambda time_range: simulator.shuffle("host", time_range))
    return host


@pytest.mark.database
def test_pages_take_few_queries_and_two_more_for_who_is_signed_in(
    lived: Browser, visitor: Browser, django_assert_max_num_queries: Any
) -> None:
    snapshot = Snapshot.objects.filter(time_range="short_term").order_by("first_seen_at")[2]
    track = snapshot.placements.order_by("position")[0].track
    artist = track.credited_artists[0]
    paths = ["/", "/?time_range=long_term", "/artists/", f"/artists/{artist.pk}/", "/history/",
             f"/history/{snapshot.pk}/", "/history/compare", f"/tracks/{track.pk}/", "/feed.atom",
             "/privacy", "/tracks.json"]  # fmt: skip
    for path in paths:
        for browser in (visitor, lived):
            # The history has a list, a calendar and the bump chart.
            with django_assert_max_num_queries((10 if path == "/history/" else 7) + 2 * (browser is lived)):
                assert browser.get(path).status_code == 200, path


@pytest.mark.skipif(connection.vendor != "postgresql", reason="EXPLAIN differs")
def test_no_page_reads_a_whole_big_table(lived: Browser, visitor: Browser) -> None:
    listener = Listener.objects.get()
    fill_history(listener, snapshots=20_000)
    snapshot = Snapshot.objects.filter(time_range="short_term").order_by("-first_seen_at")[2]
    track = Snapshot.objects.filter(time_range="short_term").latest("first_seen_at").placements.all()[0].track
    paths = ["/", "/history/", "/history/?page=40", f"/history/{snapshot.pk}/", "/artists/", "/feed.atom",
             "/history/compare", "/history/?span=12", f"/artists/{track.credited_artists[0].pk}/",
             f"/tracks/{track.pk}/", "/tracks.json"]  # fmt: skip
    for path in paths:
        for sql in queries_of(visitor, path):
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN {sql}")
                plan = "\n".join(line for (line,) in cursor.fetchall())
            for table in ("tracks_snapshot", "tracks_placement"):
                assert f"Seq Scan on {table} " not in plan, f"{path}\n{sql}\n{plan}"


def queries_of(browser: Browser, path: str) -> list[str]:
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as queries:
        assert browser.get(path).status_code == 200
    return [query["sql"] for query in queries if query["sql"].startswith("SELECT")]


def fill_history(listener: Listener, *, snapshots: int) -> None:
    """A long past of songs of its own, three time ranges, a minute apart, and fresh statistics of the tables."""
    past = timezone.now() - timedelta(days=100)
    Track.objects.bulk_create(
        Track(spotify_id=f"past{number}", name="Past", duration_ms=1, url="https://open.spotify.com/")
        for number in range(20_000)
    )
    made = Snapshot.objects.bulk_create(
        [
            Snapshot(
                listener=listener,
                time_range=TimeRange.values[number % 3],
                first_seen_at=past - timedelta(minutes=number),
                confirmed_at=past - timedelta(minutes=number),
            )
            for number in range(snapshots)
        ],
        batch_size=5000,
    )
    Placement.objects.bulk_create(
        (
            Placement(snapshot=snapshot, position=place, track_id=f"past{(number * 7 + place) % 20_000}")
            for number, snapshot in enumerate(made)
            for place in (1, 2, 3)
        ),
        batch_size=5000,
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
