"""The page that says why a sign-in did not work, and what to do."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from tracks.spotify.errors import (
    Full,
    HostIsMissing,
    NotAllowed,
    NotInvited,
    RateLimited,
    SignInNeeded,
    SpotifyError,
    StrangerRefused,
    TooManySignIns,
    Unavailable,
)


def error_page(request: HttpRequest, error: SpotifyError) -> HttpResponse:
    """403 for a stranger, 503 with Retry-After while Spotify says wait or fails, 400 for a sign-in that went astray."""
    message = str(error)
    match error:
        case RateLimited() | Unavailable() | TooManySignIns():
            status, title = 503, _("Signing in has to wait")
        case NotInvited():
            status, title = 403, _("You need an invitation")
        case Full():
            status, title = 403, _("There is no place left")
        case HostIsMissing():
            status, title = 403, _("Waiting for its host")
        case StrangerRefused():
            status, title = 403, _("Only the host signs in here")
        case NotAllowed() if settings.LISTENERS != "host":
            status, title = 403, _("Spotify does not know you here yet")
            message = _(
                "Spotify lets only those into this site whom the host has named to it. Nothing was stored. Ask the "
                "host to add your Spotify account (User Management at developer.spotify.com/dashboard), then sign in "
                "again."
            )
        case SignInNeeded():
            status, title = 400, _("Signing in did not work")
            message = _("Spotify did not accept this sign-in: it may have been used already. Please start again.")
        case _other:
            status, title = (
                (403, _("Spotify said no")) if error.code != "failed" else (400, _("Signing in did not work"))
            )
    response = render(request, "tracks/sign_in_error.html", {"title": title, "message": message}, status=status)
    if error.retry_seconds:
        response.headers["Retry-After"] = str(error.retry_seconds)
    response.headers["Cache-Control"] = "no-store"
    return response
