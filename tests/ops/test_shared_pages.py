"""Pages that visitors share: fresh, conditional, and there while the database is away."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from simulator import Simulator
from tests.conftest import Browser, InlineAsker
from tests.helpers import wait_until
from tracks import chart as reads
from tracks.etl.service import refresh
from tracks.models import Listener, Placement, Snapshot
from tracks.ops.shared import middleware, store, version

pytestmark = pytest.mark.django_db

GET = store.PageStore.get
CHECK_SECONDS = version.CHECK_SECONDS
PATHS = ["/", "/tracks.json", "/tracks.csv", "/tracks/sql", "/?time_range=long_term"]
# Every other public page.
MORE = [
    "/artists/",
    "/history/",
    "/history.json",
    "/history/compare",
    f"/year/{timezone.now().year}/",
    "/feed.atom",
    "/openapi.json",
    "/privacy",
    "/robots.txt",
    "/site.webmanifest",
]


@pytest.fixture(autouse=True)
def _as_in_production(_no_shared_pages: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store.PageStore, "get", GET)
    # No test takes so long that a worker would ask again meanwhile.
    monkeypatch.setattr(version, "CHECK_SECONDS", 600)


def refuse(*args: Any, **kwargs: Any) -> None:
    """The database is away."""
    raise OperationalError("connection refused")


def refresh_now() -> None:
    refresh(listener=Listener.objects.get(), trigger="cron", force=True)


@pytest.mark.parametrize("path", PATHS)
def test_a_second_visit_takes_no_query(
    host: Browser, visitor: Browser, path: str, django_assert_num_queries: Any
) -> None:
    first = visitor.get(path)
    with django_assert_num_queries(0):
        second = visitor.get(path)
    assert second.content == first.content
    for name in ("X-Request-ID", "Age"):
        del first[name], second[name]
    assert second.headers == first.headers


@pytest.mark.database
def test_a_new_chart_shows_within_two_seconds(
    host: Browser, visitor: Browser, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version, "CHECK_SECONDS", CHECK_SECONDS)
    before = visitor.get("/tracks.json").json()
    simulator.shuffle("host", "short_term")
    refresh_now()
    wait_until(lambda: visitor.get("/tracks.json").json() != before, seconds=2)


def test_disconnecting_empties_the_copies(host: Browser, visitor: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version, "CHECK_SECONDS", 0)
    assert len(visitor.get("/tracks.json").json()["tracks"]) == 20
    host.press("/disconnect", on="/disconnect", confirm="yes")
    assert visitor.get("/tracks.json").json()["tracks"] == []


@pytest.mark.parametrize("path", PATHS)
def test_an_unchanged_page_answers_304_without_rendering(
    host: Browser, visitor: Browser, path: str, django_assert_num_queries: Any
) -> None:
    first = visitor.get(path)
    assert first["ETag"].startswith('W/"') and first["Last-Modified"]
    with django_assert_num_queries(0):
        for header, value in (("If-None-Match", first["ETag"]), ("If-Modified-Since", first["Last-Modified"])):
            response = visitor.get(path, headers={header: value})
            assert (response.status_code, response.content) == (304, b"")
            assert response["ETag"] == first["ETag"] and "s-maxage=60" in response["Cache-Control"]
        assert visitor.get(path, HTTP_IF_NONE_MATCH='W/"other"').status_code == 200


def test_the_etag_is_the_same_on_every_worker_and_says_nothing_of_the_time(host: Browser) -> None:
    key = HttpRequest()
    key.method, key.path_info = "GET", "/"
    key.META = {"HTTP_HOST": "127.0.0.1", "QUERY_STRING": "", "wsgi.url_scheme": "http"}
    etags = set()
    for _ in range(2):  # two workers
        etags.add(middleware.SharedPages(lambda request: HttpResponse(Browser().get("/").content))(key)["ETag"])
    assert len(etags) == 1
    assert b"minutes ago" not in Browser().get("/").content and b"seconds ago" not in Browser().get("/").content


def test_a_cdn_may_hold_public_pages_for_a_minute_and_signed_in_pages_are_private(
    host: Browser, visitor: Browser
) -> None:
    public = visitor.get("/")
    for part in ("public", "s-maxage=60", "stale-while-revalidate=300"):
        assert part in public["Cache-Control"]
    assert {"Cookie", "Accept-Language", "Accept-Encoding"} <= {name.strip() for name in public["Vary"].split(",")}
    for path in ("/", "/tracks.json", "/history/"):
        assert "private" in host.get(path)["Cache-Control"]


def test_a_page_with_a_message_for_one_is_private(host: Browser, visitor: Browser) -> None:
    host.press("/disconnect", on="/disconnect", confirm="yes")
    assert "messages" in host.cookies and "sessionid" not in {name for name, c in host.cookies.items() if c.value}
    page = host.get("/privacy")
    assert b"are deleted" in page.content and "private" in page["Cache-Control"]
    assert b"are deleted" not in visitor.get("/privacy").content


def test_the_hosts_page_is_never_shared(host: Browser, visitor: Browser) -> None:
    assert b"Disconnect" in host.get("/").content
    assert b"Disconnect" not in visitor.get("/").content
    assert b"Disconnect" in host.get("/").content


def test_copies_differ_by_language_range_encoding_and_host(host: Browser, visitor: Browser, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["127.0.0.1", "top.example.com"]
    assert b"Top 20 songs" in visitor.get("/").content
    assert b"Las 20 canciones" in visitor.get("/", HTTP_ACCEPT_LANGUAGE="es").content
    assert b"http://top.example.com/" in visitor.get("/", HTTP_HOST="top.example.com").content
    assert b"https://top.example.com/" in visitor.get("/", HTTP_HOST="top.example.com", secure=True).content
    assert b"last year" in visitor.get("/?time_range=long_term&utm_source=x").content
    compressed = visitor.get("/", HTTP_ACCEPT_ENCODING="gzip, br")
    assert compressed["Content-Encoding"] == "gzip" and compressed.content[:2] == b"\x1f\x8b"
    assert visitor.get("/", HTTP_HOST="evil.example").status_code == 400
    assert b"evil.example" not in visitor.get("/").content


def test_copies_differ_by_the_days_and_the_month_that_are_asked_for(host: Browser, visitor: Browser) -> None:
    now = timezone.now()
    Snapshot.objects.update(first_seen_at=now - timedelta(days=400))
    for path, values in (
        ("/history/compare?to={now:%Y-%m-%d}&from=", [f"{now - timedelta(days=days):%Y-%m-%d}" for days in (9, 5)]),
        ("/history/compare?from={now:%Y-%m-%d}&to=", [f"{now - timedelta(days=days):%Y-%m-%d}" for days in (9, 5)]),
        ("/history/?month=", [f"{now - timedelta(days=days):%Y-%m}" for days in (200, 5)]),
    ):
        assert len({visitor.get(path.format(now=now) + value)["ETag"] for value in values}) == 2, path


def test_playing_with_headers_does_not_fill_the_memory(
    host: Browser, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ALLOWED_HOSTS = [".example.com"]
    monkeypatch.setattr(middleware, "MOST_BYTES", 10 * (len("page") + store.OVERHEAD_BYTES))
    rendered: list[str] = []

    def render(request: HttpRequest) -> HttpResponse:
        rendered.append(request.META["HTTP_HOST"])
        return HttpResponse("page")

    site = middleware.SharedPages(render)

    def visit(name: str) -> None:
        request = HttpRequest()
        request.method, request.path_info = "GET", "/"
        request.META = {"HTTP_HOST": name, "QUERY_STRING": "", "wsgi.url_scheme": "http"}
        site(request)

    for number in range(100):
        visit(f"top.example.com:{number}")
        visit("top.example.com")
    assert len(site.pages) <= 10
    assert rendered.count("top.example.com") == 1  # the least recently used go first


@pytest.mark.parametrize("path", PATHS)
def test_pages_stay_while_the_database_is_away_and_recover_by_themselves(
    host: Browser, visitor: Browser, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(version, "CHECK_SECONDS", 0)
    before = visitor.get(path)
    Listener.objects.update(refreshed_at=timezone.now())
    with monkeypatch.context() as without:
        without.setattr("django.db.backends.utils.CursorWrapper.execute", refuse)
        during = visitor.get(path)
        assert (during.status_code, during.content) == (200, before.content)
        assert during["Last-Modified"] == before["Last-Modified"] and int(during["Age"]) >= 0
        assert visitor.get("/health").status_code == 503
        later = time.monotonic() + 90
        without.setattr(time, "monotonic", lambda: later)
        assert int(visitor.get(path)["Age"]) >= 89
    assert visitor.get(path).status_code == 200
    assert visitor.get("/health").status_code == 200


@pytest.mark.database
def test_what_has_no_copy_says_that_the_database_is_away(
    host: Browser, visitor: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django.db.backends.utils.CursorWrapper.execute", refuse)
    for browser, path in ((visitor, "/"), (visitor, "/history/"), (host, "/")):
        response = browser.get(path)
        assert response.status_code == 503 and response["Retry-After"] == "30"
        assert b"The database is away" in response.content and b"refused" not in response.content


# Who takes part, and what must not mix


def public_paths() -> list[str]:
    placement = Placement.objects.select_related("snapshot").first()
    assert placement is not None
    artist = placement.track.credited_artists[0].pk
    return [
        *PATHS,
        *MORE,
        f"/history/{placement.snapshot_id}/",
        f"/tracks/{placement.track_id}/",
        f"/artists/{artist}/?time_range={placement.snapshot.time_range}",
    ]


def test_every_public_page_takes_part(
    host: Browser, visitor: Browser, django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version, "CHECK_SECONDS", 60)
    for path in public_paths():
        first = visitor.get(path)
        assert first.status_code == 200 and "public" in first["Cache-Control"], path
        with django_assert_num_queries(0):
            assert visitor.get(path, HTTP_IF_NONE_MATCH=first["ETag"]).status_code == 304, path
        compressed = visitor.get(path, HTTP_ACCEPT_ENCODING="gzip")
        assert compressed["Content-Encoding"] == "gzip" and compressed["ETag"] == first["ETag"], path


def test_one_visitors_language_cookie_is_nobody_elses(host: Browser, visitor: Browser) -> None:
    assert b"Las 20 canciones" in visitor.get("/", HTTP_COOKIE="django_language=es").content
    assert b"Top 20 songs" in visitor.get("/").content
    assert b"Las 20 canciones" in visitor.get("/", HTTP_COOKIE="django_language=es").content


ENCODINGS = (
    [("gzip", True), ("gzip;q=0", False), ("br, gzip;q=0.5", True), ("*;q=0.1", True), ("*, gzip;q=0", False),
     ("gzip;q=0.000", False), ("identity", False), ("", False), ("gzip;q=junk", False), ("x-gzip-not", False)]
)  # fmt: skip


def test_who_refuses_gzip_gets_none(host: Browser, visitor: Browser, subtests: pytest.Subtests) -> None:
    visitor.get("/", HTTP_ACCEPT_ENCODING="gzip")
    for header, takes in ENCODINGS:
        with subtests.test(header):
            assert visitor.get("/", HTTP_ACCEPT_ENCODING=header).has_header("Content-Encoding") is takes


def test_a_page_rendered_while_a_new_chart_came_is_rendered_again(
    host: Browser, visitor: Browser, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version, "CHECK_SECONDS", 0)
    render = reads.current

    def render_and_be_overtaken(*args: Any) -> Any:
        chart = render(*args)
        monkeypatch.setattr(reads, "current", render)
        simulator.shuffle("host", "short_term")
        refresh_now()
        return chart

    monkeypatch.setattr(reads, "current", render_and_be_overtaken)
    outdated = visitor.get("/tracks.json").json()
    assert visitor.get("/tracks.json").json() != outdated


def test_an_answer_that_the_network_swallowed_is_asked_for_again(
    host: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Swallowed(InlineAsker):
        """Whoever asks waits for ever."""

        def __init__(self, ask: Callable[[], None]) -> None:
            self.start = lambda: None

    monkeypatch.setattr(version, "CHECK_SECONDS", 1)
    current = version.Versions().of("")
    with monkeypatch.context() as patch:
        patch.setattr(version, "Asker", Swallowed)
        current.check()
    current.versions.asked_at -= version.CHECK_SECONDS + 1
    current.check()
    assert current.is_away and current.value is None
    current.versions.asked_at -= version.GIVE_UP_SECONDS
    current.check()
    assert not current.is_away and current.value is not None


@pytest.mark.django_db(transaction=True)
def test_of_many_who_want_a_page_at_once_one_renders_it(host: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = []
    render = reads.current

    def slowly(*args: Any) -> Any:
        rendered.append(args)
        time.sleep(0.5)
        return render(*args)

    monkeypatch.setattr(reads, "current", slowly)
    one = Browser()
    one.get("/live")  # the middleware is one for all of this client

    def ask(_: int) -> int:
        try:
            return int(one.get("/tracks.json").status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as crowd:
        assert set(crowd.map(ask, range(8))) == {200}
    assert len(rendered) == 1


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_a_crowd_at_pages_that_nobody_has_seen_gets_no_error(
    transactional_db: None, host: Browser, simulator: Any, tmp_path: Any
) -> None:
    """Many who come at the same moment: one of them asks for the versions, the others wait for the answer."""
    import requests

    from tests.conftest import Server
    from tests.ops.test_queue import connect

    paths = [f"/@guest-{number}/" for number in range(20)]
    for number in range(20):
        connect(simulator, number, handle=f"guest-{number}", visibility="unlisted")
    server = Server(tmp_path)
    try:
        server.wait_until_up()
        with ThreadPoolExecutor(16) as crowd:
            answers = list(crowd.map(lambda path: requests.get(server.site + path, timeout=30), paths * 15))
        assert {answer.status_code for answer in answers} == {200}
    finally:
        server.stop()
