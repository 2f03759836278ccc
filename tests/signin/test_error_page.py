"""The page that says why a sign-in did not work."""

from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import RequestFactory
from django.utils import timezone

from tracks.signin.error_page import error_page
from tracks.spotify.errors import (
    AccessTokenRefused,
    BadCredentials,
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

pytestmark = pytest.mark.django_db

WAIT, SAID_NO, ASTRAY = "Signing in has to wait", "Spotify said no", "Signing in did not work"
AGAIN = "Spotify did not accept this sign-in: it may have been used already. Please start again."


@pytest.mark.parametrize(
    ("error", "status", "title", "message", "retry"),
    [
        (Unavailable("Later."), 503, WAIT, "Later.", "60"),
        (RateLimited(timezone.now() - timedelta(days=1)), 503, WAIT, None, "1"),
        (TooManySignIns(), 503, WAIT, None, "60"),
        (StrangerRefused(), 403, "Only the host signs in here", None, None),
        (NotInvited(), 403, "You need an invitation", None, None),
        (Full(), 403, "There is no place left", None, None),
        (HostIsMissing(), 403, "Waiting for its host", None, None),
        (SignInNeeded("Elsewhere it is said otherwise."), 400, ASTRAY, AGAIN, None),
        (NotAllowed(), 403, SAID_NO, None, None),
        (BadCredentials(), 403, SAID_NO, None, None),
        (AccessTokenRefused(), 403, SAID_NO, None, None),
        (SpotifyError("Please start again."), 400, ASTRAY, "Please start again.", None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, SpotifyError) else None,
)
def test_what_the_page_says(
    error: SpotifyError, status: int, title: str, message: str | None, retry: str | None
) -> None:
    response = error_page(RequestFactory().get("/"), error)
    assert (response.status_code, response.get("Retry-After")) == (status, retry)
    assert response["Cache-Control"] == "no-store"
    page = unescape(response.content.decode())
    assert f"<title>{title} · Top Twenty</title>" in page
    assert f"<h1>{title}</h1>\n  <p>{message or error}</p>" in page


def test_who_is_not_in_the_dashboard_learns_where_others_are_let_in_whom_to_ask(settings: Any) -> None:
    settings.LISTENERS = "invited"
    page = unescape(error_page(RequestFactory().get("/"), NotAllowed()).content.decode())
    assert (
        "<h1>Spotify does not know you here yet</h1>\n  <p>Spotify lets only those into this site whom the host has "
        "named to it. Nothing was stored. Ask the host to add your Spotify account (User Management at "
        "developer.spotify.com/dashboard), then sign in again.</p>"
    ) in page
