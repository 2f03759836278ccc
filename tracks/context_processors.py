from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from tracks.models import TimeRange


def site(request: HttpRequest) -> dict[str, Any]:
    """What every page shows of the site itself."""
    return {
        "SITE_NAME": settings.SITE_NAME,
        "DEMO": settings.DEMO,
        "HISTORY_DAYS": settings.HISTORY_DAYS,
        "LIMIT": settings.TOP_TRACKS_LIMIT,
        "TIME_RANGES": TimeRange,
        # Lazy: a page about a host name that is not allowed cannot name it.
        "ORIGIN": SimpleLazyObject(lambda: request.build_absolute_uri("/")[:-1]),
    }
