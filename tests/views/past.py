"""A year of invented charts as rows, and the plainest way to tell which of them was a day's."""

import random
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from django.utils import timezone
from django.utils.text import slugify

from tracks.models import Listener, Placement, Snapshot, Track

DAY = timedelta(days=1)
Charts = dict[datetime, list[str]]


def today() -> date:
    return timezone.now().astimezone(UTC).date()


def at(day: date, clock: str = "12:00:00") -> datetime:
    return datetime.fromisoformat(f"{day}T{clock}+00:00")


def live(listener: Listener, charts: Charts, time_range: str = "short_term") -> None:
    """These charts instead of the listener's own in this time range: when each was first seen, and its titles.

    An empty title leaves its place empty. The last one was confirmed until now.
    """
    listener.snapshots.filter(time_range=time_range).delete()
    titles = sorted({title for chart in charts.values() for title in chart if title})
    Track.objects.bulk_create(
        [Track(spotify_id=key(title), name=title, duration_ms=1, url="https://open.spotify.com/") for title in titles],
        ignore_conflicts=True,
    )
    moments = sorted(charts)
    for seen, following in zip(moments, [*moments[1:], None], strict=True):
        confirmed = following - timedelta(microseconds=1) if following else max(timezone.now(), seen)
        snapshot = Snapshot.objects.create(
            listener=listener, time_range=time_range, first_seen_at=seen, confirmed_at=confirmed
        )
        Placement.objects.bulk_create(
            Placement(snapshot=snapshot, position=place, track_id=key(title))
            for place, title in enumerate(charts[seen], 1)
            if title
        )


def key(title: str) -> str:
    return "past-" + slugify(title)


def a_year() -> Charts:
    """Charts of 5 to 20 songs over 365 days: some days have several, most none, and a seventh no number one."""
    chance = random.Random(10)
    songs = [f"Past {number}" for number in range(40)]
    moments = {at(today() - 364 * DAY, "08:00:00")}
    while len(moments) < 150:
        moments.add(at(today() - chance.randrange(1, 364) * DAY) + timedelta(seconds=chance.randrange(-43200, 43200)))
    charts = {moment: chance.sample(songs, chance.randrange(5, 21)) for moment in moments}
    for chart in charts.values():
        if chance.randrange(7) == 0:
            chart[0] = ""
    return charts


def on(charts: Charts, day: date) -> list[str]:
    """The titles of the last chart known on this day."""
    known = [moment for moment in sorted(charts) if moment.date() <= day]
    return charts[known[-1]]


def days(first: date, last: date) -> Iterable[date]:
    return (first + number * DAY for number in range((last - first).days + 1))
