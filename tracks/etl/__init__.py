"""The one service that refreshes a listener's tables, for the command, the button and the sign-in."""

import contextlib
import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from tracks.etl import lease, staging
from tracks.etl.extract import extract
from tracks.etl.load import load
from tracks.etl.results import BUSY, DRY_RUN, TOO_SOON, RangeResult, RefreshResult, summarize
from tracks.etl.transform import transform
from tracks.models import Listener, RefreshRun, TimeRange
from tracks.spotify import tokens
from tracks.spotify.client import ListenerClient
from tracks.spotify.errors import RateLimited, SignInNeeded, SpotifyError, Unavailable
from tracks.spotify.session import BoundedSession

# One deadline for all calls of a refresh, the renewal of the token included.
EXTRACT_SECONDS = 10

Outcome = RefreshRun.Outcome

logger = logging.getLogger(__name__)


def refresh(
    *, listener: Listener, trigger: str, time_ranges: Iterable[str] = tuple(TimeRange.values), force: bool = False
) -> RefreshResult:
    """Extracts the listener's top tracks, transforms them, and loads all time ranges in one transaction.

    Holds the listener's lease meanwhile and leaves a RefreshRun. Does nothing while another refresh is at work or,
    without `force`, if every range was confirmed within a minute. Whatever Spotify does becomes a result: only
    OperationalError and InterfaceError of the database are raised.
    """
    time_ranges = tuple(dict.fromkeys(time_ranges))
    # The demo's days are as short as its visitors like.
    held_until = lease.claim(listener, time_ranges, force=force or settings.DEMO)
    if held_until is None:
        return _nothing_to_do(listener)
    run = RefreshRun.objects.create(
        listener=listener, trigger=trigger, time_ranges=list(time_ranges), started_at=timezone.now()
    )
    milliseconds: dict[str, float] = {}
    try:
        ranges = _extract_and_transform(listener, time_ranges, milliseconds)
        with _timed(milliseconds, "load"):
            result = _load(listener, held_until, run, ranges)
    except SpotifyError as error:
        if isinstance(error, SignInNeeded) and error.spent:
            tokens.discard(error.spent)
        result = RefreshResult(outcome=_outcome(error), summary=str(error), error=error)
        _fail(listener, held_until, run, result.outcome, error.code)
    except lease.LeaseLost:
        result = RefreshResult(outcome=Outcome.ABANDONED, summary=_("The refresh took too long; another took over."))
        _fail(listener, held_until, run, result.outcome, "lease_lost")
    except (OperationalError, InterfaceError):
        with contextlib.suppress(DatabaseError, InterfaceError):
            connection.close_if_unusable_or_obsolete()
            _fail(listener, held_until, run, Outcome.FAILED, "database")
        raise
    except Exception:
        logger.exception("A refresh of %s failed in a way nobody foresaw", listener)
        result = RefreshResult(
            outcome=Outcome.FAILED,
            summary=_("The refresh failed in a way nobody foresaw; the last chart stays. The log has the details."),
        )
        _fail(listener, held_until, run, result.outcome, "internal")
    except BaseException:  # told to stop
        with contextlib.suppress(DatabaseError, InterfaceError):
            _fail(listener, held_until, run, Outcome.ABANDONED, "stopped")
        raise
    _log(run, result, milliseconds)
    return result


def preview(*, listener: Listener, time_ranges: Iterable[str] = tuple(TimeRange.values)) -> RefreshResult:
    """What a refresh would load, under the lease; writes nothing but a renewed token and a pause."""
    held_until = lease.claim(listener, tuple(time_ranges), force=True)
    if held_until is None:
        return _nothing_to_do(listener)
    try:
        ranges = _extract_and_transform(listener, time_ranges, {})
    except SpotifyError as error:
        return RefreshResult(outcome=_outcome(error), summary=str(error), error=error)
    finally:
        lease.release(listener, held_until)
    return RefreshResult(outcome=DRY_RUN, summary=_("Nothing was written."), ranges=ranges)


@contextlib.contextmanager
def _timed(milliseconds: dict[str, float], stage: str) -> Iterator[None]:
    started = time.perf_counter()
    try:
        yield
    finally:
        milliseconds[stage] = round((time.perf_counter() - started) * 1000, 1)


def _log(run: RefreshRun, result: RefreshResult, milliseconds: dict[str, float]) -> None:
    facts = {
        "run": run.pk,
        "listener": run.listener_id,
        "trigger": str(run.trigger),
        "time_ranges": run.time_ranges,
        "outcome": str(result.outcome),
        "error": result.error.code if result.error else None,
        "extracted": sum(part.extracted for part in result.ranges),
        "loaded": sum(part.loaded for part in result.ranges),
        "rejected": sum(part.rejected for part in result.ranges),
        **{f"{stage}_ms": milliseconds for stage, milliseconds in milliseconds.items()},
    }
    logger.info("refresh %s", " ".join(f"{name}={value}" for name, value in facts.items()), extra=facts)


def _nothing_to_do(listener: Listener) -> RefreshResult:
    if lease.is_held(listener):
        return RefreshResult(outcome=BUSY, summary=_("Another refresh is at work; its result will show on the page."))
    return RefreshResult(outcome=TOO_SOON, summary=_("The chart is less than a minute old; Spotify was not asked."))


def _extract_and_transform(
    listener: Listener, time_ranges: Iterable[str], milliseconds: dict[str, float]
) -> tuple[RangeResult, ...]:
    with _timed(milliseconds, "extract"):
        client = ListenerClient(listener, BoundedSession(seconds=EXTRACT_SECONDS))
        pages = {name: extract(client, time_range=name, limit=settings.TOP_TRACKS_LIMIT) for name in time_ranges}
    with _timed(milliseconds, "transform"):
        return tuple(
            RangeResult(time_range=name, page=page, table=transform(page["items"])) for name, page in pages.items()
        )


def _load(listener: Listener, held_until: datetime, run: RefreshRun, ranges: tuple[RangeResult, ...]) -> RefreshResult:
    warnings = tuple(filter(None, (staging.stage(listener_id=listener.pk, part=part) for part in ranges)))
    now = timezone.now()
    with transaction.atomic():
        # First, so that the row stays locked until the end and a lost lease costs nothing.
        if not lease.release(listener, held_until, state=Listener.State.CONNECTED, refreshed_at=now):
            raise lease.LeaseLost
        changes = load(listener=listener, tables={part.time_range: part.table for part in ranges}, now=now)
        outcome = Outcome.REFRESHED if any(change.changed for change in changes.values()) else Outcome.UNCHANGED
        RefreshRun.objects.filter(pk=run.pk).update(
            outcome=outcome,
            finished_at=now,
            extracted=sum(part.extracted for part in ranges),
            loaded=sum(part.loaded for part in ranges),
            rejected=sum(part.rejected for part in ranges),
            rejects=[
                {"time_range": part.time_range, "position": reject.position, "reason": reject.reason}
                for part in ranges
                for reject in part.table.rejects
            ],
        )
    ranges = tuple(replace(part, change=changes[part.time_range]) for part in ranges)
    return RefreshResult(outcome=outcome, summary=summarize(ranges), ranges=ranges, warnings=warnings)


def _fail(listener: Listener, held_until: datetime, run: RefreshRun, outcome: str, error_code: str) -> None:
    """Closes the run and gives the lease back; the table stays as it is."""
    RefreshRun.objects.filter(pk=run.pk).update(outcome=outcome, error_code=error_code, finished_at=timezone.now())
    lease.release(listener, held_until)
    if outcome == Outcome.SIGN_IN_NEEDED:
        # Unless the host signed in again meanwhile.
        Listener.objects.filter(pk=listener.pk, authorized_at=listener.authorized_at).update(
            state=Listener.State.NEEDS_SIGN_IN
        )


def _outcome(error: SpotifyError) -> str:
    match error:
        case RateLimited():
            return Outcome.RATE_LIMITED
        case Unavailable():
            return Outcome.UNAVAILABLE
        case SignInNeeded():
            return Outcome.SIGN_IN_NEEDED
    return Outcome.FAILED
