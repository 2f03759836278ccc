"""Weeks of listening to the simulated Spotify, lived through in a second, so that there is a history to see."""

import random
from collections.abc import Callable
from datetime import timedelta

import requests
from django.db.models import F

from tracks.etl.service import refresh
from tracks.models import Listener, RefreshRun, Snapshot, TimeRange

DAY = timedelta(days=1)
# In how many of a hundred days a ranking changes.
CHANGES = {TimeRange.SHORT_TERM: 60, TimeRange.MEDIUM_TERM: 25, TimeRange.LONG_TERM: 10}


def live_through(*, days: int, shuffle: Callable[[str], None]) -> None:
    """Refreshes the host's tables once for each day; `shuffle` changes the ranking of a time range at Spotify."""
    listener = Listener.objects.get(is_host=True)
    chance = random.Random(days)  # noqa: S311  (the same past each time)
    for left in range(days, 0, -1):
        _a_day_passes()
        for time_range in TimeRange:
            if chance.randrange(100) < CHANGES[time_range] or left == 1:
                shuffle(time_range)
        refresh(listener=listener, trigger=RefreshRun.Trigger.CRON, force=True)


def live_through_at(simulator_url: str, *, days: int) -> None:
    """The same in another process than the simulator's."""

    def shuffle(time_range: str) -> None:
        requests.post(f"{simulator_url}/_simulator/shuffle", json={"time_range": time_range}, timeout=5)

    live_through(days=days, shuffle=shuffle)


def _a_day_passes() -> None:
    Snapshot.objects.update(first_seen_at=F("first_seen_at") - DAY, confirmed_at=F("confirmed_at") - DAY)
    RefreshRun.objects.update(started_at=F("started_at") - DAY, finished_at=F("finished_at") - DAY)
    Listener.objects.update(authorized_at=F("authorized_at") - DAY)
