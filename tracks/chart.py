"""The reads behind the pages and the data: the host's tables now, and what they were before."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Count, F, Max, Min, OuterRef, Prefetch, QuerySet, Subquery

from tracks.models import Artist, Listener, Placement, Snapshot, TimeRange, Track

# What a track's page draws at most: a year of daily changes in three time ranges.
POINTS = 1100


@dataclass(frozen=True, kw_only=True)
class Chart:
    """The host's table; `updated_at` (UTC) is None until the first refresh, `host` until the first sign-in."""

    time_range: TimeRange
    host: Listener | None
    updated_at: datetime | None
    placements: list[Placement]

    def is_hosted_by(self, user: User | AnonymousUser) -> bool:
        return self.host is not None and user.pk is not None and self.host.account.user_id == user.pk

    @property
    def playing_time(self) -> timedelta:
        return timedelta(milliseconds=sum(placement.track.duration_ms for placement in self.placements))

    @property
    def is_compared(self) -> bool:
        """Whether there was a table before this one to compare with."""
        return any(placement.movement for placement in self.placements)

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


def current_chart(time_range: TimeRange) -> Chart:
    """The host's current table, in two queries."""
    newest = Snapshot.objects.of_host().filter(time_range=time_range).newest_first()[:1]
    placements = list(
        Placement.objects.filter(snapshot=Subquery(newest.values("pk")))
        .with_tracks()
        .select_related("track", "snapshot__listener__account")
    )
    if placements:
        snapshot = placements[0].snapshot
        return Chart(
            time_range=time_range,
            host=snapshot.listener,
            updated_at=snapshot.confirmed_at,
            placements=placements,
        )
    confirmed = Snapshot.objects.filter(listener=OuterRef("pk"), time_range=time_range).newest_first()[:1]
    host = (
        Listener.objects.filter(is_host=True)
        .select_related("account")
        .annotate(updated_at=Subquery(confirmed.values("confirmed_at")))
        .first()
    )
    return Chart(time_range=time_range, host=host, updated_at=host.updated_at if host else None, placements=[])


def left_since(chart: Chart) -> list[Track]:
    """The songs of the table before that are not in this one, in their order there."""
    before = Snapshot.objects.of_host().filter(time_range=chart.time_range).newest_first()[1:2]
    now = [placement.track_id for placement in chart.placements]
    gone = Placement.objects.filter(snapshot=Subquery(before.values("pk"))).exclude(track__in=now)
    return [placement.track for placement in gone.select_related("track").order_by("position")]


def by_artist(placements: Iterable[Placement]) -> list[tuple[Artist, list[Placement]]]:
    """Each credited artist with its songs; who has most comes first, then who stands highest."""
    found: dict[str, tuple[Artist, list[Placement]]] = {}
    for placement in placements:
        for artist in placement.track.credited_artists:
            found.setdefault(artist.pk, (artist, []))[1].append(placement)
    return sorted(found.values(), key=lambda entry: -len(entry[1]))


@dataclass(frozen=True, kw_only=True)
class Course:
    """How a track fared in one time range; `points` are the latest tables, oldest first, with None for its absence."""

    time_range: TimeRange
    peak: int
    times: int
    first_seen_at: datetime
    last_seen_at: datetime
    points: list[tuple[datetime, int | None]]

    @property
    def now(self) -> int | None:
        return self.points[-1][1] if self.points else None


def courses(track: Track) -> list[Course]:
    """The track's course in each time range of the host where it ever stood, in two queries."""
    stays = {
        row["time_range"]: row
        for row in Placement.objects.filter(track=track, snapshot__in=Snapshot.objects.of_host())
        .values(time_range=F("snapshot__time_range"))
        .annotate(
            peak=Min("position"),
            times=Count("pk"),
            first_seen_at=Min("snapshot__first_seen_at"),
            last_seen_at=Max("snapshot__confirmed_at"),
        )
    }
    points: dict[str, list[tuple[datetime, int | None]]] = {name: [] for name in stays}
    position = Placement.objects.filter(snapshot=OuterRef("pk"), track=track).values("position")
    latest = Snapshot.objects.of_host().newest_first().annotate(position=Subquery(position))[:POINTS]
    for snapshot in reversed(latest):
        if snapshot.time_range in points:
            points[snapshot.time_range].append((snapshot.first_seen_at, snapshot.position))
    return [
        Course(
            time_range=name,
            peak=stays[name]["peak"],
            times=stays[name]["times"],
            first_seen_at=stays[name]["first_seen_at"],
            last_seen_at=stays[name]["last_seen_at"],
            points=points[name],
        )
        for name in TimeRange
        if name in stays
    ]


def history(time_range: TimeRange) -> QuerySet[Snapshot]:
    """The host's tables, newest first, with their placements and tracks: two queries for any number of them."""
    placements = Prefetch("placements", Placement.objects.select_related("track").order_by("position"))
    return Snapshot.objects.of_host().filter(time_range=time_range).newest_first().prefetch_related(placements)


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A new table: what entered and what left, compared with the one before; all of it is new if there was none."""

    snapshot: Snapshot
    is_first: bool
    left: list[Track]


def latest_turns(limit: int) -> list[Turn]:
    """The host's latest tables over all time ranges, newest first, in four queries."""
    before = Snapshot.objects.filter(
        listener=OuterRef("listener"), time_range=OuterRef("time_range"), first_seen_at__lt=OuterRef("first_seen_at")
    ).newest_first()
    snapshots = list(
        Snapshot.objects.of_host()
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
    turns = []
    for snapshot in snapshots:
        now = {placement.track_id for placement in snapshot.placements.all()}
        left = [track for track in earlier.get(snapshot.before, []) if track.pk not in now]
        turns.append(Turn(snapshot=snapshot, is_first=snapshot.before is None, left=left))
    return turns


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
