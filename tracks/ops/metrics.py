"""`/metrics` for Prometheus: how long requests take, how refreshes end, how old the table is."""

import os
import time
from collections.abc import Callable, Iterable
from datetime import timedelta

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.db import DatabaseError, InterfaceError
from django.db.models import Count, Q
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from tracks.api.errors import json_errors
from tracks.etl.results import RefreshResult
from tracks.etl.signals import refresh_finished
from tracks.models import Dispatch, Listener, RefreshRun
from tracks.ops.bearer import bears, refused

# A queue that keeps up needs a minute or two.
OVERDUE_AFTER = timedelta(minutes=10)
METHODS = {"GET", "HEAD", "POST", "OPTIONS"}

DURATION = Histogram(
    "http_request_duration_seconds",
    "Time from a request's arrival in Django to its answer, by the address's pattern.",
    ["method", "route", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


REFRESHES = Counter(
    "top_twenty_site_refreshes",
    "Refreshes that the site's own processes ended, by trigger and outcome; cron's are in the figures of 24 hours.",
    ["trigger", "outcome"],
)


@receiver(refresh_finished)
def count_refresh(*, trigger: str, result: RefreshResult, **kwargs: object) -> None:
    REFRESHES.labels(str(trigger), str(result.outcome)).inc()


class RequestDurations:
    """Middleware for the very top: measures every request, if METRICS_TOKEN is set."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        if not settings.METRICS_TOKEN:
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        response = self.get_response(request)
        DURATION.labels(
            request.method if request.method in METHODS else "other", route(request), response.status_code
        ).observe(time.perf_counter() - started)
        return response


def route(request: HttpRequest) -> str:
    """The pattern of the address, not the address itself: nobody can fill the memory by asking for many."""
    if request.resolver_match:
        return f"/{request.resolver_match.route}"
    # Static files are answered before the address is looked up.
    return settings.STATIC_URL if request.path_info.startswith(settings.STATIC_URL) else "unknown"


class Refreshes(Collector):
    """What the database knows, because refreshes run in other processes too. Nothing of it while it is away."""

    def collect(self) -> Iterable[GaugeMetricFamily]:
        up = GaugeMetricFamily("top_twenty_database_up", "Whether the database answers.")
        try:
            facts = [*refreshes(), *listeners(), *sign_in()]
            up.add_metric([], 1)
        except (DatabaseError, InterfaceError):
            facts = []
            up.add_metric([], 0)
        return [up, *facts]


def refreshes() -> Iterable[GaugeMetricFamily]:
    since = timezone.now() - timedelta(hours=24)
    recent = RefreshRun.objects.filter(started_at__gte=since).values_list("outcome").annotate(Count("pk"))
    counts = dict(recent.order_by())
    family = GaugeMetricFamily(
        "top_twenty_refreshes_last_24_hours", "Refreshes that began within 24 hours.", labels=["outcome"]
    )
    for outcome in RefreshRun.Outcome.values:
        family.add_metric([outcome], counts.get(outcome, 0))
    yield family


def listeners() -> Iterable[GaugeMetricFamily]:
    now = timezone.now()
    due = Listener.objects.due(now).order_by()
    counts = due.aggregate(waiting=Count("pk"), overdue=Count("pk", filter=Q(due_at__lt=now - OVERDUE_AFTER)))
    yield GaugeMetricFamily("top_twenty_listeners_waiting", "Listeners who are due for a refresh.", counts["waiting"])
    yield GaugeMetricFamily(
        "top_twenty_listeners_overdue", "Listeners who have been due for more than 10 minutes.", counts["overdue"]
    )
    if dispatch := Dispatch.objects.first():
        age = (now - dispatch.at).total_seconds()
        yield GaugeMetricFamily("top_twenty_dispatch_age_seconds", "Time since the queue handed out who is due.", age)


def sign_in() -> Iterable[GaugeMetricFamily]:
    host = Listener.objects.host()
    needed = host is None or host.state == Listener.State.NEEDS_SIGN_IN
    yield GaugeMetricFamily("top_twenty_sign_in_needed", "Whether the host must sign in (again).", value=needed)
    if host is None:
        return
    now = timezone.now()
    if host.refreshed_at:
        age = (now - host.refreshed_at).total_seconds()
        yield GaugeMetricFamily("top_twenty_table_age_seconds", "Time since the last good refresh.", value=age)
    left = (host.sign_in_again_by - now).total_seconds()
    yield GaugeMetricFamily("top_twenty_sign_in_seconds_left", "Time until Spotify ends the sign-in.", value=left)


@json_errors
@never_cache
@require_GET
def metrics(request: HttpRequest) -> HttpResponse:
    """The figures of all workers in Prometheus's text format, for a machine with METRICS_TOKEN."""
    if not bears(request, settings.METRICS_TOKEN):
        return refused("METRICS_TOKEN")
    registry = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(DURATION)
        registry.register(REFRESHES)
    registry.register(Refreshes())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
