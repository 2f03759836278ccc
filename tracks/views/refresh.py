"""POST /refresh: a listener's own button, and machines that have REFRESH_TOKEN; and what they ask beforehand."""

import time
from functools import partial

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST, require_safe

from tracks.addresses import chart_url
from tracks.api import answers
from tracks.api.errors import error, json_errors
from tracks.etl.lease import LEAST_INTERVAL
from tracks.etl.results import RefreshResult
from tracks.etl.round import refresh_each
from tracks.etl.service import Patience, keep_house
from tracks.etl.service import refresh as refresh_charts
from tracks.models import Listener, RefreshRun, TimeRange
from tracks.ops.bearer import bears, is_bearer, refused
from tracks.ops.limits import at_most
from tracks.spotify.errors import RETRY_SECONDS
from tracks.views.decorators import own_listener

# For all of them: what a machine waits for, and what a platform lets a request take.
ROUND_SECONDS = 20
MOST_OTHERS = MOST_DUE = 1_000


@json_errors
@require_POST
def refresh(request: HttpRequest) -> HttpResponse:
    """Refreshes a listener's own charts, for the button, or everybody's for a machine with REFRESH_TOKEN."""
    # A right token first: nobody else's tries may lock the machine out.
    if bears(request, settings.REFRESH_TOKEN):
        return _refresh_for_machine(request)
    return _refresh_for_others(request)


@at_most(20, group="refresh")
def _refresh_for_others(request: HttpRequest) -> HttpResponse:
    # Another scheme is a proxy's own, such as a password before the whole site.
    if is_bearer(request):
        return refused("REFRESH_TOKEN")
    if not request.user.is_authenticated:
        return redirect("login")
    return csrf_protect(_refresh_own)(request)


@own_listener
def _refresh_own(request: HttpRequest, listener: Listener) -> HttpResponse:
    result = refresh_charts(listener=listener, trigger=RefreshRun.Trigger.HOST)
    summary = result.summary
    if result.outcome == RefreshRun.Outcome.SIGN_IN_NEEDED and not listener.is_host:
        summary = _("Spotify no longer accepts your sign-in; the last chart stays. Sign in again.")
    messages.add_message(request, messages.SUCCESS if result.ok else messages.WARNING, summary)
    for warning in result.warnings:
        messages.warning(request, warning)
    time_range = request.POST.get("time_range")
    return redirect(chart_url(listener, "index", time_range=time_range if time_range in TimeRange.values else None))


def _refresh_for_machine(request: HttpRequest) -> JsonResponse:
    """One listener by `?listener=KEY`; else the host, and then the longest-waiting others while time lasts."""
    ends_at = time.monotonic() + ROUND_SECONDS
    refresh_one = partial(refresh_charts, trigger=RefreshRun.Trigger.MACHINE)
    if (key := request.GET.get("listener")) is not None:
        listener = (
            Listener.objects.filter(pk=key).first() if key.isascii() and key.isdigit() and len(key) < 20 else None
        )
        if listener is None:
            return error("There is no such listener any more.", status=404)
        of_one = refresh_one(listener=listener, patience=Patience(ends_at=ends_at))
        # Who refreshes one by one has no rounds.
        keep_house()
        return _answer(of_one)
    host = Listener.objects.host()
    result = refresh_one(listener=host, patience=Patience(ends_at=ends_at)) if host else None
    is_over = result is not None and result.outcome == RefreshRun.Outcome.RATE_LIMITED
    others = _refresh_others(seconds=0 if is_over else ends_at - time.monotonic())
    keep_house()
    if result is None:
        message = "Nobody has signed in yet; the host must sign in on the site first."
        return JsonResponse(answers.NotRefreshed(error=message, others=others).as_json(), status=409)
    return _answer(result, others=others)


def _refresh_others(*, seconds: float) -> answers.Others:
    others = Listener.objects.waiting(timezone.now() - LEAST_INTERVAL).exclude(is_host=True)
    counts = {"refreshed": 0, "failed": 0, "waiting": max(0, others.count() - MOST_OTHERS)}
    for _listener, result in refresh_each(
        others[:MOST_OTHERS],
        partial(refresh_charts, trigger=RefreshRun.Trigger.MACHINE),
        at_once=settings.REFRESH_CONCURRENCY,
        seconds=seconds,
    ):
        counts["waiting" if result is None else "refreshed" if result.ok else "failed"] += 1
    return answers.Others(**counts)


def _answer(result: RefreshResult, **more: object) -> JsonResponse:
    facts = result.as_json() | more
    if result.ok:
        return JsonResponse(answers.Refreshed(**facts).as_json())
    statuses: dict[str, int] = {RefreshRun.Outcome.RATE_LIMITED: 429, RefreshRun.Outcome.SIGN_IN_NEEDED: 409}
    status = statuses.get(result.outcome, 503)
    response = JsonResponse(answers.NotRefreshed(**facts, error=result.summary).as_json(), status=status)
    if status != 409:
        response["Retry-After"] = (result.error and result.error.retry_seconds) or RETRY_SECONDS
    return response


@json_errors
@never_cache
@require_safe
def due(request: HttpRequest) -> JsonResponse:
    """The listeners whose refresh is due, longest-waiting first, for a machine that refreshes each by itself."""
    if not bears(request, settings.REFRESH_TOKEN):
        return refused("REFRESH_TOKEN")
    now = timezone.now()
    waiting = [
        answers.DueListener(listener=str(pk), overdue_seconds=int((now - at).total_seconds()))
        for pk, at in Listener.objects.due(now).values_list("pk", "due_at")[:MOST_DUE]
        if at
    ]
    return JsonResponse(answers.Due(due=waiting).as_json())
