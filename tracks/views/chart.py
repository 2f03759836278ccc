"""The pages: the host's chart now and as it was, its songs and its artists."""

import re

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from tracks.chart import by_artist, courses, current_chart, left_since
from tracks.chart import history as history_of
from tracks.models import Snapshot, TimeRange, Track
from tracks.views.decorators import on_loopback_literal, time_range_or_404
from tracks.views.me import has_credentials

# Of the history on one page, and of the refreshes in the host's bar.
SNAPSHOTS_A_PAGE = 20
RUNS_SHOWN = 10


@require_safe
@on_loopback_literal
def index(request: HttpRequest) -> HttpResponse:
    """The host's chart, or what to do before there is one."""
    chart = current_chart(time_range_or_404(request))
    if chart.host is None and not has_credentials():
        return render(request, "tracks/setup.html", {"redirect_uri": _redirect_uri(request)})
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
def artists(request: HttpRequest) -> HttpResponse:
    """The artists of the current table with their songs."""
    chart = current_chart(time_range_or_404(request))
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
    time_range = time_range_or_404(request)
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
