"""The pictures' addresses: who may see them, how long they last, and what stands there while there are none."""

import re
from html import unescape
from itertools import product
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone

from simulator import Simulator
from tests import factories
from tests.cards.conftest import invent
from tests.conftest import Browser
from tests.people import made, say, who
from tracks.cards import data, store
from tracks.models import Card, Listener, Snapshot, TimeRange
from tracks.ops.shared import store as copies
from tracks.ops.shared import version
from tracks.views import share

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("drawn")]

GET = copies.PageStore.get
PNG = ["/card.png", "/card-tall.png", "/receipt.png"]
PATHS = [*PNG, "/receipt.svg"]
PLAIN = "/static/tracks/icons/share.png"


@pytest.fixture
def cards(host: Browser) -> Listener:
    """The host, with pictures of all three charts."""
    for snapshot in Snapshot.objects.all():
        invent(snapshot)
    return Listener.objects.get(is_host=True)


@pytest.fixture
def ana(host: Browser, simulator: Simulator, settings: Any) -> Browser:
    """The browser of a private listener with the handle "ana"; the host's handle is "hanne"."""
    settings.LISTENERS = "invited"
    say(host, handle="hanne")
    host.get("/me/")
    browser = made(simulator, "stranger", name="Ana", handle="ana")
    for snapshot in who(browser).snapshots.all():
        invent(snapshot)
    return browser


def meta(page: Any, name: str) -> str | None:
    found = re.search(rf'<meta (?:property|name)="{name}" content="([^"]*)">', page.content.decode())
    return unescape(found[1]) if found else None


def number(time_range: str = "short_term") -> int:
    newest = store.newest(Listener.objects.host(), time_range)
    assert newest
    return newest.pk


def test_each_picture_is_that_of_its_time_range_and_language(cards: Listener, visitor: Browser) -> None:
    for path, time_range, language in product(PATHS, TimeRange.values, ("en", "es")):
        response = visitor.get(f"{path}?time_range={time_range}&lang={language}")
        assert response.content.decode() == f"{path[1:]} {language} of {number(time_range)}"
        assert response["Content-Type"] == ("image/png" if path in PNG else "image/svg+xml")
        assert response["Content-Language"] == language and response["X-Content-Type-Options"] == "nosniff"


def test_without_a_language_it_is_the_visitors_own(cards: Listener, visitor: Browser) -> None:
    assert b" en of" in visitor.get("/card.png").content
    assert b" es of" in visitor.get("/card.png", HTTP_ACCEPT_LANGUAGE="es-MX").content


def test_another_time_range_or_language_is_not_there(cards: Listener, visitor: Browser) -> None:
    for path, query in product(PATHS, ["?time_range=week", "?lang=fr", "?lang=", "?lang=EN", "?time_range="]):
        assert visitor.get(path + query).status_code == 404, path + query


def test_before_the_first_refresh_there_is_none(visitor: Browser) -> None:
    assert [visitor.get(path).status_code for path in PATHS] == [404] * 4


def test_an_svg_may_do_nothing(cards: Listener, visitor: Browser) -> None:
    assert visitor.get("/receipt.svg")["Content-Security-Policy"] == (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    )


def test_who_has_it_gets_a_304_and_head_no_body(cards: Listener, visitor: Browser) -> None:
    for path in PATHS:
        first = visitor.get(path)
        assert first["ETag"] and "public" in first["Cache-Control"]
        again = visitor.get(path, headers={"If-None-Match": first["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert "public" in again["Cache-Control"] and again["ETag"] == first["ETag"]
        head = visitor.head(path)
        assert (head.status_code, head.content, head["Content-Length"]) == (200, b"", first["Content-Length"])
        assert visitor.post(path).status_code in (403, 405)


def test_a_picture_is_not_compressed_again_and_the_svg_is(cards: Listener, visitor: Browser) -> None:
    assert "Content-Encoding" not in visitor.get("/card.png", HTTP_ACCEPT_ENCODING="gzip").headers
    assert visitor.get("/receipt.svg", HTTP_ACCEPT_ENCODING="gzip")["Content-Encoding"] == "gzip"


# Versions


def test_the_versioned_address_lasts_and_no_other_does(cards: Listener, visitor: Browser) -> None:
    right = data.version(cards, number())
    lasting = visitor.get(f"/card.png?v={right}")
    assert lasting["Cache-Control"] == "public, max-age=31536000, immutable"
    not_modified = visitor.get(f"/card.png?v={right}", headers={"If-None-Match": lasting["ETag"]})
    assert not_modified.status_code == 304 and "immutable" in not_modified["Cache-Control"]
    for query in ("", "?v=", f"?v={right}0", f"?v={number() - 1}-{right.partition('-')[2]}", "?v=1&v=2"):
        response = visitor.get(f"/card.png{query}")
        assert response.content == lasting.content
        assert "max-age=0" in response["Cache-Control"] and "s-maxage=60" in response["Cache-Control"], query


def test_the_version_is_another_with_another_chart_name_or_design(
    cards: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = {data.version(cards, 1), data.version(cards, 2)}
    cards.changed_at = cards.changed_at.replace(microsecond=(cards.changed_at.microsecond + 1) % 1_000_000)
    versions.add(data.version(cards, 1))
    monkeypatch.setattr(data, "design", lambda: "another")
    versions.add(data.version(cards, 1))
    assert len(versions) == 4


def test_invented_versions_do_not_fill_the_copies_and_a_copy_takes_no_query(
    cards: Listener, visitor: Browser, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr(copies.PageStore, "get", GET)
    monkeypatch.setattr(version, "CHECK_SECONDS", 600)
    put: list[Any] = []
    keep = copies.PageStore.put

    def noted(self: copies.PageStore, key: Any, page: copies.Page) -> None:
        put.append(key)
        keep(self, key, page)

    monkeypatch.setattr(copies.PageStore, "put", noted)
    right = data.version(cards, number())
    visitor.get("/card.png")
    visitor.get("/card.png?v=invented")
    with django_assert_num_queries(0):
        for turn in range(20):
            assert "immutable" not in visitor.get(f"/card.png?v={turn}")["Cache-Control"]
        assert "immutable" in visitor.get(f"/card.png?v={right}")["Cache-Control"]
    assert len(put) == 2, "without a query, and with one"


def test_a_new_chart_has_a_new_picture_at_once_or_none_but_never_the_old_one(
    cards: Listener, visitor: Browser, simulator: Simulator, settings: Any
) -> None:
    old = visitor.get("/card.png").content
    simulator.shuffle("host", "short_term")
    items = {"short_term": simulator.accounts["host"].rankings["short_term"][:20]}
    factories.an_hour_passes()
    factories.charts(cards, items)
    waiting = visitor.get("/card.png")
    assert (waiting.status_code, waiting["Location"]) == (302, PLAIN)
    assert waiting["Cache-Control"] == "public, max-age=30"
    newest = Snapshot.objects.get(pk=number())
    invent(newest)
    assert visitor.get("/card.png").content != old


def test_a_former_name_is_on_no_picture(cards: Listener, host: Browser, visitor: Browser) -> None:
    assert visitor.get("/card.png").status_code == 200
    say(host, name="Hanne")
    assert visitor.get("/card.png").status_code == 302


# Listeners


def test_a_private_listeners_picture_is_for_the_owner_alone(ana: Browser, host: Browser, visitor: Browser) -> None:
    def found(browser: Browser, handle: str) -> Any:
        response = browser.get(f"/@{handle}{path}")
        # A signed-in person's page holds a token.
        content = re.sub(rb'(?<=csrfmiddlewaretoken" value=")[^"]*', b"", response.content).replace(b"nobody", b"ana")
        return response.status_code, content, response.get("Cache-Control")

    for path in (*PATHS, f"/year/{timezone.now().year}/most-days.png"):
        for browser in (visitor, host):
            assert found(browser, "ana") == found(browser, "nobody") and found(browser, "ana")[0] == 404
        answer = ana.get(f"/@ana{path}")
        assert answer.status_code == (302 if "year" in path else 200)
        assert "no-cache" in answer["Cache-Control"] and "public" not in answer["Cache-Control"]


def test_an_unlisted_listeners_picture_is_there_and_never_lasts(ana: Browser, visitor: Browser) -> None:
    say(ana, visibility="unlisted")
    listener = who(ana)
    for snapshot in listener.snapshots.all():
        snapshot.cards.all().delete()
        invent(snapshot)
    current = store.newest(listener, "short_term")
    assert current
    response = visitor.get(f"/@ana/card.png?v={data.version(listener, current.pk)}")
    assert response.status_code == 200 and response["Cache-Control"] == "no-cache"
    assert response["X-Robots-Tag"] == "noindex"
    say(ana, visibility="private")
    assert visitor.get("/@ana/card.png").status_code == 404


def test_the_hosts_own_handle_leads_to_the_front(ana: Browser, visitor: Browser) -> None:
    assert visitor.get("/@hanne/card.png?lang=es")["Location"] == "/card.png?lang=es"


# Where none can be made


def test_without_cards_the_plain_picture_stands_in(cards: Listener, visitor: Browser, settings: Any) -> None:
    Card.objects.all().delete()
    settings.CARDS = False
    for path in PATHS:
        assert visitor.get(path)["Location"] == PLAIN
    page = visitor.get("/")
    assert meta(page, "og:image") == f"http://127.0.0.1:8000{PLAIN}" and "card-tall.png" not in page.content.decode()
    assert 'id="share-address"' in page.content.decode()


def test_few_wait_at_a_time_and_the_others_are_told_so(
    cards: Listener, visitor: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    Card.objects.all().delete()
    monkeypatch.setattr(share, "PATIENCE", 4)
    taken = [share._places.acquire(blocking=False) for _ in range(share.MOST_WAITING)]
    try:
        response = visitor.get("/card.png")
    finally:
        for _ in taken:
            share._places.release()
    assert all(taken) and (response.status_code, response["Retry-After"]) == (503, "2")
    monkeypatch.setattr(share, "PATIENCE", 0)
    assert visitor.get("/card.png").status_code == 302, "the places are given back"


# The pages


def test_the_chart_names_its_picture_to_others(cards: Listener, visitor: Browser, simulator: Simulator) -> None:
    for address, time_range in (("/", "short_term"), ("/?time_range=long_term", "long_term")):
        page = visitor.get(address, HTTP_ACCEPT_LANGUAGE="es")
        image = meta(page, "og:image")
        assert image and image.startswith("http://127.0.0.1:8000/card.png?")
        query = parse_qs(urlsplit(image).query)
        assert query["lang"] == ["es"] and query.get("time_range", ["short_term"]) == [time_range]
        assert visitor.get(image.removeprefix("http://127.0.0.1:8000"))["Cache-Control"].endswith("immutable")
        assert (meta(page, "og:image:width"), meta(page, "og:image:height")) == ("1200", "630")
        alt = meta(page, "og:image:alt")
        placements = Snapshot.objects.get(pk=number(time_range)).placements.with_tracks()[:3]
        assert alt and all(f"«{one.track.name}» de {one.track.artist}" in alt for one in placements)
        assert meta(page, "twitter:image:alt") == alt and meta(page, "twitter:card") == "summary_large_image"


def test_a_new_chart_has_a_new_address_of_its_picture(cards: Listener, visitor: Browser, simulator: Simulator) -> None:
    before = meta(visitor.get("/"), "og:image")
    simulator.shuffle("host", "short_term")
    factories.an_hour_passes()
    factories.charts(cards, {"short_term": simulator.accounts["host"].rankings["short_term"][:20]})
    assert meta(visitor.get("/"), "og:image") != before


def test_the_share_part_has_links_and_fields_without_a_script(cards: Listener, visitor: Browser) -> None:
    page = unescape(visitor.get("/?time_range=medium_term").content.decode())
    part = page[page.index('<details class="share"') : page.index("</details>", page.index('<details class="share"'))]
    links = re.findall(r'<a href="([^"]*)" download="([^"]*)"', part)
    assert [urlsplit(address).path for address, _ in links] == PNG
    assert all(re.fullmatch(r"top-songs-\d{4}-\d\d-\d\d(-tall|-receipt)?\.png", name) for _, name in links)
    for address in [*(address for address, _ in links), *re.findall(r'"(/receipt\.svg[^"]*)"', part)]:
        assert visitor.get(address).status_code == 200
    assert 'value="http://127.0.0.1:8000/?time_range=medium_term"' in part
    assert '<iframe src="http://127.0.0.1:8000/embed/?time_range=medium_term"' in part
    assert all("hidden" in button for button in re.findall(r"<button[^>]*>", part))


def test_a_private_owner_may_save_and_is_told_who_else_sees_it(ana: Browser) -> None:
    page = ana.get("/@ana/")
    text = page.content.decode()
    assert "Your page is private" in text and "/@ana/card-tall.png?" in text and "iframe src" not in text
    assert meta(page, "og:image") == f"http://127.0.0.1:8000{PLAIN}"
    say(ana, visibility="unlisted")
    page = ana.get("/@ana/")
    assert "Your page is private" not in page.content.decode() and "/@ana/card.png?" in (meta(page, "og:image") or "")


def test_before_there_are_songs_there_is_nothing_to_share(visitor: Browser) -> None:
    page = visitor.get("/")
    assert 'class="share"' not in page.content.decode() and meta(page, "og:image") == f"http://127.0.0.1:8000{PLAIN}"


# What goes


def test_a_snapshots_pictures_go_with_it_and_a_persons_with_them(cards: Listener, host: Browser) -> None:
    Snapshot.objects.filter(time_range="long_term").delete()
    assert Card.objects.count() == 2 * len(data.KINDS) * 2
    host.press("/disconnect", on="/disconnect", confirm="yes")
    assert not Card.objects.exists()
