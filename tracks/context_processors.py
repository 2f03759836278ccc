from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from tracks.models import Listener, TimeRange


def site(request: HttpRequest) -> dict[str, Any]:
    """What every page shows of the site itself."""
    return {
        "SITE_NAME": settings.SITE_NAME,
        "DEMO": settings.DEMO,
        "HISTORY_DAYS": settings.HISTORY_DAYS,
        "LIMIT": settings.TOP_TRACKS_LIMIT,
        "TIME_RANGES": TimeRange,
        # Not by the user, which would be another query; and what is refused early has no session yet.
        "LISTENERS": settings.LISTENERS,
        "ME": SimpleLazyObject(lambda: _me(request)),
        "SIGNED_IN": SimpleLazyObject(lambda: SESSION_KEY in getattr(request, "session", {})),
        # Lazy: a page about a host name that is not allowed cannot name it.
        "ORIGIN": SimpleLazyObject(lambda: request.build_absolute_uri("/")[:-1]),
    }


def _me(request: HttpRequest) -> Listener | None:
    """The listener who is signed in, by the session's number of the user: one query."""
    user_id = getattr(request, "session", {}).get(SESSION_KEY)
    return Listener.objects.filter(account__user=user_id).select_related("account").first() if user_id else None
