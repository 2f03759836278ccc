"""Whether the process serves, for platforms that restart what does not; whether the service is well, for monitors."""

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from tracks.api.answers import Health, Live, Unhealthy
from tracks.api.errors import json_errors
from tracks.models import Listener


@json_errors
@never_cache
@require_GET
def live(request: HttpRequest) -> JsonResponse:
    """The process serves, whatever the database does."""
    return JsonResponse(Live(status="ok").as_json())


@json_errors
@never_cache
@require_GET
def health(request: HttpRequest) -> JsonResponse:
    """Whether the database answers, the age of the last good refresh in seconds, and when to sign in again."""
    try:
        host = Listener.objects.host()
    except (DatabaseError, InterfaceError):
        return JsonResponse(Unhealthy(status="error", database="unreachable").as_json(), status=503)
    refreshed_at = host.refreshed_at if host else None
    answer = Health(
        status="ok",
        database="ok",
        last_refresh_age_seconds=int((timezone.now() - refreshed_at).total_seconds()) if refreshed_at else None,
        sign_in_again_by=host.sign_in_again_by if host else None,
        sign_in_needed=host is None or host.state == Listener.State.NEEDS_SIGN_IN,
    )
    return JsonResponse(answer.as_json())
