"""The chart for programs: JSON, CSV, and the earlier service's rows."""

import csv
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from tracks.chart import Chart, as_record, current_chart
from tracks.models import TimeRange
from tracks.moments import utc
from tracks.spreadsheet import neutralised
from tracks.views.decorators import time_range_of

SQL_COLUMNS = ("name", "artist", "album", "popularity", "duration_ms", "release_date", "duration_min", "release_year")
CSV_COLUMNS = (*SQL_COLUMNS, "position", "id", "explicit", "url", "image_url")


@require_safe
def tracks_json(request: HttpRequest) -> HttpResponse:
    return _data(request, lambda chart: JsonResponse({
        "time_range": chart.time_range,
        "updated_at": utc(chart.updated_at),
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
