"""The common quota: how long to wait for places, and places that were not used in time."""

from typing import Any

import pytest
from django.db.models import DateTimeField, Value
from django.utils import timezone

from tracks.models import SpotifyQuota
from tracks.spotify import pace
from tracks.spotify.errors import Unavailable

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def now(settings: Any, monkeypatch: pytest.MonkeyPatch) -> int:
    """The second at which the database's clock stands still; three calls fit into the window."""
    settings.SPOTIFY_CALLS_PER_30_SECONDS = 3
    moment = timezone.now()
    monkeypatch.setattr(pace, "Now", lambda: Value(moment, output_field=DateTimeField()))
    return int(moment.timestamp())


@pytest.mark.parametrize(("calls", "after"), [(1, 10), (2, 5), (3, 5)])
def test_who_has_to_wait_learns_when_so_many_places_are_free(now: int, calls: int, after: int) -> None:
    SpotifyQuota.objects.create(pk=1, calls=[[now - 5, 2], [now - 10, 1]])
    assert pace.take(calls) == pace.Later(pace.WINDOW - after)


@pytest.mark.parametrize(("quota", "others"), [(15, 15), (16, 12), (18, 14), (60, 45)])
def test_a_quarter_is_kept_for_sign_ins_of_a_quota_that_can_be_shared(
    now: int, settings: Any, quota: int, others: int
) -> None:
    settings.SPOTIFY_CALLS_PER_30_SECONDS = quota
    assert (pace.most(), pace.most(first=True)) == (others, quota)
    with pytest.raises(ValueError, match=r"^So many calls do not fit into SPOTIFY_CALLS_PER_30_SECONDS\.$"):
        pace.take(others + 1)
    assert pace.take(others) == pace.Taken(now)
    assert pace.take(1) == pace.Later(pace.WINDOW)
    SpotifyQuota.objects.all().delete()
    assert pace.take(quota, first=True) == pace.Taken(now)


def test_who_is_a_moment_too_early_waits_a_second(now: int) -> None:
    SpotifyQuota.objects.create(pk=1, calls=[[now - pace.WINDOW + 1, 3]])
    assert pace.take(1) == pace.Later(1)


def test_places_of_long_ago_are_not_made_good_again(now: int) -> None:
    assert pace.move(1, pace.Taken(now - 100)) is None
    SpotifyQuota.objects.update(calls=[[now, 1]])
    assert pace.move(2, pace.Taken(now)) is None
    assert pace.move(1, pace.Taken(now)) == pace.Taken(now)


def test_places_that_are_made_good_again_count_from_now(now: int) -> None:
    SpotifyQuota.objects.create(pk=1, calls=[[now - 3, 3]])
    assert pace.move(2, pace.Taken(now - 3)) == pace.Taken(now)
    assert given() == {now - 3: 1, now: 2}
    assert pace.move(1, pace.Taken(now - 3)) == pace.Taken(now)
    assert given() == {now: 3}


def given() -> dict[int, int]:
    return dict(SpotifyQuota.objects.get().calls)


class Clock:
    """The process's own; whoever sleeps lets it go on, and at `free_at` all places are free."""

    free_at = 1e9

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        if self.now >= self.free_at:
            SpotifyQuota.objects.update(calls=[])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pace, "time", clock)
    return clock


def test_places_are_used_call_by_call_and_made_good_again_once_in_two_seconds(now: int, clock: Clock) -> None:
    SpotifyQuota.objects.create(pk=1, calls=[[now - 1, 3]])
    places = pace.Places(3, pace.Taken(now - 1))
    clock.now = pace.GOOD_FOR - 0.1
    places.use(seconds=0)
    assert places.calls == 2 and given() == {now - 1: 3}
    clock.now = pace.GOOD_FOR
    places.use(seconds=0)
    assert places.calls == 1 and given() == {now - 1: 1, now: 2}
    SpotifyQuota.objects.update(calls=[[now - 1, 1], [now - 2, 2]])
    clock.now = 2 * pace.GOOD_FOR - 0.1
    places.use(seconds=0)
    assert places.calls == 0 and given() == {now - 1: 1, now - 2: 2}


def test_places_that_went_to_others_meanwhile_are_taken_anew_one_by_one(now: int, clock: Clock) -> None:
    SpotifyQuota.objects.create(pk=1, calls=[[now, 1]])
    places = pace.Places(2, pace.Taken(now - 100))
    clock.now = 90
    places.use(seconds=0)
    places.use(seconds=0)
    assert given() == {now: 3}
    with pytest.raises(Unavailable, match="share of calls to Spotify is used up"):
        places.use(seconds=0)


def test_a_sign_in_may_have_what_is_kept_from_refreshes(now: int, settings: Any) -> None:
    settings.SPOTIFY_CALLS_PER_30_SECONDS = 16
    SpotifyQuota.objects.create(pk=1, calls=[[now, 12]])
    with pytest.raises(Unavailable):
        pace.Places(first=False).use(seconds=0)
    assert pace.wait(1, seconds=0) is None
    pace.Places().use(seconds=0)
    assert pace.wait(1, seconds=0, first=True) == pace.Taken(now)
    assert given() == {now: 14}


def test_who_waits_asks_again_when_places_are_free_and_looks_up_twice_a_second(now: int, clock: Clock) -> None:
    SpotifyQuota.objects.create(pk=1, calls=[[now - pace.WINDOW + 2, 3]])
    assert pace.wait(1, seconds=1.9) is None and not clock.slept
    assert pace.wait(1, seconds=2, is_over=lambda: clock.now >= 1) is None
    assert clock.slept == [0.5, 0.5]
    clock.free_at = 3
    assert pace.wait(1, seconds=2) == pace.Taken(now)
    assert clock.slept[2:] == [0.5, 0.5, 0.5, 0.5]
