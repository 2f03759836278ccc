"""The page that says why a sign-in did not work, and what to do."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from tracks.spotify.errors import RateLimited, SignInNeeded, SpotifyError, StrangerRefused, Unavailable

RETRY_SECONDS = 60


def retry_after(error: SpotifyError) -> int | None:
    """In how many seconds a new try makes sense, or None where waiting does not help."""
    match error:
        case RateLimited(until=until):
            return max(1, int((until - timezone.now()).total_seconds()) + 1)
        case Unavailable():
            return RETRY_SECONDS
    return None


def problem_page(request: HttpRequest, error: SpotifyError) -> HttpResponse:
    """403 for a stranger, 503 with Retry-After while Spotify says wait or fails, 400 for a sign-in that went astray."""
    message = str(error)
    match error:
        case RateLimited() | Unavailable():
            status, title = 503, _("Signing in has to wait")
        case StrangerRefused():
            status, title = 403, _("Only the host signs in here")
        case SignInNeeded():
            status, title = 400, _("Signing in did not work")
            message = _("Spotify did not accept this sign-in: it may have been used already. Please start again.")
        case _other:
            status, title = (
                (403, _("Spotify said no")) if error.code != "failed" else (400, _("Signing in did not work"))
            )
    response = render(
        request, "tracks/problem.html", {"title": title, "message": message, "code": error.code}, status=status
    )
    if seconds := retry_after(error):
        response.headers["Retry-After"] = str(seconds)
    response.headers["Cache-Control"] = "no-store"
    return response
