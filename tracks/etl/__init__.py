"""The one service that refreshes a listener's tables, for the command, the button and the sign-in."""

import contextlib
import logging
import time
from collections.abc import Iterable
from dataclasses import replace
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from tracks.etl import staging
from tracks.etl.extract import extract
from tracks.etl.load import Change, load
from tracks.etl.transform import Table, transform
from tracks.models import Listener, RefreshRun, Snapshot, TimeRange
from tracks.spotify.client import ListenerClient
from tracks.spotify.errors import RateLimited, SignInNeeded, SpotifyError, Unavailable
from tracks.spotify.session import BoundedSession

# One deadline for all calls of a refresh, the renewal of the token included.
EXTRACT_SECONDS = 10
# How long a refresh that was killed keeps others out.
LEASE = timedelta(seconds=60)
# Spotify recomputes the lists about once a day.
LEAST_INTERVAL = timedelta(seconds=60)

Outcome = RefreshRun.Outcome
BUSY = "busy"
TOO_SOON = "too_soon"
DRY_RUN = "dry_run"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RangeResult:
    """One time range of a refresh; extracted is loaded + rejected."""

    time_range: str
    extracted: int
    loaded: int
    rejected: int
    table: Table
    change: Change | None = None

    @property
    def line(self) -> str:
        """The counts, and what changed, in words."""
        counts = f"{self.time_range}: {self.extracted} extracted, {self.loaded} loaded, {self.rejected} rejected"
        if self.change is None:
            return f"{counts}; nothing written"
        if self.change.first:
            return f"{counts}; the first table"
        if not self.change.changed:
            return f"{counts}; unchanged"
        return f"{counts}; {self.change.new} new, {self.change.moved} moved, {self.change.left} left"


@dataclass(frozen=True, kw_only=True)
class RefreshResult:
    """How a refresh went: `outcome` is one of RefreshRun.Outcome, BUSY, TOO_SOON or DRY_RUN."""

    outcome: str
    summary: str
    ranges: tuple[RangeResult, ...] = ()
    warnings: tuple[str, ...] = ()
    error: SpotifyError | None = None

    @property
    def ok(self) -> bool:
        return self.outcome in {Outcome.REFRESHED, Outcome.UNCHANGED, BUSY, TOO_SOON, DRY_RUN}

    def as_json(self) -> dict[str, Any]:
        return {
            "outcome": str(self.outcome),
            "message": self.summary,
            "time_ranges": [
                {"time_range": part.time_range, "extracted": part.extracted, "loaded": part.loaded,
                 "rejected": part.rejected}
                for part in self.ranges
            ],
            "warnings": list(self.warnings),
        }  # fmt: skip


def refresh(
    *, listener: Listener, trigger: str, time_ranges: Iterable[str] = tuple(TimeRange.values), force: bool = False
) -> RefreshResult:
    """Extracts the listener's top tracks, transforms them, and loads all time ranges in one transaction.

    Holds the listener's lease meanwhile and leaves a RefreshRun. Does nothing while another refresh is at work or,
    without `force`, if every range was confirmed within a minute. Whatever Spotify does becomes a result: only
    OperationalError and InterfaceError of the database are raised.
    """
    time_ranges = tuple(dict.fromkeys(time_ranges))
    held_until = lease.claim(listener, time_ranges, force=force)
    if held_until is None:
        return _nothing_to_do(listener)
    started = timezone.now()
    run = RefreshRun.objects.create(
        listener=listener, trigger=trigger, time_ranges=list(time_ranges), started_at=started
    )
    try:
        result = _load(listener, held_until, run, _extract_and_transform(listener, time_ranges))
    except SpotifyError as error:
        if isinstance(error, SignInNeeded) and error.spent:
            tokens.discard(error.spent)
        result = RefreshResult(outcome=_outcome(error), summary=str(error), error=error)
        _fail(listener, held_until, run, result.outcome, error.code)
    except lease.LeaseLost:
        result = RefreshResult(outcome=Outcome.ABANDONED, summary="The refresh took too long; another one took over.")
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
            summary="The refresh failed in a way nobody foresaw; the last table stays. The log has the details.",
        )
        _fail(listener, held_until, run, result.outcome, "internal")
    except BaseException:  # told to stop
        with contextlib.suppress(DatabaseError, InterfaceError):
            _fail(listener, held_until, run, Outcome.ABANDONED, "stopped")
        raise
    seconds = (timezone.now() - started).total_seconds()
    logger.info("Refresh %s of %s by %s: %s in %.1f s", run.pk, listener, trigger, result.outcome, seconds)
    return result


def preview(*, listener: Listener, time_ranges: Iterable[str] = tuple(TimeRange.values)) -> RefreshResult:
    """What a refresh would load, under the lease; writes nothing but a renewed token and a pause."""
    held_until = lease.claim(listener, tuple(time_ranges), force=True)
    if held_until is None:
        return _nothing_to_do(listener)
    try:
        ranges = _extract_and_transform(listener, time_ranges)
    except SpotifyError as error:
        return RefreshResult(outcome=_outcome(error), summary=str(error), error=error)
    finally:
        lease.release(listener, held_until)
    return RefreshResult(outcome=DRY_RUN, summary="Nothing was written.", ranges=ranges)


def _nothing_to_do(listener: Listener) -> RefreshResult:
    if lease.is_held(listener):
        return RefreshResult(outcome=BUSY, summary="Another refresh is at work; its result will show on the page.")
    return RefreshResult(outcome=TOO_SOON, summary="The table is less than a minute old; Spotify was not asked again.")


def _extract_and_transform(listener: Listener, time_ranges: Iterable[str]) -> tuple[RangeResult, ...]:
    client = ListenerClient(listener, BoundedSession(seconds=EXTRACT_SECONDS))
    pages = {name: extract(client, time_range=name, limit=settings.TOP_TRACKS_LIMIT) for name in time_ranges}
    return tuple(
        RangeResult(time_range=name, page=page, table=transform(page["items"])) for name, page in pages.items()
    )


def _load(listener: Listener, held_until: datetime, run: RefreshRun, ranges: tuple[RangeResult, ...]) -> RefreshResult:
    warnings = tuple(filter(None, (staging.stage(listener_id=listener.pk, part=part) for part in ranges)))
    now = timezone.now()
    with transaction.atomic():
        # First, so that the row stays locked until the end and a lost lease costs nothing.
        if not lease.release(listener, held_until, state=Listener.State.CONNECTED):
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
