"""The reads of a listener's charts as they are now.

Each takes a listener, or None before anybody has signed in: then there is nothing to see.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import OuterRef, Prefetch, Subquery

from tracks.models import Artist, Listener, Placement, Snapshot, TimeRange, Track


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

    `updated_at` (UTC) and `number` (the snapshot's) are None until the first refresh. `since` (UTC) is until when the
    chart before it stood, None if there was none; `left` are that one's songs which are not in this one, in their order
    there.
    """

    time_range: TimeRange
    updated_at: datetime | None = None
    placements: list[Placement] = field(default_factory=list)
    since: datetime | None = None
    left: list[Track] = field(default_factory=list)
    number: int | None = None

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
        number=now.pk,
    )


def by_artist(placements: Iterable[Placement]) -> list[tuple[Artist, list[Placement]]]:
    """Each credited artist with its songs; who has most comes first, then who stands highest."""
    found: dict[str, tuple[Artist, list[Placement]]] = {}
    for placement in placements:
        for artist in placement.track.credited_artists:
            found.setdefault(artist.pk, (artist, []))[1].append(placement)
    return sorted(found.values(), key=lambda entry: -len(entry[1]))


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
