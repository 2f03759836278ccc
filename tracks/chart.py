"""The one read behind the page, the JSON and the CSV: the host's current table of a time range."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import OuterRef, Subquery

from tracks.models import Listener, Placement, Snapshot, TimeRange


@dataclass(frozen=True, kw_only=True)
class Chart:
    """The host's table; `updated_at` (UTC) is None until the first refresh, `host` until the first sign-in."""

    time_range: TimeRange
    host: Listener | None
    updated_at: datetime | None
    placements: list[Placement]

    def is_hosted_by(self, user: User | AnonymousUser) -> bool:
        return self.host is not None and user.pk is not None and self.host.account.user_id == user.pk


def current_chart(time_range: TimeRange) -> Chart:
    """The host's current table, in two queries."""
    newest = Snapshot.objects.filter(listener__is_host=True, time_range=time_range).newest_first()[:1]
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
