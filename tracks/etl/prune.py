"""What goes on its day: former rankings HISTORY_DAYS after they were last seen, with the songs that stand in no other,
and how refreshes went after RUN_DAYS."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from tracks.models import (
    Artist,
    Credit,
    Invitation,
    Listener,
    Placement,
    RefreshRun,
    Refusal,
    Snapshot,
    TimeRange,
    Track,
)

RUN_DAYS = 90
INVITATION_DAYS = 30
# Of one statement: a long absence is caught up with in short transactions.
BATCH = 10_000


def prune(listener: Listener) -> int:
    """Deletes the listener's former snapshots that were last seen too long ago, never the current ones.

    Returns how many went. A transaction of its own: it goes on its day whether or not the refresh works.
    """
    overdue = Snapshot.objects.filter(listener=listener).last_seen_before(_seen_until())
    if not overdue.exists():  # as after most refreshes
        return 0
    current = Snapshot.objects.current(listener, TimeRange.values).values("pk")
    snapshots = list(overdue.exclude(pk__in=current).values_list("pk", flat=True))
    if snapshots:
        with transaction.atomic():
            delete_snapshots(snapshots)
    return len(snapshots)


def prune_unrefreshed() -> int:
    """Prunes those who need to sign in, since no refresh does it any more; returns how many rankings went."""
    newer = Snapshot.objects.filter(
        listener=OuterRef("listener"), time_range=OuterRef("time_range"), first_seen_at__gt=OuterRef("first_seen_at")
    )
    overdue = Snapshot.objects.last_seen_before(_seen_until()).filter(Exists(newer), listener=OuterRef("pk"))
    unrefreshed = Listener.objects.filter(Exists(overdue), state=Listener.State.NEEDS_SIGN_IN)
    return sum(prune(listener) for listener in unrefreshed)


def prune_runs() -> int:
    """Deletes how refreshes went that began more than RUN_DAYS ago; returns how many."""
    gone = 0
    old = RefreshRun.objects.filter(started_at__lt=timezone.now() - timedelta(days=RUN_DAYS)).order_by("started_at")
    while keys := list(old.values_list("pk", flat=True)[:BATCH]):
        gone += RefreshRun.objects.filter(pk__in=keys).delete()[0]
    return gone


def prune_invitations() -> None:
    """Deletes the invitations that lapsed, and the refusals that were, more than INVITATION_DAYS ago."""
    long_ago = timezone.now() - timedelta(days=INVITATION_DAYS)
    Invitation.objects.filter(expires_at__lt=long_ago).delete()
    Refusal.objects.filter(at__lt=long_ago).delete()


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


def _seen_until() -> datetime:
    return timezone.now() - timedelta(days=settings.HISTORY_DAYS)


def _lock(model: type[Artist] | type[Track], keys: set[str]) -> None:
    rows = model._default_manager.select_for_update().filter(pk__in=keys).order_by("pk")
    list(rows.values_list("pk"))
