"""Pictures of a chart, as they were drawn by tracks.cards; a picture that is missing is waited for, a little."""

import logging
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from django.conf import settings
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.templatetags.static import static
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from tracks import year as years
from tracks.addresses import chart_url
from tracks.cards import data, process, store
from tracks.chart import Chart
from tracks.models import Card, Listener, Snapshot
from tracks.ops.shared import lasting, shared
from tracks.views.decorators import of_listener, time_range_or_404
from tracks.views.embed import answer_for

# For a picture that is being drawn, in seconds; and how many visitors of one worker wait at a time.
PATIENCE = 4.0
STEP = 0.1
MOST_WAITING = 4
# How long a picture that could not be drawn is not tried again.
NOT_AGAIN = 30.0
MOST_REMEMBERED = 1000

# Nothing but shapes, and emoji as images within the file.
SVG_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

logger = logging.getLogger(__name__)

_places = threading.BoundedSemaphore(MOST_WAITING)
_failed: OrderedDict[tuple[int, str], float] = OrderedDict()


@require_safe
@shared("time_range", "lang")
@of_listener
def card(request: HttpRequest, listener: Listener | None, kind: str) -> HttpResponse:
    """The current chart as a picture of this kind ("card.png", ...)."""
    time_range = time_range_or_404(request)
    language = language_or_404(request)
    snapshot = store.newest(listener, time_range)
    if listener is None or snapshot is None:
        raise Http404(_("There is no chart yet."))
    response = picture(listener, snapshot, kind=kind, language=language, design=data.design())
    if response.status_code == 200 and listener.is_host:
        lasting(response, data.version(listener, snapshot.pk))
    return response


@require_safe
@shared("time_range", "lang")
@of_listener
def line(request: HttpRequest, listener: Listener | None, year: int, line: str) -> HttpResponse:
    """A line of a listener's year as a picture."""
    time_range = time_range_or_404(request)
    language = language_or_404(request)
    snapshot = store.newest(listener, time_range)
    told = years.look_back(listener, time_range, year) if settings.HISTORY_DAYS and 1 < year < 9999 else None
    if listener is None or snapshot is None or told is None:
        raise Http404(_("There are no charts of this year."))
    with translation.override(language):
        said = data.of_year(listener, told, line)
    if said is None:
        raise Http404(_("There is no such picture."))
    kind = store.kind_of_line(year, line)
    return picture(listener, snapshot, kind=kind, language=language, design=data.digest_of(said))


def picture(listener: Listener, snapshot: Snapshot, *, kind: str, language: str, design: str) -> HttpResponse:
    """The picture; while it cannot be had the plain one, or a 503 where too many wait for theirs."""
    card = store.find(listener, snapshot, kind=kind, language=language, design=design)
    if card is None and settings.CARDS and not _has_failed(snapshot, kind):
        if not _places.acquire(blocking=False):
            return HttpResponse(status=503, headers={"Retry-After": "2"})
        try:
            card = _wait(listener, snapshot, kind=kind, language=language, design=design)
        finally:
            _places.release()
    if card is None:
        response: HttpResponse = HttpResponseRedirect(static("tracks/icons/share.png"))
        response["Cache-Control"] = "no-cache" if not listener.is_host else "public, max-age=30"
        return response
    file_format = kind.rpartition(".")[2]
    response = HttpResponse(store.body_of(card), content_type=data.CONTENT_TYPES[file_format])
    response["Content-Language"] = language
    if file_format == "svg":
        response["Content-Security-Policy"] = SVG_POLICY
    return response


def _wait(listener: Listener, snapshot: Snapshot, *, kind: str, language: str, design: str) -> Card | None:
    """Has the picture drawn; None if that fails or takes too long."""
    ends_at = time.monotonic() + PATIENCE
    ours = None
    while time.monotonic() < ends_at:
        try:
            ours = ours or process.wake(snapshot=snapshot.pk, kind=kind)
            has_ended = ours is not None and ours.poll() is not None
        except process.NoProcess as error:
            logger.warning("Cards are not drawn: %s", error)
            has_ended = True
        card = store.find(listener, snapshot, kind=kind, language=language, design=design)
        if card or has_ended:
            if card is None:
                _failed[snapshot.pk, kind] = time.monotonic()
                while len(_failed) > MOST_REMEMBERED:
                    _failed.popitem(last=False)
            return card
        # Nobody keeps one of the worker's few connections while sleeping.
        connection.close_if_unusable_or_obsolete()
        time.sleep(STEP)
    return None


def _has_failed(snapshot: Snapshot, kind: str) -> bool:
    """Whether it could not be drawn a moment ago."""
    return time.monotonic() - _failed.get((snapshot.pk, kind), float("-inf")) < NOT_AGAIN


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What the chart's page offers to carry elsewhere; `version` is that of the pictures, "" where none are made."""

    address: str
    embed: str
    version: str
    day: str
    is_seen_by_others: bool


def offer(request: HttpRequest, listener: Listener, chart: Chart) -> Offer | None:
    """None while there are no songs."""
    if chart.number is None or not chart.placements or not chart.updated_at:
        return None
    frame = answer_for(request, listener, chart.time_range, maxwidth=None, maxheight=None)
    address = request.build_absolute_uri(chart_url(listener, "index", time_range=chart.time_range))
    return Offer(
        address=address,
        embed=frame.html,
        version=data.version(listener, chart.number) if settings.CARDS else "",
        day=f"{chart.updated_at:%Y-%m-%d}",
        is_seen_by_others=listener.visibility != Listener.Visibility.PRIVATE,
    )


def language_or_404(request: HttpRequest) -> str:
    """The language asked for, the visitor's own if none is. Raises Http404 for one that the site does not have."""
    wanted = request.GET.get("lang")
    if wanted is None:
        return translation.get_language() or settings.LANGUAGE_CODE
    if wanted not in store.languages():
        raise Http404(_("There is no such picture."))
    return wanted
