"""A year of a listener's charts, told in sentences."""

from datetime import MAXYEAR, MINYEAR

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from tracks import year as reads
from tracks.models import Listener
from tracks.ops.shared import shared
from tracks.views.decorators import of_listener, time_range_or_404


@require_safe
@shared("time_range")
@of_listener
def year(request: HttpRequest, listener: Listener | None, year: int) -> HttpResponse:
    """What a year's charts were like, as far as they are kept."""
    time_range = time_range_or_404(request)
    is_kept = settings.HISTORY_DAYS and MINYEAR < year < MAXYEAR
    told = reads.look_back(listener, time_range, year) if is_kept else None
    if told is None:
        raise Http404(_("There are no charts of this year."))
    known = reads.years(listener, time_range)
    context = {
        "listener": listener,
        "section": "history",
        "time_range": time_range,
        "year": told,
        "has_cards": settings.CARDS,
        "older": year - 1 if year - 1 in known else None,
        "newer": year + 1 if year + 1 in known else None,
    }
    return render(request, "tracks/year.html", context)
