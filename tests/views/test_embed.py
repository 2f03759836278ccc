"""The chart inside other sites: the frame at /embed/, and oEmbed."""

import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.utils import timezone

from simulator import Simulator
from tests import factories
from tests.conftest import Browser
from tests.people import made, say, who
from tracks.models import Listener, Placement
from tracks.ops.shared import store, version

pytestmark = pytest.mark.django_db

SITE = "http://127.0.0.1:8000"
GET = store.PageStore.get


@pytest.fixture
def ana(host: Browser, simulator: Simulator, settings: Any) -> Browser:
    """The browser of a private listener with the handle "ana"; the host's handle is "hanne"."""
    settings.LISTENERS = "invited"
    say(host, handle="hanne")
    host.get("/me/")  # takes the message with it
    return made(simulator, "stranger", name="Ana", handle="ana")


def rows(page: Any) -> int:
    return str(page.content.decode()).count("<li value=")


def ask(browser: Browser, url: str = f"{SITE}/", **query: Any) -> Any:
    return browser.get(f"/oembed?{urlencode({'url': url, **query})}")


def frame_of(answer: Any) -> dict[str, str]:
    """The attributes of the only element in the HTML of an oEmbed answer."""
    html = answer.json()["html"]
    assert re.fullmatch(r'<iframe( [a-z]+="[^"<>]*")+></iframe>', html), html
    return {name: unescape(value) for name, value in re.findall(r'([a-z]+)="([^"]*)"', html)}


# What the frame shows


def test_the_frame_has_songs_artists_badges_and_movement_as_the_chart(host: Browser, visitor: Browser) -> None:
    placements = list(Placement.objects.filter(snapshot__time_range="short_term").with_tracks())
    placements[1].track.explicit = True
    placements[1].track.save()
    Placement.objects.filter(pk=placements[2].pk).update(previous_position=7)
    page = visitor.get("/embed/?rows=20").content.decode()
    entries = re.findall(r"<li value=.*?</li>", page, re.S)
    assert len(entries) == len(placements) == 20
    for entry, placement in zip(entries, placements, strict=True):
        text = unescape(entry)
        assert f"<b>{placement.position}</b>" in text
        assert f'href="{placement.track.url}"' in text and f">{placement.track.name}</a>" in text
        for artist in placement.track.credited_artists:
            assert artist.name in text and artist.url in text
    assert "Explicit" in entries[1] and 'class="move up"' in entries[2]
    assert "The host’s top songs on Spotify" in page and "Top 20 songs of the last 4 weeks" in page
    assert re.search(r'<time datetime="[^"]+"[^>]*>[^<]+ UTC</time>', page)
    assert len(re.findall("<h1", page)) == 1 and '<html lang="en"' in page


def test_every_link_leaves_the_frame_and_spotifys_logo_shows(host: Browser, visitor: Browser) -> None:
    page = visitor.get("/embed/").content.decode()
    links = re.findall("<a .*?>", page)
    assert len(links) > 20
    assert all('target="_blank"' in link and 'rel="noopener"' in link and 'href="http' in link for link in links)
    assert f'href="{SITE}/"' in page
    assert re.search(r'<img src="[^"]*spotify-black[^"]*" alt="Spotify" width="(84)"', page)
    for forbidden in ("<script", "<style", "style=", "<form", "onclick"):
        assert forbidden not in page


@pytest.mark.parametrize(("query", "shown"), [("", 10), ("?rows=5", 5), ("?rows=20", 20), ("?rows=11&theme=dark", 11)])
def test_so_many_rows_as_asked_for(host: Browser, visitor: Browser, query: str, shown: int) -> None:
    page = visitor.get(f"/embed/{query}")
    assert rows(page) == shown
    assert f"Top {shown} songs" in page.content.decode()
    assert ("All 20 songs on Top Twenty" in page.content.decode()) is (shown < 20)


@pytest.mark.parametrize("theme", ["auto", "light", "dark"])
def test_the_theme_is_the_addresss(host: Browser, visitor: Browser, theme: str) -> None:
    page = visitor.get(f"/embed/?theme={theme}").content.decode()
    assert f'data-theme="{theme}"' in page
    assert ("spotify-white" in page, "spotify-black" in page) == (theme != "light", theme != "dark")
    if theme == "auto":
        assert 'data-theme="auto"' in visitor.get("/embed/").content.decode()


def test_the_time_range_is_the_addresss(host: Browser, visitor: Browser) -> None:
    page = visitor.get("/embed/?time_range=long_term").content.decode()
    first = Placement.objects.filter(snapshot__time_range="long_term").with_tracks()[0]
    assert f'href="{first.track.url}"' in page and "of the last year" in page
    assert f'href="{SITE}/?time_range=long_term"' in page


NOT_TAKEN = [
    "rows=4", "rows=21", "rows=0", "rows=-5", "rows=", "rows=ten", "rows=5.0", "rows=٧", "rows=+7", "rows=007",
    "rows=" + "9" * 5000, "theme=", "theme=sepia", "theme=Dark", "time_range=", "time_range=week",
    "time_range=<script>", "rows=5&rows=4", "theme=%00",
]  # fmt: skip


def test_what_the_frame_does_not_take_is_told_in_a_small_page(host: Browser, visitor: Browser) -> None:
    for query in NOT_TAKEN:
        response = visitor.get(f"/embed/?{query}")
        page = response.content.decode()
        assert response.status_code == 400, query
        assert "rows is a number from 5 to 20" in page and "<nav" not in page and page.count("<h1") == 1
        assert "frame-ancestors *" in response["Content-Security-Policy"]


def test_words_are_in_the_visitors_language(host: Browser, visitor: Browser) -> None:
    assert '<html lang="es"' in visitor.get("/embed/", HTTP_ACCEPT_LANGUAGE="es").content.decode()


def test_a_title_of_the_makers_is_text(host: Browser, visitor: Browser, listener: Listener) -> None:
    items = [factories.item(1, name="<script>alert(1)</script>", artists=[{"id": "a" * 22, "name": "<b>x</b>"}])]
    factories.charts(listener, {"short_term": items})
    page = visitor.get("/embed/").content.decode()
    assert rows(visitor.get("/embed/")) == 1 and "<script" not in page and "<b>x" not in page
    assert "The top song of the last 4 weeks" in page


# Before there is anything to show


@pytest.mark.parametrize("credentials", ["", "demo-client"])
def test_a_site_before_its_first_host_has_a_finished_frame(visitor: Browser, settings: Any, credentials: str) -> None:
    settings.SPOTIPY_CLIENT_ID = credentials
    response = visitor.get("/embed/?theme=dark")
    page = response.content.decode()
    assert response.status_code == 200 and "Twenty songs will stand here" in page
    assert page.count("<h1") == 1 and f'href="{SITE}/"' in page and "spotify-white" in page
    assert "redirect" not in page
    answer = ask(visitor)
    assert answer.status_code == 200 and frame_of(answer)["src"] == f"{SITE}/embed/"


def test_an_empty_chart_says_so(host: Browser, visitor: Browser, listener: Listener) -> None:
    factories.charts(listener, {"short_term": []})
    page = visitor.get("/embed/").content.decode()
    assert "Spotify has no top songs for this time yet." in page and "Top 20 songs" in page and "<ol" not in page
    listener.snapshots.all().delete()
    page = visitor.get("/embed/").content.decode()
    assert "The first songs are on their way" in page and "<time" not in page


# Headers


def test_any_site_may_frame_it_and_nothing_else(host: Browser, visitor: Browser) -> None:
    framed = visitor.get("/embed/")
    policy = framed["Content-Security-Policy"]
    assert re.findall("frame-ancestors ([^;]*)", policy) == ["*"]
    assert not framed.has_header("X-Frame-Options")
    assert framed["X-Robots-Tag"] == "noindex"
    usual = visitor.get("/")["Content-Security-Policy"]
    without = {part.strip() for part in policy.split(";")} ^ {part.strip() for part in usual.split(";")}
    assert without == {"frame-ancestors *", "frame-ancestors 'none'"}
    for path in (
        "/",
        "/artists/",
        "/login",
        "/embed/nothing",
        "/tracks.json",
        f"/oembed?url={SITE}/",
        "/admin/login/",
    ):
        response = visitor.get(path)
        assert response["X-Frame-Options"] == "DENY", path
        assert "frame-ancestors 'none'" in response["Content-Security-Policy"], path


def test_no_cookie_is_set_for_anybody(host: Browser, visitor: Browser, ana: Browser) -> None:
    say(ana, visibility="public")
    for browser in (host, visitor, ana):
        for path in (
            "/embed/",
            "/embed/?rows=x",
            "/@ana/embed/",
            "/@bob/embed/",
            f"/oembed?url={SITE}/@ana/",
            "/oembed",
        ):
            assert not browser.get(path).cookies, path


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_it_is_read_only(host: Browser, visitor: Browser, method: str) -> None:
    for path in ("/embed/", "/oembed"):
        assert getattr(visitor, method)(path).status_code in (403, 405), path
    assert visitor.head("/embed/").status_code == 200 and visitor.head(f"/oembed?url={SITE}/").status_code == 200


# Whose


def test_private_is_gone_for_everybody_but_the_owner(ana: Browser, host: Browser, simulator: Simulator) -> None:
    other = made(simulator, "new", name="Nell", handle="nell", visibility="public")
    for browser in (Browser(), host, other):
        known, unknown = browser.get("/@ana/embed/"), browser.get("/@bob/embed/")
        assert known.status_code == unknown.status_code == 404
        assert known.content == unknown.content
        assert b"This chart is not here" in known.content and b"<nav" not in known.content
        heard = [{k: v for k, v in answer.items() if k != "X-Request-ID"} for answer in (known, unknown)]
        assert heard[0] == heard[1]
        assert browser.get("/@ana/embed/?rows=99").status_code == 404
    own = ana.get("/@ana/embed/")
    assert own.status_code == 200 and "private" in own["Cache-Control"]


@pytest.mark.parametrize("visibility", ["unlisted", "public"])
def test_unlisted_and_public_may_be_embedded(ana: Browser, host: Browser, visitor: Browser, visibility: str) -> None:
    say(ana, visibility=visibility)
    for browser in (visitor, host, ana):
        response = browser.get("/@ANA/embed/?rows=5")
        page = response.content.decode()
        assert response.status_code == 200 and rows(response) == 5
        assert "<bdi>Ana</bdi>’s top songs on Spotify" in page and f'href="{SITE}/@ana/"' in page
        assert not response.has_header("X-Frame-Options") and response["X-Robots-Tag"] == "noindex"
        assert "no-cache" in response["Cache-Control"]


def test_the_hosts_own_handle_leads_to_the_hosts_frame(ana: Browser, visitor: Browser) -> None:
    response = visitor.get("/@hanne/embed/?rows=7&theme=dark")
    assert (response.status_code, response["Location"]) == (302, "/embed/?rows=7&theme=dark")


# Shared copies


def test_a_second_visit_takes_no_query_and_an_unchanged_one_no_body(
    host: Browser, visitor: Browser, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr(store.PageStore, "get", GET)
    monkeypatch.setattr(version, "CHECK_SECONDS", 600)
    for path in ("/embed/", "/embed/?rows=5", "/embed/?rows=5&theme=dark", "/embed/?time_range=long_term"):
        first = visitor.get(path)
        with django_assert_num_queries(0):
            again = visitor.get(path)
            assert again.content == first.content and "public" in again["Cache-Control"]
            assert "frame-ancestors *" in again["Content-Security-Policy"] and not again.has_header("X-Frame-Options")
            same = visitor.get(path, headers={"If-None-Match": first["ETag"]})
            assert (same.status_code, same.content) == (304, b"")
        assert visitor.get(path, HTTP_ACCEPT_ENCODING="gzip")["Content-Encoding"] == "gzip"
    assert rows(visitor.get("/embed/?rows=5")) == 5 and rows(visitor.get("/embed/?rows=20")) == 20
    assert visitor.get("/embed/?rows=5&theme=dark")["ETag"] != visitor.get("/embed/?rows=5")["ETag"]


def test_a_listener_who_is_private_now_is_gone_from_the_copies(
    ana: Browser, visitor: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.PageStore, "get", GET)
    say(ana, visibility="public")
    assert visitor.get("/@ana/embed/").status_code == 200
    say(ana, visibility="private")
    assert visitor.get("/@ana/embed/").status_code == 404


def test_the_number_of_queries_does_not_grow_with_the_rows(
    host: Browser, visitor: Browser, django_assert_num_queries: Any
) -> None:
    # The version, the host, and the chart in three with its artists.
    for count in (5, 20):
        with django_assert_num_queries(5):
            visitor.get(f"/embed/?rows={count}")


# oEmbed


def test_the_answer_has_the_fields_of_oembed_1_0(host: Browser, visitor: Browser, settings: Any) -> None:
    response = ask(visitor)
    assert response.status_code == 200 and response["Content-Type"] == "application/json"
    assert response["Access-Control-Allow-Origin"] == "*"
    answer = response.json()
    frame = frame_of(response)
    assert frame.pop("title") == "Top 20 songs of the last 4 weeks · Top Twenty"
    assert frame == {"src": f"{SITE}/embed/", "width": "480", "height": str(answer["height"]),
                     "frameborder": "0", "loading": "lazy"}  # fmt: skip
    assert isinstance(answer.pop("height"), int) and answer.pop("html")
    assert answer == {
        "version": "1.0",
        "type": "rich",
        "title": "Top 20 songs of the last 4 weeks",
        "provider_name": "Top Twenty",
        "provider_url": f"{SITE}/",
        "cache_age": 86400,
        "width": 480,
    }


def test_the_authors_name_is_the_listeners(ana: Browser, visitor: Browser) -> None:
    say(ana, visibility="unlisted", name='A "quoted" <b>')
    answer = ask(visitor, f"{SITE}/@ANA/?time_range=long_term")
    assert answer.json()["author_name"] == 'A "quoted" <b>' and answer.json()["author_url"] == f"{SITE}/@ana/"
    assert frame_of(answer)["src"] == f"{SITE}/@ana/embed/?time_range=long_term"
    assert frame_of(answer)["title"].startswith('A "quoted" <b>: Top 20 songs of the last year')


def test_the_addresses_of_charts(
    ana: Browser, visitor: Browser, simulator: Simulator, subtests: pytest.Subtests
) -> None:
    made(simulator, "new", handle="nell", visibility="public")
    for url, source in [
        (f"{SITE}/", "/embed/"),
        (SITE, "/embed/"),
        (f"{SITE}/?time_range=short_term", "/embed/"),
        (f"{SITE}/?time_range=medium_term#content", "/embed/?time_range=medium_term"),
        (f"{SITE}/?utm_source=x", "/embed/"),
        ("HTTP://127.0.0.1:8000/", "/embed/"),
        (f"{SITE}/@hanne/?time_range=long_term", "/embed/?time_range=long_term"),
        (f"{SITE}/@nell/", "/@nell/embed/"),
        (f"{SITE}/%40Nell%2F", "/@nell/embed/"),
    ]:
        with subtests.test(url):
            answer = ask(visitor, url)
            assert answer.status_code == 200, answer.content
            assert frame_of(answer)["src"] == SITE + source
            assert visitor.get(frame_of(answer)["src"].removeprefix(SITE)).status_code == 200


OTHER_ADDRESSES = [
    "/", "index", "//127.0.0.1:8000/", "ftp://127.0.0.1:8000/", "javascript:alert(1)", "data:text/html,x",
    "javascript://127.0.0.1:8000/%0aalert(1)", "http://evil.example/", "http://127.0.0.1/", "http://127.0.0.1:8001/",
    "https://127.0.0.1/", "http://127.0.0.1:8000.evil.example/", "http://user@127.0.0.1:8000/",
    "http://127.0.0.1:8000@evil.example/", "http://u:p@127.0.0.1:8000/", "http://127.0.0.1:8000\\@evil.example/",
    "http://127.0.0.1:port/", "http://127.0.0.1:99999999/", "http://[::1/", "http://[not]/", "http:///", "http://",
    f"{SITE}//", f"{SITE}/?time_range=week", f"{SITE}/?time_range=", f"{SITE}/artists/", f"{SITE}/history/",
    f"{SITE}/embed/", f"{SITE}/admin/", f"{SITE}/listeners/", f"{SITE}/tracks.json", f"{SITE}/nothing",
    f"{SITE}/@ana", f"{SITE}/@ana/", f"{SITE}/@bob/", f"{SITE}/@/", f"{SITE}/@bob%2F..%2F", f"{SITE}/@a%00/",
    f"{SITE}/%ff/", f"{SITE}/@{'a' * 31}/", f"{SITE}/@hanne/with/ana/", "http://täst.example/", "http://ＡＢ℀/",
    f"http://{'ä' * 70}.example/", f"{SITE}/\n", f" {SITE}/", f"{SITE}/?{'x' * 10_000}", "x" * 10_000,
    f"http://{'a.' * 5_000}/", "http://127.0.0.1:8000/" + "%2F" * 50, "\x00", "\ud83d"
]  # fmt: skip


def test_any_other_address_is_not_found(ana: Browser, host: Browser, visitor: Browser) -> None:
    for url in OTHER_ADDRESSES:
        query = urlencode({"url": url}, errors="surrogatepass")
        # The host, and Ana herself, too: the answer is for everybody.
        for browser in (visitor, host, ana):
            response = browser.get(f"/oembed?{query}")
            assert response.status_code == 404, (url, response.content)
            assert list(response.json()) == ["error"] and response["Access-Control-Allow-Origin"] == "*", url


def test_private_answers_as_one_who_does_not_exist(
    ana: Browser, visitor: Browser, django_assert_num_queries: Any
) -> None:
    answers = []
    for handle in ("ana", "bob"):
        with django_assert_num_queries(1):
            answers.append(ask(visitor, f"{SITE}/@{handle}/"))
    heard = [(a.content, {k: v for k, v in a.items() if k != "X-Request-ID"}) for a in answers]
    assert heard[0] == heard[1]


def test_a_host_name_beyond_ascii_and_the_schemes_own_ports(host: Browser, visitor: Browser, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["xn--tst-qla.example"]
    for own, url in (
        ("xn--tst-qla.example", "https://täst.example/"),
        ("xn--tst-qla.example", "http://XN--TST-QLA.example:80/"),
        ("xn--tst-qla.example:80", "http://täst.example/"),
    ):
        response = visitor.get(f"/oembed?{urlencode({'url': url})}", HTTP_HOST=own)
        assert response.status_code == 200, url
        assert frame_of(response)["src"] == "http://xn--tst-qla.example" + own[19:] + "/embed/"


@pytest.mark.parametrize(
    ("most", "width", "height", "shown"),
    [
        ({"maxwidth": 2000, "maxheight": 2000}, 480, 766, None),
        ({"maxwidth": 300}, 300, 766, None),
        ({"maxwidth": 100}, 100, 766, None),
        ({"maxheight": 766}, 480, 766, None),
        ({"maxheight": 765}, 480, 709, 9),
        ({"maxheight": 481}, 480, 481, 5),
        ({"maxheight": 1}, 480, 1, 5),
        ({"maxwidth": "9" * 90, "maxheight": 590}, 480, 538, 6),
    ],
)
def test_the_frame_is_no_larger_than_asked_for(
    host: Browser, visitor: Browser, most: dict[str, Any], width: int, height: int, shown: int | None
) -> None:
    answer = ask(visitor, f"{SITE}/?time_range=long_term", **most)
    frame = frame_of(answer)
    assert (answer.json()["width"], answer.json()["height"]) == (width, height)
    assert (frame["width"], frame["height"]) == (str(width), str(height))
    assert parse_qs(urlsplit(frame["src"]).query) == {"time_range": ["long_term"]} | (
        {"rows": [str(shown)]} if shown else {}
    )


def test_a_size_that_is_none_is_refused(host: Browser, visitor: Browser) -> None:
    for value in ("0", "-1", "", "wide", "1.5", "1e3", "٣", "+7", "100px", "9" * 9000, "\x00"):
        for name in ("maxwidth", "maxheight"):
            response = ask(visitor, **{name: value})
            assert response.status_code == 400 and list(response.json()) == ["error"], (name, value)
            assert name in response.json()["error"] and response["Access-Control-Allow-Origin"] == "*"


def test_without_url_and_in_other_formats(host: Browser, visitor: Browser) -> None:
    for path in ("/oembed", "/oembed?url=", "/oembed?maxwidth=100"):
        response = visitor.get(path)
        assert response.status_code == 400 and list(response.json()) == ["error"], path
    for name in ("xml", "", "JSON"):
        response = ask(visitor, format=name)
        assert response.status_code == 501 and list(response.json()) == ["error"]
    assert ask(visitor, format="json").status_code == 200


# Discovery


@pytest.mark.parametrize("path", ["/", "/?time_range=long_term", "/@ana/", "/@ana/?time_range=medium_term"])
def test_each_chart_names_its_oembed_answer(ana: Browser, visitor: Browser, path: str) -> None:
    say(ana, visibility="unlisted")
    page = visitor.get(path).content.decode()
    head = page.split("</head>")[0]
    found = re.findall(r'<link rel="alternate" type="application/json\+oembed" href="([^"]+)" title="([^"]+)">', head)
    assert len(found) == 1
    address = unescape(found[0][0])
    assert address.startswith(f"{SITE}/oembed?url=http%3A%2F%2F")
    answer = visitor.get(address.removeprefix(SITE))
    assert answer.json()["title"] == unescape(found[0][1])
    source = urlsplit(frame_of(answer)["src"])
    assert (source.path, source.query) == (urlsplit(path).path + "embed/", urlsplit(path).query)


def test_a_private_listeners_own_view_and_other_pages_name_none(ana: Browser, visitor: Browser) -> None:
    assert who(ana).visibility == "private"
    for browser, path in ((ana, "/@ana/"), (visitor, "/artists/"), (visitor, "/embed/"), (visitor, "/nothing")):
        assert "json+oembed" not in browser.get(path).content.decode(), path


def test_a_listener_without_a_chart_yet_has_a_finished_frame(ana: Browser, visitor: Browser) -> None:
    say(ana, visibility="public")
    who(ana).snapshots.all().delete()
    Listener.objects.filter(handle="ana").update(refreshed_at=None, changed_at=timezone.now())
    page = visitor.get("/@ana/embed/").content.decode()
    assert "The first songs are on their way" in page and "Ana" in page and page.count("<h1") == 1
