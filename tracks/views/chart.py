"""The pages of a chart as it is now, its songs and its artists."""

import re

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from tracks import chart as reads
from tracks import songs
from tracks.models import Listener
from tracks.ops.checks import misspelt_credentials
from tracks.ops.shared import shared
from tracks.views.decorators import of_listener, on_loopback_literal, time_range_or_404
from tracks.views.me import has_credentials
from tracks.views.share import offer

# Of the refreshes in the host's bar.
RUNS_SHOWN = 10


@require_safe
@on_loopback_literal
@shared("time_range")
@of_listener
def index(request: HttpRequest, listener: Listener | None) -> HttpResponse:
    """The host's chart, or what to do before there is one."""
    time_range = time_range_or_404(request)
    if listener is None and not has_credentials():
        redirect_uri = request.build_absolute_uri(reverse("spotify_callback"))
        facts = {"redirect_uri": redirect_uri, "misspelt": misspelt_credentials()}
        return render(request, "tracks/setup.html", facts)
    if listener is None:
        return render(request, "tracks/waiting.html", {"others": Listener.objects.exists()})
    chart = reads.current(listener, time_range)
    context = {
        "listener": listener,
        "section": "chart",
        "time_range": time_range,
        "chart": chart,
        "records": songs.records(listener, chart) if settings.HISTORY_DAYS else {},
        "share": offer(request, listener, chart),
    }
    if listener.is_user(request.user):
        context |= {"me": listener, "runs": listener.runs.order_by("-started_at")[:RUNS_SHOWN]}
    return render(request, "tracks/chart.html", context)


@require_safe
@shared("time_range")
@of_listener
def artists(request: HttpRequest, listener: Listener | None) -> HttpResponse:
    """The artists of the current chart with their songs."""
    chart = reads.current(listener, time_range_or_404(request))
    context = {
        "listener": listener,
        "section": "artists",
        "time_range": chart.time_range,
        "chart": chart,
        "artists": reads.by_artist(chart.placements),
    }
    return render(request, "tracks/artists.html", context)


@require_safe
@shared("time_range", "page")
@of_listener
def artist(request: HttpRequest, listener: Listener | None, spotify_id: str) -> HttpResponse:
    """An artist's songs that ever stood in this time range, those in the chart now first."""
    time_range = time_range_or_404(request)
    page = request.GET.get("page", "1")
    if not re.fullmatch(r"[1-9][0-9]{0,3}", page):
        raise Http404(_("There is no such page of the list."))
    found = songs.artist(listener, spotify_id)
    if found is None:
        raise Http404(_("Nothing by this artist ever stood in this chart."))
    start = (int(page) - 1) * songs.SONGS_A_PAGE
    stood = songs.songs_of(listener, found, time_range, start=start)
    if start and not stood:
        raise Http404(_("There is no such page of the list."))
    shown = [song for song in stood[: songs.SONGS_A_PAGE] if song.now or settings.HISTORY_DAYS]
    context = {
        "listener": listener,
        "time_range": time_range,
        "artist": found,
        "now": [song for song in shown if song.now],
        "earlier": [song for song in shown if not song.now],
        "line": shown[0].line if shown else None,
        "page": int(page),
        "previous_page": int(page) - 1,
        "next_page": int(page) + 1 if len(stood) > songs.SONGS_A_PAGE else None,
    }
    return render(request, "tracks/artist.html", context)


@require_safe
@shared()
@of_listener
def track(request: HttpRequest, listener: Listener | None, spotify_id: str) -> HttpResponse:
    """One song: what it is, and how it fared in each time range."""
    found = songs.stood(listener, spotify_id)
    histories = songs.track_history(listener, found) if found else []
    if not histories:
        raise Http404(_("The song never stood in this chart."))
    return render(request, "tracks/track.html", {"listener": listener, "track": found, "histories": histories})
