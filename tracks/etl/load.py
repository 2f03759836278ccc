"""From rows to the database. Call it in a transaction; the number of queries does not grow with the number of rows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import TypeVar

from tracks.etl.transform import ArtistRow, Row, Table
from tracks.folding import folded_song
from tracks.models import Artist, Credit, Listener, Placement, Snapshot, Track

# What of a row is its track's and not its place's: a new field is named in Row and in the model.
TRACK_FIELDS = [field.name for field in fields(Row) if field.name not in {"position", "id", "artists"}]
TRACK_FIELDS.append("folded")
ARTIST_FIELDS = [field.name for field in fields(ArtistRow) if field.name != "id"]

Stored = TypeVar("Stored", Artist, Track)


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
    """Upserts artists and tracks, and stores a new snapshot of each time range whose ranking changed."""
    _store_tracks({row.id: row for table in tables.values() for row in table.rows})
    current = _current_rankings(listener, tables)
    # A clock set back must not put a new ranking before the one it follows.
    now = max([now, *(ranking.first_seen_at + timedelta(microseconds=1) for ranking in current.values())])
    rankings = {name: {row.id: row.position for row in table.rows} for name, table in tables.items()}
    changes = {name: _change(current.get(name), ranking) for name, ranking in rankings.items()}
    entered = {
        (name, track) for name, ranking in rankings.items() if name in current
        for track in ranking if track not in current[name].positions
    }  # fmt: skip
    seen = _seen_before(listener, entered)

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
    return changes


@dataclass(frozen=True)
class _Ranking:
    snapshot_id: int
    first_seen_at: datetime
    positions: dict[str, int]


def _current_rankings(listener: Listener, time_ranges: Iterable[str]) -> dict[str, _Ranking]:
    """The newest ranking of each time range."""
    found: dict[str, _Ranking] = {}
    rows = Snapshot.objects.current(listener, time_ranges).values_list(
        "time_range", "pk", "first_seen_at", "placements__position", "placements__track"
    )
    for name, snapshot_id, first_seen_at, position, track_id in rows:
        ranking = found.setdefault(name, _Ranking(snapshot_id, first_seen_at, {}))
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
    artists = {artist.id: artist for row in rows.values() for artist in row.artists}
    renamed = _store(Artist, [_model(Artist, artist, ARTIST_FIELDS) for artist in artists.values()], ARTIST_FIELDS)
    _store(Track, [_model(Track, row, TRACK_FIELDS) for row in rows.values()], TRACK_FIELDS)
    _store_credits(rows)
    if renamed:
        _fold_again(renamed, but=rows)


def _model(model: type[Stored], row: Row | ArtistRow, names: list[str]) -> Stored:
    return model(spotify_id=row.id, **{name: getattr(row, name) for name in names})


def _store(model: type[Stored], wanted: list[Stored], names: list[str]) -> list[str]:
    """Writes what is new or different, and locks the rest, so that no other listener's pruning takes it meanwhile.

    Returns the keys of what was there and was different.

    Two loads wait for each other in the same order: in that of the keys, and for what is new before anything is locked.
    """
    wanted = sorted(wanted, key=lambda row: row.pk)
    known = set(model._default_manager.filter(pk__in=[row.pk for row in wanted]).values_list("pk", flat=True))
    model._default_manager.bulk_create([row for row in wanted if row.pk not in known], ignore_conflicts=True)
    locked = model._default_manager.select_for_update(no_key=True).filter(pk__in=[row.pk for row in wanted])
    stored = {pk: values for pk, *values in locked.order_by("pk").values_list("pk", *names)}
    changed = [row for row in wanted if _values(row, names) != stored.get(row.pk)]
    model._default_manager.bulk_create(
        changed, update_conflicts=True, unique_fields=["spotify_id"], update_fields=names
    )
    return [row.pk for row in changed if row.pk in stored]


def _values(row: Artist | Track, names: list[str]) -> list[object]:
    """As they come back from the database."""
    return [list(value) if isinstance(value := getattr(row, name), tuple) else value for name in names]


def _store_credits(rows: dict[str, Row]) -> None:
    """Replaces the credits of the tracks on which they differ."""
    stored: dict[str, list[str]] = {key: [] for key in rows}
    for track, artist in Credit.objects.filter(track__in=rows).order_by("position").values_list("track", "artist"):
        stored[track].append(artist)
    changed = [row for row in rows.values() if stored[row.id] != [artist.id for artist in row.artists]]
    if not changed:
        return
    Credit.objects.filter(track__in=[row.id for row in changed]).delete()
    Credit.objects.bulk_create(
        Credit(track_id=row.id, artist_id=artist.id, position=position)
        for row in changed
        for position, artist in enumerate(row.artists, start=1)
    )


def _fold_again(artists: list[str], *, but: Iterable[str]) -> None:
    """Folds the other tracks of these artists, whose names changed; what another load holds, that one folds."""
    credited = Credit.objects.filter(artist__in=artists).exclude(track__in=but).values("track")
    tracks = Track.objects.select_for_update(no_key=True, skip_locked=True).filter(pk__in=credited).with_artists()
    changed = []
    for track in tracks:
        folded = folded_song(track.name, track.album, [artist.name for artist in track.credited_artists])
        if folded != track.folded:
            track.folded = folded
            changed.append(track)
    Track.objects.bulk_update(changed, ["folded"], batch_size=500)
