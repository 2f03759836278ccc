"""How long a former chart stays, and which songs go with it."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.factories import account, item
from tracks.etl.load import load
from tracks.etl.prune import delete_snapshots, prune
from tracks.etl.transform import transform
from tracks.models import Artist, Listener, Snapshot, Track

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 23, 7, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.HISTORY_DAYS = 30
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)


def a_listener(name: str) -> Listener:
    return Listener.objects.create(account=account(name), authorized_at=NOW)


@pytest.fixture
def someone() -> Listener:
    return a_listener("someone")


def chart(listener: Listener, ago: timedelta, *songs: int, time_range: str = "short_term") -> Snapshot:
    """A chart of these songs, first and last seen so long ago."""
    load(listener=listener, tables={time_range: transform([item(n) for n in songs])}, now=NOW - ago)
    return Snapshot.objects.get(listener=listener, time_range=time_range, first_seen_at=NOW - ago)


def left() -> set[Snapshot]:
    return set(Snapshot.objects.all())


def songs() -> set[str]:
    return set(Track.objects.values_list("name", flat=True))


@pytest.mark.parametrize(
    ("last_seen", "goes"),
    [(31 * DAY, True), (30 * DAY + timedelta(seconds=1), True), (30 * DAY, False), (29 * DAY, False)],
)
def test_a_former_chart_goes_30_days_after_it_was_last_seen(
    someone: Listener, last_seen: timedelta, goes: bool
) -> None:
    former = chart(someone, 60 * DAY, 1)
    Snapshot.objects.update(confirmed_at=NOW - last_seen)
    current = chart(someone, DAY, 2)
    assert prune(someone) == goes
    assert left() == ({current} if goes else {former, current})
    assert songs() == ({"Song 2"} if goes else {"Song 1", "Song 2"})


def test_the_current_chart_of_each_range_stays_however_old(someone: Listener) -> None:
    for name in ("short_term", "medium_term", "long_term"):
        chart(someone, 100 * DAY, 1, time_range=name)
        chart(someone, 90 * DAY, 2, time_range=name)
    current = set(Snapshot.objects.filter(first_seen_at=NOW - 90 * DAY))
    assert prune(someone) == 3
    assert left() == current
    assert prune(someone) == 0


def test_another_listeners_charts_stay(someone: Listener) -> None:
    other = a_listener("other")
    kept = {chart(other, 100 * DAY, 1), chart(other, 90 * DAY, 2)}
    chart(someone, 100 * DAY, 1)
    kept.add(chart(someone, 90 * DAY, 2))
    assert prune(someone) == 1
    assert left() == kept


def test_songs_and_artists_go_when_no_chart_holds_them(someone: Listener) -> None:
    other = a_listener("other")
    former = chart(someone, 2 * DAY, 1, 2, 3)
    chart(someone, DAY, 2)
    chart(other, DAY, 3)
    delete_snapshots([former.pk])
    assert songs() == {"Song 2", "Song 3"}
    assert set(Artist.objects.values_list("pk", flat=True)) == {f"{2:021d}A", f"{3:021d}A"}


def test_an_artist_stays_with_another_song(someone: Listener) -> None:
    artist = [{"id": "a", "name": "A"}]
    for ago, number in ((2 * DAY, 1), (DAY, 2)):
        load(listener=someone, tables={"short_term": transform([item(number, artists=artist)])}, now=NOW - ago)
    delete_snapshots([Snapshot.objects.earliest("first_seen_at").pk])
    assert songs() == {"Song 2"}
    assert Artist.objects.get().pk == "a"


def test_a_song_that_stood_in_no_chart_is_not_touched(someone: Listener) -> None:
    Track.objects.create(spotify_id="x", name="Alone", duration_ms=1, url="")
    Artist.objects.create(spotify_id="y", name="Alone")
    delete_snapshots([chart(someone, DAY, 1).pk])
    assert songs() == {"Alone"}
    assert Artist.objects.get().name == "Alone"


def test_several_charts_go_at_once_from_any_iterable(someone: Listener) -> None:
    charts: Iterable[int] = (chart(someone, n * DAY, n).pk for n in (3, 2, 1))
    delete_snapshots(charts)
    assert not left() and not songs()


@pytest.mark.parametrize(("age", "cost"), [(DAY, 1), (60 * DAY, 2)], ids=["young", "old, but the newest"])
def test_nothing_to_prune_costs_little(someone: Listener, age: timedelta, cost: int) -> None:
    chart(someone, age, 1)
    with CaptureQueriesContext(connection) as queries:
        assert prune(someone) == 0
    assert len(queries) == cost
