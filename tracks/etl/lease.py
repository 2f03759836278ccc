"""Who may refresh a listener: one at a time, by a conditional update, for LEASE at most."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from tracks.models import Listener, RefreshRun, Snapshot

# How long a refresh that was killed keeps others out; its calls end after 10 s.
LEASE = timedelta(seconds=60)
CLOCK_SLACK = timedelta(seconds=10)
# Spotify recomputes the lists about once a day.
LEAST_INTERVAL = timedelta(seconds=60)


@dataclass(frozen=True)
class Claimed:
    """The lease is ours until then (UTC)."""

    until: datetime


@dataclass(frozen=True)
class Busy:
    """Another refresh holds the lease, or the listener has left."""


@dataclass(frozen=True)
class TooSoon:
    """Every time range asked for was confirmed within LEAST_INTERVAL."""


class LeaseLost(Exception):
    """The lease ran out, or the listener left, while the refresh was at work: what it found is not loaded."""


def look(listener: Listener, time_ranges: tuple[str, ...], *, force: bool) -> Busy | TooSoon | None:
    """What `claim` would probably say, taking nothing; None if it would probably be Claimed."""
    now = timezone.now()
    if not Listener.objects.filter(_is_free(now), pk=listener.pk).exists():
        return Busy()
    return TooSoon() if not force and _is_fresh(listener, time_ranges, now) else None


def claim(listener: Listener, time_ranges: tuple[str, ...], *, force: bool) -> Claimed | Busy | TooSoon:
    """Takes the lease; without `force` gives it back at once if every time range is fresh."""
    now = timezone.now()
    until = now + LEASE
    if not Listener.objects.filter(_is_free(now), pk=listener.pk).update(lease_until=until):
        return Busy()
    if not force and _is_fresh(listener, time_ranges, now):
        release(listener, until)
        return TooSoon()
    # Whoever held the lease before us is gone: a run that is still open was killed.
    RefreshRun.objects.filter(listener=listener, outcome=RefreshRun.Outcome.RUNNING).update(
        outcome=RefreshRun.Outcome.ABANDONED, error_code="killed", finished_at=now
    )
    return Claimed(until)


def release(listener: Listener, until: datetime, **changes: object) -> bool:
    """Gives the lease back, together with other changes of the listener; False if it was ours no more."""
    ours = Listener.objects.filter(pk=listener.pk, lease_until=until)
    return bool(ours.update(lease_until=None, **changes))


def _is_free(now: datetime) -> Q:
    # A lease further ahead than any is given, also by a clock that is a little off, was taken by one that was wrong.
    return Q(lease_until=None) | Q(lease_until__lte=now) | Q(lease_until__gt=now + LEASE + CLOCK_SLACK)


def _is_fresh(listener: Listener, time_ranges: tuple[str, ...], now: datetime) -> bool:
    confirmed = (
        Snapshot.objects.filter(
            listener=listener,
            time_range__in=time_ranges,
            confirmed_at__gt=now - LEAST_INTERVAL,
            # Another machine's clock may be a little ahead.
            confirmed_at__lte=now + CLOCK_SLACK,
        )
        .values("time_range")
        .distinct()
    )
    return confirmed.count() == len(set(time_ranges))
