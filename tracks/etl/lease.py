"""Who may refresh a listener: one at a time, by a conditional update, for LEASE at most."""

from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from tracks.models import Listener, RefreshRun, Snapshot

# How long a refresh that was killed keeps others out; its calls end after 10 s.
LEASE = timedelta(seconds=60)
# Spotify recomputes the lists about once a day.
LEAST_INTERVAL = timedelta(seconds=60)


class LeaseLost(Exception):
    """The lease ran out, or the listener left, while the refresh was at work: what it found is not loaded."""


def claim(listener: Listener, time_ranges: tuple[str, ...], *, force: bool) -> datetime | None:
    """Takes the lease and returns until when it holds (UTC), or None.

    None means that another refresh holds it or, without `force`, that every time range was confirmed within a minute.
    """
    now = timezone.now()
    free = Listener.objects.filter(Q(lease_until=None) | Q(lease_until__lte=now), pk=listener.pk)
    if not force:
        fresh = Q()
        for time_range in time_ranges:
            fresh &= Q(
                Exists(
                    Snapshot.objects.filter(
                        listener=OuterRef("pk"),
                        time_range=time_range,
                        confirmed_at__gt=now - LEAST_INTERVAL,
                        confirmed_at__lte=now,
                    )
                )
            )
        free = free.exclude(fresh)
    lease = now + LEASE
    if not free.update(lease_until=lease):
        return None
    if listener.lease_until is not None:
        # It ran out: the refresh that held it was killed.
        RefreshRun.objects.filter(listener=listener, outcome=RefreshRun.Outcome.RUNNING).update(
            outcome=RefreshRun.Outcome.ABANDONED, error_code="killed", finished_at=now
        )
    return lease


def is_held(listener: Listener) -> bool:
    return Listener.objects.filter(pk=listener.pk, lease_until__gt=timezone.now()).exists()


def release(listener: Listener, lease: datetime, **changes: object) -> bool:
    """Gives the lease back, together with other changes of the listener; False if it was ours no more."""
    ours = Listener.objects.filter(pk=listener.pk, lease_until=lease)
    return bool(ours.update(lease_until=None, **changes))
