"""Questions in plain words and their songs, over one invented year that serves all of them."""

import json
import re
import time
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from tests.conftest import ROOT, Browser
from tests.search.questions import QUESTIONS, UNKNOWN
from tests.search.year import NOW, live, lived_through, word_of
from tracks.models import Listener, Snapshot
from tracks.search.question import MOST_CHARACTERS

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture(scope="module")
def listener(django_db_setup: None, django_db_blocker: Any) -> Iterator[Listener]:
    with django_db_blocker.unblock(), transaction.atomic():
        yield lived_through()
        transaction.set_rollback(True)


@pytest.fixture(autouse=True)
def _now(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracks.views.search.timezone.now", lambda: NOW)


def ask(question: str, **more: str) -> dict[str, Any]:
    response = Browser().get("/search.json", {"q": question, **more})
    assert response.status_code == 200, response.content
    answer: dict[str, Any] = response.json()
    return answer


def words(answer: dict[str, Any]) -> list[str]:
    return [word_of(track["id"]) for track in answer["tracks"]]


def is_as(found: list[str], expected: str) -> bool:
    wanted = expected.removeprefix("=").split()
    if wanted[-1:] == ["…"]:
        wanted = wanted[:-1]
        found = found[: len(wanted)]
    return found == wanted if expected.startswith("=") else sorted(found) == sorted(wanted)


def test_there_are_eighty_questions_and_more() -> None:
    assert len({question for question, _ in QUESTIONS}) == len(QUESTIONS) >= 80


@pytest.mark.parametrize(("question", "expected"), QUESTIONS)
def test_a_question_finds_its_songs(question: str, expected: str) -> None:
    answer = ask(question)
    assert is_as(words(answer), expected), (words(answer), answer["understood"])
    assert answer["not_understood"] == []


@pytest.mark.parametrize(("question", "unknown", "expected"), UNKNOWN)
def test_what_is_not_understood_is_named(question: str, unknown: list[str], expected: str) -> None:
    answer = ask(question)
    assert answer["not_understood"] == unknown
    assert is_as(words(answer), expected), words(answer)


# Whose days


def test_the_days_are_those_of_the_visitors_zone(listener: Listener) -> None:
    with transaction.atomic():
        # At half past ten of Wednesday evening, which in Dubai is Thursday.
        live(listener, "short_term", {"2026-11-25T22:30:00+00:00": "wave flor"})
        assert words(ask("number one today")) == ["wave"]
        assert words(ask("number one yesterday")) == ["wave"]  # the last chart known on Wednesday
        assert words(ask("number one yesterday", tz="Asia/Dubai")) == ["flor"]
        assert words(ask("number one today", tz="Asia/Dubai")) == ["wave"]
        transaction.set_rollback(True)


def test_monday_begins_at_the_visitors_midnight(listener: Listener) -> None:
    with transaction.atomic():
        # Its first chart comes on Monday in Madrid, and on Sunday in UTC.
        Snapshot.objects.filter(time_range="medium_term", first_seen_at__day=23).update(
            first_seen_at="2026-11-22T23:30:00+00:00"
        )
        assert sorted(words(ask("new since Monday", tz="Europe/Madrid"))) == ["dont", "wave"]
        assert words(ask("new since Monday")) == ["wave"]
        transaction.set_rollback(True)


@pytest.mark.parametrize(
    "zone",
    [
        "Nowhere/At-All",
        "localtime",
        "right/UTC",
        "../../etc/passwd",
        "/etc/passwd",
        "Europe",
        "x" * 5000,
        "a\0b",
        "\ud800",
    ],
)
def test_a_zone_that_is_none_is_a_sentence_for_programs_and_utc_for_people(zone: str) -> None:
    zone = zone.encode(errors="replace").decode()
    response = Browser().get("/search.json", {"q": "longest", "tz": zone})
    assert (response.status_code, list(response.json())) == (400, ["error"])
    page = Browser().get("/search", {"q": "longest", "tz": zone})
    assert page.status_code == 200 and "Fieldwork, Pt. II" in page.content.decode()


def test_the_documented_answer_has_the_keys_of_a_real_one() -> None:
    section = (ROOT / "docs/API.md").read_text().partition("## Questions")[2]
    example = json.loads(section.partition("```json")[2].partition("```")[0])
    answer = ask("salt lamp xyzzy")
    assert (list(example), list(example["tracks"][0])) == (list(answer), list(answer["tracks"][0]))
    assert (example["understood"], example["not_understood"]) == (answer["understood"], answer["not_understood"])


# The page


def look(question: str, **more: str) -> str:
    response = Browser().get("/search", {"q": question, **more}, HTTP_ACCEPT_LANGUAGE=more.pop("language", "en"))
    assert response.status_code == 200
    assert "noindex" in response["X-Robots-Tag"]
    return str(response.content.decode())


def chips(page: str) -> dict[str, str]:
    """What was understood, and the question without it."""
    links = re.findall(r'(?s)<ul class="chips".*?</ul>', page)
    found = re.findall(r'<a href="([^"]+)"><bdi>([^<]+)</bdi>', links[0]) if links else []
    return {unescape(label): parse_qs(urlsplit(unescape(link)).query).get("q", [""])[0] for link, label in found}


def test_each_thing_understood_can_be_taken_out() -> None:
    page = look("explicit lamp from the 90s by Halcyon Depot number one in October longest")
    assert chips(page) == {
        "explicit": "lamp from the 90s by Halcyon Depot number one in October longest",
        "“lamp”": "explicit from the 90s by Halcyon Depot number one in October longest",
        "released 1990 to 1999": "explicit lamp by Halcyon Depot number one in October longest",
        "by Halcyon Depot": "explicit lamp from the 90s number one in October longest",
        "number one": "explicit lamp from the 90s by Halcyon Depot in October longest",
        "October 2026": "explicit lamp from the 90s by Halcyon Depot number one longest",
        "longest first": "explicit lamp from the 90s by Halcyon Depot number one in October",
    }


def test_a_chip_takes_the_zone_along() -> None:
    page = look("explicit longest", tz="Europe/Madrid")
    assert "q=longest&amp;tz=Europe%2FMadrid" in page


def test_a_song_leads_to_its_page_and_to_spotify() -> None:
    page = look("salt lamp")
    key = ask("salt lamp")["tracks"][0]["id"]
    assert f'href="/tracks/{key}/"' in page and f'href="https://open.spotify.com/track/{key}"' in page
    assert Browser().get(f"/tracks/{key}/").status_code == 200
    assert "spotify-black" in page


def test_days_and_places_are_shown_where_they_order_the_songs() -> None:
    assert re.findall(r"<b>(\d+)</b>", look("most days at number one")) == ["136", "99", "84", "25", "17"]
    assert re.findall(r"<b>(\d+)</b>", look("biggest climb"))[:2] == ["5", "3"]


def test_at_most_twenty_songs_are_shown() -> None:
    page = look("shortest")
    assert page.count('class="title"') == 20 and "There are more." in page
    assert len(ask("shortest")["tracks"]) == 20


@pytest.mark.parametrize(
    ("question", "near"),
    [
        ("lampp", "Salt Lamp"),
        ("zoe penalber", "Zoë Peñalver"),
        ("gramofone", "Gramophone"),
        ("fild work", "Fieldwork"),
        ("by Lunna", "Luna"),
        ("smorebrod", "Smørrebrød"),
        ("explicit halcion", "Halcyon Depot"),
        ("снигопад", "Тихий снігопад"),
    ],
)
def test_near_names_are_offered_for_what_is_unknown(question: str, near: str) -> None:
    page = look(question)
    offered = re.findall(r'<a href="([^"]+)"><bdi>([^<]+)</bdi></a>', page.partition('class="near"')[2])
    links = {unescape(name): unescape(link) for link, name in offered}
    assert near in links and len(links) <= 3
    assert near in ask(question)["did_you_mean"]
    answer = ask(parse_qs(urlsplit(links[near]).query)["q"][0])
    assert answer["not_understood"] == [] and answer["tracks"]


def test_a_near_name_keeps_what_was_understood() -> None:
    page = look("explicit halcion")
    assert "q=explicit+Halcyon+Depot" in page


@pytest.mark.parametrize("language", ["en", "es"])
def test_every_example_is_understood_and_leads_somewhere(language: str) -> None:
    page = look("", language=language)
    examples = re.findall(r'(?s)<ul class="examples">(.*?)</ul>', page)[0]
    links = re.findall(r'href="/search\?q=([^"]+)"', examples)
    assert len(links) >= 6
    for link in links:
        answer = ask(parse_qs(f"q={unescape(link)}")["q"][0])
        assert answer["understood"] and answer["not_understood"] == [], link
        assert answer["tracks"], link


@pytest.mark.parametrize("question", ["", "   ", "\0"])
def test_an_empty_question_shows_examples(question: str) -> None:
    assert 'class="examples"' in look(question)
    assert ask(question) == {"understood": [], "not_understood": [], "tracks": [], "did_you_mean": []}


def test_the_field_stands_on_every_page_and_keeps_the_question() -> None:
    for path in ("/", "/artists/", "/history/", "/privacy", "/login", "/nothing-here"):
        assert 'role="search"' in Browser().get(path).content.decode(), path
    assert 'value="&lt;b&gt; &quot;salt&quot;"' in look('<b> "salt"')


def test_without_history_the_charts_of_now_are_all_there_is(settings: Any) -> None:
    settings.HISTORY_DAYS = 0
    assert words(ask("salt lamp")) == ["lamp"]
    assert words(ask("gramophone")) == ["gramophone"]
    assert words(ask("number one")) == ["flor"]
    assert words(ask("1983")) == [] and words(ask("cancion")) == []
    answer = ask("biggest climb")
    assert (answer["not_understood"], answer["tracks"]) == (["biggest", "climb"], [])
    assert "left this" not in look("")


# What it costs


def test_the_queries_depend_on_the_clauses_alone() -> None:
    for question, most in (
        ("", 4),
        ("salt lamp", 5),
        ("by Zoe Penalver explicit longest", 6),
        ("number one in October", 6),
        ("most days at number one this year", 6),
        ("new since Monday left this week back biggest climb", 9),
        (" ".join(f"top {place}" for place in range(2, 21)), 16),
        ("lampp", 7),
    ):
        with CaptureQueriesContext(connection) as queries:
            look(question)
        assert len(queries) <= most, (question, len(queries))


HOSTILE = {
    "long": "a" * 10_000,
    "long words": "lamp " * 2_000,
    "as long as it may be": ("lamp by " * 30)[:MOST_CHARACTERS],
    "letters": " ".join("abcdefghijklmnopqrstuvwxyz" * 5)[:MOST_CHARACTERS],
    "clauses": ("new since monday left in may back in june " * 9)[:MOST_CHARACTERS],
    "the same": ("number one in the top 5 " * 9)[:MOST_CHARACTERS],
    "control": "".join(map(chr, range(32))) + "\x7f\x80",
    "nul": "lamp\0lamp",
    "surrogate": "\ud800\udfff",
    "replacement": "\ufffd",
    "like": "%_%\\%",
    "percent": "100%",
    "brackets": "(" * MOST_CHARACTERS,
    "backtracking": "a" * (MOST_CHARACTERS - 1) + "!",
    "the the": ("the " * 60)[:MOST_CHARACTERS],
    "digits": ("1" * 9 + " ") * 19,
    "year": "from 9999 to 0000 in 0000 before 1000 since 2999 in 1000",
    "day": "in the last 99 weeks since december 1000 in october 2999",
    "sql": "' OR 1=1; DROP TABLE tracks_track; --",
    "union": '" UNION SELECT token FROM socialaccount_socialtoken --',
    "pattern": r"(a+)+$ [[:alpha:]] \d{9999}",
    "quotes": '"' * MOST_CHARACTERS,
    "open quote": '"salt lamp',
    "script": "<script>alert(1)</script>",
    "ligature": "\ufdfa" * MOST_CHARACTERS,
    "marks": "e" + "\u0301" * (MOST_CHARACTERS - 1),
    "right to left": "\u202elamp\u202c \u2066lamp",
    "emoji": "👩‍👩‍👧‍👦" * 20,
    "template": "{{ settings.SECRET_KEY }} {% debug %}",
}


@pytest.mark.parametrize("question", HOSTILE.values(), ids=HOSTILE)
def test_hostile_questions_get_a_sentence_at_once(question: str) -> None:
    question = question.encode(errors="surrogatepass").decode(errors="replace")
    look("lamp")
    started = time.perf_counter()
    page = look(question)
    took = time.perf_counter() - started
    response = Browser().get("/search.json", {"q": question})
    text = re.sub(r"<[^>]+>", " ", page.partition("<main")[2].partition("</main>")[0])
    assert re.search(r"[A-Z][\w ,:“”‘’-]+[.?!]|\b[1-9]\d* songs?\b", text), text
    assert "<script>alert" not in page
    if len(question) > MOST_CHARACTERS:
        assert response.status_code == 400 and list(response.json()) == ["error"]
    else:
        assert response.status_code == 200
        assert set(response.json()) == {"understood", "not_understood", "tracks", "did_you_mean"}
    assert took < 0.2, took
