"""The chart for programs: JSON, CSV, and the earlier service's rows."""

import csv
from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from tracks import chart as reads
from tracks.chart import Chart, as_record
from tracks.models import Listener, TimeRange
from tracks.moments import utc
from tracks.ops.shared import shared
from tracks.spreadsheet import neutralised
from tracks.views.decorators import of_listener, time_range_of

SQL_COLUMNS = ("name", "artist", "album", "popularity", "duration_ms", "release_date", "duration_min", "release_year")
CSV_COLUMNS = (*SQL_COLUMNS, "position", "id", "explicit", "url", "image_url")


View = Callable[[HttpRequest, Chart], HttpResponse]


def data(respond: View) -> Callable[..., HttpResponse]:
    """A view of the chart that any site's script may read: public data, without cookies."""

    @require_safe
    @shared("time_range")
    @of_listener
    @wraps(respond)
    def view(request: HttpRequest, listener: Listener | None) -> HttpResponse:
        time_range = time_range_of(request)
        if time_range is None:
            error = f"time_range must be one of {', '.join(TimeRange.values)}."
            response: HttpResponse = JsonResponse({"error": error}, status=400)
        else:
            response = respond(request, reads.current(listener, time_range))
        response["Access-Control-Allow-Origin"] = "*"
        return response

    return view


@data
def tracks_json(request: HttpRequest, chart: Chart) -> HttpResponse:
    return JsonResponse({
        "time_range": chart.time_range,
        "updated_at": utc(chart.updated_at),
        "tracks": [as_record(placement) for placement in chart.placements],
    })  # fmt: skip


@data
def tracks_sql(request: HttpRequest, chart: Chart) -> HttpResponse:
    """The earlier service's route: an array of rows with its eight keys."""
    records = map(as_record, chart.placements)
    return JsonResponse([{key: record[key] for key in SQL_COLUMNS} for record in records], safe=False)


@data
def tracks_csv(request: HttpRequest, chart: Chart) -> HttpResponse:
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="top-tracks-{chart.time_range}.csv"'
    writer = csv.writer(response)
    writer.writerow(CSV_COLUMNS)
    for placement in chart.placements:
        record = as_record(placement)
        writer.writerow([neutralised(record[column]) for column in CSV_COLUMNS])
    return response
