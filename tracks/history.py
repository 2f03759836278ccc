"""The reads of a listener's charts as they were.

Days are UTC's. The chart of a day is the last one known on it: it stands until the next is seen, the last one until it
was confirmed. Each read takes a listener, or None before anybody has signed in: then there is nothing to see.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db.models import Prefetch, QuerySet, prefetch_related_objects

from tracks.models import Listener, Placement, Snapshot, TimeRange, Track

DAY = timedelta(days=1)
# Of /history.json.
SNAPSHOTS_A_PAGE = 50


def snapshots(listener: Listener | None, time_range: TimeRange) -> QuerySet[Snapshot]:
    """The listener's charts, newest first, with their placements and tracks: two queries for any number of them."""
    placements = Prefetch("placements", Placement.objects.select_related("track").order_by("position"))
    found = Snapshot.objects.filter(listener=listener, time_range=time_range)
    return found.newest_first().prefetch_related(placements)


def page(
    listener: Listener | None, time_range: TimeRange, *, since: datetime | None, before: datetime | None
) -> tuple[list[Snapshot], bool]:
    """The newest charts first seen at `since` or after it, and before `before`; and whether there are older ones.

    At most SNAPSHOTS_A_PAGE, with their placements, tracks and artists, in four queries.
    """
    tracks = Prefetch("track", Track.objects.with_artists())
    # Of each song one object, however often it stood.
    placements = Placement.objects.order_by("position").prefetch_related(tracks)
    found = Snapshot.objects.filter(listener=listener, time_range=time_range)
    if since:
        found = found.filter(first_seen_at__gte=since)
    if before:
        found = found.filter(first_seen_at__lt=before)
    # One more tells whether there are others.
    newest = list(found.newest_first()[: SNAPSHOTS_A_PAGE + 1])
    shown = newest[:SNAPSHOTS_A_PAGE]
    prefetch_related_objects(shown, Prefetch("placements", placements))
    return shown, len(newest) > len(shown)


def snapshot(listener: Listener | None, pk: int) -> Snapshot | None:
    """One of the listener's charts as it was, or None."""
    return Snapshot.objects.filter(listener=listener, pk=pk).first()


def neighbours(snapshot: Snapshot) -> tuple[Snapshot | None, Snapshot | None]:
    """The chart before this one and the one after, of the same listener and time range."""
    siblings = Snapshot.objects.filter(listener=snapshot.listener_id, time_range=snapshot.time_range)
    return (
        siblings.filter(first_seen_at__lt=snapshot.first_seen_at).order_by("-first_seen_at").first(),
        siblings.filter(first_seen_at__gt=snapshot.first_seen_at).order_by("first_seen_at").first(),
    )


@dataclass(frozen=True, kw_only=True)
class Kept:
    """From which UTC day to which the history reaches: of its first chart, and when its newest was last confirmed."""

    first_day: date
    last_day: date


def kept(listener: Listener | None, time_range: TimeRange) -> Kept | None:
    """How far the listener's history reaches, in one query by the index; None before the first chart."""
    found = list(Snapshot.objects.filter(listener=listener, time_range=time_range).ends())
    if not found:
        return None
    return Kept(first_day=found[0].first_seen_at.date(), last_day=found[-1].confirmed_at.date())


def midnight(day: date) -> datetime:
    """When the day begins."""
    return datetime.combine(day, time.min, tzinfo=UTC)


def standing_before(listener: Listener | None, time_range: TimeRange, moment: datetime) -> Snapshot | None:
    """The last chart that was seen before this moment."""
    seen = Snapshot.objects.filter(listener=listener, time_range=time_range, first_seen_at__lt=moment)
    return seen.newest_first().first()


@dataclass(frozen=True, kw_only=True)
class Days:
    """The days in a row on which a chart was the day's."""

    first: date
    count: int

    @property
    def last(self) -> date:
        return self.first + (self.count - 1) * DAY

    def __iter__(self) -> Iterator[date]:
        return (self.first + n * DAY for n in range(self.count))


def days_of(snapshots: Sequence[Snapshot], later: Snapshot | None, first: date, last: date) -> dict[int, Days]:
    """The days from `first` to `last` of which each of these was the chart, by its number; who had none is left out.

    The charts are of one time range, oldest first, with none between them; `later` is the one after them, if any.
    """
    found = {}
    for snapshot, following in zip(snapshots, [*snapshots[1:], later], strict=False):
        until = following.first_seen_at.date() - DAY if following else snapshot.confirmed_at.date()
        since = max(snapshot.first_seen_at.date(), first)
        count = (min(until, last) - since).days + 1
        if count > 0:
            found[snapshot.pk] = Days(first=since, count=count)
    return found


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A song on two days: its place on each, None where it was not in that day's chart."""

    track: Track
    before: int | None
    after: int | None

    @property
    def movement(self) -> str:
        """One of up, down, same, in and out."""
        if self.before is None:
            return "in"
        if self.after is None:
            return "out"
        return "up" if self.after < self.before else "down" if self.after > self.before else "same"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The charts of two UTC days; `before` and `after` are the snapshots that stood when each of them ended.

    The pairs are in order of the place afterwards; then come those that went out, in order of the place before.
    """

    before: Snapshot
    after: Snapshot
    pairs: list[Pair]

    def count(self, movement: str) -> int:
        return sum(pair.movement == movement for pair in self.pairs)


def compare(listener: Listener | None, time_range: TimeRange, first_day: date, second_day: date) -> Comparison | None:
    """The listener's charts of two UTC days side by side, in four queries; None if one is before the history.

    The days are before `date.max`.
    """
    before, after = (standing_before(listener, time_range, midnight(day + DAY)) for day in (first_day, second_day))
    if before is None or after is None:
        return None
    tracks: dict[str, Track] = {}
    places: dict[int, dict[str, int]] = {before.pk: {}, after.pk: {}}
    for placement in Placement.objects.filter(snapshot__in=places).with_tracks():
        tracks.setdefault(placement.track_id, placement.track)
        places[placement.snapshot_id][placement.track_id] = placement.position
    # By position: first all of the later chart, then what the earlier one has besides.
    order = dict.fromkeys([*places[after.pk], *places[before.pk]])
    return Comparison(
        before=before,
        after=after,
        pairs=[
            Pair(track=tracks[key], before=places[before.pk].get(key), after=places[after.pk].get(key)) for key in order
        ],
    )
