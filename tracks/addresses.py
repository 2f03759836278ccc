"""Where a listener's pages are: the one place that builds their addresses."""

from typing import Any

from django.urls import reverse
from django.utils.http import urlencode

from tracks.models import Listener, TimeRange


def chart_url(listener: Listener | None, name: str, *args: Any, time_range: str | None = None, **query: Any) -> str:
    """The address of a page of this listener, by the name of its pattern: the host's at /, others' below /@handle/.

    Without a listener it is the host's. The default time range is left out, and so is a query parameter that is None.
    """
    parameters = {key: value for key, value in query.items() if value is not None}
    if time_range and time_range != TimeRange.SHORT_TERM:
        parameters = {"time_range": str(time_range), **parameters}
    if listener is None or listener.is_host:
        path = reverse(name, args=args)
    else:
        path = reverse(f"listener:{name}", args=[listener.handle, *args])
    return path + (f"?{urlencode(parameters)}" if parameters else "")
