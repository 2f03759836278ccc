"""The reads behind the pages and the data: a listener's charts now, and what they were before.

Each takes a listener, or None before anybody has signed in: then there is nothing to see.
"""

from calendar import monthrange
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby, zip_longest
from typing import Any

from django.db.models import Count, F, FilteredRelation, Max, Min, OuterRef, Prefetch, Q, QuerySet, Subquery

from tracks.models import Artist, Listener, Placement, Snapshot, TimeRange, Track

# What a track's page shows at most: a year of daily changes in three time ranges.
MOST_SNAPSHOTS = 1100


@dataclass(frozen=True, kw_only=True)
class ReleaseYears:
    """When a chart's songs were released; songs of unknown years are left out of `counts`, and not of `songs`."""

    oldest: Placement
    counts: Mapping[int, int]
    songs: int
    this_year: int

    @property
    def of_this_year(self) -> int:
        return self.counts.get(self.this_year, 0)

    @property
    def newest_year(self) -> int:
        return max(self.counts)

    @property
    def of_newest_year(self) -> int:
        return self.counts[self.newest_year]


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A listener's chart, compared with the one before it.

    `updated_at` (UTC) is None until the first refresh. `since` (UTC) is until when the chart before it stood, None if
    there was none; `left` are that one's songs which are not in this one, in their order there.
    """

    time_range: TimeRange
    updated_at: datetime | None = None
    placements: list[Placement] = field(default_factory=list)
    since: datetime | None = None
    left: list[Track] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.placements)

    @property
    def playing_time(self) -> timedelta:
        return timedelta(milliseconds=sum(placement.track.duration_ms for placement in self.placements))

    @property
    def release_years(self) -> ReleaseYears | None:
        """None if no year is known. This year is that of the last refresh."""
        known = [placement for placement in self.placements if placement.track.release_year]
        if not known or not self.updated_at:
            return None
        return ReleaseYears(
            oldest=min(known, key=lambda placement: placement.track.release_date),
            counts=Counter(placement.track.release_year or 0 for placement in known),
            songs=self.count,
            this_year=self.updated_at.year,
        )

    @property
    def is_compared(self) -> bool:
        """Whether there was a chart before this one to compare with."""
        return self.since is not None and any(placement.movement for placement in self.placements)

    @property
    def new_count(self) -> int:
        return sum(placement.movement == Placement.Entry.NEW for placement in self.placements)

    @property
    def back_count(self) -> int:
        return sum(placement.movement == Placement.Entry.BACK for placement in self.placements)

    @property
    def biggest_climber(self) -> Placement | None:
        """The placement that gained most places; of two, the higher one. None if nothing climbed."""
        climbed = [placement for placement in self.placements if placement.movement == "up"]
        return max(climbed, key=lambda placement: placement.climb or 0, default=None)


def current(listener: Listener | None, time_range: TimeRange) -> Chart:
    """The listener's current chart, in three queries."""
    newest = list(Snapshot.objects.filter(listener=listener, time_range=time_range).newest_first()[:2])
    if not newest:
        return Chart(time_range=time_range)
    now, before = newest[0], newest[1] if len(newest) > 1 else None
    placements = list(Placement.objects.filter(snapshot__in=newest).with_tracks())
    current = [placement for placement in placements if placement.snapshot_id == now.pk]
    stayed = {placement.track_id for placement in current}
    return Chart(
        time_range=time_range,
        updated_at=now.confirmed_at,
        placements=current,
        since=before.confirmed_at if before else None,
        left=[placement.track for placement in placements if placement.track_id not in stayed],
    )


def by_artist(placements: Iterable[Placement]) -> list[tuple[Artist, list[Placement]]]:
    """Each credited artist with its songs; who has most comes first, then who stands highest."""
    found: dict[str, tuple[Artist, list[Placement]]] = {}
    for placement in placements:
        for artist in placement.track.credited_artists:
            found.setdefault(artist.pk, (artist, []))[1].append(placement)
    return sorted(found.values(), key=lambda entry: -len(entry[1]))


@dataclass(frozen=True, kw_only=True)
class Stay:
    """A track's place from one moment (UTC) to the next; None while it was not in the chart."""

    since: datetime
    until: datetime
    position: int | None


@dataclass(frozen=True, kw_only=True)
class TrackHistory:
    """How a track fared in one time range; the stays are oldest first and follow each other without a gap."""

    time_range: TimeRange
    peak: int
    times: int
    first_seen_at: datetime
    last_seen_at: datetime
    stays: list[Stay]

    @property
    def now(self) -> int | None:
        return self.stays[-1].position if self.stays else None


def track_history(listener: Listener | None, track: Track) -> list[TrackHistory]:
    """The track's history in each time range of the listener where it ever stood, in two queries."""
    found = {
        row["time_range"]: row
        for row in Placement.objects.filter(track=track, snapshot__listener=listener)
        .values(time_range=F("snapshot__time_range"))
        .annotate(
            peak=Min("position"),
            times=Count("pk"),
            first_seen_at=Min("snapshot__first_seen_at"),
            last_seen_at=Max("snapshot__confirmed_at"),
        )
    }
    position = Placement.objects.filter(snapshot=OuterRef("pk"), track=track).values("position")
    newest = Snapshot.objects.filter(listener=listener).newest_first().annotate(position=Subquery(position))
    snapshots = list(reversed(newest[:MOST_SNAPSHOTS])) if found else []
    return [
        TrackHistory(
            **found[name] | {"time_range": name}, stays=_stays([one for one in snapshots if one.time_range == name])
        )
        for name in TimeRange
        if name in found
    ]


def _stays(snapshots: list[Any]) -> list[Stay]:
    """The stays in snapshots of one time range, oldest first, each annotated with the track's `position`."""
    stays: list[Stay] = []
    for snapshot, following in zip_longest(snapshots, snapshots[1:]):
        # A ranking holds until the next is seen; the last one until it was last confirmed.
        until = following.first_seen_at if following else snapshot.confirmed_at
        if stays and stays[-1].position == snapshot.position:
            stays[-1] = replace(stays[-1], until=until)
        else:
            stays.append(Stay(since=snapshot.first_seen_at, until=until, position=snapshot.position))
    return stays


def history(listener: Listener | None, time_range: TimeRange) -> QuerySet[Snapshot]:
    """The listener's charts, newest first, with their placements and tracks: two queries for any number of them."""
    placements = Prefetch("placements", Placement.objects.select_related("track").order_by("position"))
    snapshots = Snapshot.objects.filter(listener=listener, time_range=time_range)
    return snapshots.newest_first().prefetch_related(placements)


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
    return Kept(first_day=_day_of(found[0].first_seen_at), last_day=_day_of(found[-1].confirmed_at))


def _day_of(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


def _midnight(day: date) -> datetime:
    """When the UTC day begins."""
    return datetime.combine(day, time.min, tzinfo=UTC)


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

    A day's chart is the last one known on that day: a chart stands until the next one is seen. The days are before
    `date.max`.
    """
    before, after = (_standing(listener, time_range, day + timedelta(days=1)) for day in (first_day, second_day))
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


def _standing(listener: Listener | None, time_range: TimeRange, day: date) -> Snapshot | None:
    """The chart that stood when this UTC day began."""
    seen = Snapshot.objects.filter(listener=listener, time_range=time_range, first_seen_at__lt=_midnight(day))
    return seen.newest_first().first()


# What a calendar shows at most, and so what it reads.
MONTHS_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class NumberOne:
    """A song that was number one from one day of a month to another, or on one day."""

    track_id: str
    name: str
    first_day: date
    last_day: date


@dataclass(frozen=True, kw_only=True)
class Month:
    """A month's days, each with its number one; None before the history, after it, and where place 1 was empty."""

    first_day: date
    days: dict[date, NumberOne | None]


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """Months of the history, newest first. `older` and `newer` are the first days of the months to begin with next."""

    months: list[Month]
    older: date | None
    newer: date | None


def calendar(listener: Listener | None, time_range: TimeRange, month: date | None = None) -> Calendar | None:
    """The number one of each UTC day of this month (any day of it) and of the two before it, in three queries.

    Without a month it is the newest. None if there is no history, or none of this month.
    """
    reach = kept(listener, time_range)
    if reach is None:
        return None
    oldest, newest = reach.first_day.replace(day=1), reach.last_day.replace(day=1)
    last = (month or newest).replace(day=1)
    if not oldest <= last <= newest:
        return None
    first = max(oldest, _months_later(last, 1 - MONTHS_SHOWN))
    end = _months_later(last, 1)
    of_days = _numbers_one(listener, time_range, first, min(end, reach.last_day + timedelta(days=1)))
    months = [_month(_months_later(last, -back), of_days) for back in range(MONTHS_SHOWN)]
    return Calendar(
        months=[one for one in months if one.first_day >= first],
        older=_months_later(first, -1) if first > oldest else None,
        newer=min(newest, _months_later(last, MONTHS_SHOWN)) if last < newest else None,
    )


def _months_later(day: date, count: int) -> date:
    """The first day of the month so many months after this day's."""
    months = day.year * 12 + day.month - 1 + count
    return date(months // 12, months % 12 + 1, 1)


def _numbers_one(
    listener: Listener | None, time_range: TimeRange, start: date, end: date
) -> dict[date, tuple[str, str]]:
    """Id and title of the song in place 1 when each UTC day from `start` to before `end` was over."""
    standing = _standing(listener, time_range, start)
    since = standing.first_seen_at if standing else _midnight(start)
    seen = list(
        Snapshot.objects.filter(
            listener=listener, time_range=time_range, first_seen_at__gte=since, first_seen_at__lt=_midnight(end)
        )
        .annotate(first=FilteredRelation("placements", condition=Q(placements__position=1)))
        .order_by("first_seen_at")
        .values_list("first_seen_at", "first__track", "first__track__name")
    )
    found = {}
    song: tuple[str, str] | None = None
    for number in range((end - start).days):
        day = start + timedelta(days=number)
        while seen and seen[0][0] < _midnight(day + timedelta(days=1)):
            _, key, name = seen.pop(0)
            song = (key, name) if key else None
        if song:
            found[day] = song
    return found


def _month(first_day: date, of_days: dict[date, tuple[str, str]]) -> Month:
    """The month with its days; days in a row with the same song share one `NumberOne`."""
    count = monthrange(first_day.year, first_day.month)[1]
    days = [first_day.replace(day=number) for number in range(1, count + 1)]
    found: dict[date, NumberOne | None] = {}
    for key, group in groupby(days, key=of_days.get):
        run = list(group)
        one = key and NumberOne(track_id=key[0], name=key[1], first_day=run[0], last_day=run[-1])
        found |= dict.fromkeys(run, one)
    return Month(first_day=first_day, days=found)


@dataclass(frozen=True, kw_only=True)
class Update:
    """A new chart: what entered and what left, compared with the one before; all of it is new if there was none."""

    snapshot: Snapshot
    is_first: bool
    left: list[Track]


def latest_updates(listener: Listener | None, limit: int) -> list[Update]:
    """The listener's latest charts over all time ranges, newest first, in four queries."""
    before = Snapshot.objects.filter(
        listener=OuterRef("listener"), time_range=OuterRef("time_range"), first_seen_at__lt=OuterRef("first_seen_at")
    ).newest_first()
    snapshots = list(
        Snapshot.objects.filter(listener=listener)
        .newest_first()
        .annotate(before=Subquery(before.values("pk")[:1]))
        .prefetch_related(Prefetch("placements", Placement.objects.with_tracks()))[:limit]
    )
    earlier: dict[int, list[Track]] = {}
    for placement in (
        Placement.objects.filter(snapshot__in={snapshot.before for snapshot in snapshots})
        .select_related("track")
        .order_by("position")
    ):
        earlier.setdefault(placement.snapshot_id, []).append(placement.track)
    updates = []
    for snapshot in snapshots:
        if listener is not None:
            snapshot.listener = listener  # it is at hand: its address needs no query
        now = {placement.track_id for placement in snapshot.placements.all()}
        left = [track for track in earlier.get(snapshot.before, []) if track.pk not in now]
        updates.append(Update(snapshot=snapshot, is_first=snapshot.before is None, left=left))
    return updates


@dataclass(frozen=True, kw_only=True)
class FirstPlace:
    """A listener on the list of listeners, with the chart of the last four weeks."""

    listener: Listener
    chart: Chart

    @property
    def placement(self) -> Placement | None:
        """The first place, None before the first song."""
        return self.chart.placements[0] if self.chart.placements else None


def first_places(listeners: list[Listener]) -> list[FirstPlace]:
    """Each listener with the chart of the last four weeks, in their order and three queries."""
    newest = Snapshot.objects.filter(listener=OuterRef("pk"), time_range=TimeRange.SHORT_TERM).newest_first()
    numbers = dict(
        Listener.objects.filter(pk__in=[listener.pk for listener in listeners]).values_list(
            "pk", Subquery(newest.values("pk")[:1])
        )
    )
    charts: dict[int, list[Placement]] = {}
    for placement in Placement.objects.filter(snapshot__in=numbers.values()).with_tracks().select_related("snapshot"):
        charts.setdefault(placement.snapshot_id, []).append(placement)
    found = [(listener, charts.get(numbers.get(listener.pk) or 0, [])) for listener in listeners]
    return [
        FirstPlace(
            listener=listener,
            chart=Chart(
                time_range=TimeRange.SHORT_TERM,
                updated_at=placements[0].snapshot.confirmed_at if placements else None,
                placements=placements,
            ),
        )
        for listener, placements in found
    ]


@dataclass(frozen=True, kw_only=True)
class InCommon:
    """What two listeners both have now: pairs of placements, and artists with both ones' placements."""

    placements: list[tuple[Placement, Placement]]
    artists: list[tuple[Artist, list[Placement], list[Placement]]]


def in_common(first: Listener, second: Listener, time_range: TimeRange) -> InCommon:
    """The songs and artists that both listeners have in this time range, in the first one's order."""
    ours, theirs = current(first, time_range).placements, current(second, time_range).placements
    by_track = {placement.track_id: placement for placement in theirs}
    their_artists = {artist.pk: placements for artist, placements in by_artist(theirs)}
    return InCommon(
        placements=[(placement, by_track[placement.track_id]) for placement in ours if placement.track_id in by_track],
        artists=[
            (artist, placements, their_artists[artist.pk])
            for artist, placements in by_artist(ours)
            if artist.pk in their_artists
        ],
    )


def as_record(placement: Placement) -> dict[str, Any]:
    """One song as /tracks.json shows it: `duration_ms` in milliseconds, `duration_min` in minutes, None for unknown."""
    track = placement.track
    return {
        "position": placement.position,
        "id": track.spotify_id,
        "name": track.name,
        "artist": track.artist,
        "artists": [{"name": artist.name, "url": artist.url or None} for artist in track.credited_artists],
        "album": track.album or None,
        "popularity": track.popularity,
        "duration_ms": track.duration_ms,
        "duration_min": float(track.duration_min),
        "release_date": track.release_date or None,
        "release_year": track.release_year,
        "explicit": track.explicit,
        "url": track.url,
        "image_url": track.image_url or None,
    }
