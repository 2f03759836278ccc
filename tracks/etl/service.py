"""The one service that refreshes a listener's charts, for the command, the button, machines and the sign-in."""

import contextlib
import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from tracks.etl import lease, stage
from tracks.etl.extract import extract
from tracks.etl.lease import Busy, Claimed, TooSoon
from tracks.etl.load import load
from tracks.etl.prune import prune
from tracks.etl.results import BUSY, DRY_RUN, TOO_SOON, RangeResult, RefreshResult, summarize
from tracks.etl.signals import refresh_finished
from tracks.etl.transform import transform
from tracks.models import Listener, RefreshRun, TimeRange
from tracks.spotify import tokens
from tracks.spotify.client import ListenerClient
from tracks.spotify.errors import SignInNeeded, SpotifyError
from tracks.spotify.session import BoundedSession

# One deadline for all calls of a refresh, the renewal of the token included.
EXTRACT_SECONDS = 10

Outcome = RefreshRun.Outcome

logger = logging.getLogger(__name__)


@dataclass
class _Work:
    """A refresh at work, and what its ending has to close."""

    listener: Listener
    time_ranges: tuple[str, ...]
    trigger: str = ""
    lease: Claimed | None = None
    run: RefreshRun | None = None
    milliseconds: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.milliseconds[stage] = round((time.perf_counter() - started) * 1000, 1)


def refresh(
    *, listener: Listener, trigger: str, time_ranges: Iterable[str] = tuple(TimeRange.values), force: bool = False
) -> RefreshResult:
    """Extracts the listener's top tracks, transforms them, and loads all time ranges in one transaction.

    Holds the listener's lease meanwhile and leaves a RefreshRun. Does nothing while another refresh is at work or,
    without `force`, if every range was confirmed within a minute. However it ends, it logs one line and sends
    `refresh_finished`. Whatever Spotify does becomes a result: only OperationalError and InterfaceError of the
    database are raised.
    """
    work = _Work(listener, tuple(dict.fromkeys(time_ranges)), trigger)
    try:
        result = _attempt(work, force=force)
    except (OperationalError, InterfaceError):
        connection.close_if_unusable_or_obsolete()
        _finish(work, RefreshResult(outcome=Outcome.FAILED, summary="", error_code="database"))
        raise
    except Exception:
        logger.exception("A refresh of %s failed in a way nobody foresaw", listener)
        result = RefreshResult(
            outcome=Outcome.FAILED,
            summary=_("The refresh failed in a way nobody foresaw; the last chart stays. The log has the details."),
            error_code="internal",
        )
    except BaseException:  # told to stop
        _finish(work, RefreshResult(outcome=Outcome.ABANDONED, summary="", error_code="stopped"))
        raise
    return _finish(work, result)


def preview(*, listener: Listener, time_ranges: Iterable[str] = tuple(TimeRange.values)) -> RefreshResult:
    """What a refresh would load, under the lease; writes nothing but a renewed token and a pause."""
    work = _Work(listener, tuple(dict.fromkeys(time_ranges)))
    claim = lease.claim(listener, work.time_ranges, force=True)
    if not isinstance(claim, Claimed):
        return _nothing_to_do(claim)
    try:
        ranges = _extract_and_transform(work)
    except SpotifyError as error:
        return RefreshResult.of_error(error)
    finally:
        lease.release(listener, claim.until)
    return RefreshResult(outcome=DRY_RUN, summary=_("Nothing was written."), ranges=ranges)


def _attempt(work: _Work, *, force: bool) -> RefreshResult:
    """The refresh itself; a run that worked is closed with its load, any other is left for `_finish`."""
    # The demo's days are as short as its visitors like.
    claim = lease.claim(work.listener, work.time_ranges, force=force or settings.DEMO)
    if not isinstance(claim, Claimed):
        return _nothing_to_do(claim)
    work.lease = claim
    work.run = RefreshRun.objects.create(
        listener=work.listener, trigger=work.trigger, time_ranges=list(work.time_ranges), started_at=timezone.now()
    )
    try:
        ranges = _extract_and_transform(work)
        with work.timed("load"):
            return _load(work, work.run, claim, ranges)
    except SpotifyError as error:
        if isinstance(error, SignInNeeded) and error.spent:
            tokens.discard(error.spent)
        return RefreshResult.of_error(error)
    except lease.LeaseLost:
        return RefreshResult(
            outcome=Outcome.ABANDONED,
            summary=_("The refresh took too long; another took over."),
            error_code="lease_lost",
        )


def _nothing_to_do(claim: Busy | TooSoon) -> RefreshResult:
    match claim:
        case Busy():
            summary = _("Another refresh is at work; its result will show on the page.")
            return RefreshResult(outcome=BUSY, summary=summary)
        case TooSoon():
            summary = _("The chart is less than a minute old; Spotify was not asked.")
            return RefreshResult(outcome=TOO_SOON, summary=summary)


def _extract_and_transform(work: _Work) -> tuple[RangeResult, ...]:
    with work.timed("extract"):
        client = ListenerClient(work.listener, BoundedSession(seconds=EXTRACT_SECONDS))
        pages = {name: extract(client, time_range=name, limit=settings.TOP_TRACKS_LIMIT) for name in work.time_ranges}
    with work.timed("transform"):
        return tuple(
            RangeResult(time_range=name, page=page, table=transform(page["items"])) for name, page in pages.items()
        )


def _load(work: _Work, run: RefreshRun, claim: Claimed, ranges: tuple[RangeResult, ...]) -> RefreshResult:
    warnings = tuple(filter(None, (stage.stage(listener_id=work.listener.pk, part=part) for part in ranges)))
    now = timezone.now()
    with transaction.atomic():
        # First, so that the row stays locked until the end and a lost lease costs nothing.
        if not lease.release(work.listener, claim.until, state=Listener.State.CONNECTED, refreshed_at=now):
            raise lease.LeaseLost
        changes = load(listener=work.listener, tables={part.time_range: part.table for part in ranges}, now=now)
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


def _finish(work: _Work, result: RefreshResult) -> RefreshResult:
    """The one ending: closes the run, prunes, logs one line, and tells whoever follows. Returns the result."""
    try:
        if work.lease and not result.worked:
            _close(work, work.lease, result)
        if work.run and result.error_code not in {"database", "stopped"}:
            prune(work.listener)
    except (DatabaseError, InterfaceError) as error:
        logger.warning("The end of a refresh could not be written: %s", type(error).__name__)
    except Exception:
        logger.exception("The end of a refresh of %s could not be written", work.listener)
    _log(work, result)
    refresh_finished.send_robust(
        sender=Listener,
        listener=work.listener,
        trigger=work.trigger,
        result=result,
        milliseconds=work.milliseconds,
    )
    return result


def _close(work: _Work, claim: Claimed, result: RefreshResult) -> None:
    """Closes the run and gives the lease back; the chart stays as it is."""
    if work.run:
        RefreshRun.objects.filter(pk=work.run.pk).update(
            outcome=result.outcome, error_code=result.error_code, finished_at=timezone.now()
        )
    lease.release(work.listener, claim.until)
    if result.outcome == Outcome.SIGN_IN_NEEDED:
        # Unless the listener signed in again meanwhile.
        Listener.objects.filter(pk=work.listener.pk, authorized_at=work.listener.authorized_at).update(
            state=Listener.State.NEEDS_SIGN_IN
        )


def _log(work: _Work, result: RefreshResult) -> None:
    facts = {
        "run": work.run.pk if work.run else None,
        "listener": work.listener.pk,
        "trigger": str(work.trigger),
        "time_ranges": list(work.time_ranges),
        "outcome": str(result.outcome),
        "error": result.error_code or None,
        "extracted": sum(part.extracted for part in result.ranges),
        "loaded": sum(part.loaded for part in result.ranges),
        "rejected": sum(part.rejected for part in result.ranges),
        **{f"{stage}_ms": milliseconds for stage, milliseconds in work.milliseconds.items()},
    }
    logger.info("refresh %s", " ".join(f"{name}={value}" for name, value in facts.items()), extra=facts)
