"""The chart in a frame of another site's page, on a screen where the frame is 280 px wide."""

import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from playwright.sync_api import Frame, expect

from tests.browser.conftest import Visit, Visitor, violations
from tests.conftest import Server

PAGE = """<!doctype html>
<html lang="en"><head><meta name="color-scheme" content="light dark"><title>A blog</title></head>
<body><main><h1>A blog</h1>{}</main></body></html>"""
FRAME = "<iframe src='{}' title='The chart' width='280' height='700' {}></iframe>"


class Blog(BaseHTTPRequestHandler):
    """Another site: whatever path is asked for, its one page."""

    def __init__(self, html: list[str], *args: Any) -> None:
        self.html = html
        super().__init__(*args)

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(PAGE.format(self.html[0]).encode())

    def log_message(self, *args: Any) -> None:
        """Nobody reads it."""


class Elsewhere:
    def __init__(self) -> None:
        self.html = [""]
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Blog, self.html))
        # Another name than the site's too: cookies do not tell ports apart.
        self.url = f"http://localhost:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def shows(self, window: Visit, html: str) -> Frame:
        """The frame in the page of this other site."""
        self.html[0] = html
        window.page.goto(self.url)
        return window.page.frames[1]


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Elsewhere]:
    other = Elsewhere()
    yield other
    other.server.shutdown()
    other.server.server_close()


def background(frame: Frame) -> str:
    return str(frame.evaluate("getComputedStyle(document.body).backgroundColor"))


PAPER = {"light": "rgb(251, 248, 243)", "dark": "rgb(23, 20, 18)"}


@pytest.mark.django_db
@pytest.mark.parametrize("sandbox", ["", "sandbox='allow-scripts'"], ids=["frame", "sandbox"])
@pytest.mark.parametrize("theme", ["auto", "light", "dark"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_another_sites_page_shows_the_songs(
    visit: Visitor, elsewhere: Elsewhere, scheme: Any, theme: str, sandbox: str
) -> None:
    window = visit(color_scheme=scheme, viewport={"width": 320, "height": 800})
    titles = [song["name"] for song in requests.get(f"{window.site}/tracks.json", timeout=10).json()["tracks"]]
    source = f"{window.site}/embed/?rows=20&theme={theme}"
    frame = elsewhere.shows(window, FRAME.format(source, sandbox))
    expect(frame.locator("li")).to_have_count(20)
    assert frame.locator("a.title").all_inner_texts() == titles
    assert background(frame) == PAPER[scheme if theme == "auto" else theme]
    assert frame.evaluate("innerWidth") == 280
    assert frame.evaluate("document.documentElement.scrollWidth") <= 280
    assert window.context.cookies() == []
    # Nothing else is loaded: no cover, no script.
    logo = "white" if background(frame) == PAPER["dark"] else "black"
    loaded = [urlsplit(url).path for url in window.requests if not url.startswith(elsewhere.url)]
    assert [re.sub(r"\.[0-9a-f]{12}", "", path) for path in loaded if path != "/favicon.ico"] == [
        "/embed/",
        "/static/tracks/embed.css",
        f"/static/tracks/icons/spotify-{logo}.svg",
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_violation(visit: Visitor, elsewhere: Elsewhere, theme: str) -> None:
    window = visit(viewport={"width": 320, "height": 800}, color_scheme="light")
    frame = elsewhere.shows(window, FRAME.format(f"{window.site}/embed/?theme={theme}", ""))
    expect(frame.locator("li")).to_have_count(10)
    assert violations(frame) == ""
    for address in (f"/embed/?theme={theme}", f"/embed/?theme={theme}&rows=99", "/@nobody/embed/"):
        window.page.goto(address)
        assert violations(window.page) == "", address


def test_a_link_opens_outside_the_frame_and_without_script(visit: Visitor, elsewhere: Elsewhere) -> None:
    window = visit(java_script_enabled=False)
    frame = elsewhere.shows(window, FRAME.format(f"{window.site}/embed/", ""))
    with window.context.expect_page() as opened:
        frame.get_by_role("link", name="All 20 songs").click()
    opened.value.wait_for_url(f"{window.site}/")
    assert frame.url == f"{window.site}/embed/"


def test_what_oembed_hands_out_fits_its_frame(visit: Visitor, elsewhere: Elsewhere) -> None:
    window = visit()
    answer = requests.get(f"{window.site}/oembed", {"url": f"{window.site}/"}, timeout=10).json()
    frame = elsewhere.shows(window, answer["html"])
    expect(frame.locator("li")).to_have_count(10)
    box = window.page.locator("iframe").bounding_box()
    assert box and (box["width"], box["height"]) == (answer["width"], answer["height"])
    # Beside titles that take a second line there is nothing to scroll, and no half of an empty frame.
    beyond = frame.evaluate("document.documentElement.scrollHeight - innerHeight")
    left = frame.evaluate("innerHeight - document.body.getBoundingClientRect().height")
    assert beyond <= 0 and left < 40, (beyond, left)


def test_no_other_page_may_be_framed(visit: Visitor, elsewhere: Elsewhere) -> None:
    window = visit()
    for address in ("/", "/login", "/embed/nothing"):
        frame = elsewhere.shows(window, FRAME.format(window.site + address, ""))
        expect(window.page.get_by_role("heading", name="A blog")).to_be_visible()
        assert frame.locator("main").count() == 0, address
        assert any("frame-ancestors" in error for error in window.errors), address
        window.errors.clear()


@pytest.mark.parametrize("length", [490, 3_000, 10_000])
def test_a_long_address_is_nobodys_error_on_the_real_server(site: Server, length: int) -> None:
    answer = requests.get(f"{site.site}/oembed", {"url": f"{site.site}/?" + "x" * length}, timeout=10)
    assert answer.status_code in (404, 400, 414), answer.text
