"""The pages and the data as the host, a stranger, a machine and anybody else get them."""

import csv
import io
import re
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone

from simulator import Fault, Simulator
from tests.conftest import Browser
from tests.factories import an_hour_passes, item
from tests.helpers import PAGES, TOP
from tracks.models import Listener, RefreshRun, SpotifyPause, TimeRange, Track
from tracks.spreadsheet import neutralised

pytestmark = pytest.mark.django_db

COLUMNS = ["name", "artist", "album", "popularity", "duration_ms", "release_date", "duration_min", "release_year"]
TRACK_KEYS = {"position", "id", "name", "artist", "artists", "album", "popularity", "duration_ms", "duration_min",
              "release_date", "release_year", "explicit", "url", "image_url"}  # fmt: skip
HOSTILE = """</title><script>alert("x")</script>'"&{{ 7*7 }}"""


def show(browser: Browser, simulator: Simulator, *items: dict[str, Any]) -> None:
    """Lets the host hear these songs, and refreshes."""
    simulator.set_top("host", "short_term", list(items))
    an_hour_passes()
    browser.press("/refresh", on="/")


# The page


def test_shows_20_songs_with_cover_artists_album_release_and_length_each_linked_to_spotify(
    host: Browser, visitor: Browser
) -> None:
    page = visitor.get("/").content.decode()
    rows = re.findall(r"<tr>.*?</tr>", page.partition("<tbody>")[2], re.DOTALL)
    assert len(rows) == 20
    for row, track in zip(rows, visitor.get("/tracks.json").json()["tracks"], strict=True):
        assert f'<td class="position"><b>{track["position"]}</b>' in row
        assert f'href="{track["url"]}"' in row
        assert re.search(r">\d+:[0-5]\d<", row)
        if track["release_year"]:
            assert str(track["release_year"]) in row
        if track["image_url"]:
            assert f'src="{track["image_url"]}"' in row


@pytest.mark.parametrize(
    ("time_range", "headline"),
    [("short_term", "last 4 weeks"), ("medium_term", "last 6 months"), ("long_term", "last year")],
)
def test_every_time_range_has_a_page_of_its_own(
    host: Browser, visitor: Browser, time_range: str, headline: str
) -> None:
    page = visitor.get(f"/?time_range={time_range}").content.decode()
    assert f"Top 20 songs of the {headline}" in page
    assert f'href="/?time_range={time_range}" aria-current="page"' in page
    first = visitor.get(f"/tracks.json?time_range={time_range}").json()["tracks"][0]
    assert first["url"] in page


@pytest.mark.parametrize("value", ["", "week", "SHORT_TERM", "short_term ", "<script>", "short_term\0"])
def test_an_unknown_time_range_is_404_on_the_page_and_400_in_the_data(
    host: Browser, visitor: Browser, value: str
) -> None:
    response = visitor.get("/", {"time_range": value})
    assert response.status_code == 404
    assert b"There is no such page" in response.content
    for path in ("/tracks.json", "/tracks.csv", "/tracks/sql"):
        response = visitor.get(path, {"time_range": value})
        assert response.status_code == 400
        assert list(response.json()) == ["error"]
        assert "<script>" not in response.content.decode()


def test_escapes_whatever_spotify_sends(host: Browser, visitor: Browser, simulator: Simulator) -> None:
    artists = [{"id": f"{1:021d}B", "name": HOSTILE, "external_urls": {"spotify": "javascript:alert(1)"}}]
    album = {"name": HOSTILE, "images": [{"url": "javascript:alert(1)", "width": 300, "height": 300}]}
    show(host, simulator, item(1, name=HOSTILE, artists=artists, album=album))
    for browser in (visitor, host):
        page = browser.get("/").content.decode()
        assert "&lt;script&gt;alert" in page
        assert "<script>alert" not in page
        assert "javascript:" not in page
    assert visitor.get("/tracks.json").json()["tracks"][0]["name"] == HOSTILE


def test_covers_offer_every_size_and_nothing_breaks_out(host: Browser, visitor: Browser, simulator: Simulator) -> None:
    hostile = 'https://i.example/x"onerror="alert(1),y'
    urls = [
        "https://i.example/large",
        hostile,
        "https://i.example/unknown",
        "https://i.example/a, https://evil.example/b",
    ]
    images = [{"url": url, "width": width} for url, width in zip(urls, (640, 300, None, 64), strict=True)]
    show(host, simulator, item(1, album={"name": "Album", "images": images}), item(2))
    page = visitor.get("/").content.decode()
    covers = [ElementTree.fromstring(tag[:-1] + "/>").attrib for tag in re.findall(r"<img [^>]*i\.example[^>]*>", page)]
    assert len(covers) == 2
    for cover in covers:
        assert cover["src"] == hostile
        assert cover["srcset"] == f"https://i.example/large 640w, {hostile} 300w"
        assert cover["sizes"] and not {name for name in cover if name.startswith("on")}
    assert "evil.example" not in page


def test_a_cover_of_unknown_width_stands_alone(host: Browser, visitor: Browser, simulator: Simulator) -> None:
    show(host, simulator, item(1, album={"name": "Album", "images": [{"url": "https://i.example/cover"}]}))
    page = visitor.get("/").content.decode()
    assert page.count('src="https://i.example/cover"') == 2 and "srcset" not in page


def test_unknown_values_show_nothing(host: Browser, visitor: Browser, simulator: Simulator) -> None:
    show(host, simulator, item(1, album=None))
    row = visitor.get("/").content.decode().partition("<tbody>")[2].partition("</tr>")[0]
    assert "None" not in row and "meter" not in row
    record = visitor.get("/tracks.json").json()["tracks"][0]
    assert [record[key] for key in ("album", "popularity", "release_date", "release_year", "image_url")] == [None] * 5
    cells = next(csv.DictReader(io.StringIO(visitor.get("/tracks.csv").content.decode())))
    assert [cells[key] for key in ("album", "popularity", "release_date", "release_year")] == [""] * 4


def test_marks_explicit_songs_and_shows_popularity_where_known(
    host: Browser, visitor: Browser, simulator: Simulator
) -> None:
    show(host, simulator, item(1, explicit=True, popularity=0), item(2))
    first, second = visitor.get("/").content.decode().partition("<tbody>")[2].split("</tr>")[:2]
    assert "Explicit" in first and 'value="0"' in first
    assert "Explicit" not in second and "meter" not in second


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [(0, "0:00"), (239_600, "4:00"), (239_499, "3:59"), (59_500, "1:00"), (3_725_000, "62:05")],
)
def test_a_length_never_reads_3_60(milliseconds: int, shown: str) -> None:
    assert Track(duration_ms=milliseconds).duration == shown


def test_a_short_list_says_so(host: Browser, visitor: Browser, simulator: Simulator) -> None:
    show(host, simulator, item(1))
    assert "only 1 song" in visitor.get("/").content.decode()
    show(host, simulator)
    assert "Spotify has no top songs for this time yet" in visitor.get("/").content.decode()


def test_shows_spotifys_logo_and_the_sites_own_name(host: Browser, visitor: Browser, settings: Any) -> None:
    settings.SITE_NAME = "Ours & <b>Yours</b>"
    page = visitor.get("/").content.decode()
    assert "Ours &amp; &lt;b&gt;Yours&lt;/b&gt;" in page
    assert 'alt="Spotify"' in page


def test_only_the_host_sees_the_hosts_bar(host: Browser, visitor: Browser) -> None:
    assert b"Disconnect" in host.get("/").content
    assert b"Disconnect" not in visitor.get("/").content


def test_no_page_has_an_inline_script_or_style(host: Browser, visitor: Browser) -> None:
    for browser, path in PAGES:
        page = {"host": host, "visitor": visitor}[browser].get(path).content.decode()
        assert not re.search(r'<script(?! src=")|\son\w+="|\sstyle="|<style', page), path


@pytest.mark.parametrize("path", ["/", "/tracks.json", "/tracks.csv", "/tracks/sql"])
def test_a_page_takes_at_most_4_queries(
    host: Browser, visitor: Browser, path: str, django_assert_max_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracks.ops.shared.version.CHECK_SECONDS", 60)
    visitor.get(path)
    with django_assert_max_num_queries(4):
        assert visitor.get(path).status_code == 200


# Before there is a chart


def test_without_credentials_the_page_shows_the_redirect_uri_of_this_very_host(
    db: None, visitor: Browser, settings: Any
) -> None:
    settings.SPOTIPY_CLIENT_SECRET = ""
    settings.ALLOWED_HOSTS = ["top.example.com", "127.0.0.1"]
    page = visitor.get("/").content.decode()
    assert 'value="http://127.0.0.1:8000/accounts/spotify/login/callback/"' in page
    assert "refuses plain http" not in page
    page = Client(HTTP_HOST="top.example.com").get("/").content.decode()
    assert 'value="http://top.example.com/accounts/spotify/login/callback/"' in page
    assert "refuses plain http" in page
    page = Client(HTTP_HOST="top.example.com").get("/", secure=True).content.decode()
    assert 'value="https://top.example.com/accounts/spotify/login/callback/"' in page
    assert "refuses plain http" not in page
    assert visitor.get("/login")["Location"] == "/"


def test_without_credentials_a_chart_that_is_there_stays(host: Browser, visitor: Browser, settings: Any) -> None:
    settings.SPOTIPY_CLIENT_ID = ""
    assert b"Salt Lamp" in visitor.get("/").content


def test_before_the_first_sign_in_the_page_says_what_it_waits_for(visitor: Browser, simulator: Simulator) -> None:
    page = visitor.get("/").content.decode()
    assert "Waiting for its host" in page and 'href="/login"' in page
    assert visitor.get("/tracks.json").json() == {"time_range": "short_term", "updated_at": None, "tracks": []}
    assert visitor.get("/tracks/sql").json() == []
    assert visitor.get("/tracks.csv").content.decode().splitlines()[1:] == []


@pytest.mark.parametrize("path", ["/", "/login", "/?time_range=long_term"])
def test_localhost_is_sent_to_the_address_that_spotify_accepts(visitor: Browser, path: str) -> None:
    response = visitor.get(path, HTTP_HOST="localhost:8000")
    assert response["Location"] == f"http://127.0.0.1:8000{path}"


def test_the_sign_in_page_says_what_is_read_and_stored(visitor: Browser) -> None:
    page = visitor.get("/login").content.decode()
    assert "user-top-read" in page and "encrypted tokens" in page
    assert '<form method="post" action="/accounts/spotify/login/">' in page


# The data


def test_json_has_the_keys_of_the_contract(host: Browser, visitor: Browser) -> None:
    data = visitor.get("/tracks.json?time_range=medium_term").json()
    assert list(data) == ["time_range", "updated_at", "tracks"]
    assert data["time_range"] == "medium_term"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", data["updated_at"])
    assert [track["position"] for track in data["tracks"]] == list(range(1, 21))
    for track in data["tracks"]:
        assert set(track) == TRACK_KEYS
        assert track["artist"] == ", ".join(artist["name"] for artist in track["artists"])
        assert all(set(artist) == {"name", "url"} for artist in track["artists"])
        assert track["duration_min"] == pytest.approx(track["duration_ms"] / 60_000, abs=0.00501)


def test_csv_has_the_columns_of_the_contract_first_and_the_same_rows(host: Browser, visitor: Browser) -> None:
    response = visitor.get("/tracks.csv")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in response["Content-Disposition"]
    header, *rows = csv.reader(io.StringIO(response.content.decode()))
    tracks = visitor.get("/tracks.json").json()["tracks"]
    assert header[:8] == COLUMNS
    assert [int(row[4]) for row in rows] == [track["duration_ms"] for track in tracks]


def test_sql_route_gives_the_eight_keys(host: Browser, visitor: Browser) -> None:
    rows = visitor.get("/tracks/sql").json()
    tracks = visitor.get("/tracks.json").json()["tracks"]
    assert [list(row) for row in rows] == [COLUMNS] * 20
    assert rows == [{key: track[key] for key in COLUMNS} for track in tracks]


@pytest.mark.parametrize(
    ("value", "cell"),
    [("=1+1", "'=1+1"), ("+49", "'+49"), ("-1", "'-1"), ("@SUM(A1)", "'@SUM(A1)"), ("  =1", "'  =1"),
     ("\t=1", "'\t=1"), ("\r=1", "'\r=1"), ("＝1", "'＝1"), ("A=1", "A=1"), (-1, -1), (None, ""), ("", "")],
)  # fmt: skip
def test_a_cell_that_a_spreadsheet_would_run_is_neutralised(value: Any, cell: Any) -> None:
    assert neutralised(value) == cell


def test_csv_neutralises_what_spotify_sends(host: Browser, visitor: Browser, simulator: Simulator) -> None:
    name = '=HYPERLINK("https://evil.example","x")'
    show(host, simulator, item(1, name=name, album={"name": "@cmd", "images": []}))
    row = next(csv.DictReader(io.StringIO(visitor.get("/tracks.csv").content.decode())))
    assert row["name"] == "'" + name and row["album"] == "'@cmd"


# Refresh


def test_the_host_refreshes_and_is_told_what_changed(host: Browser, simulator: Simulator) -> None:
    an_hour_passes()
    simulator.shuffle("host", "long_term")
    response = host.press("/refresh", on="/", time_range="long_term")
    assert (response.status_code, response["Location"]) == (302, "/?time_range=long_term")
    page = host.get("/?time_range=long_term").content.decode()
    assert "Refreshed: three lists of 20 songs; 2 new" in page
    assert RefreshRun.objects.filter(trigger="host").count() == 1


def test_pressed_twice_it_says_so_and_asks_spotify_once(host: Browser, simulator: Simulator) -> None:
    host.press("/refresh", on="/")
    assert "less than a minute old" in host.get("/").content.decode()
    assert simulator.calls == []


def test_the_host_reads_why_a_refresh_failed_and_where_to_sign_in_again(host: Browser, simulator: Simulator) -> None:
    an_hour_passes()
    simulator.revoke()
    simulator.expire_access_tokens()
    host.press("/refresh", on="/")
    page = host.get("/").content.decode()
    assert "the host must sign in again" in page and '<a class="button" href="/login">Sign in again</a>' in page
    assert page.count('class="position"') == 20


def test_an_anonymous_visitor_is_sent_to_sign_in(host: Browser, visitor: Browser, simulator: Simulator) -> None:
    response = visitor.post("/refresh")
    assert (response.status_code, response["Location"]) == (302, "/login")
    assert simulator.calls == []


def test_anyone_else_gets_403(host: Browser, visitor: Browser, simulator: Simulator) -> None:
    visitor.force_login(User.objects.create_user("someone", password="x"), "django.contrib.auth.backends.ModelBackend")
    response = visitor.press("/refresh", on="/login")
    assert response.status_code == 403
    assert b"Only the host may do this" in response.content
    assert visitor.press("/disconnect", on="/login", confirm="yes").status_code == 403
    assert Listener.objects.count() == 1 and simulator.calls == []


def test_a_post_without_csrf_token_does_nothing(host: Browser, simulator: Simulator) -> None:
    for path in ("/refresh", "/disconnect", "/logout"):
        response = host.post(path, {"confirm": "yes"})
        assert response.status_code == 403
        assert b"This form is too old" in response.content
    assert Listener.objects.count() == 1 and simulator.calls == []


@pytest.mark.parametrize("path", ["/refresh", "/logout"])
def test_a_link_changes_nothing(host: Browser, simulator: Simulator, path: str) -> None:
    assert host.get(path).status_code == 405
    assert simulator.calls == [] and b"Disconnect" in host.get("/").content


class TestMachine:
    """`POST /refresh` with `Authorization: Bearer $REFRESH_TOKEN`."""

    @pytest.fixture(autouse=True)
    def _token(self, settings: Any) -> None:
        settings.REFRESH_TOKEN = "let me in"

    def ask(self, authorization: str = "Bearer let me in") -> Any:
        an_hour_passes()
        return Browser().post("/refresh", HTTP_AUTHORIZATION=authorization)

    def test_gets_the_result_as_json(self, host: Browser, simulator: Simulator) -> None:
        simulator.shuffle("host", "short_term")
        response = self.ask()
        data = response.json()
        assert response.status_code == 200
        assert data["outcome"] == "refreshed"
        counts = {"extracted": 20, "loaded": 20, "rejected": 0}
        assert data["time_ranges"] == [{"time_range": name, **counts} for name in TimeRange.values]
        assert RefreshRun.objects.filter(trigger="machine").count() == 1

    @pytest.mark.parametrize("authorization", ["Bearer wrong", "Bearer ", "bearer wrong", "Bearer", "Bearer é"])
    def test_with_a_wrong_token_gets_401(self, host: Browser, simulator: Simulator, authorization: str) -> None:
        response = self.ask(authorization)
        assert response.status_code == 401
        assert response["WWW-Authenticate"] == "Bearer"
        assert simulator.calls == []

    def test_gets_401_where_no_token_is_set(self, host: Browser, settings: Any, simulator: Simulator) -> None:
        settings.REFRESH_TOKEN = ""
        assert self.ask("Bearer ").status_code == 401
        assert simulator.calls == []

    def test_is_told_how_long_spotify_wants_to_be_left_alone(self, host: Browser, simulator: Simulator) -> None:
        simulator.fault(TOP, Fault.rate_limited(600))
        for _ in range(2):
            response = self.ask()
            assert response.status_code == 429
            assert 590 <= int(response["Retry-After"]) <= 602
        assert len(simulator.calls) == 1

    def test_is_told_to_try_later_while_spotify_fails(self, host: Browser, simulator: Simulator) -> None:
        simulator.fault(TOP, Fault(status=502))
        response = self.ask()
        assert (response.status_code, response["Retry-After"]) == (503, "60")
        assert response.json()["error"].startswith("Spotify")

    def test_gets_409_when_the_host_must_sign_in_again(self, host: Browser, simulator: Simulator) -> None:
        simulator.revoke()
        simulator.expire_access_tokens()
        response = self.ask()
        assert response.status_code == 409
        assert "sign in again" in response.json()["error"]

    def test_gets_409_when_nobody_has_signed_in(self, db: None, simulator: Simulator) -> None:
        assert self.ask().status_code == 409


# Health


def test_health_tells_the_age_of_the_last_good_refresh_and_when_to_sign_in_again(
    host: Browser, visitor: Browser, simulator: Simulator
) -> None:
    Listener.objects.update(refreshed_at=timezone.now() - timedelta(seconds=90))
    simulator.fault(TOP, Fault(status=502))
    host.press("/refresh", on="/")
    response = visitor.get("/health")
    data = response.json()
    assert response.status_code == 200 and "no-store" in response["Cache-Control"]
    assert data["status"] == data["database"] == "ok"
    assert 90 <= data["last_refresh_age_seconds"] <= 100
    assert data["sign_in_again_by"] == f"{Listener.objects.get().sign_in_again_by:%Y-%m-%dT%H:%M:%SZ}"
    assert data["sign_in_needed"] is False
    Listener.objects.update(state="needs_sign_in")
    assert visitor.get("/health").json()["sign_in_needed"] is True


def test_health_is_ok_before_the_first_sign_in(visitor: Browser) -> None:
    data = visitor.get("/health").json()
    assert (data["status"], data["last_refresh_age_seconds"], data["sign_in_needed"]) == ("ok", None, True)


def test_health_says_503_and_nothing_else_when_the_database_is_gone(visitor: Browser, tmp_path: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE tracks_listener RENAME TO moved_away")
    response = visitor.get("/health")
    assert response.status_code == 503
    assert response.json() == {"status": "error", "database": "unreachable"}


# Errors


def test_error_pages_look_like_the_site(visitor: Browser) -> None:
    response = visitor.get("/nothing-here")
    assert response.status_code == 404
    assert b"There is no such page" in response.content and b"site.css" in response.content


def test_a_500_page_needs_neither_database_nor_context(visitor: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(*args: Any) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("tracks.models.ListenerQuerySet.host", break_down)
    visitor.raise_request_exception = False
    response = visitor.get("/")
    assert response.status_code == 500
    assert b"Something broke on this site" in response.content and b"secret detail" not in response.content


def test_an_unknown_host_name_gets_a_400_page(visitor: Browser) -> None:
    response = visitor.get("/", HTTP_HOST="evil.example")
    assert response.status_code == 400
    assert b"evil.example" not in response.content


def test_an_unknown_host_name_gets_a_400_page_behind_a_proxy_too(visitor: Browser, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    response = Client().get("/nothing", HTTP_HOST="evil.example")
    assert response.status_code == 400 and b"Host sign-in" in response.content


def test_the_host_is_not_offered_to_sign_in_again(host: Browser, visitor: Browser) -> None:
    for path in ("/", "/privacy", "/nothing"):
        assert b"Host sign-in" not in host.get(path).content
        assert b"Host sign-in" in visitor.get(path).content


def test_a_pause_of_spotify_does_not_reach_the_readers(host: Browser, visitor: Browser) -> None:
    SpotifyPause.objects.create(service="api", until=timezone.now() + timedelta(days=1))
    response = visitor.get("/")
    assert response.status_code == 200 and b"wait" not in response.content
