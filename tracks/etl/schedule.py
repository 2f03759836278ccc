"""When a listener is due again, and who is handed out to the queue. Jitter only lengthens, and is a listener's own."""

import hashlib
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection
from django.utils import timezone

from tracks.etl.results import RefreshResult
from tracks.models import Dispatch, Listener, RefreshRun
from tracks.spotify.errors import RateLimited

# After an outage: five minutes, then twice as long each time, up to six hours.
FIRST_RETRY = timedelta(minutes=5)
LONGEST_RETRY = timedelta(hours=6)
# Of the interval, at most: not everybody's hour begins at the same minute.
JITTER = 0.1
# A task that has not come to anything by then is lost. Below the minute between two dispatches, by more than clocks
# differ: the next one hands its listener out again.
HANDED_OUT_FOR = timedelta(seconds=45)
MOST_HANDED_OUT = 1_000


def after_success(listener: Listener, now: datetime) -> dict[str, object]:
    """What a refresh that worked leaves on its listener: `due_at` (UTC) and `failures`."""
    return {"due_at": now + timedelta(minutes=settings.REFRESH_MINUTES) + _jitter(listener), "failures": 0}


def after_failure(listener: Listener, result: RefreshResult, now: datetime) -> dict[str, object]:
    """The same for one that failed; `due_at` is None where only a new sign-in helps."""
    if result.outcome == RefreshRun.Outcome.SIGN_IN_NEEDED:
        return {"due_at": None}
    if isinstance(result.error, RateLimited):
        return {"due_at": result.error.until + _jitter(listener)}
    wait = min(FIRST_RETRY * 2 ** min(listener.failures, 10), LONGEST_RETRY)
    return {"due_at": now + wait, "failures": min(listener.failures + 1, 1000)}


def note_dispatch() -> None:
    """Leaves a trace that the queue's clock goes, whether or not anybody is due."""
    Dispatch.objects.update_or_create(pk=1, defaults={"at": timezone.now()})


def claim_due(most: int = MOST_HANDED_OUT) -> list[int]:
    """Marks the due listeners as handed out, longest-waiting first, and returns their keys: at most so many.

    One conditional update: of two at the same time each gets others. `due_at` stays, so that who was handed out in
    vain keeps the place in the line.
    """
    now = timezone.now()
    is_postgresql = connection.vendor == "postgresql"
    skip_locked = "FOR UPDATE SKIP LOCKED" if is_postgresql else ""
    # The array keeps PostgreSQL from reading the whole table for the join.
    chosen = "= ANY(ARRAY(SELECT id FROM due))" if is_postgresql else "IN (SELECT id FROM due)"
    moments = [connection.ops.adapt_datetimefield_value(moment) for moment in (now, now + HANDED_OUT_FOR)]
    # A hand-out further ahead than any is made was made by a clock that was wrong.
    sql = f"""
        WITH due AS (
            SELECT id FROM tracks_listener
            WHERE due_at <= %s AND state = %s
                AND (handed_out_until IS NULL OR handed_out_until <= %s OR handed_out_until > %s)
            ORDER BY due_at, id LIMIT %s {skip_locked}
        )
        UPDATE tracks_listener SET handed_out_until = %s WHERE id {chosen} RETURNING due_at, id
    """  # noqa: S608  (constants only)
    longest = connection.ops.adapt_datetimefield_value(now + 2 * HANDED_OUT_FOR)
    values = [moments[0], Listener.State.CONNECTED.value, moments[0], longest, most, moments[1]]
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return [pk for _, pk in sorted(cursor.fetchall())]


def _jitter(listener: Listener) -> timedelta:
    share = int.from_bytes(hashlib.sha256(str(listener.pk).encode()).digest()[:4], "big") / 2**32
    return timedelta(minutes=settings.REFRESH_MINUTES) * JITTER * share
