"""A year of a listener's charts, counted in UTC days on which a chart stood. Nothing of it is stored."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import NamedTuple

from tracks.history import DAY, Days, days_of
from tracks.models import Artist, Listener, Placement, Snapshot, TimeRange, Track

# Of the songs that stood for one day, so many are named.
MOST_WONDERS = 10


@dataclass(frozen=True, kw_only=True)
class Counted:
    """A song, and how many days, places or times."""

    track: Track
    n: int


@dataclass(frozen=True, kw_only=True)
class FirstOfMonth:
    """The first song that was new in a month (its first day); of several in one chart the highest."""

    month: date
    track: Track


@dataclass(frozen=True, kw_only=True)
class Year:
    """The figures of a year; of two songs with the same number the one that was there first. None: there is none.

    `first_day` and `last_day` are what of the year the kept history covers. `climb` is from one chart to the next.
    """

    year: int
    time_range: TimeRange
    first_day: date
    last_day: date
    days: int
    songs: int
    artists: int
    at_number_one: Counted | None
    in_the_chart: Counted | None
    climb: Counted | None
    comebacks: Counted | None
    oldest: Track | None
    wonders: list[Track]
    wonder_count: int
    firsts: list[FirstOfMonth]

    @property
    def is_whole(self) -> bool:
        return (self.first_day, self.last_day) == (date(self.year, 1, 1), date(self.year, 12, 31))


class Row(NamedTuple):
    """What a figure needs of a placement."""

    snapshot: int
    position: int
    track: str
    previous_position: int | None
    entry: str


def years(listener: Listener | None, time_range: TimeRange) -> range:
    """The years of which the listener has charts, in two queries."""
    snapshots = Snapshot.objects.filter(listener=listener, time_range=time_range).order_by("first_seen_at")
    first, last = snapshots.first(), snapshots.last()
    if not first or not last:
        return range(0)
    return range(first.first_seen_at.year, last.confirmed_at.year + 1)


def look_back(listener: Listener | None, time_range: TimeRange, year: int) -> Year | None:
    """The listener's year in this time range, in seven queries; None if no chart stood in it."""
    begin, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    charts = Snapshot.objects.filter(listener=listener, time_range=time_range).order_by("first_seen_at")
    earlier = charts.filter(first_seen_at__lt=begin).last()
    later = charts.filter(first_seen_at__gte=end).first()
    seen = list(charts.filter(first_seen_at__gte=begin, first_seen_at__lt=end))
    standing = days_of([*filter(None, [earlier]), *seen], later, begin.date(), end.date() - DAY)
    if not standing:
        return None
    order = {snapshot.pk: index for index, snapshot in enumerate(seen, start=1)}
    fields = ("snapshot_id", "position", "track_id", "previous_position", "entry")
    shown = [*order, *standing]
    rows = [Row(*row) for row in Placement.objects.filter(snapshot__in=set(shown)).values_list(*fields)]
    rows.sort(key=lambda row: (order.get(row.snapshot, 0), row.position))
    if not any(row.snapshot in standing for row in rows):
        return None
    return _told(year, time_range, standing, {snapshot.pk: snapshot for snapshot in seen}, rows)


def _told(
    year: int,
    time_range: TimeRange,
    standing: Mapping[int, Days],
    seen: Mapping[int, Snapshot],
    rows: Iterable[Row],
) -> Year:
    days: Counter[str] = Counter()
    first_places: Counter[str] = Counter()
    comebacks: Counter[str] = Counter()
    climb: tuple[int, str] = (0, "")
    months: dict[int, str] = {}
    for row in rows:
        if row.snapshot in standing:
            days[row.track] += standing[row.snapshot].count
            if row.position == 1:
                first_places[row.track] += standing[row.snapshot].count
        if row.snapshot in seen:
            if row.previous_position and row.previous_position - row.position > climb[0]:
                climb = (row.previous_position - row.position, row.track)
            if row.entry == Placement.Entry.BACK:
                comebacks[row.track] += 1
            if row.entry == Placement.Entry.NEW:
                months.setdefault(seen[row.snapshot].first_seen_at.month, row.track)
    tracks = Track.objects.with_artists().in_bulk({*days, *comebacks, *months.values()} | ({climb[1]} - {""}))
    wonders = [track for track, n in days.items() if n == 1]

    def most(counter: Counter[str]) -> Counted | None:
        if not counter:
            return None
        track, n = max(counter.items(), key=lambda item: item[1])
        return Counted(track=tracks[track], n=n)

    dated = [tracks[track] for track in days if tracks[track].release_date]
    return Year(
        year=year,
        time_range=time_range,
        first_day=min(days.first for days in standing.values()),
        last_day=max(days.last for days in standing.values()),
        days=sum(days.count for days in standing.values()),
        songs=len(days),
        artists=Artist.objects.filter(credits__track__in=list(days)).distinct().count(),
        at_number_one=most(first_places),
        in_the_chart=most(days),
        climb=Counted(track=tracks[climb[1]], n=climb[0]) if climb[0] else None,
        comebacks=most(comebacks),
        oldest=min(dated, key=lambda track: track.release_date, default=None),
        wonders=[tracks[track] for track in wonders[:MOST_WONDERS]],
        wonder_count=len(wonders),
        firsts=[
            FirstOfMonth(month=date(year, month, 1), track=tracks[track]) for month, track in sorted(months.items())
        ],
    )
