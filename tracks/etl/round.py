"""Many listeners, a few at a time: one who fails never stops another."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial

from django.db import InterfaceError, OperationalError, connections
from django.utils.translation import gettext as _

from tracks.etl.results import TOO_SOON, WAITING, RefreshResult
from tracks.etl.service import Patience
from tracks.models import Listener, RefreshRun

# A refresh that has less than that is not begun.
LEAST_SECONDS = 5


def refresh_each(
    listeners: Iterable[Listener],
    refresh: Callable[..., RefreshResult],
    *,
    at_once: int,
    seconds: float = float("inf"),
    is_over: threading.Event | None = None,
) -> Iterator[tuple[Listener, RefreshResult | None]]:
    """Calls refresh(listener=, patience=) for each, `at_once` at a time; yields each with its result as it comes.

    All end within the seconds. When Spotify says wait, `is_over` is set or there is no time for another, nobody is
    begun with any more, who waits for a place in the quota gives up, and those who are left come with None. Who was
    refreshed by another process since the listeners were read is left in peace. Raises OperationalError or
    InterfaceError once the database is gone, when those at work have ended.
    """
    queue = iter(listeners)
    ends_at = time.monotonic() + seconds
    is_over = is_over or threading.Event()
    patience = Patience(seconds=float("inf"), is_over=is_over.is_set, ends_at=ends_at)
    at_work: dict[Future[RefreshResult], Listener] = {}
    with ThreadPoolExecutor(at_once, thread_name_prefix="refresh") as pool:
        try:
            while True:
                if time.monotonic() > ends_at - LEAST_SECONDS:
                    is_over.set()
                while len(at_work) < at_once and not is_over.is_set() and (listener := next(queue, None)):
                    work = partial(refresh, listener=listener, patience=patience)
                    at_work[pool.submit(_refresh, listener, work)] = listener
                if not at_work:
                    break
                # With an end: what handles a signal that came just before would run only after it.
                for future in wait(at_work, timeout=1, return_when=FIRST_COMPLETED).done:
                    result = future.result()
                    if result.outcome == RefreshRun.Outcome.RATE_LIMITED:
                        is_over.set()
                    yield at_work.pop(future), None if result.outcome == WAITING else result
        finally:
            is_over.set()
    for listener in queue:
        yield listener, None


def _refresh(listener: Listener, work: Callable[[], RefreshResult]) -> RefreshResult:
    """The result; a database that refused this one, and still answers, is this listener's trouble alone."""
    try:
        if not Listener.objects.filter(pk=listener.pk, refreshed_at=listener.refreshed_at).exists():
            return RefreshResult(outcome=TOO_SOON, summary=_("Another process has refreshed this chart meanwhile."))
        return work()
    except (OperationalError, InterfaceError):
        connections.close_all()
        Listener.objects.exists()
        return RefreshResult(
            outcome=RefreshRun.Outcome.FAILED,
            summary=_("The database was busy; the last chart stays. Try again later."),
            error_code="database",
        )
    finally:
        connections.close_all()
