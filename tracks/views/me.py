"""Signing in, and what a listener may do with their own chart."""

from django.conf import settings
from django.contrib import auth, messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from tracks.addresses import chart_url
from tracks.etl.service import refresh as refresh_charts
from tracks.models import Listener, RefreshRun, TimeRange
from tracks.ops.bearer import bears, is_bearer, refused
from tracks.ops.limits import at_most
from tracks.signin.disconnect import disconnect as delete_everything_of
from tracks.spotify.errors import RETRY_SECONDS
from tracks.views.decorators import on_loopback_literal, own_listener


def has_credentials() -> bool:
    return bool(settings.SPOTIPY_CLIENT_ID and settings.SPOTIPY_CLIENT_SECRET)


@require_safe
@on_loopback_literal
def login(request: HttpRequest) -> HttpResponse:
    """What is read and stored, and the button that starts the sign-in."""
    if not has_credentials():
        return redirect("index")
    return render(request, "tracks/login.html")


@require_POST
def logout(request: HttpRequest) -> HttpResponse:
    """Ends the session, and says so."""
    auth.logout(request)
    messages.success(request, _("You are signed out."))
    return redirect("index")


@csrf_exempt
@require_POST
def refresh(request: HttpRequest) -> HttpResponse:
    """Refreshes the host's chart, for the host's button or for a machine with REFRESH_TOKEN."""
    # A right token first: nobody else's tries may lock the machine out.
    if bears(request, settings.REFRESH_TOKEN):
        return _refresh_for_machine()
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
    messages.add_message(request, messages.SUCCESS if result.ok else messages.WARNING, result.summary)
    for warning in result.warnings:
        messages.warning(request, warning)
    time_range = request.POST.get("time_range")
    return redirect(chart_url("index", time_range=time_range if time_range in TimeRange.values else None))


def _refresh_for_machine() -> JsonResponse:
    host = Listener.objects.host()
    if host is None:
        return JsonResponse({"error": "Nobody has signed in yet; the host must sign in on the site first."}, status=409)
    result = refresh_charts(listener=host, trigger=RefreshRun.Trigger.MACHINE)
    if result.ok:
        return JsonResponse(result.as_json())
    statuses: dict[str, int] = {RefreshRun.Outcome.RATE_LIMITED: 429, RefreshRun.Outcome.SIGN_IN_NEEDED: 409}
    status = statuses.get(result.outcome, 503)
    response = JsonResponse(result.as_json() | {"error": result.summary}, status=status)
    if status != 409:
        response["Retry-After"] = (result.error and result.error.retry_seconds) or RETRY_SECONDS
    return response


@require_http_methods(["GET", "POST"])
@own_listener
def disconnect(request: HttpRequest, listener: Listener) -> HttpResponse:
    """Asks, then deletes the listener with everything that was stored of them."""
    if request.method == "GET" or request.POST.get("confirm") != "yes":
        return render(request, "tracks/disconnect.html")
    delete_everything_of(listener)
    request.session.flush()
    messages.success(request, _("Disconnected. Your tokens, your songs and their history are deleted."))
    return redirect("index")
