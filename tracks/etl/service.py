"""The one service that refreshes a listener's charts, for the command, the button, machines and the sign-in."""

import contextlib
import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from django.conf import settings
from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from tracks.etl import lease, schedule, stage
from tracks.etl.extract import extract
from tracks.etl.lease import Busy, Claimed, TooSoon
from tracks.etl.load import load
from tracks.etl.prune import prune, prune_invitations, prune_runs, prune_unrefreshed
from tracks.etl.results import BUSY, DRY_RUN, TOO_SOON, WAITING, RangeResult, RefreshResult, summarize
from tracks.etl.schedule import HANDED_OUT_FOR, MOST_HANDED_OUT
from tracks.etl.signals import refresh_finished
from tracks.etl.transform import transform
from tracks.models import Listener, RefreshRun, TimeRange
from tracks.spotify import pace, tokens
from tracks.spotify.client import ListenerClient
from tracks.spotify.errors import RateLimited, SignInNeeded, SpotifyError
from tracks.spotify.pace import Places
from tracks.spotify.pause import Service, raise_if_paused
from tracks.spotify.session import BoundedSession

# One deadline for all calls of a refresh, the renewal of the token included.
EXTRACT_SECONDS = 10
# How long somebody who watches waits for places in the quota.
PATIENCE = 5
# What is left of the time given is for the calls, and then for the load.
CALL_SECONDS = 3
LOAD_SECONDS = 1

Outcome = RefreshRun.Outcome

__all__ = ["HANDED_OUT_FOR", "MOST_HANDED_OUT", "Patience", "hand_out", "keep_house", "preview", "refresh"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a refresh may take: so many seconds for its places in the quota, never once `is_over`, and in all until
    `ends_at` (time.monotonic())."""

    seconds: float = PATIENCE
    is_over: Callable[[], bool] = lambda: False
    ends_at: float = math.inf

    @property
    def left(self) -> float:
        """For places and calls, in seconds."""
        return self.ends_at - LOAD_SECONDS - time.monotonic()


@dataclass
class _Work:
    """A refresh at work, and what its ending has to close."""

    listener: Listener
    time_ranges: tuple[str, ...]
    patience: Patience
    trigger: str = ""
    places: Places | None = None
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
    *,
    listener: Listener,
    trigger: str,
    time_ranges: Iterable[str] = tuple(TimeRange.values),
    force: bool = False,
    patience: Patience = Patience(),
) -> RefreshResult:
    """Extracts the listener's top tracks, transforms them, and loads all time ranges in one transaction.

    Takes its places in the common quota first, and waits for them as long as its `patience` lasts. Then holds the
    listener's lease and leaves a RefreshRun. Does nothing while another refresh is at work or,
    without `force`, if every range was confirmed within a minute. However it ends, it logs one line and sends
    `refresh_finished`. Whatever Spotify does becomes a result: only OperationalError and InterfaceError of the
    database are raised.
    """
    work = _Work(listener, tuple(dict.fromkeys(time_ranges)), patience, trigger)
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


def preview(
    *,
    listener: Listener,
    time_ranges: Iterable[str] = tuple(TimeRange.values),
    patience: Patience = Patience(),
) -> RefreshResult:
    """What a refresh would load, under the lease; writes nothing but a renewed token and a pause."""
    work = _Work(listener, tuple(dict.fromkeys(time_ranges)), patience)
    if no_place := _take_places(work):
        return no_place
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


def hand_out() -> list[int]:
    """The keys of the listeners who are due, marked as handed out to the queue; none while Spotify says wait."""
    schedule.note_dispatch()
    return [] if _is_paused() else schedule.claim_due()


def keep_house() -> None:
    """What goes on its day though no refresh touches it; once a round. A database that is busy gets it next time."""
    try:
        rankings, runs = prune_unrefreshed(), prune_runs()
        prune_invitations()
    except (DatabaseError, InterfaceError) as error:
        logger.warning("What is old could not be deleted: %s", type(error).__name__)
        return
    if rankings or runs:
        logger.info("housekeeping rankings=%d runs=%d", rankings, runs)


def _attempt(work: _Work, *, force: bool) -> RefreshResult:
    """The refresh itself; a run that worked is closed with its load, any other is left for `_finish`."""
    force = force or settings.DEMO  # its days are as short as its visitors like
    if reason := lease.look(work.listener, work.time_ranges, force=force):
        return _nothing_to_do(reason)
    # Before the lease, so that nobody holds one while waiting.
    if no_place := _take_places(work):
        return no_place
    claim = lease.claim(work.listener, work.time_ranges, force=force)
    if not isinstance(claim, Claimed):
        return _nothing_to_do(claim)
    work.lease = claim
    try:
        work.run = RefreshRun.objects.create(
            listener=work.listener, trigger=work.trigger, time_ranges=list(work.time_ranges), started_at=timezone.now()
        )
    except IntegrityError:  # the listener has left since
        return _nothing_to_do(Busy())
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


def _take_places(work: _Work) -> RefreshResult | None:
    """Takes a place for each call that is foreseen; the result if there are none to be had in time.

    Nobody waits for them while Spotify says wait: no call is made then, as the refresh finds out by itself.
    """
    calls = len(work.time_ranges) + tokens.is_renewal_due(work.listener)
    first = work.trigger == RefreshRun.Trigger.SIGN_IN
    if calls > pace.most(first=first):
        summary = _("SPOTIFY_CALLS_PER_30_SECONDS is too small: one refresh takes up to %(n)d calls.") % {"n": calls}
        return RefreshResult(outcome=Outcome.FAILED, summary=summary, error_code="quota_too_small")
    seconds = min(work.patience.seconds, work.patience.left - CALL_SECONDS)
    taken = pace.wait(calls, seconds=seconds, first=first, is_over=lambda: work.patience.is_over() or _is_paused())
    if taken is None and not _is_paused():
        return RefreshResult(outcome=WAITING, summary=str(pace.QUOTA_IS_USED_UP), error_code="quota")
    if taken:
        work.places = Places(calls, taken, first=first)
    return None


def _is_paused() -> bool:
    try:
        raise_if_paused(Service.API)
    except RateLimited:
        return True
    return False


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
        seconds = min(EXTRACT_SECONDS, work.patience.left)
        client = ListenerClient(work.listener, BoundedSession(seconds=seconds, places=work.places))
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
        due = schedule.after_success(work.listener, now)
        if not lease.release(work.listener, claim.until, state=Listener.State.CONNECTED, refreshed_at=now, **due):
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
    changes = schedule.after_failure(work.listener, result, timezone.now())
    if result.outcome != Outcome.SIGN_IN_NEEDED:
        lease.release(work.listener, claim.until, **changes)
        return
    lease.release(work.listener, claim.until)
    # Unless the listener signed in again meanwhile.
    Listener.objects.filter(pk=work.listener.pk, authorized_at=work.listener.authorized_at).update(
        state=Listener.State.NEEDS_SIGN_IN, **changes
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
