"""Former rankings go HISTORY_DAYS after they were last seen, and with them the songs that stand in no other."""

from datetime import datetime, timedelta

from django.conf import settings

from tracks.models import Artist, Listener, Snapshot, TimeRange, Track


def keep() -> timedelta:
    """How long a former ranking is kept."""
    return timedelta(days=settings.HISTORY_DAYS)


def prune(*, listener: Listener, now: datetime) -> None:
    """Deletes the listener's former snapshots that were last seen too long ago, never the current ones."""
    current = Snapshot.objects.current(listener, TimeRange.values).values("pk")
    overdue = Snapshot.objects.filter(listener=listener).last_seen_before(now - keep()).exclude(pk__in=current)
    if overdue.delete()[0]:
        delete_unheard()


def delete_unheard() -> None:
    """Deletes tracks that stand in no ranking, and artists without tracks: Spotify's content is not kept for ever."""
    Track.objects.filter(placements=None).delete()
    Artist.objects.filter(credits=None).delete()
