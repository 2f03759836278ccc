"""The past and the listeners for programs: pages of charts by a cursor, a song's runs, who is public."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from simulator import Simulator
from tests.conftest import Browser
from tests.people import made, say, who
from tests.views.past import DAY, a_year, at, key, live, today
from tracks import history
from tracks.models import Listener
from tracks.ops.shared import store, version

pytestmark = pytest.mark.django_db

GET = store.PageStore.get
ADDRESSES = ["history.json", "history.json?time_range=long_term", "tracks/past-one.json"]


@pytest.fixture(autouse=True)
def _invited(settings: Any) -> None:
    settings.LISTENERS = "invited"


@pytest.fixture
def ana(host: Browser, simulator: Simulator) -> Browser:
    """A private listener with the handle "ana"; the host's is "hanne"."""
    say(host, handle="hanne")
    return made(simulator, "stranger", name="Ana", handle="ana")


def days_ago(count: int) -> Any:
    return at(today() - count * DAY)


def all_pages(visitor: Browser, address: str) -> list[dict[str, Any]]:
    """The snapshots of this page and all that follow."""
    answer = visitor.get(address).json()
    found = [answer["snapshots"]]
    while answer["next"]:
        answer = visitor.get(answer["next"].removeprefix("http://127.0.0.1:8000")).json()
        found.append(answer["snapshots"])
    assert all(len(page) == history.SNAPSHOTS_A_PAGE for page in found[:-1]) and found[-1]
    return [snapshot for page in found for snapshot in page]


# /history.json


@pytest.mark.database
def test_the_pages_have_every_chart_once_newest_first(listener: Listener, visitor: Browser) -> None:
    charts = a_year()
    live(listener, charts)
    read = all_pages(visitor, "/history.json")
    assert [[song["name"] for song in chart["tracks"]] for chart in read] == [
        [title for title in charts[moment] if title] for moment in sorted(charts, reverse=True)
    ]
    gap = next(chart for chart in read if chart["tracks"][0]["position"] == 2)
    assert [song["position"] for song in gap["tracks"]] == list(range(2, len(gap["tracks"]) + 2))


def test_a_chart_has_what_the_page_of_it_shows(listener: Listener, visitor: Browser) -> None:
    answer = visitor.get("/history.json?time_range=medium_term").json()
    snapshot = listener.snapshots.get(time_range="medium_term")
    assert (answer["time_range"], answer["next"], len(answer["snapshots"])) == ("medium_term", None, 1)
    (chart,) = answer["snapshots"]
    assert (chart["id"], len(chart["tracks"])) == (snapshot.pk, 20)
    now = visitor.get("/tracks.json?time_range=medium_term").json()["tracks"]
    kept = ("position", "id", "name", "artist", "url")
    assert [{name: song[name] for name in kept} for song in chart["tracks"]] == [
        {name: song[name] for name in kept} for song in now
    ]
    assert {(song["movement"], song["previous_position"]) for song in chart["tracks"]} == {(None, None)}


@pytest.mark.database
def test_what_comes_meanwhile_does_not_move_the_pages(listener: Listener, visitor: Browser) -> None:
    charts = {days_ago(number): [f"Past {number}"] for number in range(1, 120)}
    live(listener, charts)
    first = visitor.get("/history.json").json()
    second = first["next"].removeprefix("http://127.0.0.1:8000")
    before = visitor.get(second).json()["snapshots"]
    newest = listener.snapshots.filter(time_range="short_term").latest("first_seen_at")
    for number in range(3):
        newest.pk, newest.first_seen_at = None, newest.first_seen_at + timedelta(minutes=1 + number)
        newest.save()
    assert visitor.get(second).json()["snapshots"] == before
    # Nor does what is deleted, be it the very chart at which the page began.
    listener.snapshots.get(pk=first["snapshots"][-1]["id"]).delete()
    assert visitor.get(second).json()["snapshots"] == before


@pytest.mark.parametrize(
    ("since", "count"),
    [
        ("{day}", 3),
        ("{day}T12:00:00Z", 3),
        ("{day}t12:00:00z", 3),
        ("{day}T12:00:00.000001Z", 2),
        ("{day}T14:00:00%2B02:00", 3),
        ("{day}T14:00", 2),
        ("0001-01-01T00:00:00%2B14:00", 5),
        ("9999-12-31T23:59:59-14:00", 0),
    ],
)
def test_since_a_day_or_a_time(listener: Listener, visitor: Browser, since: str, count: int) -> None:
    live(listener, {days_ago(number): [f"Past {number}"] for number in range(5)})
    answer = visitor.get(f"/history.json?since={since.format(day=today() - 2 * DAY)}").json()
    assert len(answer["snapshots"]) == count


def test_since_stays_on_the_pages_that_follow(listener: Listener, visitor: Browser) -> None:
    live(listener, {days_ago(number): [f"Past {number}"] for number in range(120)})
    read = all_pages(visitor, f"/history.json?since={today() - 80 * DAY}")
    assert [chart["tracks"][0]["name"] for chart in read] == [f"Past {number}" for number in range(81)]


MALFORMED = (
    ["since=", "since=yesterday", "since=2026-02-30", "since=20260101", "since=2026-01-01T25:00", "since=2026-01-01%00",
     "since=٢٠٢٦-01-01", "cursor=", "cursor=none", "cursor=-1", "cursor=1%0A", "cursor=ffffffffffffff",
     "cursor=643b6a4b2c38",
     "cursor=" + "0" * 5000, "time_range=", "time_range=week", "since=2026-01-01&cursor=x"]
)  # fmt: skip


def test_what_is_malformed_is_a_400(host: Browser, visitor: Browser, subtests: pytest.Subtests) -> None:
    for query in MALFORMED:
        with subtests.test(query[:30]):
            response = visitor.get(f"/history.json?{query}")
            assert response.status_code == 400 and list(response.json()) == ["error"]
            assert response["Access-Control-Allow-Origin"] == "*"


def test_the_queries_do_not_grow_with_the_history(
    listener: Listener, visitor: Browser, django_assert_max_num_queries: Any
) -> None:
    live(listener, a_year())
    for query in ("", "?cursor=fffffffffffff"):
        with django_assert_max_num_queries(6):
            assert visitor.get(f"/history.json{query}").status_code == 200


def test_invented_cursors_do_not_fill_the_memory(
    host: Browser, visitor: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Any] = []
    monkeypatch.setattr(store.PageStore, "put", lambda self, key, page: kept.append(key))
    for number in range(5):
        for query in (f"cursor=ffffffffffff{number}", f"since=2026-01-0{number + 1}"):
            response = visitor.get(f"/history.json?{query}")
            assert response.status_code == 200
            again = visitor.get(f"/history.json?{query}", headers={"If-None-Match": response["ETag"]})
            assert again.status_code == 304
    assert kept == []
    for _ in range(2):
        visitor.get("/history.json")
    assert len(set(kept)) == 1


def test_before_anybody_has_signed_in_there_is_nothing_and_no_error(db: None, visitor: Browser) -> None:
    answer = visitor.get("/history.json").json()
    assert answer == {"time_range": "short_term", "snapshots": [], "next": None}
    assert visitor.get("/tracks/none.json").status_code == 404


# /tracks/<id>.json


def test_a_song_tells_its_runs_in_each_range(listener: Listener, visitor: Browser) -> None:
    live(
        listener, {days_ago(9): ["one", "two"], days_ago(6): ["two"], days_ago(4): ["two", "one"], days_ago(2): ["one"]}
    )
    live(listener, {days_ago(1): ["two", "one"]}, "long_term")
    answer = visitor.get(f"/tracks/{key('one')}.json").json()
    song = {name: value for name, value in answer.items() if name != "history"}
    shown = visitor.get("/tracks.json").json()["tracks"][0]
    assert song == {name: value for name, value in shown.items() if name != "position"}
    short, long = answer["history"]
    assert short["runs"] == [
        {"from": str(today() - 9 * DAY), "until": str(today() - 7 * DAY), "peak": 1, "days": 3},
        {"from": str(today() - 4 * DAY), "until": str(today()), "peak": 1, "days": 5},
    ]
    facts = ("time_range", "position", "peak", "charts", "days", "days_at_one")
    assert [short[name] for name in facts] == ["short_term", 1, 1, 3, 8, 6]
    assert [long[name] for name in facts] == ["long_term", 2, 2, 1, 2, 0]
    assert short["first_seen_at"] == f"{today() - 9 * DAY}T12:00:00Z"


def test_without_a_history_a_song_has_none(host: Browser, visitor: Browser, settings: Any) -> None:
    settings.HISTORY_DAYS = 0
    song = visitor.get("/tracks.json").json()["tracks"][0]["id"]
    assert visitor.get(f"/tracks/{song}.json").json()["history"] == []


@pytest.mark.parametrize("song", ["none", "6WnTgRvbdm1xMHh7vYyzOy", "x" * 1500, "%C3%A9", "a.b", "sql"])
def test_a_song_that_never_stood_is_a_404(host: Browser, visitor: Browser, song: str) -> None:
    response = visitor.get(f"/tracks/{song}.json")
    assert response.status_code == 404 and list(response.json()) == ["error"]


# Who sees what


@pytest.mark.parametrize("name", ["anonymous", "host", "other"])
def test_private_is_the_same_as_nobody(ana: Browser, host: Browser, simulator: Simulator, name: str) -> None:
    live(who(ana), {days_ago(1): ["one"]})
    other = made(simulator, "new", handle="nell", visibility="public")
    browser = {"anonymous": Browser(), "host": host, "other": other}[name]
    for address in ADDRESSES:
        assert ana.get(f"/@ana/{address}").status_code == 200
        assert "private" in ana.get(f"/@ana/{address}")["Cache-Control"]
        answers = [browser.get(f"/@{handle}/{address}") for handle in ("ana", "bob")]
        assert [answer.status_code for answer in answers] == [404, 404]
        own = {"X-Request-ID"}
        theirs, nobodys = ({k: v for k, v in answer.headers.items() if k not in own} for answer in answers)
        assert (answers[0].content, theirs) == (answers[1].content, nobodys)
        assert answers[0].json() == {"error": "There is nobody of this name here."}
    # Not by way of another chart either.
    assert browser.get("/tracks/past-one.json").status_code == 404
    say(ana, visibility="unlisted")
    for address in ADDRESSES:
        answer = browser.get(f"/@ana/{address}")
        assert (answer.status_code, answer["X-Robots-Tag"]) == (200, "noindex")
        assert "no-cache" in answer["Cache-Control"] and answer["Access-Control-Allow-Origin"] == "*"


def test_a_song_of_a_private_chart_takes_no_other_question_than_one_that_does_not_exist(
    ana: Browser, visitor: Browser
) -> None:
    live(who(ana), {days_ago(1): ["one"]})
    counts = []
    for song in ("past-one", "none"):
        with CaptureQueriesContext(connection) as queries:
            assert visitor.get(f"/tracks/{song}.json").status_code == 404
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_the_hosts_handle_leads_to_the_addresses_without_it(ana: Browser, visitor: Browser) -> None:
    for address in (*ADDRESSES, "history.json?cursor=x&since=%2F%2Fevil.example"):
        answer = visitor.get(f"/@hanne/{address}")
        assert (answer.status_code, answer["Location"]) == (302, f"/{address}")


@pytest.mark.parametrize("cursor", ["", "?cursor=fffffffffffff"])
def test_private_is_gone_with_its_copy_and_its_etag(
    ana: Browser, visitor: Browser, monkeypatch: pytest.MonkeyPatch, cursor: str
) -> None:
    monkeypatch.setattr(store.PageStore, "get", GET)
    monkeypatch.setattr(version, "CHECK_SECONDS", 0)
    say(ana, visibility="public")
    etag = visitor.get(f"/@ana/history.json{cursor}")["ETag"]
    for headers in ({}, {"If-None-Match": etag}):
        assert visitor.get(f"/@ana/history.json{cursor}", headers=headers).status_code in (200, 304)
    say(ana, visibility="private")
    for headers in ({}, {"If-None-Match": etag}):
        assert visitor.get(f"/@ana/history.json{cursor}", headers=headers).status_code == 404


# /listeners.json


def test_the_public_listeners_are_those_of_the_page(ana: Browser, host: Browser, visitor: Browser) -> None:
    def handles(browser: Browser) -> list[str]:
        return [row["handle"] for row in browser.get("/listeners.json").json()["listeners"]]

    for browser in (ana, host, visitor):
        assert handles(browser) == ["hanne"]
        assert "no-cache" in browser.get("/listeners.json")["Cache-Control"]
    say(ana, visibility="unlisted")
    assert handles(visitor) == ["hanne"]
    say(ana, visibility="public")
    answer = visitor.get("/listeners.json")
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert visitor.get("/listeners.json", headers={"If-None-Match": answer["ETag"]}).status_code == 304
    first, second = answer.json()["listeners"]
    assert (first["is_host"], first["name"], first["url"]) == (True, None, "http://127.0.0.1:8000/")
    assert (second["is_host"], second["name"], second["handle"]) == (False, "Ana", "ana")
    assert second["url"] == "http://127.0.0.1:8000/@ana/"
    theirs = visitor.get(second["data_url"].removeprefix("http://127.0.0.1:8000")).json()
    assert (second["first"], second["updated_at"]) == (theirs["tracks"][0], theirs["updated_at"])
    assert answer.json()["next"] is None


def test_a_long_list_has_pages(host: Browser, visitor: Browser, monkeypatch: pytest.MonkeyPatch, ana: Browser) -> None:
    say(ana, visibility="public")
    monkeypatch.setattr("tracks.views.listeners.LISTENERS_A_PAGE", 1)
    first = visitor.get("/listeners.json").json()
    assert first["next"] == "http://127.0.0.1:8000/listeners.json?page=2"
    second = visitor.get("/listeners.json?page=2").json()
    assert (second["listeners"][0]["handle"], second["next"]) == ("ana", None)
    for page, status in (("3", 404), ("0", 400), ("x", 400), ("", 400), ("9999999", 400)):
        response = visitor.get(f"/listeners.json?page={page}")
        assert response.status_code == status and list(response.json()) == ["error"]


def test_with_one_listener_there_is_no_list(host: Browser, visitor: Browser, settings: Any) -> None:
    settings.LISTENERS = "host"
    assert visitor.get("/listeners.json").status_code == 404


# Errors


@pytest.mark.parametrize("path", ["/tracks.json", "/tracks.csv", "/tracks/sql", "/history.json", "/listeners.json",
                                  "/health", "/live", "/oembed", "/@ana/tracks.json"])  # fmt: skip
def test_another_method_is_a_405_in_json_without_a_word_about_forms(host: Browser, visitor: Browser, path: str) -> None:
    for method in ("post", "put", "delete", "options"):
        response = getattr(visitor, method)(path)
        assert response.status_code == 405 and list(response.json()) == ["error"] and "GET" in response["Allow"]
