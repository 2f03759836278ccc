"""Signing in, and what a listener may do with their own chart."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from tracks.etl.service import refresh as refresh_tables
from tracks.models import Listener, RefreshRun, TimeRange
from tracks.ops.bearer import bears, refused
from tracks.ops.limits import at_most
from tracks.ops.notices import notify
from tracks.signin.error_page import RETRY_SECONDS, retry_after
from tracks.views.decorators import host_only, on_loopback_literal


def has_credentials() -> bool:
    return bool(settings.SPOTIPY_CLIENT_ID and settings.SPOTIPY_CLIENT_SECRET)


@require_safe
@on_loopback_literal
def login(request: HttpRequest) -> HttpResponse:
    """What is read and stored, and the button that starts the sign-in."""
    if not has_credentials():
        return redirect("index")
    return render(request, "tracks/login.html")


@csrf_exempt
@require_POST
@at_most(20, group="refresh")
def refresh(request: HttpRequest) -> HttpResponse:
    """Refreshes the host's table, for the host's button or for a machine with REFRESH_TOKEN."""
    if "Authorization" in request.headers:
        return _refresh_for_machine(request)
    if not request.user.is_authenticated:
        return redirect("login")
    return csrf_protect(_refresh_for_host)(request)


@host_only
def _refresh_for_host(request: HttpRequest, host: Listener) -> HttpResponse:
    result = refresh_tables(listener=host, trigger=RefreshRun.Trigger.HOST)
    messages.add_message(request, messages.SUCCESS if result.ok else messages.WARNING, result.summary)
    for warning in result.warnings:
        messages.warning(request, warning)
    time_range = request.POST.get("time_range")
    return redirect(reverse("index") + (f"?time_range={time_range}" if time_range in TimeRange.values else ""))


def _refresh_for_machine(request: HttpRequest) -> JsonResponse:
    if not bears(request, settings.REFRESH_TOKEN):
        return refused("REFRESH_TOKEN")
    host = Listener.objects.filter(is_host=True).first()
    if host is None:
        return JsonResponse({"error": "Nobody has signed in yet; the host must sign in on the site first."}, status=409)
    result = refresh_tables(listener=host, trigger=RefreshRun.Trigger.MACHINE)
    notify(before=host, worked=result.ok)
    if result.ok:
        return JsonResponse(result.as_json())
    statuses: dict[str, int] = {RefreshRun.Outcome.RATE_LIMITED: 429, RefreshRun.Outcome.SIGN_IN_NEEDED: 409}
    status = statuses.get(result.outcome, 503)
    response = JsonResponse(result.as_json() | {"error": result.summary}, status=status)
    if status != 409:
        response["Retry-After"] = (result.error and retry_after(result.error)) or RETRY_SECONDS
    return response


@require_http_methods(["GET", "POST"])
@host_only
def disconnect(request: HttpRequest, host: Listener) -> HttpResponse:
    """Asks, then deletes the listener with everything that was stored of it."""
    if request.method == "GET" or request.POST.get("confirm") != "yes":
        return render(request, "tracks/disconnect.html", {"host": host})
    host.delete()
    request.session.flush()
    messages.success(request, _("Disconnected. Your tokens, your songs and their history are deleted."))
    return redirect("index")
