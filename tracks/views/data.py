"""The chart and its past for programs: JSON, CSV, and the earlier service's rows."""

import csv
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from tracks import chart as reads
from tracks import history, songs
from tracks.api import answers, openapi
from tracks.api.errors import error, json_errors
from tracks.chart import Chart
from tracks.models import Listener, TimeRange
from tracks.ops.shared import shared
from tracks.spreadsheet import neutralised
from tracks.views.decorators import of_listener, time_range_of

SQL_COLUMNS = tuple(answers.Row.model_fields)
CSV_COLUMNS = (*SQL_COLUMNS, "position", "id", "explicit", "url", "image_url")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

View = Callable[..., HttpResponse]


def for_any_site(view: View) -> View:
    """Lets any site's script read the answer, errors included: public data, without cookies."""

    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        response["Access-Control-Allow-Origin"] = "*"
        return response

    return wrapper


# The chart


def data(respond: Callable[[Chart], HttpResponse]) -> View:
    """A view of the chart as it is now."""

    @for_any_site
    @json_errors
    @require_safe
    @shared("time_range")
    @of_listener
    @wraps(respond)
    def view(request: HttpRequest, listener: Listener | None) -> HttpResponse:
        time_range = time_range_of(request)
        if time_range is None:
            return no_such_time_range()
        return respond(reads.current(listener, time_range))

    return view


def no_such_time_range() -> HttpResponse:
    return error(f"time_range must be one of {', '.join(TimeRange.values)}.", status=400)


def chart_songs(chart: Chart) -> list[answers.ChartSong]:
    return [answers.ChartSong.of(placement.track, position=placement.position) for placement in chart.placements]


@data
def tracks_json(chart: Chart) -> HttpResponse:
    answer = answers.Chart(time_range=chart.time_range, updated_at=chart.updated_at, tracks=chart_songs(chart))
    return JsonResponse(answer.as_json())


@data
def tracks_sql(chart: Chart) -> HttpResponse:
    """The earlier service's route: an array of rows with its eight keys."""
    rows = [answers.Row(**song.model_dump(include=set(SQL_COLUMNS))) for song in chart_songs(chart)]
    return JsonResponse([row.as_json() for row in rows], safe=False)


@data
def tracks_csv(chart: Chart) -> HttpResponse:
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="top-tracks-{chart.time_range}.csv"'
    writer = csv.writer(response)
    writer.writerow(CSV_COLUMNS)
    for song in chart_songs(chart):
        record = song.as_json()
        writer.writerow([neutralised(record[column]) for column in CSV_COLUMNS])
    return response


# The past


@for_any_site
@json_errors
@require_safe
@shared("time_range", unkept=("since", "cursor"))
@of_listener
def history_json(request: HttpRequest, listener: Listener | None) -> HttpResponse:
    """The charts of a time range as they were, newest first, a page of them."""
    if not settings.HISTORY_DAYS:
        raise Http404(_("This site keeps no history."))
    time_range = time_range_of(request)
    if time_range is None:
        return no_such_time_range()
    since, before = request.GET.get("since"), request.GET.get("cursor")
    if since is not None and moment_of(since) is None:
        return error("since must be a day (2026-12-31) or a time (2026-12-31T08:00:00Z), in UTC.", status=400)
    if before is not None and not re.fullmatch(openapi.CURSOR, before):
        return error("cursor must be what `next` of an answer has.", status=400)
    snapshots, has_older = history.page(
        listener,
        time_range,
        since=moment_of(since) if since else None,
        before=EPOCH + int(before, 16) * MICROSECOND if before else None,
    )
    older = None
    if has_older:
        query = {"time_range": time_range} | ({"since": since} if since else {})
        # A place in time: charts that come meanwhile move nothing.
        cursor = f"{(snapshots[-1].first_seen_at - EPOCH) // MICROSECOND:x}"
        older = request.build_absolute_uri(f"{request.path}?{urlencode(query | {'cursor': cursor})}")
    answer = answers.History(
        time_range=time_range, snapshots=[answers.FormerChart.of(snapshot) for snapshot in snapshots], next=older
    )
    return JsonResponse(answer.as_json())


def moment_of(text: str) -> datetime | None:
    """The moment that a day or a time of ISO 8601 means, UTC where it names no zone; None for anything else."""
    if not re.fullmatch(openapi.SINCE, text):
        return None
    try:
        moment = datetime.fromisoformat(text.upper())
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except ValueError:
        return None
    except OverflowError:  # in UTC it is in the year 0, or in the year 10,000
        return moment.replace(tzinfo=UTC)


@for_any_site
@json_errors
@require_safe
@shared()
@of_listener
def track_json(request: HttpRequest, listener: Listener | None, spotify_id: str) -> HttpResponse:
    """One song, and how it fared in each time range."""
    track = songs.stood(listener, spotify_id)
    histories = songs.track_history(listener, track) if track else []
    if not track or not histories:
        raise Http404(_("The song never stood in this chart."))
    told = [answers.SongHistory.of(one) for one in histories] if settings.HISTORY_DAYS else []
    return JsonResponse(answers.SongWithHistory.of(track, history=told).as_json())


# The document


@for_any_site
@json_errors
@require_safe
@shared()
def openapi_json(request: HttpRequest) -> HttpResponse:
    """What the addresses for programs take and answer (OpenAPI 3.1)."""
    return JsonResponse(openapi.document(site=request.build_absolute_uri("/").rstrip("/")))
