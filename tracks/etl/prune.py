"""Former rankings go HISTORY_DAYS after they were last seen, and with them the songs that stand in no other."""

from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from tracks.models import Artist, Credit, Listener, Placement, Snapshot, TimeRange, Track


def prune(listener: Listener) -> int:
    """Deletes the listener's former snapshots that were last seen too long ago, never the current ones.

    Returns how many went. A transaction of its own: it goes on its day whether or not the refresh works.
    """
    current = Snapshot.objects.current(listener, TimeRange.values).values("pk")
    seen_until = timezone.now() - timedelta(days=settings.HISTORY_DAYS)
    overdue = Snapshot.objects.filter(listener=listener).last_seen_before(seen_until).exclude(pk__in=current)
    snapshots = list(overdue.values_list("pk", flat=True))
    if snapshots:
        with transaction.atomic():
            delete_snapshots(snapshots)
    return len(snapshots)


def delete_snapshots(snapshots: Iterable[int]) -> None:
    """Deletes these snapshots, and the tracks and artists that stood in them and are now referenced by nothing.

    Call it in a transaction. Artists are locked before tracks and each in order, as the load does it, so that the two
    cannot wait for each other. Under the lock nobody can place or credit what is about to go.
    """
    snapshots = list(snapshots)
    tracks = set(Placement.objects.filter(snapshot__in=snapshots).values_list("track", flat=True))
    artists = set(Credit.objects.filter(track__in=tracks).values_list("artist", flat=True))
    _lock(Artist, artists)
    _lock(Track, tracks)
    Snapshot.objects.filter(pk__in=snapshots).delete()
    Track.objects.filter(pk__in=tracks, placements=None).delete()
    Artist.objects.filter(pk__in=artists, credits=None).delete()


def _lock(model: type[Artist] | type[Track], keys: set[str]) -> None:
    rows = model._default_manager.select_for_update().filter(pk__in=keys).order_by("pk")
    list(rows.values_list("pk"))
