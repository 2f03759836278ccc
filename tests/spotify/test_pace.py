"""The common quota: how long to wait for places, and places that were not used in time."""

from typing import Any

import pytest
from django.db.models import DateTimeField, Value
from django.utils import timezone

from tracks.models import SpotifyQuota
from tracks.spotify import pace

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


def test_who_is_a_moment_too_early_waits_a_second(now: int) -> None:
    SpotifyQuota.objects.create(pk=1, calls=[[now - pace.WINDOW + 1, 3]])
    assert pace.take(1) == pace.Later(1)


def test_places_of_long_ago_are_not_made_good_again(now: int) -> None:
    assert pace.move(1, pace.Taken(now - 100)) is None
    SpotifyQuota.objects.update(calls=[[now, 1]])
    assert pace.move(2, pace.Taken(now)) is None
    assert pace.move(1, pace.Taken(now)) == pace.Taken(now)
