"""The pages, the data, and the two things a host may do. They read the database and know nothing of Spotify."""

import csv
import re
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import auth, messages
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, InterfaceError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_GET, require_http_methods, require_POST, require_safe

from tracks.bearer import bears, refused
from tracks.chart import Chart, as_record, by_artist, courses, current_chart, left_since
from tracks.chart import history as history_of
from tracks.checks import misspelt_credentials
from tracks.etl import refresh as refresh_tables
from tracks.limits import at_most
from tracks.models import Listener, RefreshRun, Snapshot, TimeRange, Track
from tracks.notices import notify
from tracks.spotify.problems import RETRY_SECONDS, retry_after
from tracks.spreadsheet import neutralised

# Of the history on one page, and of the refreshes in the host's bar.
SNAPSHOTS_A_PAGE = 20
RUNS_SHOWN = 10

View = Callable[..., HttpResponse]

SQL_COLUMNS = ("name", "artist", "album", "popularity", "duration_ms", "release_date", "duration_min", "release_year")
CSV_COLUMNS = (*SQL_COLUMNS, "position", "id", "explicit", "url", "image_url")


def on_loopback_literal(view: View) -> View:
    """Sends who opened `localhost` to 127.0.0.1: Spotify refuses `localhost`, and a session does not move along."""

    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        host, _, port = request.get_host().partition(":")
        if host == "localhost" and not request.is_secure():
            return HttpResponseRedirect(f"http://127.0.0.1{':' if port else ''}{port}{request.get_full_path()}")
        return view(request, *args, **kwargs)

    return wrapper


def host_only(view: View) -> View:
    """Sends an anonymous visitor to sign in; anyone else who is not the host gets a 403."""

    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return redirect("login")
        host = Listener.objects.filter(is_host=True, account__user=request.user).first()
        if host is None:
            raise PermissionDenied(_("Only the host may do this. Sign in with the host's Spotify account."))
        return view(request, host, *args, **kwargs)

    return wrapper


def time_range_of(request: HttpRequest) -> TimeRange | None:
    """The time range asked for, the short one if none is, or None for an unknown one."""
    value = request.GET.get("time_range", TimeRange.SHORT_TERM)
    return TimeRange(value) if value in TimeRange.values else None


def _time_range_or_404(request: HttpRequest) -> TimeRange:
    time_range = time_range_of(request)
    if time_range is None:
        raise Http404(_("There is no such time range."))
    return time_range


def has_credentials() -> bool:
    return bool(settings.SPOTIPY_CLIENT_ID and settings.SPOTIPY_CLIENT_SECRET)


@require_safe
@on_loopback_literal
def index(request: HttpRequest) -> HttpResponse:
    """The host's chart, or what to do before there is one."""
    chart = current_chart(_time_range_or_404(request))
    if chart.host is None and not has_credentials():
        facts = {"redirect_uri": _redirect_uri(request), "misspelt": misspelt_credentials()}
        return render(request, "tracks/setup.html", facts)
    if chart.host is None:
        return render(request, "tracks/waiting.html")
    is_host = chart.is_hosted_by(request.user)
    context = {
        "chart": chart,
        "left": left_since(chart) if chart.is_compared else [],
        "is_host": is_host,
        "runs": chart.host.runs.order_by("-started_at")[:RUNS_SHOWN] if is_host else [],
    }
    return render(request, "tracks/chart.html", context)


def _redirect_uri(request: HttpRequest) -> str:
    return request.build_absolute_uri(reverse("spotify_callback"))


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


@require_safe
def artists(request: HttpRequest) -> HttpResponse:
    """The artists of the current table with their songs."""
    chart = current_chart(_time_range_or_404(request))
    return render(request, "tracks/artists.html", {"chart": chart, "artists": by_artist(chart.placements)})


@require_safe
def track(request: HttpRequest, spotify_id: str) -> HttpResponse:
    """One song: what it is, and how it fared in each time range."""
    found = get_object_or_404(Track.objects.with_artists(), pk=spotify_id)
    its_courses = courses(found)
    if not its_courses:
        raise Http404(_("The song never stood in the host's chart."))
    return render(request, "tracks/track.html", {"track": found, "courses": its_courses})


@require_safe
def history(request: HttpRequest) -> HttpResponse:
    """The tables of a time range as they were, newest first."""
    time_range = _time_range_or_404(request)
    page = request.GET.get("page", "1")
    if not settings.HISTORY_DAYS or not re.fullmatch(r"[1-9][0-9]{0,5}", page):
        raise Http404(_("There is no such page of the history."))
    start = (int(page) - 1) * SNAPSHOTS_A_PAGE
    # One more than shown tells whether there is a next page, without counting the whole history.
    snapshots = list(history_of(time_range)[start : start + SNAPSHOTS_A_PAGE + 1])
    if start and not snapshots:
        raise Http404(_("The history does not go back that far."))
    context = {
        "time_range": time_range,
        "snapshots": snapshots[:SNAPSHOTS_A_PAGE],
        "newer_page": int(page) - 1,
        "older_page": int(page) + 1 if len(snapshots) > SNAPSHOTS_A_PAGE else None,
    }
    return render(request, "tracks/history.html", context)


@require_safe
def snapshot(request: HttpRequest, pk: int) -> HttpResponse:
    """A table as it was, with the way to the one before and the one after."""
    if not settings.HISTORY_DAYS:
        raise Http404(_("This site keeps no history."))
    found = get_object_or_404(Snapshot.objects.of_host(), pk=pk)
    siblings = Snapshot.objects.of_host().filter(time_range=found.time_range)
    context = {
        "snapshot": found,
        "time_range": TimeRange(found.time_range),
        "placements": found.placements.with_tracks(),
        "older": siblings.filter(first_seen_at__lt=found.first_seen_at).order_by("-first_seen_at").first(),
        "newer": siblings.filter(first_seen_at__gt=found.first_seen_at).order_by("first_seen_at").first(),
    }
    return render(request, "tracks/snapshot.html", context)


@require_safe
def privacy(request: HttpRequest) -> HttpResponse:
    """What is read, stored, for how long, and how to end it."""
    return render(request, "tracks/privacy.html")


@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    return render(request, "robots.txt", content_type="text/plain; charset=utf-8")


@require_safe
def manifest(request: HttpRequest) -> JsonResponse:
    """What a phone shows of the site on its home screen (W3C Web Application Manifest)."""
    icons = [
        {"src": static(f"tracks/icons/mark-{size}.png"), "sizes": f"{size}x{size}", "type": "image/png"}
        for size in (192, 512)
    ]
    return JsonResponse(
        {
            "name": settings.SITE_NAME,
            "short_name": settings.SITE_NAME[:12],
            "start_url": reverse("index"),
            "display": "browser",
            "background_color": "#fbf8f3",
            "theme_color": "#fbf8f3",
            "icons": icons,
        },
        content_type="application/manifest+json",
    )


@require_safe
def tracks_json(request: HttpRequest) -> HttpResponse:
    return _data(request, lambda chart: JsonResponse({
        "time_range": chart.time_range,
        "updated_at": _utc(chart.updated_at),
        "tracks": [as_record(placement) for placement in chart.placements],
    }))  # fmt: skip


@require_safe
def tracks_csv(request: HttpRequest) -> HttpResponse:
    return _data(request, _csv)


@require_safe
def tracks_sql(request: HttpRequest) -> HttpResponse:
    """The earlier service's route: an array of rows with its eight keys."""
    return _data(request, lambda chart: JsonResponse(
        [{key: record[key] for key in SQL_COLUMNS} for record in map(as_record, chart.placements)], safe=False
    ))  # fmt: skip


def _data(request: HttpRequest, respond: Callable[[Chart], HttpResponse]) -> HttpResponse:
    time_range = time_range_of(request)
    if time_range is None:
        error = f"time_range must be one of {', '.join(TimeRange.values)}."
        response: HttpResponse = JsonResponse({"error": error}, status=400)
    else:
        response = respond(current_chart(time_range))
    # Public data, without cookies: any site's script may read it.
    response["Access-Control-Allow-Origin"] = "*"
    return response


def _csv(chart: Chart) -> HttpResponse:
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="top-tracks-{chart.time_range}.csv"'
    writer = csv.writer(response)
    writer.writerow(CSV_COLUMNS)
    for placement in chart.placements:
        record = as_record(placement)
        writer.writerow([neutralised(record[column]) for column in CSV_COLUMNS])
    return response


def _utc(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z") if moment else None


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


@never_cache
@require_GET
def health(request: HttpRequest) -> JsonResponse:
    """Whether the database answers, the age of the last good refresh in seconds, and when to sign in again."""
    try:
        host = Listener.objects.filter(is_host=True).first()
    except (DatabaseError, InterfaceError):
        return JsonResponse({"status": "error", "database": "unreachable"}, status=503)
    refreshed_at = host.refreshed_at if host else None
    return JsonResponse(
        {
            "status": "ok",
            "database": "ok",
            "last_refresh_age_seconds": int((timezone.now() - refreshed_at).total_seconds()) if refreshed_at else None,
            "sign_in_again_by": _utc(host.sign_in_again_by) if host else None,
            "sign_in_needed": host is None or host.state == Listener.State.NEEDS_SIGN_IN,
        }
    )
