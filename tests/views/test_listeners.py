"""Several listeners on one site: who sees whom, the list, and what two have in common."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import requests
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from simulator import Simulator
from tests.conftest import Browser, Server
from tests.factories import item
from tests.people import add_account, made, say, who
from tracks.etl.service import refresh
from tracks.models import Listener, Placement, Snapshot
from tracks.ops.shared import middleware, store, version

pytestmark = pytest.mark.django_db

GET = store.PageStore.get
PAGES = ["", "?time_range=long_term", "artists/", "history/", "history/{snapshot}/", "history/compare",
         "tracks/{track}/", "artists/{artist}/"]  # fmt: skip
DATA = ["tracks.json", "tracks.json?time_range=medium_term", "tracks.csv", "tracks/sql", "feed.atom", "history.json",
        "tracks/{track}.json"]  # fmt: skip
BESIDES = [
    "?time_range=none",
    "tracks.json?time_range=none",
    "history/999999999/",
    "history/compare?from=x",
    "tracks/none/",
    "artists/none/",
    "nothing",
]


@pytest.fixture(autouse=True)
def _invited(settings: Any) -> None:
    settings.LISTENERS = "invited"


@pytest.fixture
def ana(host: Browser, simulator: Simulator) -> Browser:
    """The browser of a private listener with the handle "ana"; the host's handle is "hanne"."""
    say(host, handle="hanne")
    host.get("/me/")  # takes the message with it
    return made(simulator, "stranger", name="Ana", handle="ana")


@pytest.fixture
def others(ana: Browser, host: Browser, simulator: Simulator) -> dict[str, Browser]:
    """Everybody but Ana."""
    root = Browser()
    root.force_login(User.objects.create_superuser("root"))
    other = made(simulator, "new", name="Nell", handle="nell", visibility="public")
    return {"anonymous": Browser(), "host": host, "other listener": other, "superuser": root}


def song_of(listener: Listener) -> str:
    """A song that stands in nobody else's charts."""
    theirs = set(listener.snapshots.values_list("placements__track", flat=True))
    others = set(Snapshot.objects.exclude(listener=listener).values_list("placements__track", flat=True))
    return sorted(theirs - others)[0]


def artist_of(listener: Listener) -> str:
    """An artist who stands in nobody else's charts."""
    theirs = set(listener.snapshots.values_list("placements__track__artists", flat=True))
    others = Snapshot.objects.exclude(listener=listener)
    return sorted(theirs - set(others.values_list("placements__track__artists", flat=True)))[0]


def refuse(*args: Any, **kwargs: Any) -> None:
    """The database is away."""
    raise OperationalError("connection refused")


def addresses(listener: Listener, handle: str) -> list[str]:
    """Every address of a listener's pages, with the numbers of this listener's own."""
    snapshot = listener.snapshots.filter(time_range="short_term").latest("pk")
    track = snapshot.placements.latest("pk").track
    facts = {"snapshot": snapshot.pk, "track": track.pk, "artist": track.credited_artists[0].pk}
    below = [f"/@{handle}/{path.format(**facts)}" for path in (*PAGES, *DATA)]
    return [*below, f"/@{handle}/with/hanne/", f"/@hanne/with/{handle}/", f"/@{handle}/with/nell/"]


def seen(browser: Browser, path: str, method: str = "get", **headers: Any) -> tuple[Any, ...]:
    """All of an answer that somebody could tell a difference by."""
    response = getattr(browser, method)(path, **headers)
    own = {"X-Request-ID", "Content-Length"}
    sent = sorted((name, value) for name, value in response.headers.items() if name not in own)
    page = re.sub('name="csrfmiddlewaretoken" value="[^"]*"', "", response.content.decode())
    return response.status_code, sent, page


# Private means gone


def test_a_private_listener_sees_all_of_their_own_pages(ana: Browser, others: dict[str, Browser]) -> None:
    for path in addresses(who(ana), "ana"):
        assert ana.get(path).status_code == 200, path
        assert "public" not in ana.get(path).headers.get("Cache-Control", ""), path
        assert "private" in ana.get(path).headers["Cache-Control"], path
        assert ana.get(path).headers["X-Robots-Tag"] == "noindex", path


def test_private_is_for_everybody_else_the_same_as_a_handle_that_does_not_exist(
    ana: Browser, others: dict[str, Browser], subtests: pytest.Subtests
) -> None:
    known, unknown = addresses(who(ana), "ana"), addresses(who(ana), "bob")
    known += [f"/@ana/{path}" for path in BESIDES]
    unknown += [f"/@bob/{path}" for path in BESIDES]
    for (name, browser), (path, nobody) in product(others.items(), list(zip(known, unknown, strict=True))):
        with subtests.test(path, who=name):
            for method in ("get", "head", "post", "put", "options"):
                answer = seen(browser, path, method)
                assert answer == seen(browser, nobody, method), method
                if method in ("get", "head"):
                    assert answer[0] == 404
            assert seen(browser, path.replace("ana", "ANA")) == seen(browser, nobody.replace("bob", "BOB"))


def test_unlisted_and_public_are_for_everybody(
    ana: Browser, others: dict[str, Browser], subtests: pytest.Subtests
) -> None:
    for visibility in ("unlisted", "public"):
        say(ana, visibility=visibility)
        for path, name in product(addresses(who(ana), "ana"), ["anonymous", "host", "other listener"]):
            with subtests.test(path, who=name, visibility=visibility):
                response = others[name].get(path)
                assert response.status_code == 200
                assert response.headers.get("X-Robots-Tag") == ("noindex" if visibility == "unlisted" else None)
                control = response.headers["Cache-Control"]
                assert "public" not in control and "no-cache" in control


def test_private_tracks_and_charts_do_not_show_through_other_addresses(
    ana: Browser, others: dict[str, Browser]
) -> None:
    track, snapshot = song_of(who(ana)), who(ana).snapshots.latest("pk")
    for browser in others.values():
        for path in (f"/tracks/{track}/", f"/history/{snapshot.pk}/", f"/@nell/tracks/{track}/",
                     f"/@nell/history/{snapshot.pk}/", "/@ana/../@ana/"):  # fmt: skip
            assert browser.get(path).status_code == 404, path
    for path in ("/listeners/", "/", "/@nell/", "/feed.atom", "/health", "/@nell/with/hanne/"):
        assert "ana/" not in others["anonymous"].get(path).content.decode().replace("Ana/", ""), path


@pytest.fixture
def _as_in_production(_no_shared_pages: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store.PageStore, "get", GET)
    monkeypatch.setattr(version, "CHECK_SECONDS", 0)


@pytest.mark.usefixtures("_as_in_production")
def test_a_copy_and_its_etag_are_gone_with_the_page_and_there_again_with_it(ana: Browser, visitor: Browser) -> None:
    say(ana, visibility="public")
    paths = addresses(who(ana), "ana")[:-1]
    etags = {path: visitor.get(path)["ETag"] for path in paths}
    for path, etag in etags.items():
        assert visitor.get(path, HTTP_IF_NONE_MATCH=etag).status_code == 304, path
    say(ana, visibility="private")
    for path, etag in etags.items():
        for header in ("", etag, "*"):
            assert visitor.get(path, HTTP_IF_NONE_MATCH=header).status_code == 404, path
            assert visitor.head(path, HTTP_IF_NONE_MATCH=header).status_code == 404, path
        assert visitor.get(path, HTTP_IF_MODIFIED_SINCE="Fri, 01 Jan 2100 00:00:00 GMT").status_code == 404
    say(ana, visibility="public")
    assert all(visitor.get(path).status_code == 200 for path in paths)


@pytest.mark.usefixtures("_as_in_production")
@pytest.mark.parametrize("seen_private", [True, False])
def test_no_copy_of_a_listener_stands_while_nobody_knows_whether_they_are_private(
    ana: Browser, visitor: Browser, monkeypatch: pytest.MonkeyPatch, seen_private: bool
) -> None:
    say(ana, visibility="public")
    for path in ("/@ana/", "/@ana/tracks.json", "/tracks.json"):
        assert visitor.get(path).status_code == 200
    say(ana, visibility="private")
    if seen_private:
        assert visitor.get("/@ana/").status_code == visitor.get("/@ana/tracks.json").status_code == 404
    later = time.monotonic() + 2.5
    monkeypatch.setattr(time, "monotonic", lambda: later)
    with monkeypatch.context() as without:
        without.setattr("django.db.backends.utils.CursorWrapper.execute", refuse)
        for path in ("/@ana/", "/@ana/tracks.json"):
            assert visitor.get(path).status_code == 503, path
        assert visitor.get("/tracks.json").status_code == 200  # the host's is always public
    assert visitor.get("/@ana/tracks.json").status_code == 404


class LateAsker(threading.Thread):
    """An answer that comes, but later than a visitor of the host's page waits for it: the worker has much to do."""

    def __init__(self, ask: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self.ask = ask

    def run(self) -> None:
        time.sleep(version.ANSWER_SECONDS + 0.3)
        self.ask()
        connection.close()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_as_in_production")
def test_a_busy_worker_waits_for_the_answer_before_it_says_that_the_database_is_away(
    ana: Browser, visitor: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(ana, visibility="public")
    assert visitor.get("/@ana/").status_code == 200
    monkeypatch.setattr(version, "Asker", LateAsker)
    monkeypatch.setattr(middleware, "UNKNOWN_SECONDS", 0.0)
    for browser in (visitor, Browser(), Browser()):
        assert browser.get("/@ana/").status_code == 200
    say(ana, visibility="private")
    assert visitor.get("/@ana/").status_code == 404


@pytest.mark.usefixtures("_as_in_production")
def test_the_pages_of_a_host_who_has_left_go_though_their_version_was_not_known(
    ana: Browser, host: Browser, visitor: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as slow:
        slow.setattr(version.CurrentVersion, "check", lambda self: None)
        assert visitor.get("/artists/").content.count(b"open.spotify.com") > 20
    host.press("/disconnect", on="/disconnect", confirm="yes")
    assert b"open.spotify.com" not in visitor.get("/artists/").content
    page = visitor.get("/").content.decode()
    assert "The former host has left" in page and "SPOTIFY_HOST_ID" in page


def test_invented_handles_are_not_asked_for_again(host: Browser, visitor: Browser) -> None:
    versions = version.Versions()
    for number in range(50):
        versions.of(f"nobody-{number}").check()
    now = time.monotonic()
    assert [each.handle for each in versions._versions.values() if now - each.used_at < 10] == []


def test_a_song_of_a_private_chart_takes_no_other_question_than_one_that_does_not_exist(
    ana: Browser, others: dict[str, Browser]
) -> None:
    for name, browser in others.items():
        for known, unknown in (
            (f"/tracks/{song_of(who(ana))}/", "/tracks/none/"),
            (f"/artists/{artist_of(who(ana))}/", "/artists/none/"),
            ("/@ana/", "/@bob/"),
            ("/@ana/history/", "/@bob/history/"),
        ):
            counts = []
            for path in (known, unknown):
                with CaptureQueriesContext(connection) as queries:
                    assert browser.get(path).status_code == 404
                counts.append(len(queries))
            assert counts[0] == counts[1], (name, known)


@pytest.mark.usefixtures("_as_in_production")
def test_a_copy_rendered_before_its_version_was_known_never_comes_back(
    ana: Browser, visitor: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first visitor renders while the version is still being asked for: None, as for somebody private."""
    say(ana, visibility="public")
    monkeypatch.setattr(version.CurrentVersion, "check", lambda self: None)
    assert visitor.get("/@ana/").status_code == 200
    say(ana, visibility="private")
    assert visitor.get("/@ana/").status_code == 404


@pytest.mark.usefixtures("_as_in_production")
def test_a_new_name_shows_on_copies_and_the_old_handle_is_gone(ana: Browser, visitor: Browser) -> None:
    say(ana, visibility="public")
    assert "What <bdi>Ana</bdi>" in visitor.get("/@ana/").content.decode()
    say(ana, name="Anna")
    assert "What <bdi>Anna</bdi>" in visitor.get("/@ana/").content.decode()
    say(ana, handle="anna")
    assert visitor.get("/@ana/").status_code == 404
    assert visitor.get("/@anna/").status_code == 200


@pytest.mark.usefixtures("_as_in_production")
def test_the_owners_pages_are_not_kept_for_others(ana: Browser, visitor: Browser) -> None:
    ana.get("/@ana/")
    assert visitor.get("/@ana/").status_code == 404


@pytest.fixture
def workers(ana: Browser, tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path, LISTENERS="invited")
    server.wait_until_up()
    yield server
    server.process.kill()
    server.process.wait()


@pytest.mark.django_db(transaction=True)
def test_private_is_gone_within_two_seconds_on_every_worker_copies_and_304s_included(
    ana: Browser, workers: Server
) -> None:
    say(ana, visibility="public")
    paths = ["/@ana/", "/@ana/tracks.json", "/@ana/feed.atom", "/@ana/history/", "/@ana/with/hanne/"]

    def ask(path: str, etag: str = "") -> int:
        # A connection each, so that both workers get some.
        headers = {"If-None-Match": etag} if etag else {}
        return requests.get(workers.site + path, headers=headers, timeout=5).status_code

    etags = {path: requests.get(workers.site + path, timeout=5).headers["ETag"] for path in paths}
    for _ in range(12):
        assert [ask(path) for path in paths] == [200] * 5
        assert ask("/@ana/tracks.json", etags["/@ana/tracks.json"]) == 304
    for _ in range(2):
        say(ana, visibility="private")
        time.sleep(2)
        for _ in range(12):
            assert {ask(path) for path in paths} | {ask(path, etags[path]) for path in paths} == {404}
        say(ana, visibility="unlisted")
        time.sleep(2)
        assert {ask(path) for path in paths * 4} == {200}


# A listener's pages


def test_a_listeners_pages_lead_to_each_other_and_not_to_the_hosts(ana: Browser, visitor: Browser) -> None:
    say(ana, visibility="public")
    page = visitor.get("/@ana/").content.decode()
    for path in ("artists/", "history/", "tracks.json", "tracks.csv", "feed.atom"):
        assert f'href="/@ana/{path}"' in page, path
    songs = {track["id"] for track in visitor.get("/@ana/tracks.json").json()["tracks"]}
    assert set(re.findall(r'href="/@ana/tracks/(\w+)/"', page)) >= songs
    assert not re.findall(r'href="/tracks/\w+/"', page)
    for path in ("/@ana/artists/", "/@ana/history/"):
        text = visitor.get(path).content.decode()
        assert "<title>Ana: " in text and '<p class="whose"><a href="/@ana/"><bdi>Ana</bdi></a></p>' in text
    feed = visitor.get("/@ana/feed.atom").content.decode()
    assert "<title>Ana · Top Twenty</title>" in feed
    assert 'href="http://127.0.0.1:8000/@ana/history/' in feed
    assert visitor.get("/@ana/tracks.csv").content.startswith(b"name,artist,album")


def test_without_a_name_a_listener_is_called_by_the_handle(ana: Browser, visitor: Browser) -> None:
    say(ana, name="", visibility="public")
    assert "What <bdi>@ana</bdi> plays most" in visitor.get("/@ana/").content.decode()
    assert "<title>@ana · Top Twenty</title>" in visitor.get("/@ana/feed.atom").content.decode()


def test_the_hosts_handle_leads_to_the_front_page_query_kept(ana: Browser, visitor: Browser) -> None:
    for path in ("", "tracks.json", "artists/", "history/", "feed.atom"):
        for query in ("", "?time_range=long_term", "?time_range=none&x=%2F%2Fevil.example"):
            response = visitor.get(f"/@hanne/{path}{query}")
            assert response.status_code == 302 and response["Location"] == f"/{path}{query}", path
    assert visitor.get("/@hanne//evil.example/").status_code == 404


def test_a_listener_sees_the_bar_on_the_own_chart_alone(ana: Browser, host: Browser) -> None:
    say(ana, visibility="public")
    mine = ana.get("/@ana/").content.decode()
    assert 'action="/refresh"' in mine and "Public: everybody sees this" in mine
    assert "/admin/" not in mine and "For the host" not in mine
    for browser, path in ((ana, "/"), (host, "/@ana/")):
        assert 'action="/refresh"' not in browser.get(path).content.decode()


def test_an_empty_chart_of_a_listener_is_no_error(host: Browser, simulator: Simulator, visitor: Browser) -> None:
    made(simulator, "new", handle="nell", visibility="public")
    response = visitor.get("/@nell/?time_range=long_term")
    assert response.status_code == 200
    assert "fills with listening" in response.content.decode()


# The list


def test_the_list_has_the_public_ones_the_host_first_with_what_leads_and_what_moved(
    ana: Browser, others: dict[str, Browser], simulator: Simulator, visitor: Browser
) -> None:
    page = visitor.get("/listeners/").content.decode()
    assert re.findall(r"<h2><a href=\"([^\"]+)\">", page) == ["/", "/@nell/"]
    assert "The host" in page and "@hanne" in page
    say(ana, visibility="unlisted")
    assert "/@ana/" not in visitor.get("/listeners/").content.decode()
    say(ana, visibility="public")
    before = [item(number) for number in range(1, 6)]
    for order in (before, [item(9), before[3], *before[:3], before[4]]):
        simulator.set_top("stranger", "short_term", order)
        refresh(listener=who(ana), trigger="cron", force=True)
    page = visitor.get("/listeners/").content.decode()
    assert re.findall(r"<h2><a href=\"([^\"]+)\">", page) == ["/", "/@ana/", "/@nell/"]
    row = page.partition('href="/@ana/"')[2].partition("<li")[0]
    assert "Song 9" in row and '<span class="move new">' in row
    assert "<b>1</b> new song" in row
    assert re.search(r"Biggest climber: <a [^>]*>Song 4</a>, up 2 places", row)


def test_the_list_is_asked_for_each_time_and_answers_a_304(ana: Browser, visitor: Browser) -> None:
    response = visitor.get("/listeners/")
    assert "no-cache" in response["Cache-Control"] and "public" not in response["Cache-Control"]
    assert visitor.get("/listeners/", HTTP_IF_NONE_MATCH=response["ETag"]).status_code == 304
    say(ana, visibility="public")
    assert visitor.get("/listeners/", HTTP_IF_NONE_MATCH=response["ETag"]).status_code == 200


def test_a_long_list_has_pages_and_its_queries_do_not_grow(
    host: Browser, visitor: Browser, django_assert_num_queries: Any
) -> None:
    now = timezone.now()
    track = Placement.objects.earliest("pk").track
    users = User.objects.bulk_create(User(username=f"user {n}") for n in range(60))
    accounts = SocialAccount.objects.bulk_create(
        SocialAccount(user=user, provider="spotify", uid=user.username) for user in users
    )
    listeners = Listener.objects.bulk_create(
        Listener(account=account, authorized_at=now, visibility="public", handle=f"user-{n:03}")
        for n, account in enumerate(accounts)
    )
    snapshots = Snapshot.objects.bulk_create(
        Snapshot(listener=listener, time_range="short_term", first_seen_at=now, confirmed_at=now)
        for listener in listeners
    )
    Placement.objects.bulk_create(Placement(snapshot=snapshot, position=1, track=track) for snapshot in snapshots)
    with django_assert_num_queries(6):
        first = visitor.get("/listeners/").content.decode()
    second = visitor.get("/listeners/?page=2").content.decode()
    assert (first.count("<h2>"), second.count("<h2>")) == (50, 11)
    for number in ("0", "3", "x", "", "9999999999"):
        assert visitor.get(f"/listeners/?page={number}").status_code == 404, number


def test_nobody_on_the_list_is_no_error(db: None, visitor: Browser) -> None:
    assert "Nobody shows a chart here yet" in visitor.get("/listeners/").content.decode()


# What two have in common


@pytest.fixture
def pair(host: Browser, ana: Browser, simulator: Simulator) -> None:
    """The host with songs 1 to 4, Ana with 3, 9, 1; song 9 is by the artist of song 2."""
    say(ana, visibility="public")
    other = item(9)["artists"][0] | {"name": "Other"}
    simulator.set_top("host", "short_term", [item(1), item(2, artists=[other]), item(3), item(4)])
    simulator.set_top("stranger", "short_term", [item(3), item(9, artists=[other]), item(1)])
    for listener in Listener.objects.all():
        refresh(listener=listener, trigger="cron", force=True)


def rows(page: str) -> list[tuple[str, ...]]:
    """Of each song: the first one's place, its title, the other's place."""
    found: list[tuple[str, ...]] = []
    for row in re.findall(r"<tr>.*?</tr>", page.partition("<tbody>")[2].partition("</tbody>")[0], re.DOTALL):
        places = re.findall(r'<td class="position"><b>(\d+)</b>', row)
        titles = re.findall(r'class="title"[^>]*><bdi>(.*?)</bdi>', row)
        found.append((places[0], titles[0], places[1]))
    return found


@pytest.mark.usefixtures("pair")
def test_two_columns_that_meet(visitor: Browser) -> None:
    page = visitor.get("/@hanne/with/ana/").content.decode()
    assert rows(page) == [("1", "Song 1", "3"), ("3", "Song 3", "1")]
    turned = visitor.get("/@ana/with/hanne/").content.decode()
    assert rows(turned) == [("1", "Song 3", "3"), ("3", "Song 1", "1")]
    assert "2 songs stand in both charts" in page
    artists = page.partition("Artists in both charts</h2>")[2]
    other = re.findall(
        r"<tr>\s*<td>.*?</td>\s*<th scope=\"row\">[^<]*(?:<a[^>]*>)?<bdi>Other</bdi>.*?</tr>", artists, re.DOTALL
    )
    places = re.findall(r">(\d+)</a>", other[-1].split("<tr>")[-1])
    assert places == ["2", "2"]
    assert not re.search(r"\d+ ?%|score|match", page)  # Spotify's policy: no derived metrics
    assert "no-cache" in visitor.get("/@hanne/with/ana/")["Cache-Control"]


@pytest.mark.usefixtures("pair")
def test_nothing_in_common_is_said_and_no_error(visitor: Browser, ana: Browser, simulator: Simulator) -> None:
    simulator.set_top("stranger", "short_term", [item(77, artists=[])])
    simulator.set_top("stranger", "long_term", [])
    refresh(listener=who(ana), trigger="cron", force=True)
    for query in ("", "?time_range=long_term"):
        page = visitor.get(f"/@ana/with/hanne/{query}").content.decode()
        assert "No song stands in both charts" in page


@pytest.mark.usefixtures("pair")
def test_one_cannot_meet_oneself_nor_a_time_that_is_not(visitor: Browser) -> None:
    for path in ("/@ana/with/ana/", "/@ANA/with/ana/", "/@ana/with/hanne/?time_range=none", "/@ana/with/bob/"):
        assert visitor.get(path).status_code == 404, path


@pytest.mark.usefixtures("pair")
def test_it_takes_that_the_visitor_may_see_both(
    visitor: Browser, ana: Browser, host: Browser, simulator: Simulator
) -> None:
    add_account(simulator, "bea")
    bea = made(simulator, "bea", handle="bea")
    say(ana, visibility="private")
    paths = ["/@ana/with/bea/", "/@bea/with/ana/"]
    for browser in (ana, bea, host, visitor):
        assert {browser.get(path).status_code for path in paths} == {404}
    say(bea, visibility="unlisted")
    assert {ana.get(path).status_code for path in paths} == {200}
    assert ana.get(paths[0])["X-Robots-Tag"] == "noindex"
    for browser in (bea, host, visitor):
        assert {browser.get(path).status_code for path in paths} == {404}


def test_links_lead_to_what_the_two_have_in_common(
    ana: Browser, others: dict[str, Browser], host: Browser, visitor: Browser
) -> None:
    assert '"/@ana/with/nell/"' in ana.get("/@nell/").content.decode()
    assert '"/@ana/with/hanne/"' in ana.get("/").content.decode()
    assert "/with/" not in ana.get("/@ana/").content.decode()
    assert "/with/" not in visitor.get("/@nell/").content.decode()
    assert '"/@hanne/with/nell/"' in visitor.get("/listeners/").content.decode()
    assert '"/@ana/with/nell/"' in ana.get("/listeners/").content.decode()
