"""A year of listening to the simulated Spotify in a second, so that there is a history to see."""

import random
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from itertools import groupby

import requests
from django.db import transaction
from django.db.models import F

from tracks.etl.service import refresh
from tracks.management.listening import invent
from tracks.models import Listener, Placement, RefreshRun, Snapshot, TimeRange, Track

DAY = timedelta(days=1)
# From one refresh to the next: never at the very same time of day, so that no two charts meet while a day passes.
STEP = DAY + timedelta(seconds=1)
# A week is enough to see others' charts move.
DAYS_OF_OTHERS = 7
# In how many of a hundred days a ranking changes.
CHANGES = {TimeRange.SHORT_TERM: 60, TimeRange.MEDIUM_TERM: 25, TimeRange.LONG_TERM: 10}
# By how much longer than in the short one a song stays in a ranking.
CALM = {TimeRange.SHORT_TERM: 1.0, TimeRange.MEDIUM_TERM: 2.5, TimeRange.LONG_TERM: 6.0}


def remember(*, days: int, days_of_others: int) -> None:
    """Gives each chart a past of so many days, the host's and the others': invented, of the songs that are stored.

    It is written as rows, since a year of refreshes would take a minute. What refreshes leave beside the charts, their
    runs, is not written.
    """
    songs = list(Track.objects.order_by("pk").values_list("pk", flat=True))
    for listener in Listener.objects.order_by("pk"):
        for newest in Snapshot.objects.current(listener, TimeRange.values):
            today = list(newest.placements.order_by("position").values_list("track", flat=True))
            if not today:
                continue
            time_range = TimeRange(newest.time_range)
            rankings = invent(
                today,
                [song for song in songs if song not in today],
                days=days if listener.is_host else days_of_others,
                changes=CHANGES[time_range],
                calm=CALM[time_range],
            )
            write_past(newest, rankings)


@transaction.atomic
def write_past(newest: Snapshot, rankings: Sequence[Sequence[str]]) -> None:
    """Writes what refreshes would have left that found these rankings (of tracks), one a day before the newest chart.

    The newest chart is the first so far; it gets the movement that follows.
    """
    today = list(newest.placements.order_by("position"))
    days = [(tuple(ranking), len(rankings) - index) for index, ranking in enumerate(rankings)]
    days.append((tuple(placement.track_id for placement in today), 0))
    before: dict[str, int] = {}
    seen: set[str] = set()
    snapshots: list[Snapshot] = []
    placements: list[Placement] = []
    for ranking, run in groupby(days, key=lambda day: day[0]):
        ago = [days for _, days in run]
        is_newest = ago[-1] == 0
        first_seen_at = newest.first_seen_at - ago[0] * STEP
        if is_newest:
            newest.first_seen_at = first_seen_at
            newest.save(update_fields=["first_seen_at"])
            snapshot, rows = newest, today
        else:
            snapshot = Snapshot(
                listener=newest.listener,
                time_range=newest.time_range,
                first_seen_at=first_seen_at,
                confirmed_at=newest.first_seen_at - ago[-1] * STEP,
            )
            snapshots.append(snapshot)
            rows = [
                Placement(snapshot=snapshot, position=place, track_id=song) for place, song in enumerate(ranking, 1)
            ]
            placements += rows
        for row in rows:
            row.previous_position = before.get(row.track_id)
            if before and row.previous_position is None:
                row.entry = Placement.Entry.BACK if row.track_id in seen else Placement.Entry.NEW
        before = {row.track_id: row.position for row in rows}
        seen |= before.keys()
    Snapshot.objects.bulk_create(snapshots)
    Placement.objects.bulk_create(placements)
    Placement.objects.bulk_update(today, ["previous_position", "entry"])


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
