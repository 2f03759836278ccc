"""The pages of a chart as it was."""

import re

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from tracks import chart as reads
from tracks.models import Listener, TimeRange
from tracks.ops.shared import shared
from tracks.views.decorators import of_listener, time_range_or_404

SNAPSHOTS_A_PAGE = 20


@require_safe
@shared("time_range", "page")
@of_listener
def history(request: HttpRequest, listener: Listener | None) -> HttpResponse:
    """The charts of a time range as they were, newest first."""
    time_range = time_range_or_404(request)
    page = request.GET.get("page", "1")
    if not settings.HISTORY_DAYS or not re.fullmatch(r"[1-9][0-9]{0,5}", page):
        raise Http404(_("There is no such page of the history."))
    start = (int(page) - 1) * SNAPSHOTS_A_PAGE
    # One more than shown tells whether there is a next page, without counting the whole history.
    snapshots = list(reads.history(listener, time_range)[start : start + SNAPSHOTS_A_PAGE + 1])
    if start and not snapshots:
        raise Http404(_("The history does not go back that far."))
    context = {
        "listener": listener,
        "section": "history",
        "time_range": time_range,
        "snapshots": snapshots[:SNAPSHOTS_A_PAGE],
        "newer_page": int(page) - 1,
        "older_page": int(page) + 1 if len(snapshots) > SNAPSHOTS_A_PAGE else None,
    }
    return render(request, "tracks/history.html", context)


@require_safe
@shared()
@of_listener
def snapshot(request: HttpRequest, listener: Listener | None, pk: int) -> HttpResponse:
    """A chart as it was, with the way to the one before and the one after."""
    found = reads.snapshot(listener, pk) if settings.HISTORY_DAYS else None
    if found is None:
        raise Http404(_("The history has no such chart."))
    older, newer = reads.neighbours(found)
    placements = list(found.placements.with_tracks())
    context = {
        "listener": listener,
        "section": "history",
        "time_range": TimeRange(found.time_range),
        "snapshot": found,
        "placements": placements,
        "count": len(placements),
        "older": older,
        "newer": newer,
    }
    return render(request, "tracks/snapshot.html", context)
