"""Whether the process serves, for platforms that restart what does not; whether the service is well, for monitors."""

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from tracks.models import Listener
from tracks.moments import utc


@never_cache
@require_GET
def live(request: HttpRequest) -> JsonResponse:
    """The process serves, whatever the database does."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_GET
def health(request: HttpRequest) -> JsonResponse:
    """Whether the database answers, the age of the last good refresh in seconds, and when to sign in again."""
    try:
        host = Listener.objects.host()
    except (DatabaseError, InterfaceError):
        return JsonResponse({"status": "error", "database": "unreachable"}, status=503)
    refreshed_at = host.refreshed_at if host else None
    return JsonResponse(
        {
            "status": "ok",
            "database": "ok",
            "last_refresh_age_seconds": int((timezone.now() - refreshed_at).total_seconds()) if refreshed_at else None,
            "sign_in_again_by": utc(host.sign_in_again_by) if host else None,
            "sign_in_needed": host is None or host.state == Listener.State.NEEDS_SIGN_IN,
        }
    )
