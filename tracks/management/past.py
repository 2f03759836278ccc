"""Weeks of listening to the simulated Spotify, lived through in a second, so that there is a history to see."""

import random
from collections.abc import Callable, Iterable
from datetime import timedelta

import requests
from django.db.models import F

from tracks.etl.service import refresh
from tracks.models import Listener, RefreshRun, Snapshot, TimeRange

DAY = timedelta(days=1)
# A week is enough to see others' charts move.
DAYS_OF_OTHERS = 7
# In how many of a hundred days a ranking changes.
CHANGES = {TimeRange.SHORT_TERM: 60, TimeRange.MEDIUM_TERM: 25, TimeRange.LONG_TERM: 10}


def live_through(*, days: int, shuffle: Callable[[str], None]) -> None:
    """Refreshes the host's charts once for each day, the others' in the last week.

    `shuffle` changes the ranking of a time range at Spotify.
    """
    listeners = list(Listener.objects.order_by("-is_host", "pk"))
    chance = random.Random(days)  # noqa: S311  (the same past each time)
    for left in range(days, 0, -1):
        _a_day_passes()
        for time_range in TimeRange:
            if chance.randrange(100) < CHANGES[time_range] or left == 1:
                shuffle(time_range)
        for listener in listeners:
            if not listener.is_host and left > DAYS_OF_OTHERS:
                continue
            refresh(listener=listener, trigger=RefreshRun.Trigger.CRON, force=True)


def live_through_at(simulator_url: str, *, days: int, accounts: Iterable[str] = ("host",)) -> None:
    """The same in another process than the simulator's; these of its accounts listen."""

    def shuffle(time_range: str) -> None:
        for account in accounts:
            asked = {"account": account, "time_range": time_range}
            requests.post(f"{simulator_url}/_simulator/shuffle", json=asked, timeout=5)

    live_through(days=days, shuffle=shuffle)


def _a_day_passes() -> None:
    Snapshot.objects.update(first_seen_at=F("first_seen_at") - DAY, confirmed_at=F("confirmed_at") - DAY)
    RefreshRun.objects.update(started_at=F("started_at") - DAY, finished_at=F("finished_at") - DAY)
    Listener.objects.update(authorized_at=F("authorized_at") - DAY)
