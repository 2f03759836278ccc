"""From rows to the database: what is stored of a ranking, and how it is compared with the one before."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.factories import account, item
from tracks.etl.load import Change, load
from tracks.etl.transform import transform
from tracks.models import Artist, Credit, Listener, Placement, Snapshot, Track

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
MONDAY = datetime(2026, 11, 23, 7, tzinfo=UTC)


def a_listener(name: str = "someone") -> Listener:
    return Listener.objects.create(account=account(name), authorized_at=MONDAY)


@pytest.fixture
def someone() -> Listener:
    return a_listener()


def songs(*numbers: int) -> list[Any]:
    """What Spotify sends for these songs; 0 stands for an item that is rejected."""
    return [item(number) if number else None for number in numbers]


def load_now(listener: Listener, now: datetime = MONDAY, **items: list[Any]) -> dict[str, Change]:
    return load(listener=listener, tables={name: transform(found) for name, found in items.items()}, now=now)


def rows(time_range: str = "short_term", **of: Any) -> list[tuple[int, str, int | None, str]]:
    """The newest chart: position, title, position before, and whether it is new or back."""
    newest = Snapshot.objects.filter(time_range=time_range, **of).latest("first_seen_at")
    return list(
        newest.placements.order_by("position").values_list("position", "track__name", "previous_position", "entry")
    )


def test_the_first_chart_has_nothing_to_compare_with(someone: Listener) -> None:
    changes = load_now(someone, short_term=songs(1, 0, 3))
    assert changes == {"short_term": Change(new=2, moved=0, left=0, first=True)}
    assert rows() == [(1, "Song 1", None, ""), (3, "Song 3", None, "")]
    snapshot = Snapshot.objects.get()
    assert (snapshot.listener, snapshot.first_seen_at, snapshot.confirmed_at) == (someone, MONDAY, MONDAY)


def test_the_next_chart_tells_new_moved_stayed_and_left(someone: Listener) -> None:
    load_now(someone, short_term=songs(1, 2, 3))
    changes = load_now(someone, MONDAY + DAY, short_term=songs(1, 3, 4))
    assert changes == {"short_term": Change(new=1, moved=1, left=1, first=False)}
    assert rows() == [(1, "Song 1", 1, ""), (2, "Song 3", 3, ""), (3, "Song 4", None, "new")]
    old, new = Snapshot.objects.order_by("first_seen_at")
    assert (old.first_seen_at, old.confirmed_at) == (MONDAY, MONDAY)
    assert (new.first_seen_at, new.confirmed_at) == (MONDAY + DAY, MONDAY + DAY)


def test_a_song_that_stood_there_earlier_is_back(someone: Listener) -> None:
    for day, numbers in enumerate([(1, 2), (2,), (2, 1)]):
        load_now(someone, MONDAY + day * DAY, short_term=songs(*numbers))
    assert rows() == [(1, "Song 2", 1, ""), (2, "Song 1", None, "back")]


def test_back_is_about_this_time_range_and_this_listener(someone: Listener) -> None:
    other = a_listener("another")
    load_now(other, short_term=songs(1, 2))
    load_now(someone, short_term=songs(1), long_term=songs(2))
    load_now(someone, MONDAY + DAY, short_term=songs(1, 2), long_term=songs(2))
    assert rows(listener=someone) == [(1, "Song 1", 1, ""), (2, "Song 2", None, "new")]


def test_the_comparison_is_with_the_newest_chart_of_the_same_listener(someone: Listener) -> None:
    other = a_listener("another")
    load_now(other, MONDAY + DAY, short_term=songs(1, 2))
    assert load_now(someone, MONDAY + DAY, short_term=songs(1, 2))["short_term"].first
    load_now(someone, MONDAY + 2 * DAY, short_term=songs(2, 1))
    assert not load_now(someone, MONDAY + 3 * DAY, short_term=songs(2, 1))["short_term"].changed


def test_an_unchanged_chart_is_confirmed_and_not_stored_again(someone: Listener) -> None:
    load_now(someone, short_term=songs(1, 2), long_term=songs(3))
    changes = load_now(someone, MONDAY + DAY, short_term=songs(1, 2), long_term=songs(4))
    assert changes == {
        "short_term": Change(new=0, moved=0, left=0, first=False),
        "long_term": Change(new=1, moved=0, left=1, first=False),
    }
    (kept,) = Snapshot.objects.filter(time_range="short_term")
    assert (kept.first_seen_at, kept.confirmed_at) == (MONDAY, MONDAY + DAY)
    assert Snapshot.objects.get(time_range="long_term", first_seen_at=MONDAY).confirmed_at == MONDAY
    assert rows("long_term") == [(1, "Song 4", None, "new")]


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [((1, 2), (1, 2), False), ((1, 2), (2, 1), True), ((1, 2), (1,), True), ((1,), (1, 2), True), ((), (), False),
     ((), (1,), True), ((1,), (), True), ((1, 2), (1, 0, 2), True)],
)  # fmt: skip
def test_a_new_chart_is_stored_when_anything_changed(
    someone: Listener, before: tuple[int, ...], after: tuple[int, ...], changed: bool
) -> None:
    load_now(someone, short_term=songs(*before))
    load_now(someone, MONDAY + DAY, short_term=songs(*after))
    assert Snapshot.objects.count() == 1 + changed


def test_an_empty_first_chart_is_a_chart(someone: Listener) -> None:
    assert load_now(someone, short_term=[])["short_term"].changed
    assert rows() == []
    load_now(someone, MONDAY + DAY, short_term=songs(1))
    assert rows() == [(1, "Song 1", None, "new")]


@pytest.mark.parametrize("back", [timedelta(0), DAY])
def test_a_clock_set_back_does_not_put_a_new_chart_before_the_one_it_follows(
    someone: Listener, back: timedelta
) -> None:
    load_now(someone, MONDAY, short_term=songs(1))
    load_now(someone, MONDAY - back, short_term=songs(2))
    load_now(someone, MONDAY - back, short_term=songs(2))
    old, new = Snapshot.objects.order_by("first_seen_at")
    assert new.first_seen_at == old.first_seen_at + timedelta(microseconds=1)
    assert new.confirmed_at == old.first_seen_at + timedelta(microseconds=2)
    assert rows() == [(1, "Song 2", None, "new")]


# What a song is


WHOLE: dict[str, Any] = {
    "popularity": 61,
    "explicit": True,
    "album": {
        "name": "Other album",
        "images": [{"url": "https://i.scdn.co/a", "width": 300}],
        "release_date": "2019",
        "release_date_precision": "year",
    },
}


def test_every_fact_of_a_song_is_stored(someone: Listener) -> None:
    load_now(someone, short_term=[item(1, **WHOLE)])
    track = Track.objects.get()
    assert (track.spotify_id, track.name, track.album) == (f"{1:022d}", "Song 1", "Other album")
    assert (track.release_date, track.release_date_precision) == ("2019", "year")
    assert (track.duration_ms, track.explicit, track.popularity) == (215_000, True, 61)
    assert track.url == f"https://open.spotify.com/track/{1:022d}"
    assert track.covers == [{"url": "https://i.scdn.co/a", "width": 300}]
    artist = Artist.objects.get()
    assert (artist.spotify_id, artist.name) == (f"{1:021d}A", "Someone")
    assert artist.url == f"https://open.spotify.com/artist/{1:021d}A"


@pytest.mark.parametrize(
    ("field", "changes", "value"),
    [
        ("name", {"name": "Renamed"}, "Renamed"),
        ("duration_ms", {"duration_ms": 1}, 1),
        ("explicit", {"explicit": True}, True),
        ("popularity", {"popularity": 7}, 7),
        ("album", {"album": {"name": "Other"}}, "Other"),
        ("covers", {"album": {"images": [{"url": "https://i.scdn.co/a"}]}},
         [{"url": "https://i.scdn.co/a", "width": None}]),
    ],
)  # fmt: skip
def test_what_spotify_says_anew_of_a_song_replaces_what_is_stored(
    someone: Listener, field: str, changes: dict[str, Any], value: Any
) -> None:
    load_now(someone, short_term=songs(1, 2))
    load_now(someone, MONDAY + DAY, short_term=[item(1, **changes), item(2)])
    assert getattr(Track.objects.get(pk=f"{1:022d}"), field) == value
    assert Track.objects.count() == 2
    assert Snapshot.objects.count() == 1


def test_an_artist_is_renamed_on_every_song(someone: Listener) -> None:
    load_now(someone, short_term=songs(1))
    renamed = {"id": f"{1:021d}A", "name": "Renamed", "external_urls": {}}
    load_now(someone, MONDAY + DAY, short_term=[item(1, artists=[renamed])])
    assert Artist.objects.get().name == "Renamed"


def test_what_is_stored_already_is_not_written_again(someone: Listener, django_assert_num_queries: Any) -> None:
    items = [item(1, **WHOLE), item(2)]
    load_now(someone, short_term=items)
    with django_assert_num_queries(7) as queries:  # artists, tracks, credits, the ranking, and its confirmation
        load_now(someone, MONDAY + DAY, short_term=items)
    assert [query["sql"].split()[0] for query in queries.captured_queries] == ["SELECT"] * 6 + ["UPDATE"]


def test_of_the_history_only_the_songs_that_entered_are_looked_up(
    someone: Listener, django_assert_max_num_queries: Any
) -> None:
    load_now(someone, short_term=songs(1, 2))
    with django_assert_max_num_queries(50) as queries:
        load_now(someone, MONDAY + DAY, short_term=songs(1, 3))
    (lookup,) = [query["sql"] for query in queries.captured_queries if query["sql"].startswith("SELECT DISTINCT")]
    assert f"{3:022d}" in lookup and f"{1:022d}" not in lookup


def names_of(track: int) -> list[str]:
    credited = Credit.objects.filter(track=f"{track:022d}").order_by("position")
    return [f"{credit.position} {credit.artist.name}" for credit in credited]


def test_artists_are_credited_in_order_and_anew_when_they_differ(someone: Listener) -> None:
    one, two, three = ({"id": name, "name": name} for name in ("One", "Two", "Three"))
    load_now(someone, short_term=[item(1, artists=[one, two]), item(2, artists=[one])])
    assert (names_of(1), names_of(2)) == (["1 One", "2 Two"], ["1 One"])
    kept = Credit.objects.get(track=f"{2:022d}").pk
    load_now(someone, MONDAY + DAY, short_term=[item(1, artists=[two, three, one]), item(2, artists=[one])])
    assert (names_of(1), names_of(2)) == (["1 Two", "2 Three", "3 One"], ["1 One"])
    assert Credit.objects.get(track=f"{2:022d}").pk == kept


def test_a_song_of_several_time_ranges_is_stored_once(someone: Listener) -> None:
    load_now(someone, short_term=songs(1, 2), medium_term=songs(2, 3), long_term=songs(3, 1))
    assert (Track.objects.count(), Artist.objects.count(), Placement.objects.count()) == (3, 3, 6)


@pytest.fixture
def queries_of(django_assert_max_num_queries: Any) -> Callable[..., int]:
    def count(listener: Listener, now: datetime, **items: list[Any]) -> int:
        with django_assert_max_num_queries(50) as queries:
            load_now(listener, now, **items)
        return len(queries.captured_queries)

    return count


def test_the_number_of_queries_does_not_grow_with_the_number_of_rows(
    someone: Listener, queries_of: Callable[..., int]
) -> None:
    load_now(someone, short_term=songs(1))
    few = queries_of(someone, MONDAY + DAY, short_term=songs(2, 1))
    assert queries_of(someone, MONDAY + 2 * DAY, short_term=songs(*range(3, 23), 1)) == few
