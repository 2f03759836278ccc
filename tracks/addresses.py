"""Where a listener's pages are: the one place that builds their addresses."""

from typing import Any

from django.urls import reverse
from django.utils.http import urlencode

from tracks.models import TimeRange


def chart_url(name: str, *args: Any, time_range: str | None = None, **query: Any) -> str:
    """The address of a page of the chart, by the name of its pattern.

    The default time range is left out of it, and so is a query parameter that is None.
    """
    parameters = {key: value for key, value in query.items() if value is not None}
    if time_range and time_range != TimeRange.SHORT_TERM:
        parameters = {"time_range": str(time_range), **parameters}
    return reverse(name, args=args) + (f"?{urlencode(parameters)}" if parameters else "")
