"""The whole of a listener's charts over time: of each song its place on each day."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from django.db.models import Subquery
from django.db.models.functions import Coalesce

from tracks.history import DAY, Kept, days_of, midnight
from tracks.models import Credit, Listener, Placement, Snapshot, TimeRange


@dataclass(frozen=True, kw_only=True)
class Span:
    """How far back from the newest day, and how many days are between two that are looked at."""

    days: int
    step: int


# By their length in months. 364 days are whole weeks, and HISTORY_DAYS keeps 365.
SPANS = {1: Span(days=30, step=1), 3: Span(days=91, step=1), 12: Span(days=364, step=7)}


@dataclass(frozen=True, kw_only=True)
class Song:
    """A song's place on each of the days, None where it was not in the chart; `artist` names all, in one line."""

    track_id: str
    name: str
    artist: str
    places: list[int | None]

    @property
    def now(self) -> int | None:
        return self.places[-1]

    @property
    def peak(self) -> int:
        return min(filter(None, self.places))

    @property
    def last(self) -> int:
        """The index of the last day on which it was in the chart."""
        return max(index for index, place in enumerate(self.places) if place)


@dataclass(frozen=True, kw_only=True)
class Bump:
    """The UTC days that are looked at, oldest first and `step` days apart, and every song that stood on one of them.

    First come those of the newest chart in its order, then the others: who left last comes first. `offered` are the
    spans, in months, that are not longer than the kept history; the shortest always is.
    """

    days: list[date]
    step: int
    songs: list[Song]
    span: int
    offered: list[int]


def read(listener: Listener | None, time_range: TimeRange, reach: Kept, months: int) -> Bump:
    """The places of so many months (a key of SPANS) up to the day of the newest chart, in three queries.

    Of a longer span than is kept, what is kept: `reach` is how far that is.
    """
    span = SPANS[months]
    length = (reach.last_day - reach.first_day).days
    step = min(span.step, max(length, 1))
    days = [reach.last_day - back * DAY for back in range(0, min(span.days, length) + 1, step)][::-1]
    return Bump(
        days=days,
        step=step,
        songs=_songs(days, _charts(listener, time_range, days)),
        span=months,
        offered=[one for one, offered in SPANS.items() if one == min(SPANS) or offered.days <= length],
    )


def _charts(listener: Listener | None, time_range: TimeRange, days: list[date]) -> dict[date, int]:
    """The number of each day's chart."""
    siblings = Snapshot.objects.filter(listener=listener, time_range=time_range)
    standing = siblings.filter(first_seen_at__lt=midnight(days[0])).newest_first().values("first_seen_at")[:1]
    since = Coalesce(Subquery(standing), midnight(days[0]))
    seen = list(siblings.filter(first_seen_at__gte=since).order_by("first_seen_at"))
    return {day: snapshot for snapshot, run in days_of(seen, None, days[0], days[-1]).items() for day in run}


def _songs(days: list[date], charts: Mapping[date, int]) -> list[Song]:
    wanted = [charts.get(day) for day in days]
    rows = Placement.objects.filter(snapshot__in=set(filter(None, wanted))).values_list(
        "snapshot", "position", "track", "track__name"
    )
    names: dict[str, str] = {}
    placed: dict[str, dict[int, int]] = {}
    for snapshot, position, track, name in rows:
        names[track] = name
        placed.setdefault(track, {})[snapshot] = position
    artists = _artists(names)
    songs = [
        Song(
            track_id=track,
            name=names[track],
            artist=", ".join(artists.get(track, [])),
            places=[places.get(snapshot or 0) for snapshot in wanted],
        )
        for track, places in placed.items()
    ]
    return sorted(songs, key=lambda song: (song.now or 1000, -song.last, song.places[song.last], song.track_id))


def _artists(tracks: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    credits = Credit.objects.filter(track__in=list(tracks)).order_by("position").values_list("track", "artist__name")
    for track, name in credits:
        found.setdefault(track, []).append(name)
    return found
