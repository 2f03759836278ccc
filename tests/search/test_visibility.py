"""Who may ask about whom, how often, and that nothing is kept for others."""

import re
import time
from typing import Any

import pytest
from django.core.cache import cache

from simulator import Simulator
from tests import factories
from tests.conftest import Browser
from tests.people import made, say
from tracks.models import Listener, Track

pytestmark = pytest.mark.django_db

PATHS = ("search", "search.json")


def plain(response: Any) -> str:
    """The page without the handle that was asked for, and without what is another in each form."""
    page = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", response.content.decode())
    return re.sub("stan|nobody", "", page)


@pytest.mark.parametrize("visibility", ["private", "unlisted", "public"])
def test_a_listeners_songs_are_found_by_who_may_see_them(host: Browser, simulator: Simulator, visibility: str) -> None:
    owner = made(simulator, "stranger", handle="stan", visibility=visibility)
    other = made(simulator, "new", handle="nell", visibility="public")
    song = Listener.objects.get(handle="stan").snapshots.latest("pk").placements.latest("pk").track
    for path in PATHS:
        for browser in (owner, other, host, Browser()):
            response = browser.get(f"/@stan/{path}", {"q": f'"{song.name}"'})
            if visibility == "private" and browser is not owner:
                nobody = browser.get(f"/@nobody/{path}", {"q": f'"{song.name}"'})
                assert (response.status_code, nobody.status_code) == (404, 404)
                assert plain(response) == plain(nobody)
            else:
                assert response.status_code == 200 and song.pk in response.content.decode()
                assert "noindex" in response["X-Robots-Tag"]
                assert {"private", "no-cache"} <= set(response["Cache-Control"].split(", "))


def test_nobodys_songs_are_found_in_anothers_charts(host: Browser, simulator: Simulator) -> None:
    made(simulator, "stranger", handle="stan", visibility="public")
    theirs = Track.objects.exclude(placements__snapshot__listener__is_host=True).filter(placements__isnull=False)
    song = theirs[0]
    assert song.name in str(Browser().get("/@stan/search.json", {"q": f'"{song.name}"'}).json())
    assert Browser().get("/search.json", {"q": f'"{song.name}"'}).json()["tracks"] == []
    assert song.pk not in Browser().get("/search", {"q": song.name}).content.decode()


def test_the_hosts_handle_leads_to_the_front(host: Browser) -> None:
    say(host, handle="hanne")
    response = host.get("/@hanne/search?q=longest&tz=Europe%2FMadrid")
    assert (response.status_code, response["Location"]) == (302, "/search?q=longest&tz=Europe%2FMadrid")


def test_before_anybody_has_signed_in_there_is_nothing_to_find() -> None:
    assert "There is no chart yet" in Browser().get("/search", {"q": "lamp"}).content.decode()
    assert Browser().get("/search.json", {"q": "lamp"}).json()["tracks"] == []


def test_any_sites_script_may_ask(host: Browser) -> None:
    for query in ({"q": "longest"}, {"q": "a" * 300}, {"q": "longest", "tz": "x"}):
        assert Browser().get("/search.json", query)["Access-Control-Allow-Origin"] == "*"


def test_the_field_asks_about_the_listener_whose_pages_one_is_on(host: Browser, simulator: Simulator) -> None:
    made(simulator, "stranger", handle="stan", visibility="public")
    assert 'action="/@stan/search"' in Browser().get("/@stan/artists/").content.decode()
    assert 'action="/search"' in Browser().get("/privacy").content.decode()


def test_no_answer_is_kept_as_a_copy(host: Browser, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Any] = []
    monkeypatch.setattr("tracks.ops.shared.store.PageStore.put", lambda store, key, page: kept.append(key))
    Browser().get("/search", {"q": "longest"})
    Browser().get("/search.json", {"q": "longest"})
    assert kept == []
    Browser().get("/")
    assert len(kept) == 1


def test_who_asks_all_the_time_has_to_wait(host: Browser, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.RATELIMIT_ENABLE = True
    window = int(time.time()) + 60
    monkeypatch.setattr("django_ratelimit.core._get_window", lambda value, period: window)
    cache.clear()
    for _ in range(120):
        assert Browser().get("/search.json").status_code == 200
    response = Browser().get("/search.json")
    assert (response.status_code, response["Retry-After"], list(response.json())) == (429, "60", ["error"])
    page = Browser().get("/search", {"q": "longest"}, headers={"Accept": "text/html"})
    assert (page.status_code, page["Retry-After"]) == (429, "60") and b"Too often" in page.content
    assert Browser().get("/", REMOTE_ADDR="127.0.0.1").status_code == 200
    assert Browser().get("/search.json", REMOTE_ADDR="192.0.2.1").status_code == 200
    cache.clear()


def test_a_refreshed_chart_is_found_at_once(host: Browser, simulator: Simulator) -> None:
    listener = Listener.objects.get()
    song = factories.item(77, name="Brand Næw")
    factories.charts(listener, {"short_term": [song]})
    assert [track["id"] for track in Browser().get("/search.json?q=brand+naew").json()["tracks"]] == [song["id"]]
