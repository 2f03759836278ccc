"""The reads of songs: how each fared in a listener's charts.

Days are UTC's, and which chart is a day's stands in tracks/history.py. Each read takes a listener, or None before
anybody has signed in: then there is nothing to see.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import zip_longest
from typing import Any

from django.db.models import Count, Exists, F, FilteredRelation, Max, Min, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

from tracks.chart import Chart
from tracks.history import DAY, Days, days_of, midnight
from tracks.models import Artist, Listener, Placement, Snapshot, TimeRange, Track

# What a track's page shows at most: a year of daily changes in three time ranges. An artist's page: of one, in years.
MOST_SNAPSHOTS = 1100
# The last days that a row of the chart tells of, and how many places are read for them at most: of 200 charts.
RECENT_DAYS = 30
MOST_PLACES = 4000
# By Spotify's rules a set has no more.
SONGS_A_PAGE = 20


@dataclass(frozen=True, kw_only=True)
class Line:
    """A song's place on each of the UTC days from `first` to `last` on which it was in the day's chart."""

    first: date
    last: date
    places: Mapping[date, int]


@dataclass(frozen=True, kw_only=True)
class Record:
    """A song of the current chart: its best place, in how many charts of the time range it stood, and lately where."""

    peak: int
    charts: int
    line: Line


def records(listener: Listener | None, chart: Chart) -> dict[str, Record]:
    """The record of each song in the listener's current chart, by the track's id, in two queries.

    Nothing while that is the first chart: there is no past to tell of.
    """
    if chart.since is None or chart.updated_at is None:
        return {}
    tracks = [placement.track_id for placement in chart.placements]
    of_range = Snapshot.objects.filter(listener=listener, time_range=chart.time_range)
    last = chart.updated_at.date()
    first = last - (RECENT_DAYS - 1) * DAY
    standing = of_range.filter(first_seen_at__lt=midnight(first)).newest_first().values("first_seen_at")[:1]
    rows = (
        of_range.filter(first_seen_at__gte=Coalesce(Subquery(standing), midnight(first)))
        .annotate(here=FilteredRelation("placements", condition=Q(placements__track__in=tracks)))
        .annotate(song=F("here__track"), place=F("here__position"))
        .newest_first()
        # Not as objects: where the chart changes each hour there are hundreds.
        .values_list("pk", "first_seen_at", "confirmed_at", "song", "place", named=True)[:MOST_PLACES]
    )
    snapshots: dict[int, Any] = {}
    positions: dict[str, dict[int, int]] = defaultdict(dict)
    for row in reversed(rows):
        snapshots[row.pk] = row
        if row.song:
            positions[row.song][row.pk] = row.place
    days = days_of(list(snapshots.values()), None, first, last)
    # For each song by itself: joined for all of them at once, PostgreSQL reads every snapshot.
    theirs = Placement.objects.filter(
        track=OuterRef("pk"), snapshot__listener=listener, snapshot__time_range=chart.time_range
    ).values("track")
    peak = theirs.annotate(peak=Min("position")).values("peak")
    charts = theirs.annotate(charts=Count("pk")).values("charts")
    totals = Track.objects.filter(pk__in=tracks).values_list("pk", Subquery(peak), Subquery(charts))
    return {
        track: Record(
            peak=best, charts=count, line=Line(first=first, last=last, places=_by_day(days, positions[track]))
        )
        for track, best, count in totals
    }


def _by_day(days: Mapping[int, Days], positions: Mapping[int, int]) -> dict[date, int]:
    """The song's place on each day of whose chart it has a position; both are by the snapshot's number."""
    return {day: positions[pk] for pk, stood in days.items() if pk in positions for day in stood}


@dataclass(frozen=True, kw_only=True)
class Stay:
    """A track's place from one moment (UTC) to the next; None while it was not in the chart."""

    since: datetime
    until: datetime
    position: int | None


@dataclass(frozen=True, kw_only=True)
class Run:
    """UTC days in a row of whose charts a song was in each, and the best place that it had on them."""

    first_day: date
    last_day: date
    peak: int

    @property
    def days(self) -> int:
        return (self.last_day - self.first_day).days + 1


@dataclass(frozen=True, kw_only=True)
class Beside:
    """The last chart in which a song stood: its place there, and the songs next above and below it, if any."""

    position: int
    above: Track | None
    below: Track | None


@dataclass(frozen=True, kw_only=True)
class TrackHistory:
    """How a track fared in one time range; the stays and the runs are oldest first, the stays without a gap.

    `peak_day` is when it first had its best place. It and `beside` are None where the chart is older than all that were
    read. `days_at_one` counts UTC days.
    """

    time_range: TimeRange
    peak: int
    times: int
    first_seen_at: datetime
    last_seen_at: datetime
    stays: list[Stay]
    runs: list[Run]
    days_at_one: int
    peak_day: date | None
    beside: Beside | None

    @property
    def now(self) -> int | None:
        return self.stays[-1].position if self.stays else None

    @property
    def days(self) -> int:
        return sum(run.days for run in self.runs)


def stood(listener: Listener | None, spotify_id: str) -> Track | None:
    """The track with its artists, if it ever stood in the listener's charts.

    In one question: by the time it takes, nobody learns of songs in other charts.
    """
    placements = Placement.objects.filter(track=OuterRef("pk"), snapshot__listener=listener)
    return Track.objects.with_artists().filter(Exists(placements), pk=spotify_id).first()


def track_history(listener: Listener | None, track: Track) -> list[TrackHistory]:
    """The track's history in each time range of the listener where it ever stood, in three queries."""
    found: dict[str, Any] = {
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
    if not found:
        return []
    position = Placement.objects.filter(snapshot=OuterRef("pk"), track=track).values("position")
    newest = Snapshot.objects.filter(listener=listener).newest_first().annotate(position=Subquery(position))
    snapshots: dict[str, list[Any]] = {name: [] for name in found}
    for snapshot in reversed(newest[:MOST_SNAPSHOTS]):
        if snapshot.time_range in found:
            snapshots[snapshot.time_range].append(snapshot)
    beside = _beside(snapshots)
    return [
        TrackHistory(**{**found[name], "time_range": name}, **_told(snapshots[name], found[name]["peak"], beside))
        for name in TimeRange
        if name in found
    ]


def _told(snapshots: list[Any], peak: int, beside: Mapping[int, Beside]) -> dict[str, Any]:
    """What the charts of one time range, oldest first and each annotated with the track's `position`, tell of it."""
    stood = [snapshot for snapshot in snapshots if snapshot.position]
    days = _days(snapshots)
    return {
        "stays": _stays(snapshots),
        "runs": _runs(stood, days),
        "days_at_one": sum(days[one.pk].count for one in stood if one.position == 1 and one.pk in days),
        "peak_day": next((one.first_seen_at.date() for one in stood if one.position == peak), None),
        "beside": beside[stood[-1].pk] if stood else None,
    }


def _days(snapshots: Sequence[Snapshot]) -> dict[int, Days]:
    """The days of which each of these was the chart; oldest first, up to the newest."""
    if not snapshots:
        return {}
    return days_of(snapshots, None, snapshots[0].first_seen_at.date(), snapshots[-1].confirmed_at.date())


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


def _runs(stood: list[Any], days: Mapping[int, Days]) -> list[Run]:
    """The runs in the snapshots in which the track stood; a chart that was no day's counts for the best place alone."""
    runs: list[Run] = []
    for snapshot in stood:
        of = days.get(snapshot.pk)
        if of is None:
            continue
        if runs and runs[-1].last_day + DAY == of.first:
            runs[-1] = replace(runs[-1], last_day=of.last)
        else:
            runs.append(Run(first_day=of.first, last_day=of.last, peak=snapshot.position))
    return [
        replace(
            run,
            peak=min(one.position for one in stood if run.first_day <= one.first_seen_at.date() <= run.last_day),
        )
        for run in runs
    ]


def _beside(snapshots: Mapping[str, list[Any]]) -> dict[int, Beside]:
    """By the number of the last chart of each time range in which the track stood, in one query."""
    stood = [[one for one in charts if one.position] for charts in snapshots.values()]
    last = {charts[-1].pk: charts[-1].position for charts in stood if charts}
    charts: dict[int, list[Placement]] = defaultdict(list)
    for placement in Placement.objects.filter(snapshot__in=last).select_related("track"):
        charts[placement.snapshot_id].append(placement)
    found = {}
    for number, placements in charts.items():
        above = [one for one in placements if one.position < last[number]]
        below = [one for one in placements if one.position > last[number]]
        found[number] = Beside(
            position=last[number],
            above=max(above, key=lambda one: one.position).track if above else None,
            below=min(below, key=lambda one: one.position).track if below else None,
        )
    return found


@dataclass(frozen=True, kw_only=True)
class Song:
    """How a song of an artist fared in one time range; `now` is its place in the current chart.

    The days are UTC's. `days` is 0 for a song that stood only in charts that were replaced on the same day.
    """

    track: Track
    now: int | None
    peak: int
    charts: int
    first_day: date
    last_day: date
    line: Line

    @property
    def days(self) -> int:
        return len(self.line.places)


def artist(listener: Listener | None, spotify_id: str) -> Artist | None:
    """The artist, if a song of theirs ever stood in the listener's charts; in one question, as for a song."""
    stood = Placement.objects.filter(track__credits__artist=spotify_id, snapshot__listener=listener)
    return Artist.objects.filter(Exists(stood), pk=spotify_id).first()


def songs_of(listener: Listener | None, artist: Artist, time_range: TimeRange, *, start: int) -> list[Song]:
    """The artist's songs that ever stood in this time range, from the one of this number (0 is the first) on.

    Those in the current chart are first, in its order, then those that left last. One more than SONGS_A_PAGE tells that
    there are others; five queries for any number of them.
    """
    of_range = Snapshot.objects.filter(listener=listener, time_range=time_range).newest_first()
    rows = list(
        Placement.objects.filter(
            track__credits__artist=artist, snapshot__listener=listener, snapshot__time_range=time_range
        )
        .values("track")
        .annotate(
            now=Min("position", filter=Q(snapshot=Subquery(of_range.values("pk")[:1]))),
            peak=Min("position"),
            charts=Count("pk"),
            first_seen_at=Min("snapshot__first_seen_at"),
            last_seen_at=Max("snapshot__confirmed_at"),
        )
        .order_by(F("now").asc(nulls_last=True), "-last_seen_at", "track")[start : start + SONGS_A_PAGE + 1]
    )
    keys = [row["track"] for row in rows]
    tracks = Track.objects.with_artists().in_bulk(keys)
    snapshots = list(of_range[:MOST_SNAPSHOTS])[::-1] if rows else []
    days = _days(snapshots)
    positions: dict[str, dict[int, int]] = defaultdict(dict)
    of_days = Placement.objects.filter(track__in=keys, snapshot__in=days)
    for track, snapshot, position in of_days.values_list("track", "snapshot", "position"):
        positions[track][snapshot] = position
    songs = []
    for row in rows:
        places = _by_day(days, positions[row["track"]])
        songs.append(
            Song(
                track=tracks[row["track"]],
                now=row["now"],
                peak=row["peak"],
                charts=row["charts"],
                first_day=row["first_seen_at"].date(),
                last_day=max(places, default=row["last_seen_at"].date()),
                line=Line(
                    first=snapshots[0].first_seen_at.date(), last=snapshots[-1].confirmed_at.date(), places=places
                ),
            )
        )
    return songs
