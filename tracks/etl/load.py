"""From rows to the database. Call it in a transaction; the number of queries does not grow with the number of rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef

from tracks.etl import prune
from tracks.etl.transform import Row, Table
from tracks.models import Artist, Credit, Listener, Placement, Snapshot, Track

TRACK_FIELDS = ("name", "album", "release_date", "release_date_precision", "release_year", "duration_ms",
                "duration_min", "explicit", "popularity", "url", "image_url")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Change:
    """How a ranking differs from the one before; `first` if there was none."""

    new: int
    moved: int
    left: int
    first: bool

    @property
    def changed(self) -> bool:
        return bool(self.first or self.new or self.moved or self.left)


def load(*, listener: Listener, tables: Mapping[str, Table], now: datetime) -> dict[str, Change]:
    """Upserts artists and tracks, stores a new snapshot of each time range whose ranking changed, and prunes."""
    _store_tracks({row.id: row for table in tables.values() for row in table.rows})
    current = _current_rankings(listener, tables, overdue_at=now - prune.keep())
    # A clock set back must not put a new ranking before the one it follows.
    now = max([now, *(ranking.first_seen_at + timedelta(microseconds=1) for ranking in current.values())])
    rankings = {name: {row.id: row.position for row in table.rows} for name, table in tables.items()}
    changes = {name: _change(current.get(name), ranking) for name, ranking in rankings.items()}
    entered = {
        (name, track) for name, ranking in rankings.items() if name in current
        for track in ranking if track not in current[name].positions
    }  # fmt: skip
    seen = _seen_before(listener, entered) if entered else set()

    unchanged = [current[name].snapshot_id for name, change in changes.items() if not change.changed]
    if unchanged:
        Snapshot.objects.filter(pk__in=unchanged).update(confirmed_at=now)
    snapshots = Snapshot.objects.bulk_create(
        Snapshot(listener=listener, time_range=name, first_seen_at=now, confirmed_at=now)
        for name, change in changes.items()
        if change.changed
    )
    placements = [
        Placement(snapshot=snapshot, position=position, track_id=track_id)
        for snapshot in snapshots
        for track_id, position in rankings[snapshot.time_range].items()
    ]
    for placement in placements:
        key = placement.snapshot.time_range, placement.track_id
        if key in entered:
            placement.entry = Placement.Entry.BACK if key in seen else Placement.Entry.NEW
        elif placement.snapshot.time_range in current:
            placement.previous_position = current[placement.snapshot.time_range].positions[placement.track_id]
    Placement.objects.bulk_create(placements)
    if any(ranking.has_overdue for ranking in current.values()):
        prune.prune(listener=listener, now=now)
    return changes


@dataclass(frozen=True)
class _Ranking:
    snapshot_id: int
    first_seen_at: datetime
    has_overdue: bool
    positions: dict[str, int]


def _current_rankings(
    listener: Listener, time_ranges: Mapping[str, object], *, overdue_at: datetime
) -> dict[str, _Ranking]:
    """The newest ranking of each time range, and whether the listener has snapshots that should be gone."""
    found: dict[str, _Ranking] = {}
    overdue = Snapshot.objects.filter(listener=OuterRef("listener")).last_seen_before(overdue_at)
    rows = (
        Snapshot.objects.current(listener, time_ranges)
        .annotate(has_overdue=Exists(overdue))
        .values_list("time_range", "pk", "first_seen_at", "has_overdue", "placements__position", "placements__track")
    )
    for name, snapshot_id, first_seen_at, has_overdue, position, track_id in rows:
        ranking = found.setdefault(name, _Ranking(snapshot_id, first_seen_at, has_overdue, {}))
        if position is not None:  # a snapshot without placements is a ranking of nothing
            ranking.positions[track_id] = position
    return found


def _seen_before(listener: Listener, entered: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Which of these pairs of time range and track stood in an earlier ranking."""
    return set(
        Placement.objects.filter(snapshot__listener=listener, track__in={track for _, track in entered})
        .values_list("snapshot__time_range", "track")
        .distinct()
    )


def _change(before: _Ranking | None, new: Mapping[str, int]) -> Change:
    old = before.positions if before else {}
    return Change(
        new=len(new.keys() - old.keys()),
        moved=sum(old[track] != new[track] for track in new.keys() & old.keys()),
        left=len(old.keys() - new.keys()),
        first=before is None,
    )


def _store_tracks(rows: dict[str, Row]) -> None:
    # Sorted, so that two loads lock rows in the same order.
    ordered = [rows[key] for key in sorted(rows)]
    artists = {artist.id: artist for row in ordered for artist in row.artists}
    Artist.objects.bulk_create(
        (Artist(spotify_id=key, name=artists[key].name, url=artists[key].url) for key in sorted(artists)),
        update_conflicts=True,
        unique_fields=["spotify_id"],
        update_fields=["name", "url"],
    )
    Track.objects.bulk_create(
        (Track(spotify_id=row.id, **{field: getattr(row, field) for field in TRACK_FIELDS}) for row in ordered),
        update_conflicts=True,
        unique_fields=["spotify_id"],
        update_fields=TRACK_FIELDS,
    )
    Credit.objects.filter(track__in=list(rows)).delete()
    Credit.objects.bulk_create(
        Credit(track_id=row.id, artist_id=artist.id, position=position)
        for row in ordered
        for position, artist in enumerate(row.artists, start=1)
    )
